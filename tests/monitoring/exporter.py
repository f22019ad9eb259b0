"""An API process whose metrics have a sample of every series: `python -m tests.monitoring.exporter PORT`."""

import sys
import time

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coin_api.metrics import DATABASE, GAUGES, Metrics
from coin_pipeline.database.figures import EndedRun
from coin_pipeline.web.request_log import RequestLog, Served

LABELS = {
    "component": "database",
    "state": "queued",
    "daemon": "SENSOR",
    "symbol": "KRW-BTC",
    "timeframe": "1d",
}
RUNS = [EndedRun("backtest", outcome, 0.1, 0.2) for outcome in ("completed", "failed")]


def complete_metrics() -> Metrics:
    """Return metrics with a sample of each gauge, counter and histogram."""
    metrics = Metrics()
    metrics.snapshots.store(
        DATABASE,
        [
            (name, tuple(LABELS[label] for label in gauge.labels), time.time() - 60)
            for name, gauge in GAUGES.items()
            if name not in {"coin_database_up", "coin_component_healthy"}
        ],
    )
    for status in (200, 404, 500):
        metrics.observe(Served("GET", "/api/candles", status, 0.01, 0.01))
    for run in RUNS:
        metrics.count(run)
    return metrics


def app(metrics: Metrics) -> RequestLog:
    """Return an application that exports the metrics as the API does; each scrape adds to the counters."""

    async def export(_request: Request) -> Response:
        for run in RUNS:
            metrics.count(run)
        metrics.observe(Served("GET", "/api/candles", 500, 0.01, 0.01))
        return Response(metrics.render({"database": None}), media_type=CONTENT_TYPE_LATEST)

    return RequestLog(Starlette(routes=[Route("/metrics", export)]), metrics.observe)


if __name__ == "__main__":
    uvicorn.run(app(complete_metrics()), port=int(sys.argv[1]), log_level="warning")
