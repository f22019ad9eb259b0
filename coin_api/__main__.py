"""The API server: `python -m coin_api --port 8000`."""

import sys
from argparse import ArgumentParser

from coin_api.app import from_environment
from coin_pipeline import logs
from coin_pipeline.auth.access import require_reachable
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import CoinError
from coin_pipeline.settings import load_settings
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.server import serve


def main() -> None:
    """Serve the API until SIGINT or SIGTERM."""
    parser = ArgumentParser(prog="python -m coin_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    arguments, settings = parser.parse_args(), load_settings()
    logs.configure(settings, "api")
    require_reachable(settings, database_url(settings))
    limits = Limits(connections=settings.coin_max_connections)
    serve(from_environment(), settings.coin_bind, arguments.port, limits)


if __name__ == "__main__":
    try:
        main()
    except CoinError as error:
        sys.exit(f"error: {error}")
