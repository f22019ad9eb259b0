"""coin storage as a person types it: in a bucket, and in a folder."""

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
    """Run a command in this process; errors of ours come out as exceptions."""
    return CliRunner().invoke(coin, ("storage", *arguments), catch_exceptions=False)


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """The bucket that the settings name, which is not there yet."""
    for name, value in s3_server.environment("typed").items():
        monkeypatch.setenv(name, value)
    yield S3Store(s3_server.client(), "typed")
    if "typed" in [each["Name"] for each in s3_server.client().list_buckets()["Buckets"]]:
        s3_server.client().delete_bucket(Bucket="typed")


def test_init_makes_a_bucket_that_check_finds_in_order(bucket: S3Store) -> None:
    """After init every trial succeeds, nothing of them is left, and a second init says that all is as wanted."""
    made = invoke("init", "--versioning")
    assert (made.exit_code, made.output.splitlines()[0]) == (0, "the bucket is made, in us-east-1")
    again = invoke("init", "--versioning")
    assert "made" not in again.output
    assert "from now on" not in again.output
    checked = invoke("check")
    assert checked.exit_code == 0
    told = [line.split()[:2] for line in checked.output.splitlines()[1:]]
    trials = ["put", "get", "list", "checksum", "create-only", "delete"]
    assert told == [*(["ok", what] for what in trials), ["note", "versioning"], ["ok", "lifecycle"]]
    assert list(bucket.keys()) == []
    for version in bucket.client.list_object_versions(Bucket="typed").get("Versions", []):
        bucket.client.delete_object(Bucket="typed", Key=version["Key"], VersionId=version["VersionId"])


def test_check_of_a_bucket_that_is_not_there_fails_with_the_remedy(bucket: S3Store) -> None:
    """The first thing that fails is told, with exit code 1."""
    checked = invoke("check")
    assert checked.exit_code == 1
    assert checked.output.startswith(f"s3://{bucket.bucket}/")
    assert re.search(r"^fail  put +the object store refuses .*coin storage init", checked.output, re.MULTILINE)


def test_up_does_not_start_on_a_bucket_that_refuses(bucket: S3Store, tmp_path: Path) -> None:
    """The sentence comes before any program is started, with exit code 1."""
    done = subprocess.run(
        [COIN, "up"],
        env={**os.environ, "DATA_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: the object store refuses s3://{bucket.bucket}/")
    assert "coin storage init" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_tells_what_init_would_set(bucket: S3Store, s3_server: S3Server) -> None:
    """A bucket made by hand can be used; what it lacks is a note."""
    s3_server.store(bucket.bucket)
    checked = invoke("check")
    assert checked.exit_code == 0
    assert re.search("^note  versioning +off; 'coin storage init --versioning'", checked.output, re.MULTILINE)
    assert re.search("^note  lifecycle +without .*coin-backtests.*'coin storage init'", checked.output, re.MULTILINE)


def test_init_refuses_credentials_that_are_wrong(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence is that of the store."""
    assert bucket.bucket == "typed"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageRefused, match="AWS_SECRET_ACCESS_KEY"):
        invoke("init")


def test_without_a_bucket_init_makes_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where results lie then is said; a second time the folders are there."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    made = invoke("init").output
    assert made.splitlines() == [
        f"AWS_BUCKET_NAME is not set, so results lie below {tmp_path / 'data'}",
        f"{tmp_path / 'data' / 'tasks'} is made",
        f"{tmp_path / 'data' / 'results'} is made",
    ]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["results", "tasks"]
    assert invoke("init").output == made.replace("is made", "is there")


def test_check_tries_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same trials, and nothing is left."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    checked = invoke("check")
    assert checked.exit_code == 0, checked.output
    assert [line.split()[0] for line in checked.output.splitlines()[1:]] == ["ok"] * 6
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_check_of_a_folder_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the folder should be is told as such."""
    (tmp_path / "data").write_text("")
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    checked = invoke("check")
    assert checked.exit_code == 1
    assert "Not a directory" in checked.output


def test_policy_prints_what_a_bucket_takes(bucket: S3Store) -> None:
    """For the bucket of the settings, or for another one, as JSON that IAM takes."""
    for arguments, name in (((), bucket.bucket), (("--bucket", "another"), "another")):
        statements = json.loads(invoke("policy", *arguments).output)["Statement"]
        assert {each["Resource"] for each in statements} == {f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"}


def test_policy_without_a_bucket_asks_for_one() -> None:
    """A policy with a placeholder in it would be pasted as it is."""
    asked = invoke("policy")
    assert asked.exit_code == 2
    assert "AWS_BUCKET_NAME" in asked.output
