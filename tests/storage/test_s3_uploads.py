"""Uploads to S3: what is damaged on its way, what is left of a killed one, and who may do it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from falconeri.errors import ObjectNotFound, StorageError, TransferFailed
from falconeri.storage import Credentials
from falconeri.storage.s3 import S3Storage
from falconeri.storage.s3_client import client_for
from falconeri.storage.uri import parse
from tests.client.server import Reply, Script, Seen, Server, serving
from tests.storage.places import PART_BYTES, Place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONTENT = os.urandom(100)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
BIG = os.urandom(2 * PART_BYTES + 1)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "local").write_bytes(CONTENT)
    (tmp_path / "big").write_bytes(BIG)
    return tmp_path


def storage_of(server: Server) -> S3Storage:
    settings = {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "a secret nobody may see",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_MAX_ATTEMPTS": "1",
    }
    return S3Storage(Credentials(settings), part_bytes=PART_BYTES)


def uploads(client: S3Client, place: Place) -> list[str]:
    try:
        answer = client.list_multipart_uploads(Bucket=parse(place.base).bucket)
    except client.exceptions.NoSuchUpload:  # rclone's answer when there are none
        return []
    return sorted(upload.get("Key", "") for upload in answer.get("Uploads", []))


def test_a_small_file_is_sent_without_waiting_for_the_stores_leave(local: Path) -> None:
    with serving(lambda _: Reply(200, headers={"ETag": f'"{MD5}"'})) as server:
        storage_of(server).upload(local / "local", "s3://bucket/x")

    headers = {name.lower(): value for name, value in server.seen[0].headers.items()}
    assert "expect" not in headers
    assert headers["user-agent"].startswith("falconeri/")


# --- What is damaged on its way ---------------------------------------------------------


def etags(*values: str) -> Script:
    replies = [Reply(200, headers={"ETag": f'"{value}"'}) for value in values]
    return lambda _: replies.pop(0)


def test_a_content_that_the_store_has_otherwise_is_sent_again(local: Path) -> None:
    with serving(etags("0" * 32, "1" * 32, MD5)) as server:
        stored = storage_of(server).upload(local / "local", "s3://bucket/x")

    assert stored.checksum == f"etag:{MD5}"
    assert [CONTENT in seen.body for seen in server.seen] == [True] * 3


def test_a_content_that_the_store_always_has_otherwise_is_an_error(local: Path) -> None:
    with (
        serving(etags(*(f"{number}" * 32 for number in range(5)))) as server,
        pytest.raises(TransferFailed, match="changed on its way") as caught,
    ):
        storage_of(server).upload(local / "local", "s3://bucket/x")

    assert "s3://bucket/x" in caught.value.detail


@pytest.mark.parametrize("values", [("0" * 32, "0" * 32), ("not an MD5",)])
def test_an_etag_that_is_no_md5_is_believed_to_be_none(
    local: Path, values: tuple[str, ...]
) -> None:
    with serving(etags(*values)) as server:
        storage_of(server).upload(local / "local", "s3://bucket/x")

    assert len(server.seen) == len(values)


def test_a_content_that_the_store_refuses_as_damaged_is_sent_again(local: Path) -> None:
    refusal = b"<Error><Code>BadDigest</Code><Message>no</Message></Error>"
    replies = [Reply(400, refusal), Reply(200, headers={"ETag": f'"{MD5}"'})]

    with serving(lambda _: replies.pop(0)) as server:
        storage_of(server).upload(local / "local", "s3://bucket/x")

    assert len(server.seen) == 2


# --- Parts ------------------------------------------------------------------------------

BLOCKED = """
import sys, threading
from pathlib import Path
from falconeri.storage import Credentials
from falconeri.storage.s3 import S3Storage
import falconeri.storage.s3_uploads as uploads

def block(*_):
    print("all parts are there", flush=True)
    threading.Event().wait()

