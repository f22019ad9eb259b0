"""The app with a fake orchestrator."""

from tests.api.conftest import client, orchestrator

__all__ = ["client", "orchestrator"]
