"""Routes that are strict with JSON: no repeated keys, all problems of a body at once, and exact numbers."""

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.resolve import check_fixed


class StrictJsonRequest(Request):
    """Request whose JSON body has no repeated keys."""

    exact: ClassVar[bool] = False
    """Whether numbers are Decimal, with every digit that was sent, instead of int and float."""

    async def json(self) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the parsed body.

        Raises:
            InvalidInput: An object has a key more than once.
            json.JSONDecodeError: The body is not JSON.
        """
        parse = _to_decimal if self.exact else None
        return json.loads(await self.body(), object_pairs_hook=_unique, parse_float=parse, parse_int=parse)


class StrictJsonRoute(APIRoute):
    """Route whose handler receives a `StrictJsonRequest`."""

    request_class: ClassVar[type[StrictJsonRequest]] = StrictJsonRequest

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(self.request_class(request.scope, request.receive))

        return handle_strictly


class StrategyRoute(StrictJsonRoute):
    """Route whose body names a strategy: all its problems are reported at once, those of the parameters included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handle_with_params(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                problems = await run_in_threadpool(_params_problems, request.app.state.strategies, error)
                raise RequestValidationError([*error.errors(), *map(_as_detail, problems)], body=error.body) from None

        return handle_with_params


class ExactJsonRequest(StrictJsonRequest):
    """Request whose JSON numbers are `Decimal`."""

    exact = True


class ExactJsonRoute(StrictJsonRoute):
    """Route whose handler receives an `ExactJsonRequest`."""

    request_class = ExactJsonRequest


def _params_problems(strategies: StrategyRegistry, error: RequestValidationError) -> Sequence[Problem]:
    """Return the problems of the strategy and its parameters in a body that is invalid for other reasons."""
    body = error.body if isinstance(error.body, dict) else {}
    invalid = {detail["loc"][1] for detail in error.errors() if len(detail["loc"]) > 1}
    if "strategy" not in body or invalid & {"strategy", "params"}:
        return ()
    try:
        registry = strategies.current()
        if "space" in body:
            check_fixed(registry, body["strategy"], body.get("params", {}))
        else:
            registry.resolve(body["strategy"], body.get("params", {}))
    except InvalidInput as found:
        return found.problems
    return ()


def _as_detail(problem: Problem) -> dict[str, Any]:
    """Return a problem as an error of pydantic."""
    cause = {"error": ValueError(problem.message)}  # which keeps the code of the message
    return {"type": "value_error", "loc": ("body", *problem.field.split(".")), "msg": problem.message, "ctx": cause}


def _to_decimal(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:  # beyond the range of Decimal: infinity or 0, which no amount may be
        return float(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise InvalidInput([Problem(_printable(key), "occurs more than once; send each key once") for key in repeated])
    return unique


def _printable(key: str) -> str:
    """Return the start of a key, with what UTF-8 cannot encode, half of a surrogate pair, as an escape."""
    return key[:100].encode(errors="backslashreplace").decode()
