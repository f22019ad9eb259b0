"""Which channels the settings open, and what is reported of incomplete settings."""

import pytest

from coin_pipeline.errors import InvalidSettings
from coin_pipeline.notifications.channels import channel_notices, channel_problems, open_channels, recipients
from coin_pipeline.settings import Settings

SLACK = {"slack_webhook_url": "https://hooks.slack.com/services/T0/B0/plantedWebhookToken"}
MAIL = {"smtp_host": "smtp.example.com", "smtp_from_addr": "alerts@example.com", "email_to": "ops@example.com"}
LOGIN = {"smtp_user": "alerts", "smtp_password": "plantedSmtpPassword"}


def settings(values: dict[str, str]) -> Settings:
    """Return settings."""
    return Settings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, []),
        (SLACK, ["slack"]),
        (MAIL, ["mail"]),
        (SLACK | MAIL | LOGIN, ["slack", "mail"]),
        (SLACK | MAIL | {"slack_enabled": "false"}, ["mail"]),
        (SLACK | MAIL | {"email_enabled": "false"}, ["slack"]),
        (MAIL | LOGIN | {"smtp_host": "127.0.0.1", "smtp_security": "none"}, ["mail"]),
        ({"smtp_host": "smtp.example.com", "email_enabled": "false"}, []),
        ({"slack_webhook_url": "http://10.0.0.1/x", "slack_enabled": "false"}, []),
        ({"slack_webhook_url": "http://10.0.0.1/x", "coin_allow_private_webhooks": "true"}, ["slack"]),
        ({"smtp_host": "a", "smtp_user": "me@example.com", "smtp_password": "secret", "email_to": "a@b"}, ["mail"]),
    ],
)
def test_channels_that_are_set_and_enabled_are_opened(values: dict[str, str], names: list[str]) -> None:
    """A channel that is disabled is not even checked; the sender defaults to the user."""
    assert [channel.name for channel in open_channels(settings(values))] == names


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"slack_webhook_url": "http://hooks.slack.com/plantedWebhookToken"}, "SLACK_WEBHOOK_URL", "must begin with h"),
        ({"email_to": "a@b", "smtp_from_addr": "a@b"}, "SMTP_HOST", "is not set, but EMAIL_TO is; set the mail"),
        ({"smtp_host": "a"}, "SMTP_FROM_ADDR", "is not set, and SMTP_USER is not a mail address"),
        ({"smtp_host": "a", "email_to": "a@b"}, "SMTP_FROM_ADDR", "is not set, and SMTP_USER is not a mail address"),
        (MAIL | {"smtp_user": "alerts"}, "SMTP_PASSWORD", "is not set, but SMTP_USER is; set both or neither"),
        (MAIL | {"smtp_password": "plantedSmtpPassword"}, "SMTP_USER", "is not set, but SMTP_PASSWORD is"),
        (MAIL | {"smtp_host": "smtp://a"}, "SMTP_HOST", "'smtp://a' is not the name or address of a server"),
        (MAIL | {"email_to": "ops@example.com,ops"}, "EMAIL_TO", "'ops' is not a mail address"),
        (MAIL | {"email_to": "ops@example.com\r\nBcc:a@b"}, "EMAIL_TO", "'ops@example.com\\r\\nBcc:a@b' is not"),
        (MAIL | {"email_to": "Ops <ops@example.com>"}, "EMAIL_TO", "'Ops <ops@example.com>' is not a mail address"),
        (MAIL | {"smtp_from_addr": "ops@"}, "SMTP_FROM_ADDR", "'ops@' is not a mail address"),
        (
            MAIL | LOGIN | {"smtp_security": "none"},
            "SMTP_SECURITY",
            "none would send SMTP_PASSWORD unencrypted to smtp",
        ),
    ],
)
def test_incomplete_and_malformed_settings(values: dict[str, str], field: str, message: str) -> None:
    """The problem names the variable and the remedy, without a secret."""
    (problem,) = channel_problems(settings(values))
    assert problem.field == field
    assert problem.message.startswith(message)
    with pytest.raises(InvalidSettings, match=f"{field}: ") as raised:
        open_channels(settings(values))
    assert "planted" not in str(raised.value)


def test_port_465_is_encrypted_from_the_start() -> None:
    """As SMTP_SECURITY=auto documents; other ports use STARTTLS."""
    for port, security in ((465, "tls"), (587, "starttls"), (25, "starttls")):
        (channel,) = open_channels(settings(MAIL | {"smtp_port": str(port)}))
        assert channel._server.security == security


def test_mail_goes_to_its_sender_without_other_recipients() -> None:
    """The legacy platform had no setting for recipients; a notice names who receives the mails."""
    legacy = settings({"smtp_host": "smtp.example.com", "smtp_from_addr": "ops@example.com"} | LOGIN)
    assert recipients(legacy) == ("ops@example.com",)
    assert channel_notices(legacy) == ["EMAIL_TO is not set, so alerts are mailed to their sender, ops@example.com"]
    assert channel_notices(settings(MAIL)) == []
