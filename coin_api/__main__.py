"""The API server: `python -m coin_api --port 8000`."""

from argparse import ArgumentParser

from coin_api.app import from_environment
from coin_pipeline.settings import load_settings
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.server import serve

if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m coin_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    arguments, settings = parser.parse_args(), load_settings()
    limits = Limits(connections=settings.coin_max_connections)
    serve(from_environment(), settings.coin_bind, arguments.port, limits)
