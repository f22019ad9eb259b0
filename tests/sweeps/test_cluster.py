"""Sweeps on a Ray cluster of this machine: trials and errors are those of one without, and lost parts are repeated."""

import os
import signal
import socket
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.year_files.bucket import BucketPlace
from coin_pipeline.errors import (
    ChunkLost,
    ChunkStalled,
    ClusterMismatch,
    ClusterUnavailable,
    CoinError,
    ObjectStoreFull,
    StorageFull,
    StrategyFailed,
)
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.piece_cache import PieceCache
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from coin_pipeline.sweeps.cluster.client import evaluate_on_cluster, split_into_parts
from coin_pipeline.sweeps.cluster.messages import Alive, Failure, Part
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import SweepChunk, split_into_chunks
from coin_pipeline.sweeps.processes.protocol import rebuild_error, receive, send
from coin_pipeline.sweeps.trials import read_metadata, trials_digest
from tests.faulty_s3 import FaultyS3, Request, refusal
from tests.platforms import free_ports, wait_until
from tests.ray_cluster import NO_RAY, RayCluster, ray_cluster, shadow_package
from tests.sweeps.parts import spec_of

if TYPE_CHECKING:
    from coin_pipeline.storage.s3 import S3Store
    from tests.s3 import S3Server

ray = pytest.importorskip("ray", reason=NO_RAY)
from coin_pipeline.sweeps.cluster import __main__ as program  # noqa: E402 -- imports Ray
from coin_pipeline.sweeps.cluster import worker  # noqa: E402

PARTS = 8
"""Parts of the 40 points of a strategy in Python, so that each has five points."""
BUILT_IN_SPACE = {"volume_window": "5:30:1", "top_percentile": "0.1,0.2"}
SOURCE = """
import os
import time
from pathlib import Path

from rules import is_rising
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    every: int = Field(2, ge=1)
    fail_from: int = 1000
    die_at: int = 0
    die_once: bool = False
    seconds: float = 0.0
    notes: str = ""

class Mine(Strategy[Params]):
    '''Buy rising bars; note each call.'''
    name = "mine"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        if params.notes and len(bars) > 700:
            with (Path(params.notes) / str(os.getpid())).open("a") as file:
                file.write(f"{params.every}\\n")
        if params.every >= params.fail_from:
            raise ValueError(f"cannot hold {params.every}")
        if params.every == params.die_at:
            marker = Path(params.notes) / "died"
            if not (params.die_once and marker.exists()):
                marker.touch()
                os.kill(os.getpid(), 9)
        time.sleep(params.seconds)
        return Signals(is_rising(bars), hold=params.every)
"""
RULES = """
def is_rising(bars):
    return bars.close > bars.open
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Yield a cluster of one node with two processors."""
    with ray_cluster() as cluster:
        cluster.start_head(2)
        yield cluster


