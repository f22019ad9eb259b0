"""The pages of stored results: the list, one result, and the comparison of several."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.app import create_app
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import publish_result
from coin_pipeline.results.reindex import reindex
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.api.conftest import client_of
from tests.api.test_history import entry
from tests.browser import requires_chromium
from tests.conftest import store_candles
from tests.fakes import QUEUED, FakeOrchestrator
from tests.fuzz.results import files_of
from tests.migration.legacy_platform import RESULTS
from tests.pages.served import served, watched_page

FIRST, SECOND, SWEEP, UNKNOWN = (f"{letter * 8}-1111-4111-8111-111111111111" for letter in "abcd")
LEGACY = [*RESULTS]
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def store(own_root: Path, index: ResultIndex) -> LocalStore:
    """A store with two backtests, a sweep and the results of the legacy platform, all indexed."""
    store_candles(own_root)
    store = LocalStore(own_root)
    publish_result(store, files_of("backtest", FIRST))
    publish_result(store, files_of("backtest", SECOND, volume_window=9))
    publish_result(store, files_of("sweep", SWEEP))
    for run_id, document in RESULTS.items():
        store.put(f"results/{run_id}.json", json.dumps({**document, "run_id": run_id}).encode())
    reindex(store, index)
    return store


@pytest.fixture
def app(store: LocalStore, index_url: str, orchestrator: FakeOrchestrator) -> Iterator[TestClient]:
    """A client of the application."""
    assert store
    with client_of(orchestrator, database=index_url) as client:
        yield client


def listed(app: TestClient, **query: object) -> list[str]:
    """Return the texts of the links to results, in order."""
    text = app.get("/app/history", params={name: str(value) for name, value in query.items()}).text
    return [part.partition("</code>")[0] for part in text.split("<code>")[1:]]


def test_the_list_has_the_figures_of_a_result(app: TestClient) -> None:
    """Its parameters, and links to the page of a backtest and of a sweep."""
    text = app.get("/app/history").text
    assert f'href="/app/results/{FIRST}"' in text
    assert f'href="/app/sweeps/{SWEEP}"' in text
    assert "volume_window=9" in text


def test_results_of_other_options_can_be_distinguished(app: TestClient, store: LocalStore, index: ResultIndex) -> None:
    """The list and the legend name the costs and the stop that differ from the defaults, the page of a result all."""
    other = UNKNOWN
    publish_result(store, files_of("backtest", other, (("fee_rate", 0.002), ("stop_loss", 0.05))))
    reindex(store, index)
    written = "fee_rate=0.002, stop_loss=0.05"
    for path in ("/app/history", f"/app/compare?run={FIRST}&run={other}"):
        assert app.get(path).text.count(written) == 1
    page = app.get(f"/app/results/{other}?lang=ko").text
    for label, value in [
        ("체결 방식", "next_open"), ("수수료율", "0.2%"), ("슬리피지율", "0.02%"), ("손절", "5%"), ("익절", "없음"),
        ("초기 자금", "10,000,000 KRW"), ("워밍업", "auto"), ("시간대", "Asia/Seoul"),
    ]:  # fmt: skip
        assert f"<dt>{label}</dt><dd>{value}</dd>" in page


def test_signals_that_were_not_traded_are_counted(app: TestClient, store: LocalStore) -> None:
    """With the trades they add up to all signals, on the page, in the report, the history and the tables."""
    publish_result(store, files_of("backtest", UNKNOWN, (("max_positions", 1),), volume_window=5))
    facts = dict(re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", app.get(f"/app/results/{UNKNOWN}?lang=en").text))
    skipped = facts["Signals not traded"]
    total, *reasons = (int(count.replace(",", "")) for count in re.findall(r"[\d,]*\d", skipped))
    assert total == sum(reasons) > 0
    assert int(facts["Signals"]) == int(facts["Trades"]) + total
    assert f"<p>Signals not traded: {skipped}</p>" in app.get(f"/reports/{UNKNOWN}?lang=en").text
    traded = app.get(f"/api/backtests/{UNKNOWN}/signals?traded=true").json()["total"]
    assert [traded, app.get(f"/api/backtests/{UNKNOWN}/trades").json()["total"]] == [int(facts["Trades"])] * 2


@pytest.mark.parametrize("language", ["en", "ko"])
def test_report_has_the_options_of_the_page(app: TestClient, language: str) -> None:
    """With the same labels and values, also for separate accounts."""
    page, report = (app.get(f"/{path}/{FIRST}?lang={language}").text for path in ("app/results", "reports"))
    cash = {"en": "Initial cash", "ko": "초기 자금"}[language]
    facts = re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)
    assert (cash, "10,000,000 KRW") in facts
    assert set(re.findall("<li>([^<=]*) <b>([^<]*)</b></li>", report)) <= set(facts)
    assert f"<li>{cash} <b>10,000,000 KRW</b></li>" in report


def test_csv_has_the_times_of_the_page(app: TestClient) -> None:
    """The link of each table asks for the zone in which the page shows times."""
    page = app.get(f"/app/results/{FIRST}").text
    assert page.count("?format=csv&amp;timezone=Asia%2FSeoul") == 3
    text = app.get(f"/api/backtests/{FIRST}/equity?format=csv&timezone=Asia%2FSeoul").text
    assert re.fullmatch(r'"\d{4}-\d\d-\d\dT09:00:00\+09:00"', text.splitlines()[1].split(",")[1])


def test_the_list_is_filtered_by_a_form_with_empty_fields(app: TestClient) -> None:
    """A browser sends every field of the form."""
    assert listed(app, params="volume_window=9", min_return="", kind="", date_from="") == [SECOND[:8]]
    assert listed(app, kind="sweep", strategy="") == [SWEEP[:8]]


def test_returns_are_filtered_in_percent(index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator) -> None:
    """As the page shows them."""
    index.add([entry("low", total_return=0.1), entry("high", total_return=0.3)])
    with client_of(orchestrator, database=index_url) as client:
        assert listed(client, min_return=20) == ["high"]


@pytest.mark.parametrize(
    ("query", "field", "status"),
    [
        ({"min_sharpe": "high"}, "min_sharpe", 422),
        ({"kind": "table"}, "kind", 422),
        ({"symbol": "no market"}, "symbol", 422),
        ({"date_from": "2024-02-30"}, "date_from", 422),
        ({"min_return": "3", "max_return": "2"}, "min_return", 400),
    ],
)
def test_what_is_wrong_with_a_filter_is_shown_next_to_it(
    app: TestClient, query: dict[str, str], field: str, status: int
) -> None:
    """With the status of the API; the form keeps what was typed."""
    response = app.get("/app/history", params={**query, "strategy": "as typed", "ascending": "false"})
    assert response.status_code == status
    assert f'name="{field}"' in response.text.partition(f'aria-describedby="field-{field}-error"')[0]
    assert f'id="field-{field}-error"' in response.text
    assert response.text.count('aria-invalid="true"') == 1
    assert 'value="as typed"' in response.text


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (
            {"min_sharpe": "high", "symbol": "no market", "min_return": "3", "max_return": "2"},
            {"min_sharpe", "symbol", "min_return"},
        ),
        (
            {"symbol": "no market", "min_sharpe": "2", "max_sharpe": "1", "min_return": "3", "max_return": "2"},
            {"symbol", "min_sharpe", "min_return"},
        ),
        (
            {"date_from": "2024-02-30", "kind": "table", "min_sharpe": "2", "max_sharpe": "1"},
            {"date_from", "kind", "min_sharpe"},
        ),
    ],
)
def test_all_wrong_filters_are_reported_at_once(app: TestClient, query: dict[str, str], fields: set[str]) -> None:
    """Values that cannot be read, and what is wrong with the others."""
    response = app.get("/app/history", params=query)
    assert response.status_code == 422
    assert set(re.findall(r'<p class="error" id="field-(\w+)-error"', response.text)) == fields


def test_removing_the_filters_keeps_the_rest(app: TestClient) -> None:
    """The order and the result to compare with, which the form submits, too; the links of the languages keep all."""
    query = f"strategy=none&min_return=-5&sort=sharpe&with={FIRST}"
    text = app.get(f"/app/history?{query}&lang=en").text
    assert f'href="/app/history?sort=sharpe&amp;with={FIRST}&amp;lang=en">Remove all filters' in text
    assert f'<input type="hidden" name="with" value="{FIRST}">' in text
    assert 'name="min_return" type="number" value="-5"' in text
    assert f'href="/app/history?{query.replace("&", "&amp;")}&amp;lang=ko"' in text


def test_page_after_the_last_one_leads_to_the_first(app: TestClient) -> None:
    """Results may have been removed since its link was shown."""
    text = app.get("/app/history?sort=sharpe&offset=50").text
    assert "There are no results on this page any more." in text
    assert '<a href="/app/history?sort=sharpe">First page</a>' in text


def test_the_order_is_chosen_by_the_heading_of_a_column(
    index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator
) -> None:
    """Descending first, then ascending; `aria-sort` states which."""
    index.add([entry("one", 2, sharpe=1.0), entry("two", 1, sharpe=2.0), entry("none", 3, sharpe=None)])
    with client_of(orchestrator, database=index_url) as client:
        assert listed(client, sort="sharpe") == ["two", "one", "none"]
        assert listed(client, sort="sharpe", ascending="true") == ["one", "two", "none"]
        text = client.get("/app/history?sort=sharpe").text
    assert 'aria-sort="descending"><a rel="sort" href="/app/history?sort=sharpe&amp;ascending=true">' in text


def test_pages_of_either_order_lead_through_the_whole_list(
    index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator
) -> None:
    """No result is missed or repeated."""
    index.add([entry(f"r{number:03}", number, sharpe=number) for number in range(120)])
    with client_of(orchestrator, database=index_url) as client:
        for address in ("/app/history", "/app/history?sort=sharpe"):
            seen: list[str] = []
            following: str | None = address
            while following:
                text = client.get(following).text
                seen += [part.partition("</code>")[0] for part in text.split("<code>")[1:]]
                _, found, rest = text.partition('<a rel="next" href="')
                following = rest.partition('"')[0].replace("&amp;", "&") if found else None
            assert seen == [f"r{number:03}" for number in reversed(range(120))]


@requires_chromium
@pytest.mark.parametrize("language", ["en", "ko"])
def test_list_is_compact_on_a_phone(
    store: LocalStore, index_url: str, orchestrator: FakeOrchestrator, language: str
) -> None:
    """Nothing has to be scrolled sideways, and no row is taller than its lines; figures have their labels."""
    assert store
    app = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: index_url)
    with served(app) as url, watched_page() as watched:
        page = watched.page
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{url}/app/history?lang={language}")
        rows = page.locator(".results tbody tr")
        assert rows.count() == 3 + len(LEGACY)
        assert max(row.bounding_box()["height"] for row in rows.all()) < 200
        assert page.locator(".scroll").evaluate("region => region.scrollWidth - region.clientWidth") == 0


def test_a_result_shows_its_figures_and_leads_on(app: TestClient) -> None:
    """To the report, the form and the downloads."""
    text = app.get(f"/app/results/{FIRST}").text
    for target in (
        f"/reports/{FIRST}",
        f"/app/submit?from={FIRST}",
        f"/app/forward-tests/new?from={FIRST}",
        f"/{FIRST}/trades?format=csv&amp;timezone=Asia%2FSeoul",
    ):
        assert f'{target}"' in text
    assert f"coin replay {FIRST}" in text
    assert "Total return" in text
    assert "<svg" in text


def test_each_figure_of_a_result_has_a_label_of_its_own(app: TestClient) -> None:
    """Signals are counted with and without those that could not be filled."""
    labels = re.findall("<dt>(.*?)</dt>", app.get(f"/app/results/{FIRST}?lang=en").text)
    assert {"Signals", "Signals that could be filled"} <= {*labels}
    assert len({*labels}) == len(labels)


@pytest.mark.parametrize(("page", "run_id"), [("results", FIRST), ("sweeps", SWEEP)])
def test_a_result_links_to_its_run_while_dagster_has_it(
    app: TestClient, orchestrator: FakeOrchestrator, page: str, run_id: str
) -> None:
    """Results outlive the records of their runs, and are shown while Dagster's database is down."""
    assert "/runs/" not in app.get(f"/app/{page}/{run_id}").text
    orchestrator.tasks_by_id[run_id] = replace(QUEUED, task_id=run_id, url=f"http://ui/runs/{run_id}")
    assert f'href="http://ui/runs/{run_id}"' in app.get(f"/app/{page}/{run_id}").text
    orchestrator.down = True
    response = app.get(f"/app/{page}/{run_id}")
    assert response.status_code == 200
    assert "/runs/" not in response.text


