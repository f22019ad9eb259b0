"""Whether the nodes of a cluster can evaluate the sweeps of this machine. Runs in the process that uses Ray."""

from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from coin_pipeline.sweeps.cluster.messages import ClusterReport
from coin_pipeline.sweeps.cluster.worker import Installed, describe_installed, find_difference


def inspect_nodes(task: Any, limit_s: float) -> ClusterReport:  # noqa: ANN401 -- Ray's
    """Ask each node with processors what is installed there, and compare it with this machine.

    Args:
        task: Remote function that returns `describe_installed`.
        limit_s: How long the nodes may take, seconds.
    """
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    asked = {_submit(task, node["NodeID"]): node["NodeManagerHostname"] for node in nodes}
    expected = describe_installed()
    responded, silent = ray.wait([*asked], num_returns=len(asked), timeout=limit_s) if asked else ([], [])
    problems = ((asked[reference], _find_problem(reference, expected)) for reference in responded)
    return ClusterReport(
        ray=ray.__version__,
        cpus=int(sum(node["Resources"]["CPU"] for node in nodes)),
        nodes=len(nodes),
        faults=tuple((host, problem) for host, problem in problems if problem),
        silent=tuple(asked[reference] for reference in silent),
    )


def _submit(task: Any, node: str) -> Any:  # noqa: ANN401 -- Ray's
    """Submit a task to a node; it needs no processor, so that it does not wait for those of a sweep."""
    return task.options(
        num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
    ).remote()


def _find_problem(reference: Any, expected: Installed) -> str | None:  # noqa: ANN401 -- of a Ray object
    """Return why a node that has responded cannot evaluate sweeps; None if it can."""
    try:
        difference = find_difference(expected, ray.get(reference))
    except RayTaskError as error:
        return f"it cannot load coin-pipeline ({error.cause})"
    except RayError as error:
        return f"its worker ended ({type(error).__name__})"
    return f"it has another {difference} than this machine" if difference else None
