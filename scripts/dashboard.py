"""Write deploy/grafana/coin.json, the Grafana dashboard, from the list of its panels: python -m scripts.dashboard."""

import json
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).resolve().parents[1] / "deploy/grafana/coin.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 3


class Panel(NamedTuple):
    """A panel: its title, its unit as Grafana names it, and its queries with their legends."""

    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"


QUANTILE = "histogram_quantile({q}, sum by (le{by}) (rate({metric}_bucket[5m])))"
PANELS = (
    Panel("Healthy components", "none", {"{{component}}": "coin_component_healthy"}, "stat"),
    Panel("Daemon heartbeat", "s", {"{{daemon}}": "time() - coin_daemon_heartbeat_timestamp_seconds"}, "stat"),
    Panel(
        "Last good backup and proven restore",
        "s",
        {
            "backup": "time() - coin_backup_timestamp_seconds",
            "restore": "time() - coin_restore_drill_timestamp_seconds",
        },
        "stat",
    ),
    Panel("Runs", "none", {"{{state}}": "coin_runs", "slots": "coin_worker_slots"}),
    Panel(
        "Wait before a run starts",
        "s",
        {
            "oldest in the queue": "coin_queue_longest_wait_seconds",
            "p95 {{job}}": QUANTILE.format(q=0.95, by=", job", metric="coin_run_wait_seconds"),
        },
    ),
    Panel(
        "Run time",
        "s",
        {
            "p50 {{job}}": QUANTILE.format(q=0.5, by=", job", metric="coin_run_seconds"),
            "p95 {{job}}": QUANTILE.format(q=0.95, by=", job", metric="coin_run_seconds"),
        },
    ),
    Panel("Ended runs", "cpm", {"{{job}} {{outcome}}": "60 * sum by (job, outcome) (rate(coin_runs_ended_total[5m]))"}),
    Panel("Requests", "reqps", {"{{route}}": "sum by (route) (rate(coin_http_request_seconds_count[5m]))"}),
    Panel(
        "Response time",
        "s",
        {
            "p50": QUANTILE.format(q=0.5, by="", metric="coin_http_request_seconds"),
            "p99": QUANTILE.format(q=0.99, by="", metric="coin_http_request_seconds"),
        },
    ),
    Panel(
        "Refused and failed requests",
        "reqps",
        {"{{status}}": 'sum by (status) (rate(coin_http_request_seconds_count{status=~"[45].."}[5m]))'},
    ),
    Panel("Free disk", "bytes", {"free": "coin_disk_free_bytes", "size": "coin_disk_size_bytes"}),
    Panel("Database", "bytes", {"size": "coin_database_size_bytes"}),
    Panel(
        "Age of the last candle",
        "s",
        {"{{symbol}} {{timeframe}}": "time() - coin_candles_last_timestamp_seconds"},
    ),
    Panel(
        "Alerts",
        "none",
        {"{{state}}": "coin_alert_deliveries", "open incidents": "coin_alert_incidents"},
    ),
    Panel(
        "API process",
        "bytes",
        {"resident memory": 'process_resident_memory_bytes{job="coin"}'},
    ),
)
"""The panels, from left to right and from top to bottom."""


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "coin",
        "title": "coin",
        "tags": ["coin"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def text() -> str:
    """Return the text of the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
