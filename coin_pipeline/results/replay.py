"""Replay: computes a stored result again and reports what differs: spec, candles, code, versions or the result."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any, Literal

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.document import complete_document
from coin_pipeline.backtest.fingerprint import comparable_content, fingerprint_of, verify_own_digests
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import complete_stored_spec, resolve
from coin_pipeline.backtest.warm_up import warm_up_digests
from coin_pipeline.candles.timeframe import SECOND_NS
from coin_pipeline.errors import InvalidSpec, LookAhead, NotDeterministic, NotReplayable, StrategyFailed
from coin_pipeline.results.store import Json, load_result, stored_document, to_bytes
from coin_pipeline.results.tables import verify_tables
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry

_END_OF_TIME_NS = 2**63 - 1
DifferenceKind = Literal["spec", "candles", "code", "versions", "text", "field", "result"]
_MESSAGE = r"(code|values\..+)"
_SENTENCE = re.compile(rf"symbols\.\d+\.checks\.\d+\.(detail|{_MESSAGE})|warnings\.\d+|warning_codes\.\d+\.{_MESSAGE}")
"""Paths of a result whose text a release may word differently; the figures in it are elsewhere too."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the stored run and the current one.

    Attributes:
        kind: The input that differs, `text` for a sentence of a check or a warning, `field` for one
            that the stored result did not have, or `result`.
        name: Name of the field, symbol, module or package; the path of a figure in the result.
        stored: Its value in the stored result; None if absent.
        current: Its value now; None if absent.
    """

    kind: DifferenceKind
    name: str
    stored: object
    current: object


@dataclass(frozen=True, slots=True)
class Replay:
    """Outcome of a replay.

    Attributes:
        run_id: The stored run.
        stored_sha256: Digest of its result.
        current_sha256: Digest of the result computed now; None if the run now fails.
        differences: Differences, those of inputs first.
    """

    run_id: str
    stored_sha256: str
    current_sha256: str | None
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether the result was reproduced bit for bit."""
        return self.stored_sha256 == self.current_sha256

    @property
    def same_figures(self) -> bool:
        """Whether every figure of the stored result was reproduced, though perhaps not every sentence."""
        return all(difference.kind != "result" for difference in self.differences)

    def to_json(self) -> Json:
        """Return the replay under the keys of `coin replay --json`."""
        return {
            "run_id": self.run_id,
            "said_sha256": self.stored_sha256,  # prose: ok
            "now_sha256": self.current_sha256,
            "differences": [
                {
                    "what": difference.kind,
                    "name": difference.name,
                    "said": difference.stored,  # prose: ok
                    "now": difference.current,
                }
                for difference in self.differences
            ],
            "identical": self.identical,
            "same_figures": self.same_figures,
        }


def replay_backtest(store: ObjectStore, candles: CandleSource, registry: StrategyRegistry, run_id: str) -> Replay:
    """Run a stored backtest again from its spec, with the current candles, code and packages.

    Raises:
        ResultNotFound: No complete result is stored under `run_id`.
        NotReplayable: The result does not name its inputs; results of the legacy platform do not.
        ObjectCorrupt: The stored result or one of its tables does not match its own digests.
        CandlesNotFound: A symbol's candles are gone.
        UnknownStrategy: The strategy is not registered.
        InvalidParams: The strategy no longer accepts the parameters.
    """
    document = load_result(store, run_id)
    stored: Json = document.get("fingerprint", {})
    if "sha256" not in stored or "spec" not in document:
        raise NotReplayable(run_id, document.get("version", "1.0"))
    verify_own_digests(run_id, document)
    verify_tables(store, document, stored_document(store, run_id).shelf, run_id)
    spec = resolve(parse_request(complete_stored_spec(document["spec"])), registry)
    slices = runner.find_candles(candles, spec, "results", _closed_at(document))
    digests = {part.symbol: part.sha256 for part in slices} | warm_up_digests(candles, spec, document["symbols"])
    current = fingerprint_of(spec.digest, digests, registry.get(spec.strategy))
    inputs = (
        *compare_inputs("spec", document["spec"], spec.model_dump(mode="json")),
        *compare_inputs("candles", stored["candles"], digests),
        *compare_inputs("code", stored["modules"], current["modules"]),
        *compare_inputs("versions", stored["versions"], current["versions"]),
    )
    before = document["result_sha256"]
    try:
        computed = runner.run_backtest(spec, candles, registry, run_id=run_id, environment="replay", slices=slices)
    except (InvalidSpec, LookAhead, NotDeterministic, StrategyFailed) as error:
        return Replay(run_id, before, None, (*inputs, Difference("result", "", before, str(error))))
    again = computed.document
    if "tables" not in document:  # it was stored with every row in the document
        again = complete_document(again, computed.tables)
    if again["result_sha256"] == before:
        return Replay(run_id, before, before, inputs)
    found = result_differences(comparable_content(document), json.loads(to_bytes(comparable_content(again))))
    return Replay(run_id, before, again["result_sha256"], (*inputs, *found))


def _closed_at(document: Json) -> int:
    """Return the instant after which a result expected no candles, ns UTC; the end of time if its range had ended."""
    ends = [part["candles"].get("closed_until") for part in document["symbols"]]
    instants = (int(datetime.fromisoformat(end).timestamp()) * SECOND_NS for end in ends if end)
    return max(instants, default=_END_OF_TIME_NS)


def compare_inputs(kind: DifferenceKind, stored: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield a difference for each name whose values differ, in alphabetical order."""
    for name in sorted(stored.keys() | current.keys()):
        if stored.get(name) != current.get(name):
            yield Difference(kind, name, stored.get(name), current.get(name))


def result_differences(stored: Json, current: Json) -> list[Difference]:
    """Return the first figure that differs; every sentence and new field if no stored figure does.

    The path of the difference is empty if only the types of numbers differ.

    >>> result_differences({"metrics": {"trades": [1, 2]}}, {"metrics": {"trades": [1, 3]}})[0].name
    'metrics.trades.1'
    """
    others = []
    for difference in differences("", stored, current):
        if difference.kind == "result":
            return [difference]
        others.append(difference)
    return others or [Difference("result", "", None, None)]


def differences(path: str, stored: object, current: object) -> Iterator[Difference]:
    """Yield what differs, down to single values."""
    if stored == current:
        return
    is_leaf = True
    for name, before, after in _members(stored, current):
        is_leaf = False
        inner = f"{path}.{name}".lstrip(".")
        if isinstance(stored, dict) and name not in stored:
            yield Difference("field", inner, None, after)
        else:
            yield from differences(inner, before, after)
    if is_leaf:
        is_text = None not in (stored, current) and _SENTENCE.fullmatch(path)
        yield Difference("text" if is_text else "result", path, stored, current)


def _members(stored: object, current: object) -> Iterable[tuple[object, object, object]]:
    if isinstance(stored, dict) and isinstance(current, dict):
        return ((name, stored.get(name), current.get(name)) for name in stored | current)
    if isinstance(stored, list) and isinstance(current, list):
        return ((row, *pair) for row, pair in enumerate(zip_longest(stored, current)))
    return ()
