"""The example and its demo, with the real command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from falconeri.storage import Credentials
from falconeri.storage.s3_client import client_for
from tests.cli.command import ROOT, environment, falconeri_command
from tests.conftest import CopyState
from tests.folders import public_folder
from tests.processes import wait_until, wait_until_nothing_is_left
from tests.s3_server import s3_server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

EXAMPLE = ROOT / "examples" / "word-frequencies"
DEMO = [sys.executable, str(EXAMPLE / "demo.py"), "--workers", "2"]
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "hidden",
    "AWS_REGION": "us-east-1",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    with public_folder("example") as made:
        yield made
        wait_until_nothing_is_left(made)


@pytest.fixture(scope="module")
def s3_keys() -> Iterator[dict[str, str]]:
    """What a secret for a real S3 server has, and the server."""
    with s3_server() as url:
        yield KEYS | {"AWS_ENDPOINT_URL": url}


def count_words(folder: Path, **files: bytes) -> dict[str, str]:
    (folder / "texts").mkdir()
    (folder / "out").mkdir()
    for name, content in files.items():
        (folder / "texts" / name).write_bytes(content)
    subprocess.run(
        ["/bin/sh", str(EXAMPLE / "count-words.sh")],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "FALCONERI_PFS": str(folder)},
    )
    return {path.name: path.read_text() for path in (folder / "out").iterdir()}


def test_words_are_runs_of_ascii_letters_in_lower_case(tmp_path: Path) -> None:
    text = "It's the END, the end!\n42 naïve_the\x00".encode() + b"\xff\xfeend"
    assert count_words(tmp_path, text=text) == {
        "text.counts": "3 end\n3 the\n1 it\n1 na\n1 s\n1 ve\n"
    }


def test_a_text_without_words_has_no_counts(tmp_path: Path) -> None:
    assert count_words(tmp_path, empty=b"", numbers=b"1 2 3\n") == {
        "empty.counts": "",
        "numbers.counts": "",
    }


def test_the_local_spec_runs_as_it_is(folder: Path, used_state: CopyState) -> None:
    used_state(folder / "state")
    example = folder / "example"
    shutil.copytree(EXAMPLE, example, ignore=shutil.ignore_patterns("out"))
    answer = falconeri_command(
        "local", "run", str(example / "local.json"), FALCONERI_STATE=f"{folder}/state"
    )
    assert answer.returncode == 0, answer.stderr
    written = {path.name for path in (example / "out").iterdir()}
    assert written == {f"{path.name}.counts" for path in (example / "texts").iterdir()}
    assert (example / "out" / "falcon.txt.counts").read_text().startswith("4 the\n")


def test_the_s3_spec_runs_with_the_keys_of_its_secret(
    folder: Path, s3_keys: dict[str, str], used_state: CopyState
) -> None:
    used_state(folder / "state")
    secret = folder / "state" / "secrets" / "s3"
    secret.mkdir(parents=True)
    for name, value in s3_keys.items():
        (secret / name).write_text(value)
    client: S3Client = client_for(Credentials(s3_keys))
    for bucket in ("my-texts", "my-results"):
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket="my-texts", Key="books/a/1.txt", Body=b"not at the top")
    client.put_object(Bucket="my-texts", Key="books/b c.txt", Body=b"to be or not to be")
    client.delete_object(Bucket="my-texts", Key="books/a/1.txt")

    spec: dict[str, Any] = json.loads((EXAMPLE / "s3.json").read_text())
    spec["transform"]["cmd"] = ["sh", str(EXAMPLE / "count-words.sh")]
    (folder / "s3.json").write_text(json.dumps(spec))
    answer = falconeri_command(
        "local", "run", str(folder / "s3.json"), FALCONERI_STATE=f"{folder}/state"
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    result = client.get_object(Bucket="my-results", Key="word-frequencies/b c.txt.counts")
    assert result["Body"].read() == b"2 be\n2 to\n1 not\n1 or\n"


def test_a_bucket_that_does_not_exist_is_wrong_input(
    folder: Path, s3_keys: dict[str, str], used_state: CopyState
) -> None:
    used_state(folder / "state")
    secret = folder / "state" / "secrets" / "s3"
    secret.mkdir(parents=True)
    for name, value in s3_keys.items():
        (secret / name).write_text(value)
    spec = (EXAMPLE / "s3.json").read_text().replace("my-texts", "nosuch")
    answer = falconeri_command(
        "local", "run", "-", "--workers", "1", stdin=spec, FALCONERI_STATE=f"{folder}/state"
    )
    assert answer.returncode == 2
    assert "nosuch" in answer.stderr
    assert "hidden" not in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_demo_checks_every_count_and_leaves_nothing(folder: Path) -> None:
    answer = subprocess.run(
        DEMO, check=False, capture_output=True, text=True, env=environment({"TMPDIR": str(folder)})
    )
    assert answer.returncode == 0, answer.stderr
    assert "The 10 most frequent of " in answer.stdout
    assert "agree with a second count" in answer.stdout
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_demo_leaves_nothing(folder: Path, number: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        DEMO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment({"TMPDIR": str(folder)}),
    ) as demo:
        wait_until(lambda: list(folder.glob("*/out/*.counts")))
        demo.send_signal(number)
        _, err = demo.communicate()
    assert demo.returncode == code
    assert "Traceback" not in err
    assert list(folder.iterdir()) == []
