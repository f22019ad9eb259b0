"""The manifests of deploy/kubernetes, checked without a cluster: schemas, settings, commands, and what must agree."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coin_pipeline.cli.service import SERVICES
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.web.exposure import is_exposed
from tests.ray_cluster import NO_RAY

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = (ROOT / "docs" / "deployment.md").read_text()
KUBERNETES = "1.31"
Document = dict[str, Any]
KUSTOMIZATION: Document = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
DOCUMENTS: list[Document] = [
    document for name in KUSTOMIZATION["resources"] for document in yaml.safe_load_all((FOLDER / name).read_text())
]
BY_NAME = {f"{document['kind']}/{document['metadata']['name']}": document for document in DOCUMENTS}
CONFIG: dict[str, str] = BY_NAME["ConfigMap/coin-settings"]["data"]
PLATFORM: Document = BY_NAME["StatefulSet/coin"]["spec"]
POD: Document = PLATFORM["template"]["spec"]
CLUSTER: Document = BY_NAME["RayCluster/coin-ray"]["spec"]
GROUPS: list[Document] = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
PODS: list[Document] = [POD, *(group["template"]["spec"] for group in GROUPS)]
CONTAINERS: list[Document] = [item for pod in PODS for item in (*pod.get("initContainers", []), *pod["containers"])]
SECRETS = {"coin", "coin-ray"}


def standard_documents() -> Iterator[Document]:
    """Yield what has a schema of Kubernetes: all but RayCluster, of which the pod templates have one."""
    for document in DOCUMENTS:
        if document["kind"] != "RayCluster":
            yield document
    for group in GROUPS:
        name = group.get("groupName", "head")
        yield {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": group["template"]}


@pytest.mark.parametrize(
    "document", [*standard_documents()], ids=lambda document: f"{document['kind']}-{document['metadata']['name']}"
)
def test_documents_have_the_schema_of_kubernetes(document: Document) -> None:
    """Unknown fields are errors too."""
    validator = pytest.importorskip("kubernetes_validate", reason="the package kubernetes-validate is not installed")
    validator.validate(document, KUBERNETES, strict=True)


def test_the_settings_are_valid_and_require_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other pods reach the ports, so requests need a token; sweeps use the cluster."""
    for name, value in CONFIG.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert is_exposed(settings)
    assert settings.coin_sweep_engine == "ray"
    assert {name.lower() for name in CONFIG} <= {*Settings.model_fields}


def test_every_service_has_a_container() -> None:
    """Each runs the command of its name, and its probes those that check it."""
    programs = {item["name"]: item for item in POD["containers"] if item["command"][0] == "coin"}
    assert {*programs} == {*SERVICES} - {"init"}
    for name, container in programs.items():
        assert container["command"] == ["coin", "serve", name]
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["exec"]["command"] == ["coin", "serve", name, "--check"]
    assert [item["command"][:3] for item in POD["initContainers"]][-1] == ["coin", "serve", "init"]


def test_options_of_ray_exist() -> None:
    """Those of the container of the platform, and those that KubeRay passes to `ray start`."""
    scripts = pytest.importorskip("ray.scripts.scripts", reason=NO_RAY)
    options = {name for parameter in scripts.start.params for name in parameter.opts}
    (container,) = (item for item in POD["containers"] if item["name"] == "ray")
    assert container["command"][:2] == ["ray", "start"]
    given = {argument.partition("=")[0] for argument in container["command"][2:]}
    given |= {f"--{name}" for group in GROUPS for name in group["rayStartParams"]}
    assert given - options == set()


def test_all_name_the_same_head() -> None:
    """KubeRay names the service of a head after its cluster; Ray's port is the default."""
    head = f"{BY_NAME['RayCluster/coin-ray']['metadata']['name']}-head-svc:6379"
    (container,) = (item for item in POD["containers"] if item["name"] == "ray")
    assert CONFIG["COIN_RAY_ADDRESS"] == head
    assert f"--address={head}" in container["command"]


