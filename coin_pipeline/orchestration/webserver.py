"""Dagster's webserver behind the gate: `python -m coin_pipeline.orchestration.webserver -w WORKSPACE --port 3000`.

Dagster's own command serves the same application to every web page that a browser on this machine shows.
"""

from argparse import ArgumentParser
from pathlib import Path

from starlette.types import ASGIApp

from coin_pipeline.orchestration._dagster_internals import webserver_app
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.body_limit import BodyLimit
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.graphql import graphql_rule
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.server import serve

MAX_BODY_BYTES = 4_000_000
"""Size of a GraphQL request; the largest are run configurations in the launchpad."""


def guarded(webserver: ASGIApp, settings: Settings) -> Gate:
    """Return Dagster's webserver application behind the access rules."""
    return Gate(BodyLimit(webserver, MAX_BODY_BYTES), AccessPolicy.from_settings(settings), graphql_rule)


def main() -> None:
    """Serve the Dagster UI until SIGINT or SIGTERM."""
    parser = ArgumentParser(prog="python -m coin_pipeline.orchestration.webserver", description=__doc__)
    parser.add_argument("-w", "--workspace", type=Path, required=True)
    parser.add_argument("--port", type=int, default=3000)
    arguments, settings = parser.parse_args(), load_settings()
    with open_instance(settings) as instance, webserver_app(instance, arguments.workspace) as app:
        limits = Limits(connections=settings.coin_max_connections)
        serve(guarded(app, settings), settings.coin_bind, arguments.port, limits)


if __name__ == "__main__":
    main()
