"""Runs all checks at once, each in a thread of its own and within a time limit."""

import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Thread

from coin_pipeline.alerts.texts import Writer
from coin_pipeline.doctor import check_texts, texts
from coin_pipeline.doctor.examinations import EXAMINATIONS
from coin_pipeline.doctor.model import Check, Examination, Finding, Installation
from coin_pipeline.errors import CoinError, InvalidSettings
from coin_pipeline.languages import Language
from coin_pipeline.settings import Settings

LIMIT_S = 9.0
"""How long the command may take to its outcome, imports included; the interpreter needs the tenth second."""
RAY_LIMIT_S = 20.0
"""The same if a Ray cluster is checked, whose nodes load the code first."""
SEND_LIMIT_S = 30.0
"""The same if test messages are sent."""
LEAST_S = 1.0
"""What the checks get in any case, on a machine that is too busy to import them in time."""


def run_checks(
    settings: Settings, *, language: Language | None = None, send: bool = False, spent_s: float = 0.0
) -> list[Check]:
    """Check an installation, whether or not it runs; nothing is started and nothing is changed.

    Args:
        settings: Its settings.
        language: Language of the findings; defaults to COIN_ALERT_LANGUAGE.
        send: Whether to send a test message through each channel of alerts.
        spent_s: How much of the time limit the command has used already, s.

    Returns:
        The checks in the order of `EXAMINATIONS`.
    """
    language = language or settings.coin_alert_language
    installation = Installation(settings, settings.coin_api_url, settings.coin_ui_url, language, send=send)
    limit_s = SEND_LIMIT_S if send else RAY_LIMIT_S if settings.coin_sweep_engine == "ray" else LIMIT_S
    return examine(EXAMINATIONS, installation, max(LEAST_S, limit_s - spent_s))


def invalid_settings(error: InvalidSettings, language: Language) -> Check:
    """Return the only check that can be made if the settings are invalid."""
    title, advice = (Writer(language, "").write(text) for text in (check_texts.SETTINGS, check_texts.SETTINGS_ADVICE))
    return Check("settings", title, "failed", str(error), advice)


def examine(examinations: Sequence[Examination], installation: Installation, limit_s: float) -> list[Check]:
    """Make checks at once; one that takes longer than the limit has failed.

    Its thread is left behind: it ends with the program, whatever it waits for.
    """
    found: SimpleQueue[tuple[str, Finding]] = SimpleQueue()
    for examination in examinations:
        target = lambda it=examination: found.put((it.name, _finding(it, installation)))  # noqa: E731 -- binds it
        Thread(target=target, name=examination.name, daemon=True).start()
    deadline, findings = time.monotonic() + limit_s, dict[str, Finding]()
    while len(findings) < len(examinations):
        try:
            name, finding = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        findings[name] = finding
    late = installation.failed(texts.NOT_FINISHED, texts.NOT_FINISHED_ADVICE, seconds=f"{limit_s:.1f}")
    return [_check(it, findings.get(it.name, late), installation) for it in examinations]


def _finding(examination: Examination, installation: Installation) -> Finding:
    try:
        return examination.probe(installation)
    except CoinError as error:
        return Finding("failed", str(error))
    except Exception as error:  # noqa: BLE001 -- the others are still reported
        return Finding("failed", f"{type(error).__name__}: {error}")


def _check(examination: Examination, finding: Finding, installation: Installation) -> Check:
    advice = finding.advice or (installation.write(examination.advice) if finding.state != "ok" else "")
    return Check(examination.name, installation.write(examination.title), finding.state, finding.found, advice)