def test_only_workers_have_processors_for_tasks() -> None:
    """The head and the pod of the platform have none, so that a sweep does not slow them down."""
    (container,) = (item for item in POD["containers"] if item["name"] == "ray")
    assert "--num-cpus=0" in container["command"]
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert ["num-cpus" in group["rayStartParams"] for group in CLUSTER["workerGroupSpecs"]] == [False]


def test_probes_of_ray_use_open_ports() -> None:
    """The head listens at Ray's port, a worker at the port that its parameters fix."""
    for group in GROUPS:
        port = int(group["rayStartParams"].get("node-manager-port", 6379))
        (container,) = group["template"]["spec"]["containers"]
        assert {container[probe]["tcpSocket"]["port"] for probe in ("livenessProbe", "readinessProbe")} == {port}


def test_containers_share_process_ids() -> None:
    """Without that, the daemon takes the runs of the pool for lost: leases name the host name, which is shared."""
    assert POD["shareProcessNamespace"] is True
    assert PLATFORM["replicas"] == 1


def test_the_runs_reach_the_node_of_their_pod() -> None:
    """By Ray's sockets below /tmp, a volume that both containers have."""
    mounts = {
        item["name"]: {mount["mountPath"]: mount["name"] for mount in item["volumeMounts"]}
        for item in POD["containers"]
    }
    assert "tmp" in {*mounts["pool"].values()} & {*mounts["ray"].values()}
    assert mounts["pool"]["/data"] == "data"


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_containers_are_hardened(container: Document) -> None:
    """As those of Compose; Ray's own pods need a root that they can write to."""
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["allowPrivilegeEscalation"] is False
    assert security.get("readOnlyRootFilesystem", False) is not container["name"].startswith("ray-")
    assert "memory" in container["resources"]["limits"]
    assert container["image"] == "coin-pipeline"


def test_pods_run_as_the_user_of_the_image() -> None:
    """The id of the Dockerfile, which owns the compiled kernels."""
    assert {pod["securityContext"]["runAsUser"] for pod in PODS} == {10001}
    assert "\nUSER 10001:10001\n" in (ROOT / "Dockerfile").read_text()


def test_secrets_are_those_of_the_documentation() -> None:
    """The commands that create them are on the page of deployments, with the key that the pods read."""
    used = {
        source["secretRef"]["name"]
        for item in CONTAINERS
        for source in item.get("envFrom", [])
        if "secretRef" in source
    }
    keys = [
        entry["valueFrom"]["secretKeyRef"]
        for item in CONTAINERS
        for entry in item.get("env", [])
        if "valueFrom" in entry
    ]
    assert used | {key["name"] for key in keys} == SECRETS
    for name in SECRETS:
        assert f"create secret generic {name} " in PAGE
    assert {key["key"] for key in keys} == {"token"}


def test_mounts_are_volumes_of_the_pod() -> None:
    """Those of the claim included."""
    volumes = {volume["name"] for volume in POD["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in PLATFORM["volumeClaimTemplates"]}
    mounted = {mount["name"] for item in (*POD["initContainers"], *POD["containers"]) for mount in item["volumeMounts"]}
    assert mounted == volumes


def test_the_lock_of_the_image_with_ray_adds_ray_only() -> None:
    """Every package that both images have is the same; the digests compare packages of all nodes."""
    pinned = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
    plain, with_ray, dev = (
        dict(pinned.findall((ROOT / name).read_text()))
        for name in ("requirements.lock", "requirements-ray.lock", "requirements-dev.lock")
    )
    assert plain.items() <= with_ray.items() <= dev.items()
    assert "ray" in with_ray.keys() - plain.keys()


KUBECTL = shutil.which("kubectl")


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kustomize_renders_the_image_into_every_container() -> None:
    """Those of the RayCluster included, which is not a kind of Kubernetes itself."""
    done = subprocess.run([str(KUBECTL), "kustomize", str(FOLDER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    images = re.findall(r"image: (\S+)", done.stdout)
    (image,) = KUSTOMIZATION["images"]
    assert images == [f"{image['newName']}:{image['newTag']}"] * len(CONTAINERS), json.dumps(images)
