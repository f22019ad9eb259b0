"""The pages shown in place of a result, or of its report."""

from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from coin_api.errors import TaskWithoutResult, status_code_of
from coin_api.pages import texts_result_errors as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import wants_problems
from coin_api.pages.tasks import FORM_PAGES, OWN_PAGES
from coin_api.responses import WITH_RESULTS, status_url
from coin_api.tasks import Job, Task
from coin_pipeline import errors
from coin_pipeline.languages import Text
from coin_pipeline.web.problems import RETRY_AFTER_S, RETRY_AFTER_STATUSES

_PAGES: tuple[tuple[type[errors.CoinError], Text, Text, bool], ...] = (
    (errors.NoSymbolReport, texts.NO_SYMBOL_REPORT, texts.NO_SYMBOL_REPORT_ADVICE, True),
    (errors.InvalidRunId, texts.INVALID_ID, texts.INVALID_ID_ADVICE, False),
    (errors.NoReport, texts.NO_REPORT, texts.NO_REPORT_ADVICE, True),
    (errors.NotFound, texts.MISSING, texts.MISSING_ADVICE, False),
    (errors.ObjectCorrupt, texts.CORRUPT, texts.CORRUPT_ADVICE, True),
)
"""Heading and advice of each kind of error, subclasses first, and whether its message is shown."""


class ResultProblem(NamedTuple):
    """Why there is no result to show.

    Attributes:
        heading: What is the matter.
        advice: What that means, and what to do.
        status: Status code of the page, the same as that of the API.
        detail: Message of the error; None if the heading states all of it.
        task: The task without a result, if that is the reason.
        passes: Whether waiting helps.
    """

    heading: Text
    advice: Text
    status: HTTPStatus
    detail: str | None = None
    task: Task | None = None
    passes: bool = False


def result_error_page(
    request: Request, run_id: str, error: errors.CoinError, jobs: AbstractSet[Job] = WITH_RESULTS
) -> Response:
    """Return the page that is shown in place of a result, or a redirect to the page of a task of another job.

    Args:
        request: The request.
        run_id: The id in its path.
        error: What reading the result raised, inside `explain_missing_result`.
        jobs: Jobs whose results have this address.

    Raises:
        CoinError: `error`, if the client prefers problem details.
    """
    if wants_problems(request):
        raise error
    if isinstance(error, TaskWithoutResult) and error.task.job not in jobs:
        return RedirectResponse(OWN_PAGES[error.task.job].format(run_id))
    problem = explain_result_error(error)
    return render_page(
        request,
        "result_error.html.j2",
        status=problem.status,
        headers={"Retry-After": str(RETRY_AFTER_S)} if problem.status in RETRY_AFTER_STATUSES else None,
        texts=texts,
        run_id=run_id,
        problem=problem,
        status_url=status_url(problem.task) if problem.task and problem.passes else None,
        form_page=FORM_PAGES[problem.task.job].format(run_id) if problem.task and problem.task.ended else None,
    )


def explain_result_error(error: errors.CoinError) -> ResultProblem:
    """Return why there is no result to show.

    Args:
        error: What reading the result raised, inside `explain_missing_result`.
    """
    status = status_code_of(type(error))
    if isinstance(error, TaskWithoutResult):
        return _without_result(error.task, status)
    if isinstance(error, errors.ResultNotFound) and not error.can_be_id:
        return ResultProblem(texts.UNKNOWN_ID, texts.UNKNOWN_ID_ADVICE, status)
    for kind, heading, advice, has_detail in _PAGES:
        if isinstance(error, kind):
            return ResultProblem(heading, advice, status, error.for_clients if has_detail else None)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ResultProblem(texts.UNAVAILABLE, texts.UNAVAILABLE_ADVICE, status, error.for_clients, passes=True)
    return ResultProblem(texts.UNREADABLE, texts.UNREADABLE_ADVICE, status, error.for_clients)


def _without_result(task: Task, status: HTTPStatus) -> ResultProblem:
    heading = texts.WITHOUT_RESULT[task.job][task.status]
    if task.status == "failed":
        return ResultProblem(heading, texts.FAILED_ADVICE, status, task.error, task)
    if task.status == "cancelled":
        return ResultProblem(heading, texts.CANCELLED_ADVICE, status, None, task)
    return ResultProblem(heading, texts.UNFINISHED_ADVICE, status, None, task, passes=True)
