"""Every query of the Grafana dashboard and of the alert rules finds data in a real Prometheus."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from scripts import dashboard
from tests.conftest import ROOT
from tests.monitoring.exporter import complete_metrics
from tests.platforms import free_ports, wait_until

DEPLOY = ROOT / "deploy"
RULES, CONFIGURATION = DEPLOY / "prometheus/alerts.yml", DEPLOY / "prometheus/prometheus.yml"
OF_PROMETHEUS = {"up": {"job", "instance"}}
"""Series that Prometheus itself makes, with their labels."""
TARGET = {"job", "instance", "le"}
_STRING, _SERIES = re.compile(r'"[^"]*"'), re.compile(r"\b((?:coin|process)_\w+|up)\b(?:\{([^}]*)\})?")
_LABEL, _BY = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)"), re.compile(r"\bby \(([^)]*)\)")
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="needs Prometheus: apt-get install prometheus",
)


def dashboard_queries() -> list[str]:
    """Return the queries of the committed dashboard."""
    panels = json.loads(dashboard.FILE.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def alert_queries() -> list[str]:
    """Return the conditions of the alert rules."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for rule in group["rules"]]


def exported() -> dict[str, set[str]]:
    """Return the labels of each series that the exporter has."""
    text = complete_metrics().render({"database": None}).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples} | OF_PROMETHEUS


@pytest.mark.parametrize("query", [*dashboard_queries(), *alert_queries()])
def test_queries_use_series_and_labels_that_are_exported(query: str) -> None:
    """A metric that is renamed leaves no panel empty and no alert silent."""
    series = exported()
    plain = _STRING.sub("", query)
    found = _SERIES.findall(plain)
    assert found
    for name, selector in found:
        assert name in series, name
        assert set(_LABEL.findall(selector)) <= series[name] | TARGET
    labels = {label.strip() for group in _BY.findall(plain) for label in group.split(",")}
    assert labels <= set().union(*(series[name] for name, _ in found)) | TARGET


@pytest.mark.parametrize("page", ["monitoring.md", "ko/monitoring.md"])
def test_every_metric_is_documented(page: str) -> None:
    """The tables of both pages list all metrics of the platform with their labels."""
    text = (ROOT / "docs" / page).read_text()
    series = {name for name in exported() if name.startswith("coin_") and not name.endswith("_created")}
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in series}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_dashboard_is_current() -> None:
    """`python -m scripts.dashboard` writes it."""
    assert dashboard.FILE.read_text() == dashboard.text()


@contextmanager
def running(*command: str) -> Iterator[None]:
    """Run a program meanwhile."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of a Prometheus that has scraped the exporter several times with the committed configuration."""
    folder = tmp_path_factory.mktemp("prometheus")
    exporter, server = free_ports(2)
    text = CONFIGURATION.read_text().replace(":8000", f":{exporter}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(RULES, folder)
    address = f"127.0.0.1:{server}"
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    with (
        running(sys.executable, "-m", "tests.monitoring.exporter", str(exporter)),
        running("prometheus", *options, f"--web.listen-address={address}"),
        httpx2.Client(base_url=f"http://{address}") as client,
    ):
        wait_until(lambda: value(client, "count_over_time(coin_database_up[1h]) > 2"))
        yield client


def value(client: httpx2.Client, query: str) -> list[object]:
    """Return the result of a query; nothing while the server does not respond."""
    try:
        answer = client.get("/api/v1/query", params={"query": query})
    except httpx2.HTTPError:
        return []
    if answer.status_code == 503:
        return []
    assert answer.status_code == 200, answer.text
    result: list[object] = answer.json()["data"]["result"]
    return result


@needs_prometheus
def test_every_query_of_the_dashboard_has_data(prometheus: httpx2.Client) -> None:
    """Prometheus evaluates each query to at least one series with the labels of its legend."""
    empty = [query for query in dashboard_queries() if not value(prometheus, query)]
    assert empty == []


@needs_prometheus
def test_every_alert_is_evaluated(prometheus: httpx2.Client) -> None:
    """Prometheus evaluates the rules without an error."""

    def rules() -> list[dict[str, str]]:
        (group,) = prometheus.get("/api/v1/rules").json()["data"]["groups"]
        found: list[dict[str, str]] = group["rules"]
        return found

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert [rule["name"] for rule in rules() if rule["health"] != "ok"] == []


@needs_prometheus
@pytest.mark.parametrize("alert", ["CoinBackupOverdue", "CoinRestoreUnproven"])
@pytest.mark.parametrize(
    ("samples", "at", "fires"),
    [
        (None, "25h", False),  # a new platform
        (None, "27h", True),  # no backup ever succeeded
        ("0x3000", "25h", False),  # one at the start
        ("0x3000", "27h", True),
        ("_x1600 96000x1400", "47h", False),  # the first one after more than a day
    ],
)
def test_overdue_backups_are_reported(tmp_path: Path, alert: str, samples: str | None, at: str, *, fires: bool) -> None:
    """Prometheus scrapes every minute from the start; the value is the time of the last success, s."""
    (rule,) = (rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"] if rule["alert"] == alert)
    name = re.findall(r"coin_\w+", rule["expr"])[0]
    series = {'up{job="coin"}': "1x3000"} | ({f'{name}{{job="coin"}}': samples} if samples else {})
    labels = rule["labels"] | ({"job": "coin"} if samples else {})
    expected = [{"exp_labels": labels, "exp_annotations": rule["annotations"]}] if fires else []
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [test]}))
    command = ["promtool", "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@needs_prometheus
def test_promtool_accepts_the_files(tmp_path: Path) -> None:
    """The configuration and the rules are valid, with and without a token."""
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    command = ["promtool", "check", "config", "prometheus.yml"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