@pytest.fixture
def own_cluster() -> Iterator[RayCluster]:
    """Yield a cluster without nodes, for a test that damages it."""
    with ray_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> StrategyRegistry:
    """Return a registry with a strategy of a file that imports another file."""
    folder = tmp_path_factory.mktemp("strategies")
    (folder / "mine.py").write_text(SOURCE)
    (folder / "rules.py").write_text(RULES)
    return load_registry([folder / "mine.py"])


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Return the folder in which the strategy notes its calls, a file per process."""
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def node_folder(tmp_path: Path) -> Path:
    """Return an empty folder for what a node has installed."""
    folder = tmp_path / "node"
    folder.mkdir()
    return folder


def chunk_of(candles: CandleCatalog, known: StrategyRegistry, space: dict[str, Any], **fields: object) -> SweepChunk:
    """Return the only chunk of a sweep."""
    (chunk,) = split_into_chunks(candles, known, spec_of(known, space, **fields), 10_000).chunks
    return chunk


def own_chunk(candles: CandleCatalog, mine: StrategyRegistry, notes: Path, **params: object) -> SweepChunk:
    """Return a chunk of 40 points of the strategy of a file."""
    fields = {"strategy": "mine", "warm_up": "none", "params": {"notes": str(notes), **params}}
    return chunk_of(candles, mine, {"every": "1:40:1"}, **fields)


def decisions(notes: Path) -> Counter[int]:
    """Return how often each point was decided, without the first one, whose look-ahead check decides it repeatedly."""
    noted = (int(line) for file in notes.iterdir() if file.name != "died" for line in file.read_text().split())
    return Counter(every for every in noted if every > 1)


def deciding_pids(notes: Path) -> list[int]:
    """Return the processes that have decided points and still run."""
    return [int(file.name) for file in notes.iterdir() if file.name != "died" and _is_running(int(file.name))]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_points_of_a_slow_strategy_are_divided_among_many_cores(candles: CandleCatalog, mine: StrategyRegistry) -> None:
    """A sweep of 200 points in Python is 50 parts of at most 4 points, of which none is missing."""
    chunk = chunk_of(candles, mine, {"every": "1:200:1"}, strategy="mine", warm_up="none")
    parts = [*split_into_parts(chunk, vectorized=False)]
    assert [point for part in parts for point in range(part.first, part.stop)] == [*range(200)]
    assert max(part.stop - part.first for part in parts) == 4


def test_a_driver_that_waits_sends_signs_of_life() -> None:
    """While no outcome arrives, the client receives signs of life, which are progress of the run."""
    own, other = socket.socketpair()
    with own, other:
        program.Driver(other.fileno(), None, "head:1", lambda: 2).wait()
        assert isinstance(receive(own.fileno()), Alive)


def test_a_cluster_without_processors_is_unavailable() -> None:
    """The sentence names the remedy; before the time is over, nodes may join."""
    assert program.Driver(-1, None, "head:1", lambda: 0, no_cpus_s=3600).capacity() == 1
    with pytest.raises(ClusterUnavailable, match=r"it has no processors; add a node"):
        program.Driver(-1, None, "head:1", lambda: 0, no_cpus_s=0).capacity()


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (ray.exceptions.ObjectStoreFullError("5 GiB needed"), ObjectStoreFull, r"5 GiB needed.*--object-store-memory"),
        (ray.exceptions.RaySystemError("no head"), ClusterUnavailable, r"has ended.*no head"),
        (KeyError("bug"), RuntimeError, r"KeyError: 'bug'"),
    ],
)
def test_an_error_of_the_process_that_uses_ray_is_not_a_lost_cluster(
    raised: Exception, expected: type[Exception], message: str
) -> None:
    """The run receives the error itself; only what Ray could not do is a lost cluster."""

    def fail(_line: int, _address: str) -> None:
        raise raised

    own, other = socket.socketpair()
    with own, other:
        send(own.fileno(), "head:1")
        program.serve(other.fileno(), fail)
        failure = receive(own.fileno())
    assert isinstance(failure, Failure)
    with pytest.raises(expected, match=f"(?s){message}") as caught:
        raise rebuild_error(*failure.error)
    assert isinstance(caught.value, CoinError) == (expected is not RuntimeError)


def test_a_part_without_progress_is_ended() -> None:
    """The error names its points, also if the strategy never returns."""
    with pytest.raises(ChunkStalled, match=r"points 3 to 6 of the sweep made no progress for 0 s on .*COIN_STALL_SEC"):
        worker.call_while_progressing(Event().wait, Part(3, 7), 0.1)


def test_a_slow_part_that_progresses_is_not_ended() -> None:
    """It may take longer than its time without progress."""

    def progress_slowly() -> str:
        for _ in range(30):
            time.sleep(0.05)
            report_progress()
        return "done"

    assert worker.call_while_progressing(progress_slowly, Part(0, 1), 1.0) == "done"


@pytest.mark.parametrize("fault", ["link", "writable", "file"])
def test_strategy_files_are_not_written_where_others_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A link, a folder that all may write to, and a file in place of the folder are refused."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = tmp_path / f"coin-strategies-{os.getuid()}"
    if fault == "link":
        (tmp_path / "elsewhere").mkdir()
        root.symlink_to(tmp_path / "elsewhere")
    elif fault == "writable":
        root.mkdir()
        root.chmod(0o777)
    else:
        root.touch()
    with pytest.raises(ClusterMismatch, match="is not a folder that only this user can write to; remove it"):
        worker.write_strategy({"mine.py": b"A = 1"})


def test_a_changed_strategy_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists is used only if it has the content of the run."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (path,) = worker.write_strategy({"mine.py": b"A = 1"})
    path.write_bytes(b"A = 2")
    assert worker.write_strategy({"mine.py": b"A = 1"}) == [path]
    assert path.read_bytes() == b"A = 1"


@pytest.mark.parametrize("search", ["grid", pytest.param("random", marks=pytest.mark.long)])
def test_trials_are_those_of_this_machine(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, search: str
) -> None:
    """Parts of two symbols with a warm-up, for a built-in strategy; table, counts and stored chunks are the same."""
    known = load_registry()
    fields = {"strategy": "volume_zone_breakout", "symbols": ["AAA_KRW", "BBB_KRW"], "search": search}
    trials = {"trials": 45} if search == "random" else {}
    chunk = chunk_of(candles, known, BUILT_IN_SPACE, **fields, **trials)
    here = evaluate(candles, known, LocalStore(tmp_path / "here"), chunk)
    store, rows = LocalStore(tmp_path / "there"), list[int]()
    there = evaluate_on_cluster(
        candles, known, store, chunk, cluster.address, part_bars=1462 * 10, progress=rows.append
    )
    assert trials_digest(there) == trials_digest(here)
    assert {**read_metadata(here), "sha256": None} == {**read_metadata(there), "sha256": None}
    assert sum(rows) == len(here)
    assert (
        len(rows)
        == len([*store.keys("sweeps/chunks")])
        == len([*split_into_parts(chunk, vectorized=True, part_bars=1462 * 10)])
        > 4
    )


def test_a_strategy_travels_with_the_files_that_it_imports(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """Workers do not read its folder; each point is decided once there, apart from look-ahead checks."""
    chunk = own_chunk(candles, mine, notes)
    here = evaluate(candles, mine, LocalStore(tmp_path / "here"), chunk)
    own = notes / str(os.getpid())
    own.unlink()
    there = evaluate_on_cluster(candles, mine, LocalStore(tmp_path / "there"), chunk, cluster.address, divisor=PARTS)
    assert trials_digest(there) == trials_digest(here)
    assert decisions(notes) == Counter(range(2, 41))
    assert not own.exists()


def test_a_sweep_on_a_bucket_resumes_after_it_was_full(
    candles: CandleCatalog, tmp_path: Path, own_cluster: RayCluster, s3_server: "S3Server", mine: StrategyRegistry
) -> None:
    """The run reads candles from the bucket; its worker has neither a disk nor the bucket in common with it."""
    (tmp_path / "node").mkdir()
    own_cluster.start_head(1, {"DATA_ROOT": str(tmp_path / "node")})
    chunk = chunk_of(candles, mine, {"every": "1:40:1"}, strategy="mine", warm_up="none")
    with bucket_behind_proxy(s3_server) as (store, faulty):
        catalog = CandleCatalog(tmp_path / "run", BucketPlace(store.folder("candles"), store, PieceCache(tmp_path, 0)))
        for key in LocalStore(candles.root).keys("AAA_KRW"):
            store.put(f"candles/{key}", LocalStore(candles.root).get(key))
        faulty.inject(lambda request, forward: forward(request), 3, stores_part)
        faulty.inject(refusal(507, "InsufficientStorage", "disk full"), hits=stores_part)
        with pytest.raises(StorageFull, match=r"disk full.*free some space"):
            evaluate_on_cluster(catalog, mine, store, chunk, own_cluster.address, divisor=PARTS)
        faulty.heal()
        assert len([*store.keys("sweeps/chunks")]) == 3
        there = evaluate_on_cluster(catalog, mine, store, chunk, own_cluster.address, divisor=PARTS)
    assert trials_digest(there) == trials_digest(evaluate(candles, mine, LocalStore(tmp_path / "here"), chunk))
    assert [*(tmp_path / "node").iterdir()] == []


def stores_part(request: Request) -> bool:
    """Whether a request stores the trials of a part."""
    return request.method == "PUT" and "/sweeps/chunks/" in request.path


@contextmanager
def bucket_behind_proxy(server: "S3Server") -> Iterator[tuple["S3Store", FaultyS3]]:
    """Yield the store of a new folder of a bucket, and the proxy that its requests pass."""
    faulty = FaultyS3(server.endpoint)
    faulty.start()
    try:
        store = server.store("sweeps", endpoint_url=faulty.endpoint)
        yield store.folder(uuid.uuid4().hex), faulty
    finally:
        faulty.stop()


def test_stored_parts_need_no_cluster(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """A sweep that was evaluated is read from the store."""
    chunk, store = own_chunk(candles, mine, notes), LocalStore(tmp_path / "store")
    first = evaluate_on_cluster(candles, mine, store, chunk, cluster.address, divisor=PARTS)
    again = evaluate_on_cluster(candles, mine, store, chunk, "127.0.0.1:1", divisor=PARTS)
    assert again.equals(first)


def test_the_first_failing_point_is_named(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """The message is that of an evaluation on this machine, whichever worker fails first."""
    chunk = own_chunk(candles, mine, notes, fail_from=7)
    with pytest.raises(StrategyFailed) as here:
        evaluate(candles, mine, LocalStore(tmp_path / "here"), chunk)
    with pytest.raises(StrategyFailed) as there:
        evaluate_on_cluster(candles, mine, LocalStore(tmp_path), chunk, cluster.address, divisor=PARTS)
    assert str(there.value) == str(here.value)
    assert "with every=7: line" in str(there.value)


def test_a_killed_worker_is_replaced(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """The trials are complete, and no point was decided more than once again."""
    chunk = own_chunk(candles, mine, notes, die_at=23, die_once=True)
    table = evaluate_on_cluster(candles, mine, LocalStore(tmp_path / "store"), chunk, cluster.address, divisor=PARTS)
    assert table["point"].to_pylist() == [*range(40)]
    assert decisions(notes)[23] == max(decisions(notes).values()) == 2


@pytest.mark.long
def test_a_part_that_kills_its_workers_ends_the_sweep(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """After three losses the sentence names its points; other parts are kept, and the cluster keeps working."""
    chunk, store = own_chunk(candles, mine, notes, die_at=33), LocalStore(tmp_path / "store")
    with pytest.raises(ChunkLost, match=r"points 30 to 34 of the sweep were lost 3 times"):
        evaluate_on_cluster(candles, mine, store, chunk, cluster.address, divisor=PARTS)
    assert decisions(notes)[33] == 3
    assert len([*store.keys("sweeps/chunks")]) >= 6
    healthy = own_chunk(candles, mine, notes)
    assert len(evaluate_on_cluster(candles, mine, store, healthy, cluster.address, divisor=PARTS)) == 40


def test_a_cancelled_sweep_leaves_no_worker(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """Workers that are deciding end with the sweep."""

    class Cancelled(BaseException):
        """Stands for a signal."""

    def cancel(_: int) -> None:
        raise Cancelled

    chunk = own_chunk(candles, mine, notes, seconds=0.3)
    with pytest.raises(Cancelled):
        evaluate_on_cluster(candles, mine, LocalStore(tmp_path), chunk, cluster.address, divisor=PARTS, progress=cancel)
    wait_until(lambda: not deciding_pids(notes))
    assert decisions(notes)


@pytest.mark.long
def test_workers_end_with_a_killed_run(
    candles: CandleCatalog, tmp_path: Path, cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """Neither the process that uses Ray nor a worker outlives a process that cannot clean up."""
    chunk = own_chunk(candles, mine, notes, seconds=0.3)
    evaluating = os.fork()
    if evaluating == 0:
        store = LocalStore(tmp_path)
        kill = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731 -- in a fork
        evaluate_on_cluster(candles, mine, store, chunk, cluster.address, divisor=PARTS, progress=kill)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(evaluating, 0)[1]) == -signal.SIGKILL
    wait_until(lambda: not deciding_pids(notes))
    assert decisions(notes)


def test_no_cluster(candles: CandleCatalog, tmp_path: Path, mine: StrategyRegistry, notes: Path) -> None:
    """The sentence names the address and both remedies."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ClusterUnavailable) as caught:
        evaluate_on_cluster(candles, mine, LocalStore(tmp_path), own_chunk(candles, mine, notes), address)
    assert f"the Ray cluster at {address} is not available" in str(caught.value)
    assert "COIN_SWEEP_ENGINE=local" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize("cpus", [1, 8])
