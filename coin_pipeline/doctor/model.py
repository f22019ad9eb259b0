"""What a check examines, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from coin_pipeline.alerts.texts import Writer
from coin_pipeline.languages import Language, Text
from coin_pipeline.settings import Settings

State = Literal["ok", "warning", "failed"]
"""`warning`: the platform works, but something is missing or will fail later. `failed`: something does not work."""
STATES: tuple[State, ...] = get_args(State)


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        state: Its outcome.
        found: What was found, in a sentence.
        advice: What to do; empty if nothing is to be done, or if the advice of the check applies.
    """

    state: State
    found: str
    advice: str = ""


class Check(NamedTuple):
    """A check and its outcome.

    Attributes:
        name: Stable name, such as `worker_pool`.
        title: What users call it.
        state: Its outcome.
        found: What was found, in a sentence.
        advice: What to do; empty if nothing is to be done.
    """

    name: str
    title: str
    state: State
    found: str
    advice: str


@dataclass(frozen=True)
class Installation:
    """The installation that is checked, and the language of the findings.

    Attributes:
        settings: Its settings.
        api_url: Base URL of the API.
        ui_url: Base URL of the Dagster UI.
        language: Language of the findings.
        send: Whether to send a test message through each channel of alerts.
    """

    settings: Settings
    api_url: str
    ui_url: str
    language: Language = "en"
    send: bool = False

    def write(self, text: Text, **values: object) -> str:
        """Return a text in the language of the findings."""
        return Writer(self.language, "").write(text, **values)

    def ok(self, found: Text, /, **values: object) -> Finding:
        """Return that all is well."""
        return Finding("ok", self.write(found, **values))

    def warning(self, found: Text, advice: Text, /, **values: object) -> Finding:
        """Return what an operator should change although the platform works."""
        return Finding("warning", self.write(found, **values), self.write(advice, **values))

    def failed(self, found: Text, advice: Text | None = None, /, **values: object) -> Finding:
        """Return what does not work; without `advice` that of the check applies."""
        return Finding("failed", self.write(found, **values), self.write(advice, **values) if advice else "")


Probe = Callable[[Installation], Finding]
"""Examines one thing. It may raise CoinError, which counts as failed, and changes nothing."""


class Examination(NamedTuple):
    """A check that can be made.

    Attributes:
        name: Stable name of the check.
        title: What users call it.
        probe: Makes the check.
        advice: What to do if it fails and the finding has no advice of its own.
    """

    name: str
    title: Text
    probe: Probe
    advice: Text
