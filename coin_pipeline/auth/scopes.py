"""What a token permits: the scopes, and the one that each operation of the API and of the Dagster UI requires."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from starlette.routing import compile_path

Scope = Literal["read", "run", "trade", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_INCLUDED: Mapping[Scope, frozenset[Scope]] = {
    "read": frozenset({"read"}),
    "run": frozenset({"read", "run"}),
    "trade": frozenset({"read", "trade"}),
    "admin": frozenset(SCOPES),
}
READS = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing; they require `read`."""

API_FREE = frozenset(("/health/live", "/health/ready"))
"""Paths of the API that need no token: probes of load balancers and orchestrators have none."""
API_SCOPES: Mapping[tuple[str, str], Scope] = {
    ("POST", "/api/backtests/run"): "run",
    ("POST", "/api/backtests/run-async"): "run",
    ("POST", "/api/backtests/{task_id}/cancel"): "run",
    ("DELETE", "/api/backtests/tasks/{task_id}"): "run",
    ("POST", "/api/strategies/presets"): "run",
    ("PUT", "/api/strategies/presets/{name}"): "run",
    ("PATCH", "/api/strategies/presets/{name}"): "run",
    ("DELETE", "/api/strategies/presets/{name}"): "run",
    ("POST", "/api/sweeps"): "run",
    ("POST", "/api/sweeps/preview"): "run",
    ("POST", "/api/sweeps/{task_id}/cancel"): "run",
    ("POST", "/api/candles/refresh"): "run",
    ("POST", "/api/candles/refresh/{task_id}/cancel"): "run",
    ("POST", "/api/candles/{symbol}/upload"): "admin",
    ("POST", "/api/positions/enter"): "trade",
    ("POST", "/api/positions/{position_id}/exit"): "trade",
    ("POST", "/api/forward-tests"): "trade",
    ("POST", "/api/forward-tests/{test_id}/stop"): "trade",
}
"""The scope of each operation of the API that changes something; an operation that is missing requires `admin`."""

UI_FREE = frozenset(("/server_info",))
"""Paths of the Dagster UI that need no token: `coin up` and container health checks wait for it."""
UI_SCOPES: Mapping[tuple[str, str], Scope] = {
    ("POST", "/graphql"): "read",  # each mutation requires its own, see MUTATIONS
    ("POST", "/report_asset_materialization/{asset_key:path}"): "run",
    ("POST", "/report_asset_check/{asset_key:path}"): "run",
    ("POST", "/report_asset_observation/{asset_key:path}"): "run",
}
"""As API_SCOPES, for the Dagster UI."""
MUTATIONS: Mapping[str, Scope] = {
    "logTelemetry": "read",
    "setNuxSeen": "read",
    "launchRun": "run",
    "launchMultipleRuns": "run",
    "launchRunReexecution": "run",
    "launchPipelineExecution": "run",
    "launchPipelineReexecution": "run",
    "launchPartitionBackfill": "run",
    "resumePartitionBackfill": "run",
    "reexecutePartitionBackfill": "run",
    "cancelPartitionBackfill": "run",
    "terminateRun": "run",
    "terminateRuns": "run",
    "terminatePipelineExecution": "run",
    "scheduleDryRun": "run",
    "sensorDryRun": "run",
    "reportAssetCheckEvaluations": "run",
    "reportRunlessAssetEvents": "run",
}
"""The scope of each GraphQL mutation of Dagster; one that is missing, such as deleteRun, requires `admin`."""


def permits(granted: Iterable[Scope], required: Scope) -> bool:
    """Return whether scopes include the required one: `read` is part of every scope, `admin` includes all.

    >>> permits(["run"], "read"), permits(["run"], "trade"), permits(["admin"], "trade")
    (True, False, True)
    """
    return any(required in _INCLUDED[scope] for scope in granted)


class ScopeTable(NamedTuple):
    """The scopes of a server's operations.

    Attributes:
        free: Paths that need no token.
        scopes: Scope of each operation that changes something, by method and path template.
    """

    free: frozenset[str]
    scopes: Mapping[tuple[str, str], Scope]

    def required(self, method: str, path: str) -> Scope | None:
        """Return the scope that a request requires; None if it needs no token.

        >>> API.required("GET", "/api/backtests/latest"), API.required("POST", "/api/sweeps/4f1d/cancel")
        ('read', 'run')
        >>> API.required("PUT", "/api/unknown"), API.required("GET", "/health/live")
        ('admin', None)
        """
        if method in READS:
            return None if path in self.free else "read"
        of_method = ((template, scope) for (verb, template), scope in self.scopes.items() if verb == method)
        return next((scope for template, scope in of_method if _pattern(template).match(path)), "admin")


API = ScopeTable(API_FREE, API_SCOPES)
UI = ScopeTable(UI_FREE, UI_SCOPES)


@lru_cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return the expression with which Starlette matches a path template."""
    return compile_path(template)[0]
