"""Sends what is due through one channel; each channel has a sender of its own, so that none delays another."""

import logging
from collections.abc import Sequence

from coin_pipeline.alerts.composition import compose
from coin_pipeline.alerts.deliveries import Claim, DeliveryLimits, claim, dispatch, finish, skip
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.database.session import Session
from coin_pipeline.notifications.message import Channel, Delivery

MAX_MESSAGES = 3
"""Messages that are sent in one round; if each takes a minute, the thread does not yet count as stuck."""
ENGLISH = Writer("en", "")
_log = logging.getLogger("coin.alerts")


class Sender:
    """Sends alerts through one channel; any number of processes may do so at once.

    A message is claimed, sent, and its outcome stored. If the process is killed before it sent, or before it stored the
    outcome, the message is sent when the claim has expired: in the second case it arrives twice, with the same number.
    If the database is away at that time, the outcome is stored once it is back, and the message is not sent again.

    Args:
        session: A session that nothing else uses.
        channel: The channel.
        channels: Names of all channels, this one included.
        writer: Writes what is added to an alert.
        limits: Times of deliveries.
    """

    def __init__(
        self,
        session: Session,
        channel: Channel,
        channels: Sequence[str],
        writer: Writer = ENGLISH,
        limits: DeliveryLimits | None = None,
    ) -> None:
        self._session = session
        self._channel = channel
        self._channels = channels
        self._writer = writer
        self._limits = limits or DeliveryLimits()
        self._unstored: tuple[Claim, Delivery] | None = None
        self._was_away = False

    def send_due(self) -> str:
        """Send messages until none is due, one fails, or MAX_MESSAGES were sent.

        Returns:
            A log line, or an empty string if nothing was sent.

        Raises:
            DatabaseUnavailable: The server cannot be reached.
        """
        # After an outage, the first round only stores outcomes: another process may have one that is not stored yet.
        was_away, self._was_away = self._was_away, True
        self._store_outcome()
        dispatch(self._session, self._channels, self._limits)
        sent = 0 if was_away else self._send_messages()
        self._was_away = False
        return f"{sent} sent through {self._channel.name}" if sent else ""

    def _send_messages(self) -> int:
        sent = 0
        while sent < MAX_MESSAGES and (claimed := claim(self._session, self._channel.name, self._limits)):
            if claimed.is_recovery and not claimed.was_reported:
                skip(self._session, claimed)
                continue
            self._unstored = claimed, self._send(claimed)
            if not self._store_outcome():
                break
            sent += 1
        return sent

    def _send(self, claimed: Claim) -> Delivery:
        try:
            return self._channel.send(compose(claimed, self._writer))
        except Exception as error:  # noqa: BLE001 -- a defect of a channel is retried and given up as an outage is
            return Delivery(delivered=False, reason=f"the channel failed with {type(error).__name__}")

    def _store_outcome(self) -> bool:
        """Store the outcome of the latest attempt unless that has been done; return whether it was delivered."""
        if self._unstored is None:
            return True
        claimed, outcome = self._unstored
        state = finish(self._session, claimed, outcome, self._limits)
        self._unstored = None
        values = (claimed.alert_id, claimed.notification.title, self._channel.name, outcome.reason)
        if state == "given up":
            _log.error("alert %d (%s) was given up by %s: %s; 'coin alerts retry' sends it again", *values)
        elif outcome.delivered and outcome.reason:
            _log.warning("alert %d (%s) did not reach everyone by %s: %s", *values)
        elif not outcome.delivered and claimed.attempt == 1:
            _log.warning("alert %d (%s) was not delivered by %s and is retried: %s", *values)
        return outcome.delivered


class ChannelCheck:
    """Reports, where no channel is set up, that alerts are stored and not sent.

    Args:
        session: A session that nothing else uses.
        limits: Times of deliveries.
    """

    def __init__(self, session: Session, limits: DeliveryLimits | None = None) -> None:
        self._session = session
        self._limits = limits or DeliveryLimits()
        self._is_reported = False

    def run(self) -> str:
        """Return a log line at the first alert that has no channel, and an empty string after that.

        Raises:
            DatabaseUnavailable: The server cannot be reached.
        """
        if self._is_reported or not dispatch(self._session, (), self._limits):
            return ""
        self._is_reported = True
        return "alerts are stored, and sent once a channel is set up; 'coin alerts list' shows them"
