"""Check of the Ray cluster that evaluates sweeps."""

from coin_pipeline.doctor import texts
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.errors import ClusterMismatch
from coin_pipeline.sweeps.cluster.driver import is_ray_installed, start_driver
from coin_pipeline.sweeps.cluster.messages import ClusterReport, Inspection

NODES_S = 10.0
"""How long the nodes may take to load the code and respond, seconds."""


def ray_cluster(at: Installation, nodes_s: float = NODES_S) -> Finding:
    """Connect to the cluster, and ask each node for its code and packages.

    Args:
        at: The installation.
        nodes_s: How long the nodes may take, seconds.
    """
    if at.settings.coin_sweep_engine == "local":
        return at.ok(texts.RAY_UNUSED)
    if not is_ray_installed():
        return at.failed(texts.RAY_MISSING, texts.RAY_MISSING_ADVICE)
    try:
        with start_driver(at.settings.coin_ray_address) as driver:
            driver.send(Inspection(nodes_s))
            report: ClusterReport = driver.receive_result()
    except ClusterMismatch as error:
        return Finding("failed", str(error), at.write(texts.RAY_MISMATCH_ADVICE))
    return _judge(at, report, nodes_s)


def _judge(at: Installation, report: ClusterReport, nodes_s: float) -> Finding:
    values = {"nodes": report.nodes, "cpus": report.cpus, "ray": report.ray, "address": at.settings.coin_ray_address}
    if not report.nodes:
        return at.failed(texts.RAY_EMPTY, texts.RAY_EMPTY_ADVICE, **values)
    if report.faults:
        host, reason = report.faults[0]
        faulty = {"count": len(report.faults), "host": host, "reason": reason}
        return at.failed(texts.RAY_FAULTY, texts.RAY_FAULTY_ADVICE, **values, **faulty)
    if report.silent:
        late = {"count": len(report.silent), "seconds": nodes_s, "hosts": ", ".join(report.silent)}
        return at.warning(texts.RAY_SILENT, texts.RAY_SILENT_ADVICE, **values, **late)
    return at.ok(texts.RAY_OK, **values)
