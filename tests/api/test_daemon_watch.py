"""The dead man's switch of the daemon: one alert for a silence, and one recovery."""

from collections.abc import Sequence

import pytest

from coin_api.daemon_watch import DaemonWatch, Heartbeats
from coin_pipeline.alerts.model import Alert, Event, Recovery
from coin_pipeline.alerts.sender import ENGLISH
from coin_pipeline.errors import DatabaseUnavailable

AWAY = DatabaseUnavailable("the test", "it is away")


class Workbench:
    """A watch with a clock and heartbeats that tests set, and the events that it reports."""

    def __init__(self) -> None:
        self.now = 0.0
        self.beats: Heartbeats | Exception = {"SENSOR": 1000.0, "SCHEDULER": 1000.0}
        self.failures: list[Exception] = []
        self.events: list[Event] = []
        self.watch = self.restarted()

    def restarted(self) -> DaemonWatch:
        """Return a new watch, as after a restart of the API."""
        return DaemonWatch(self.read, self.record, ENGLISH, silence_s=90, clock=lambda: self.now)

    def read(self) -> Heartbeats:
        """Return the heartbeats, or fail."""
        if isinstance(self.beats, Exception):
            raise self.beats
        return self.beats

    def record(self, events: Sequence[Event]) -> None:
        """Keep events, or fail."""
        if self.failures:
            raise self.failures.pop()
        self.events += events

    def look_after(self, seconds: float, beats: Heartbeats | Exception | None = None) -> None:
        """Let time pass, and the watch look."""
        self.now += seconds
        self.beats = self.beats if beats is None else beats
        self.watch.run()


@pytest.fixture
def bench() -> Workbench:
    """A watch that has looked once."""
    bench = Workbench()
    bench.look_after(0)
    return bench


def test_a_silence_is_reported_once(bench: Workbench) -> None:
    """When it has lasted for the limit; the alert names the daemons."""
    bench.look_after(89.9)
    assert bench.events == []
    for _ in range(3):
        bench.look_after(0.1)
    (alert,) = bench.events
    assert isinstance(alert, Alert)
    assert alert.notification.details == {"Daemons": "SENSOR, SCHEDULER"}


def test_one_silent_daemon_is_enough(bench: Workbench) -> None:
    """A thread of the process may hang while the others work."""
    bench.look_after(90, {"SENSOR": 1000.0, "SCHEDULER": 1030.0})
    assert bench.events[0].notification.details == {"Daemons": "SENSOR"}


def test_the_end_of_a_silence_is_reported_once(bench: Workbench) -> None:
    """When every daemon has a new heartbeat."""
    bench.look_after(90)
    bench.look_after(1, {"SENSOR": 2000.0, "SCHEDULER": 1000.0})
    assert len(bench.events) == 1
    for _ in range(2):
        bench.look_after(1, {"SENSOR": 2000.0, "SCHEDULER": 2000.0})
    assert [type(event) for event in bench.events] == [Alert, Recovery]


@pytest.mark.parametrize("beat", [-1e6, 5000.0])
def test_a_clock_jump_is_no_silence(bench: Workbench, beat: float) -> None:
    """A heartbeat is new if it differs: neither clock matters."""
    bench.look_after(60, {"SENSOR": beat, "SCHEDULER": beat})
    bench.look_after(60)
    assert [type(event) for event in bench.events] == [Recovery]


def test_a_daemon_that_never_reported_is_silent() -> None:
    """As after the first start of a platform whose daemon does not start."""
    bench = Workbench()
    bench.look_after(0, {"SENSOR": None})
    bench.look_after(90)
    assert [type(event) for event in bench.events] == [Alert]


def test_an_outage_of_the_database_is_no_silence(bench: Workbench) -> None:
    """The daemon could not store a heartbeat; the silence is measured from the end of the outage."""
    beats = bench.beats
    with pytest.raises(DatabaseUnavailable):
        bench.look_after(60, AWAY)
    bench.look_after(600, beats)
    bench.look_after(89)
    assert bench.events == []
    bench.look_after(1)
    assert [type(event) for event in bench.events] == [Alert]


def test_an_alert_that_could_not_be_stored_is_reported_again(bench: Workbench) -> None:
    """At the next look."""
    bench.failures = [AWAY]
    with pytest.raises(DatabaseUnavailable):
        bench.look_after(90)
    bench.look_after(1)
    assert [type(event) for event in bench.events] == [Alert]


def test_a_restart_of_the_api_reports_the_same_occurrence(bench: Workbench) -> None:
    """The outbox stores it once."""
    bench.look_after(90)
    bench.watch = bench.restarted()
    for _ in range(2):
        bench.look_after(90)
    first, second = bench.events
    assert isinstance(first, Alert)
    assert isinstance(second, Alert)
    assert (first.key, first.occurrence) == (second.key, second.occurrence)


def test_nothing_is_reported_before_anything_is_known(bench: Workbench) -> None:
    """An old heartbeat does not prove that the daemon is back after a restart of the API."""
    bench.look_after(89)
    assert bench.events == []
