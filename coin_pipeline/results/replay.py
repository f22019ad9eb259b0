"""Computing a stored result again, and saying what differs: its spec, candles, code, versions, or the result itself."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Literal

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.fingerprint import comparable_content, fingerprint_of, verify_own_digests
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import CandleSlice
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import InvalidSpec, LookAhead, NotReplayable, StrategyFailed
from coin_pipeline.results.store import Json, load_result, to_bytes
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry

DifferenceKind = Literal["spec", "candles", "code", "versions", "result"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not what it was: a field, a symbol's candles, a module, a package, or a place in the result.

    Attributes:
        kind: The input that differs, or `result`.
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
    """What came of a replay: the digests of both results, and what differs, inputs first."""

    run_id: str
    stored_sha256: str
    current_sha256: str | None
    """None where the run now fails."""
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether the result was reproduced bit for bit."""
        return self.stored_sha256 == self.current_sha256

    def to_json(self) -> Json:
        """Return the replay under the keys of `coin replay --json`."""
        return {
            "run_id": self.run_id,
            "said_sha256": self.stored_sha256,
            "now_sha256": self.current_sha256,
            "differences": [
                {"what": each.kind, "name": each.name, "said": each.stored, "now": each.current}
                for each in self.differences
            ],
            "identical": self.identical,
        }


def replay_backtest(store: ObjectStore, catalog: CandleCatalog, registry: StrategyRegistry, run_id: str) -> Replay:
    """Recompute a stored run from its spec with the candles, the code and the packages that are here now.

    Raises:
        ResultNotFound: nothing complete is stored under `run_id`.
        NotReplayable: the result does not say from what it was computed, as those of the older platform do not.
        ObjectCorrupt: the stored result is not what its own digests say.
        CandlesNotFound: a symbol's candles are gone.
        UnknownStrategy: the strategy is not registered here.
        InvalidParams: it no longer takes the params.
    """
    told = load_result(store, run_id)
    said: Json = told.get("fingerprint", {})
    if "sha256" not in said or "spec" not in told:
        raise NotReplayable(run_id, told.get("version", "1.0"))
    verify_own_digests(run_id, told)
    spec = resolve(parse_request(told["spec"]), registry)
    pieces = runner.find_candles(catalog, spec, "results")
    candles = {piece.symbol: piece.sha256 for piece in pieces}
    now = fingerprint_of(spec.digest, candles, registry.get(spec.strategy))
    inputs = (
        *compare_inputs("spec", told["spec"], spec.model_dump(mode="json")),
        *compare_inputs("candles", said["candles"], candles),
        *compare_inputs("code", said["modules"], now["modules"]),
        *compare_inputs("versions", said["versions"], now["versions"]),
    )
    try:
        again = _computed(catalog, registry, pieces, run_id)
    except (InvalidSpec, LookAhead, StrategyFailed) as error:
        failed = Difference("result", "", told["result_sha256"], str(error))
        return Replay(run_id, told["result_sha256"], None, (*inputs, failed))
    if again["result_sha256"] == told["result_sha256"]:
        return Replay(run_id, told["result_sha256"], told["result_sha256"], inputs)
    first = first_difference("", comparable_content(told), json.loads(to_bytes(comparable_content(again))))
    return Replay(run_id, told["result_sha256"], again["result_sha256"], (*inputs, first))


def _computed(catalog: CandleCatalog, registry: StrategyRegistry, pieces: Sequence[CandleSlice], run_id: str) -> Json:
    parts = [runner.simulate_symbol(catalog, registry, piece) for piece in pieces]
    return runner.assemble_result(run_id, parts, catalog, registry, "replay", datetime.now(UTC)).document


def compare_inputs(what: DifferenceKind, said: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield each name whose value is another."""
    for name in sorted(said.keys() | now.keys()):
        if said.get(name) != now.get(name):
            yield Difference(what, name, said.get(name), now.get(name))


def first_difference(path: str, said: object, now: object) -> Difference:
    """Follow the first thing that differs down to a single figure; an empty path where only the types of numbers do."""
    for name, before, after in _members(said, now):
        if before != after:
            return first_difference(f"{path}.{name}".lstrip("."), before, after)
    return Difference("result", path, *((said, now) if path else (None, None)))


def _members(said: object, now: object) -> Iterable[tuple[object, object, object]]:
    if isinstance(said, dict) and isinstance(now, dict):
        return ((name, said.get(name), now.get(name)) for name in said | now)
    if isinstance(said, list) and isinstance(now, list):
        return ((row, *pair) for row, pair in enumerate(zip_longest(said, now)))
    return ()
