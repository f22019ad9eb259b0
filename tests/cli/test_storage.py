"""The storage commands on a bucket and on a folder."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import StorageRefused
from coin_pipeline.storage.s3 import S3Store
from tests.s3 import S3Server

COIN = Path(sys.executable).with_name("coin")


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ("storage", *arguments), catch_exceptions=False)


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """The bucket named by the settings, which does not exist yet."""
    for name, value in s3_server.environment("typed").items():
        monkeypatch.setenv(name, value)
    yield S3Store(s3_server.client(), "typed")
    if "typed" in [entry["Name"] for entry in s3_server.client().list_buckets()["Buckets"]]:
        s3_server.client().delete_bucket(Bucket="typed")


def test_init_creates_a_bucket_that_passes_check(bucket: S3Store) -> None:
    """After init every check passes and leaves no object; a second init changes nothing."""
    first = invoke("init", "--versioning")
    assert (first.exit_code, first.output.splitlines()[0]) == (0, "created the bucket in us-east-1")
    again = invoke("init", "--versioning")
    assert "created" not in again.output
    assert "set the lifecycle" not in again.output
    checked = invoke("check")
    assert checked.exit_code == 0
    outcomes = [line.split()[:2] for line in checked.output.splitlines()[1:]]
    steps = ["put", "get", "list", "checksum", "create-only", "delete"]
    assert outcomes == [*(["ok", step] for step in steps), ["note", "versioning"], ["ok", "lifecycle"]]
    assert list(bucket.keys()) == []
    for version in bucket.client.list_object_versions(Bucket="typed").get("Versions", []):
        bucket.client.delete_object(Bucket="typed", Key=version["Key"], VersionId=version["VersionId"])


def test_check_of_a_missing_bucket_names_the_remedy(bucket: S3Store) -> None:
    """The first failing step is printed, and the exit code is 1."""
    checked = invoke("check")
    assert checked.exit_code == 1
    assert checked.output.startswith(f"s3://{bucket.bucket}/")
    assert re.search(r"^fail  put +the object store rejected .*coin storage init", checked.output, re.MULTILINE)


def test_up_does_not_start_on_an_unusable_bucket(bucket: S3Store, tmp_path: Path) -> None:
    """The error is printed before any process starts, and the exit code is 1."""
    result = subprocess.run(
        [COIN, "up"],
        env={**os.environ, "DATA_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: the object store rejected s3://{bucket.bucket}/")
    assert "coin storage init" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_notes_what_init_would_configure(bucket: S3Store, s3_server: S3Server) -> None:
    """A bucket created by hand is usable; missing settings are notes."""
    s3_server.store(bucket.bucket)
    checked = invoke("check")
    assert checked.exit_code == 0
    assert re.search("^note  versioning +off; 'coin storage init --versioning'", checked.output, re.MULTILINE)
    assert re.search("^note  lifecycle +the rules coin-backtests.*'coin storage init'", checked.output, re.MULTILINE)


def test_init_rejects_wrong_credentials(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is that of the object store."""
    assert bucket.bucket == "typed"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageRefused, match="AWS_SECRET_ACCESS_KEY"):
        invoke("init")


def test_init_without_a_bucket_creates_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output names the storage location; the second call reports that the folders exist."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    first = invoke("init").output
    assert first.splitlines() == [
        f"AWS_BUCKET_NAME is not set: results are stored under {tmp_path / 'data'}",
        f"{tmp_path / 'data' / 'tasks'} created",
        f"{tmp_path / 'data' / 'results'} created",
    ]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["results", "tasks"]
    assert invoke("init").output == first.replace(" created", " exists")


def test_check_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same steps run and leave no file."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    checked = invoke("check")
    assert checked.exit_code == 0, checked.output
    assert [line.split()[0] for line in checked.output.splitlines()[1:]] == ["ok"] * 6
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_check_of_an_unwritable_folder_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in place of the folder is reported."""
    (tmp_path / "data").write_text("")
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    checked = invoke("check")
    assert checked.exit_code == 1
    assert "Not a directory" in checked.output


def test_policy_names_the_bucket(bucket: S3Store) -> None:
    """The policy covers the configured bucket, or the one given with --bucket."""
    for arguments, name in (((), bucket.bucket), (("--bucket", "another"), "another")):
        statements = json.loads(invoke("policy", *arguments).output)["Statement"]
        assert {statement["Resource"] for statement in statements} == {f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"}


def test_policy_requires_a_bucket() -> None:
    """No policy with a placeholder is printed, since users would paste it as is."""
    result = invoke("policy")
    assert result.exit_code == 2
    assert "AWS_BUCKET_NAME" in result.output