uploads._complete = block
path, uri = sys.argv[1:]
S3Storage(Credentials.from_environment(), part_bytes=5 << 20).upload(Path(path), uri)
"""


@pytest.fixture(params=["s3", "rclone"])
def server(request: pytest.FixtureRequest) -> tuple[Place, Credentials]:
    place: Place = request.getfixturevalue(request.param)
    return place, request.getfixturevalue(f"{request.param}_credentials")


@pytest.fixture
def client(server: tuple[Place, Credentials]) -> S3Client:
    return client_for(server[1])


@pytest.fixture
def killed(server: tuple[Place, Credentials], local: Path) -> Place:
    """An upload of `big` was killed when all its parts were there."""
    place, credentials = server
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED, str(local / "big"), place.base + "big"],
        env=os.environ | credentials.settings(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "all parts are there\n"
        process.send_signal(signal.SIGKILL)
    return place


def test_a_killed_upload_is_not_seen(killed: Place, client: S3Client) -> None:
    whole_bucket = killed.storage.list_files(f"s3://{parse(killed.base).bucket}/")
    assert [entry.uri for entry in whole_bucket if "big" in entry.uri] == []
    with pytest.raises(ObjectNotFound):
        killed.storage.stat(killed.base + "big")
    assert uploads(client, killed) == ["in put/big"]


def test_the_next_upload_takes_away_what_a_killed_one_has_left(
    killed: Place, client: S3Client, local: Path
) -> None:
    bucket = parse(killed.base).bucket
    client.create_multipart_upload(Bucket=bucket, Key="in put/bigger")

    killed.storage.upload(local / "big", killed.base + "big")

    assert killed.read("big") == BIG
    assert uploads(client, killed) == ["in put/bigger"]


def test_a_deletion_takes_it_away_too(killed: Place, client: S3Client) -> None:
    killed.storage.delete(killed.base + "big")

    assert uploads(client, killed) == []


def parts_server(complete: Callable[[Seen], Reply]) -> Script:
    """Answers as S3 does to an upload in parts, except when it is completed, or listed."""

    def script(seen: Seen) -> Reply:
        query = seen.path.partition("?")[2]
        if seen.method == "GET":
            return Reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        if "partNumber" in query:
            return Reply(200, headers={"ETag": f'"{MD5}"', "x-amz-checksum-crc32": "AAAAAA=="})
        if seen.method == "POST" and "uploadId" not in query:
            answer = b"<InitiateMultipartUploadResult><UploadId>u</UploadId>"
            return Reply(200, answer + b"</InitiateMultipartUploadResult>")
        return complete(seen) if seen.method != "DELETE" else Reply(204)

    return script


def test_parts_that_cannot_become_an_object_are_taken_away(local: Path) -> None:
    refused = Reply(400, b"<Error><Code>InvalidPart</Code></Error>")

    with (
        serving(parts_server(lambda _: refused)) as server,
        pytest.raises(StorageError, match="InvalidPart"),
    ):
        storage_of(server).upload(local / "big", "s3://bucket/x")

    assert server.seen[-1].method == "DELETE"
    assert "uploadId=u" in server.seen[-1].path


def test_an_upload_whose_answer_was_lost_is_done_all_the_same(local: Path) -> None:
    of_parts = hashlib.md5(bytes.fromhex(MD5) * 3, usedforsecurity=False).hexdigest()
    head = Reply(200, headers={"ETag": f'"{of_parts}-3"', "Content-Length": str(len(BIG))})
    gone = Reply(404, b"<Error><Code>NoSuchUpload</Code></Error>")

    with serving(parts_server(lambda seen: gone if seen.method == "POST" else head)) as server:
        stored = storage_of(server).upload(local / "big", "s3://bucket/x")

    assert stored.checksum == f"etag:{of_parts}-3"


def test_parts_that_are_not_all_there_afterwards_are_an_error(local: Path) -> None:
    done = b"<CompleteMultipartUploadResult><ETag>e-3</ETag></CompleteMultipartUploadResult>"
    head = Reply(200, headers={"ETag": '"e-3"', "Content-Length": str(len(BIG) - 1)})

    def complete(seen: Seen) -> Reply:
        return Reply(200, done) if seen.method == "POST" else head

    with (
        serving(parts_server(complete)) as server,
        pytest.raises(TransferFailed, match="not everything was stored"),
    ):
        storage_of(server).upload(local / "big", "s3://bucket/x")


def test_parts_whose_etag_says_that_all_are_there_are_not_asked_for_again(local: Path) -> None:
    of_parts = hashlib.md5(bytes.fromhex(MD5) * 3, usedforsecurity=False).hexdigest()
    answer = f"<ETag>{of_parts}-3</ETag>".encode()
    done = b"<CompleteMultipartUploadResult>" + answer + b"</CompleteMultipartUploadResult>"

    with serving(parts_server(lambda _: Reply(200, done))) as server:
        stored = storage_of(server).upload(local / "big", "s3://bucket/x")

    assert stored.checksum == f"etag:{of_parts}-3"
    assert "HEAD" not in [seen.method for seen in server.seen]


def test_who_may_write_but_not_read_can_upload_in_parts(local: Path) -> None:
    done = b"<CompleteMultipartUploadResult><ETag>e-3</ETag></CompleteMultipartUploadResult>"

    def complete(seen: Seen) -> Reply:
        return Reply(200, done) if seen.method == "POST" else Reply(403)

    with serving(parts_server(complete)) as server:
        stored = storage_of(server).upload(local / "big", "s3://bucket/x")

    assert stored.checksum == "etag:e-3"
