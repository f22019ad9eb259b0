"""Dagster's webserver behind the gate: `python -m coin_pipeline.orchestration.webserver -w WORKSPACE --port 3000`.

Dagster's own command serves the same application to every web page that a browser on this machine shows.
"""

import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from coin_pipeline import logs
from coin_pipeline.auth.access import AccessControl, require_reachable
from coin_pipeline.auth.graphql import MutationScopes, describe_request
from coin_pipeline.auth.guard import Guard
from coin_pipeline.auth.scopes import UI
from coin_pipeline.candles.fields import plain_fields
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import CoinError
from coin_pipeline.orchestration._dagster_internals import order_run_config, webserver_app
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.body_limit import BodyLimit
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.graphql import graphql_rule
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.request_log import RequestLog
from coin_pipeline.web.server import serve

MAX_BODY_BYTES = 4_000_000
"""Size of a GraphQL request; the largest are run configurations in the launchpad."""
POLLED = frozenset(("/server_info", "/graphql"))
"""Routes that are logged only if they fail: an open page asks them every second."""


CONFIG_KEYS = ("ops", *(field.name for field in plain_fields(SweepRequest)))
"""Keys of run config that the Launchpad shows first: those of a request, in the order of its documentation."""


def guarded(webserver: ASGIApp, settings: Settings, access: AccessControl) -> ASGIApp:
    """Return Dagster's webserver application behind the access rules, with a log of its requests."""
    limited = BodyLimit(MutationScopes(webserver), MAX_BODY_BYTES)
    app: ASGIApp = Guard(limited, access, UI, describe_request)
    if settings.coin_trusted_proxies:
        app = ProxyHeadersMiddleware(app, trusted_hosts=list(settings.coin_trusted_proxies))  # type: ignore[arg-type,assignment]
    return RequestLog(Gate(app, AccessPolicy.from_settings(settings), graphql_rule), polled=POLLED)


def main() -> None:
    """Serve the Dagster UI until SIGINT or SIGTERM."""
    parser = ArgumentParser(prog="python -m coin_pipeline.orchestration.webserver", description=__doc__)
    parser.add_argument("-w", "--workspace", type=Path, required=True)
    parser.add_argument("--port", type=int, default=3000)
    arguments, settings = parser.parse_args(), load_settings()
    logs.configure(settings, "webserver")
    order_run_config(CONFIG_KEYS)
    with (
        open_instance(settings) as instance,
        webserver_app(instance, arguments.workspace) as app,
        closing(AccessControl(settings)) as access,
    ):
        require_reachable(settings, database_url(settings))
        limits = Limits(connections=settings.coin_max_connections)
        serve(guarded(app, settings, access), settings.coin_bind, arguments.port, limits)


if __name__ == "__main__":
    try:
        main()
    except CoinError as error:
        sys.exit(f"error: {error}")