def test_every_link_of_a_result_to_the_api_works(app: TestClient) -> None:
    """The downloads exist."""
    text = app.get(f"/app/results/{FIRST}").text
    targets = [part.partition('"')[0].replace("&amp;", "&") for part in text.split('href="')[1:]]
    downloads = [target for target in targets if target.startswith("/api/")]
    assert len(downloads) == 8
    assert {app.get(target).status_code for target in downloads} == {200}


@pytest.mark.parametrize("run_id", LEGACY)
def test_a_legacy_result_has_a_page(app: TestClient, run_id: str) -> None:
    """With what it has."""
    response = app.get(f"/app/results/{run_id}")
    assert response.status_code == 200
    assert "volume_zone_breakout" in response.text


def test_a_sweep_has_a_page_of_its_own(app: TestClient) -> None:
    """Its address among the results leads there."""
    response = app.get(f"/app/results/{SWEEP}", follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, f"/app/sweeps/{SWEEP}")


def test_the_list_of_sweeps(app: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It has the stored and the running ones, each with its page, and no backtests."""
    task = replace(QUEUED, task_id=UNKNOWN, job="sweep", status="running", progress=0.4)
    orchestrator.tasks_by_id[task.task_id] = task
    text = app.get("/app/sweeps").text
    assert f'href="/app/sweeps/{SWEEP}"' in text
    assert f'href="/app/sweeps/new?from={SWEEP}"' in text
    assert f'href="/app/tasks/{UNKNOWN}"' in text
    assert FIRST not in text


def test_a_missing_result_has_a_page(app: TestClient) -> None:
    """With the status of the API."""
    response = app.get("/app/results/dddddddd-1111-4111-8111-111111111111", headers={"Accept-Language": "ko"})
    assert (response.status_code, response.headers["Content-Language"]) == (404, "ko")


def test_a_comparison_states_which_inputs_differ(app: TestClient) -> None:
    """One parameter; candles, code and versions are the same."""
    text = app.get("/app/compare", params={"run": [FIRST, SECOND]}).text
    inputs = text.partition('<table id="inputs">')[2]
    kinds = [part.partition("</td>")[0].rpartition(">")[2] for part in inputs.split('<tr class="kind">')[1:]]
    assert kinds == ["different", "the same", "the same", "the same"]
    assert inputs.count("<code>params.volume_window</code>") == inputs.count("<code>") == 1


@pytest.mark.parametrize(
    ("language", "times"),
    [
        ("en", "several time zones: Asia/Seoul, UTC. The chart shows all times in Asia/Seoul."),
        ("ko", "시간대가 다릅니다: Asia/Seoul, UTC. 차트의 시각은 모두 Asia/Seoul 기준입니다."),
    ],
)
def test_a_comparison_shows_values_that_a_spec_leaves_out(
    app: TestClient, store: LocalStore, language: str, times: str
) -> None:
    """A stored spec omits the warm-up `none` and Asia/Seoul; different zones are named."""
    publish_result(store, files_of("backtest", UNKNOWN, (("warm_up", "none"), ("timezone", "UTC"))))
    text = app.get("/app/compare", params={"run": [FIRST, UNKNOWN], "lang": language}).text
    inputs = text.partition('<table id="inputs">')[2]
    rows = dict(re.findall(r"<code>(\w+)</code></th>\s*((?:<td[^>]*>[^<]*</td>\s*)+)", inputs))
    values = {name: re.findall(">([^<]+)</td>", cells) for name, cells in rows.items()}
    assert values["warm_up"] == ["auto", "none"]
    assert values["timezone"] == ["Asia/Seoul", "UTC"]
    assert times in text


def test_legend_of_a_comparison_has_the_settings_that_differ(app: TestClient) -> None:
    """All others are the same, and would hide them."""
    text = app.get("/app/compare", params={"run": [FIRST, SECOND]}).text
    legend = text.partition('<ol class="legend">')[2].partition("</ol>")[0]
    assert re.findall(r"1d · ([^<]*)</small>", legend) == ["volume_window=10", "volume_window=9"]


def test_inputs_of_legacy_results_are_unknown(app: TestClient) -> None:
    """Their documents do not state them."""
    text = app.get("/app/compare", params={"run": [FIRST, LEGACY[0]]}).text
    assert text.count(">unknown</td>") == 4
    assert "no equity is stored" in text


@pytest.mark.parametrize("runs", [[], [FIRST, FIRST], [f"r{number}" for number in range(6)]])
def test_a_comparison_takes_two_to_five_results(app: TestClient, runs: list[str]) -> None:
    """Any other number is an error."""
    response = app.get("/app/compare", params={"run": runs})
    assert response.status_code == 422
    assert "choose 2 to 5" in response.text


@requires_chromium
def test_too_few_results_to_compare_keep_what_is_chosen(
    store: LocalStore, index_url: str, orchestrator: FakeOrchestrator
) -> None:
    """The list states how many are needed, until the choice changes."""
    assert store
    app = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: index_url)
    with served(app) as url, watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/history")
        page.get_by_label(f"Compare {FIRST[:8]}").check()
        page.get_by_role("button", name="Compare").click()
        hint = page.get_by_text("Choose 2 to 5 results.")
        expect(hint).to_be_visible()
        page.get_by_label(f"Compare {SECOND[:8]}").check()
        expect(hint).to_be_hidden()
        page.get_by_role("button", name="Compare").click()
        page.wait_for_url("**/app/compare?**")
        assert watched.errors == []


@requires_chromium
def test_filters_are_part_of_the_address(store: LocalStore, index_url: str, orchestrator: FakeOrchestrator) -> None:
    """They survive the order, a reload, the language and the back button, until they are removed."""
    assert store
    app = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: index_url)
    with served(app) as url, watched_page() as watched:
        page = watched.page
        rows = page.locator("tbody tr")
        page.goto(f"{url}/app/history")
        everything = rows.count()
        page.get_by_label("Parameters").fill("WINDOW=9")
        page.get_by_label("Finished from").fill("2020-01-01")
        page.get_by_role("button", name="Filter").click()
        expect(rows).to_have_count(1)
        page.get_by_role("link", name="Sharpe ratio").click()
        page.wait_for_url("**sort=sharpe**")
        page.get_by_role("link", name="한국어").click()
        page.wait_for_url("**lang=ko**")
        page.reload()
        expect(rows).to_have_count(1)
        expect(page.locator('[name="params"]')).to_have_value("WINDOW=9")
        expect(page.locator('[name="date_from"]')).to_have_value("2020-01-01")
        page.get_by_role("link", name="필터 초기화").click()
        expect(rows).to_have_count(everything)
        page.go_back()
        expect(rows).to_have_count(1)
        assert watched.errors == []


@requires_chromium
def test_results_are_filtered_opened_and_compared_in_a_browser(
    store: LocalStore, index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator
) -> None:
    """Hostile names and parameters are shown as text; nothing fails in the console or is requested elsewhere."""
    hostile = {"run_id": "hostile", "strategy": HOSTILE, "params": {HOSTILE: HOSTILE}}
    store.put("results/hostile.json", json.dumps({**RESULTS[LEGACY[0]], **hostile}).encode())
    reindex(store, index)
    app = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: index_url)
    with served(app) as url, watched_page() as watched:
        page = watched.page
        page.on("dialog", lambda dialog: watched.errors.append(dialog.message))
        page.goto(f"{url}/app/history")
        expect(page.get_by_text(HOSTILE, exact=True)).to_be_visible()
        for run_id in (FIRST, SECOND):
            page.get_by_label(f"Compare {run_id[:8]}").check()
        page.get_by_role("button", name="Compare").click()
        expect(page.locator("#comparison canvas").first).to_be_visible()
        expect(page.locator(".legend output").nth(1)).not_to_be_empty()
        page.locator("#comparison").press("+")
        page.get_by_role("link", name=FIRST[:8]).first.click()
        expect(page.locator(".picture.large svg")).to_be_visible()
        page.get_by_role("button", name="Copy").click()
        expect(page.locator(".command [role=status]")).to_have_text(re.compile("^(Copied|Selected)"))
        page.goto(f"{url}/app/compare?run={FIRST}&run=hostile")
        expect(page.get_by_text(f"{HOSTILE}={HOSTILE}")).to_be_visible()
        page.goto(f"{url}/app/results/hostile")
        expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    assert watched.errors == []
    assert watched.hosts == {url.removeprefix("http://")}
