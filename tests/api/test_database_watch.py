"""Messages on an outage of the database: one when it has lasted for a while, one when it is over."""

from pathlib import Path

import pytest

from coin_api.database_watch import DatabaseWatch
from coin_pipeline.alerts.sender import ENGLISH
from coin_pipeline.errors import DatabaseUnavailable
from tests.alerts.channels import AWAY, RecordingChannel

TITLES = ["PostgreSQL is not available", "PostgreSQL is available again"]


class Workbench:
    """A watch with a clock and a database that tests set."""

    def __init__(self, note: Path) -> None:
        self.now = 0.0
        self.is_away = False
        self.note = note
        self.channel = RecordingChannel()
        self.watch = self.restarted()

    def restarted(self) -> DatabaseWatch:
        """Return a new watch, as after a restart of the API."""
        return DatabaseWatch(
            self.probe, self.channel, self.note, ENGLISH, away_s=60, retry_s=30, clock=lambda: self.now
        )

    def probe(self) -> None:
        """Fail while the database is away."""
        if self.is_away:
            raise DatabaseUnavailable("DATABASE_URL", "connection refused")

    def look_after(self, seconds: float, *, is_away: bool) -> None:
        """Let time pass, and the watch look."""
        self.now, self.is_away = self.now + seconds, is_away
        self.watch.run()


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A watch, and a database that responds."""
    return Workbench(tmp_path / "alerts" / "away")


def test_an_outage_and_its_end_are_one_message_each(bench: Workbench) -> None:
    """However often the watch looks; the first has the reason."""
    bench.look_after(0, is_away=True)
    bench.look_after(59, is_away=True)
    assert bench.channel.titles == []
    for _ in range(3):
        bench.look_after(1, is_away=True)
    for _ in range(3):
        bench.look_after(1, is_away=False)
    assert bench.channel.titles == TITLES
    assert "connection refused" in bench.channel.sent[0].details["Reason"]


def test_a_short_outage_is_not_reported(bench: Workbench) -> None:
    """A restart of the server takes seconds; two of them do not add up."""
    for _ in range(3):
        bench.look_after(0, is_away=True)
        bench.look_after(59, is_away=True)
        bench.look_after(1, is_away=False)
    assert bench.channel.titles == []


def test_a_restart_of_the_api_repeats_no_message(bench: Workbench) -> None:
    """The end of the outage is still reported."""
    bench.look_after(0, is_away=True)
    bench.look_after(60, is_away=True)
    bench.watch = bench.restarted()
    bench.look_after(0, is_away=True)
    bench.look_after(60, is_away=True)
    bench.watch = bench.restarted()
    bench.look_after(0, is_away=False)
    assert bench.channel.titles == TITLES


def test_a_failing_channel_is_retried_after_a_pause(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is logged once."""
    bench.channel.answers = [AWAY, AWAY]
    bench.look_after(0, is_away=True)
    for seconds in (60, 29, 1, 30):
        bench.look_after(seconds, is_away=True)
    assert (bench.channel.titles, bench.channel.attempts) == (TITLES[:1], 3)
    assert len(caplog.records) == 1


def test_another_attempt_has_the_same_id(bench: Workbench) -> None:
    """The server may have accepted a mail although its answer was lost."""
    bench.channel.answers = [AWAY]
    bench.look_after(0, is_away=True)
    bench.look_after(60, is_away=True)
    bench.look_after(30, is_away=True)
    first, second = bench.channel.ids
    assert first == second


def test_a_note_that_cannot_be_stored_repeats_no_message(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """The disk may be full, which may be why the database is away."""
    bench.note.parent.write_text("a file where the folder should be")
    bench.look_after(0, is_away=True)
    for _ in range(3):
        bench.look_after(60, is_away=True)
    for _ in range(3):
        bench.look_after(60, is_away=False)
    assert bench.channel.titles == TITLES
    assert "a restart of the API may repeat a message" in caplog.text


def test_an_outage_that_was_not_reported_has_no_end(bench: Workbench) -> None:
    """The channel was away as well."""
    bench.channel.answers = [AWAY]
    bench.look_after(0, is_away=True)
    bench.look_after(60, is_away=True)
    bench.look_after(60, is_away=False)
    assert bench.channel.titles == []


def test_each_outage_is_reported(bench: Workbench) -> None:
    """With ids of their own, since mail programs show messages with the same id once."""
    for _ in range(2):
        bench.look_after(0, is_away=True)
        bench.look_after(60, is_away=True)
        bench.look_after(1, is_away=False)
    assert bench.channel.titles == TITLES * 2
    assert len({notification.id for notification in bench.channel.sent}) == 4