def test_trials_do_not_depend_on_workers(
    candles: CandleCatalog, tmp_path: Path, own_cluster: RayCluster, cpus: int
) -> None:
    """One worker and eight workers compute the trials of this machine."""
    known = load_registry()
    chunk = chunk_of(candles, known, BUILT_IN_SPACE, strategy="volume_zone_breakout")
    own_cluster.start_head(cpus)
    there = evaluate_on_cluster(
        candles, known, LocalStore(tmp_path / "there"), chunk, own_cluster.address, part_bars=731 * 3
    )
    assert trials_digest(there) == trials_digest(evaluate(candles, known, LocalStore(tmp_path / "here"), chunk))


@pytest.mark.long
def test_a_killed_node_is_replaced(
    candles: CandleCatalog, tmp_path: Path, own_cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """Its parts are taken over; no point is decided more than once again."""
    own_cluster.start_head(1)
    node = own_cluster.join(2)

    def kill(_: int) -> None:
        if not {*deciding_pids(notes)}.isdisjoint(node.pids()):
            node.kill()

    chunk = own_chunk(candles, mine, notes, seconds=0.2)
    table = evaluate_on_cluster(
        candles, mine, LocalStore(tmp_path / "s"), chunk, own_cluster.address, divisor=PARTS, progress=kill
    )
    assert table["point"].to_pylist() == [*range(40)]
    assert not node.pids()
    assert max(decisions(notes).values()) == 2


@pytest.mark.long
def test_a_sweep_resumes_after_its_head_was_killed(
    candles: CandleCatalog, tmp_path: Path, own_cluster: RayCluster, mine: StrategyRegistry, notes: Path
) -> None:
    """The sweep ends with one sentence; with a new head, only missing parts are evaluated."""
    head = own_cluster.start_head(2)
    progress, store = list[int](), LocalStore(tmp_path / "store")

    def kill(rows: int) -> None:
        progress.append(rows)
        if len(progress) == 3:
            head.kill()

    chunk = own_chunk(candles, mine, notes, seconds=0.05)
    with pytest.raises(ClusterUnavailable, match="has ended"):
        evaluate_on_cluster(candles, mine, store, chunk, own_cluster.address, divisor=PARTS, progress=kill)
    kept = len([*store.keys("sweeps/chunks")])
    assert 3 <= kept < 8
    own_cluster.start_head(2)
    before = decisions(notes)
    table = evaluate_on_cluster(candles, mine, store, chunk, own_cluster.address, divisor=PARTS)
    assert table["point"].to_pylist() == [*range(40)]
    missing = (8 - kept) * 5
    assert missing - 1 <= sum((decisions(notes) - before).values()) <= missing  # the first point is not counted


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("without the package", r"a worker cannot load coin-pipeline \(No module named 'coin_pipeline"),
        ("other code", r"has another code in coin_pipeline\.engine\.metrics than the machine of the run"),
    ],
)
def test_a_node_with_other_code_is_refused(
    candles: CandleCatalog,
    tmp_path: Path,
    own_cluster: RayCluster,
    mine: StrategyRegistry,
    notes: Path,
    node_folder: Path,
    fault: str,
    message: str,
) -> None:
    """The sentence names what is missing or differs."""
    own_cluster.start_head(1, shadow_package(node_folder, fault))
    with pytest.raises(ClusterMismatch, match=message):
        evaluate_on_cluster(candles, mine, LocalStore(tmp_path), own_chunk(candles, mine, notes), own_cluster.address)


@pytest.mark.long
def test_a_cluster_with_another_version_of_ray_is_refused(
    candles: CandleCatalog,
    tmp_path: Path,
    own_cluster: RayCluster,
    mine: StrategyRegistry,
    notes: Path,
    node_folder: Path,
) -> None:
    """The sentence gives both versions."""
    own_cluster.start_head(1, shadow_package(node_folder, "other Ray"))
    with pytest.raises(ClusterMismatch, match=r"[Vv]ersion mismatch.*Ray: 1\.0\.0"):
        evaluate_on_cluster(candles, mine, LocalStore(tmp_path), own_chunk(candles, mine, notes), own_cluster.address)
