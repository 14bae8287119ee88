"""What only the store `gs://` has to care about."""

from __future__ import annotations

import socket
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from google.api_core import exceptions as google

from falconeri.errors import (
    InvalidInput,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    TransferFailed,
)
from falconeri.storage import Credentials, checksums
from falconeri.storage.gcs import GcsStorage
from falconeri.storage.gcs_errors import gcs_errors
from tests.client.server import Reply, Seen, of_json, serving

MISSING_BUCKET = f"gs://no-such-bucket-{uuid4().hex}/dir/"

CRC32C = b64encode(checksums.CRC32C.update(0, b"content").to_bytes(4, "big")).decode()

Use = Callable[[GcsStorage, str, Path], object]

USES: dict[str, Use] = {
    "list_entries": lambda storage, uri, _: list(storage.list_entries(uri)),
    "list_files": lambda storage, uri, _: list(storage.list_files(uri)),
    "download a tree": lambda storage, uri, path: storage.download(uri, path / "got"),
    "download": lambda storage, uri, path: storage.download(f"{uri}x", path / "got"),
    "upload": lambda storage, uri, path: storage.upload(path / "local", f"{uri}x"),
    "stat": lambda storage, uri, _: storage.stat(f"{uri}x"),
}

every_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "local").write_bytes(b"content")
    return tmp_path


def impatient(url: str, **settings: str) -> GcsStorage:
    credentials = Credentials({"STORAGE_EMULATOR_HOST": url, **settings}, origin="the secret 'g'")
    return GcsStorage(credentials, patience_s=0.1)


def query(seen: Seen) -> dict[str, list[str]]:
    return parse_qs(urlsplit(seen.path).query)


# --- Listing ----------------------------------------------------------------------------


def test_a_listing_goes_on_from_page_to_page() -> None:
    pages = {
        "": {"items": [{"name": "d/a", "size": "1"}], "prefixes": ["d/Z/"], "nextPageToken": "2"},
        "2": {"nextPageToken": "3"},
        "3": {"items": [{"name": "d/c", "size": "2"}], "prefixes": ["d/b/"]},
    }

    def script(seen: Seen) -> Reply:
        return of_json(pages[query(seen).get("pageToken", [""])[0]])

    with serving(script) as server:
        storage = GcsStorage(Credentials({"STORAGE_EMULATOR_HOST": server.url}), page_size=2)
        listed = [entry.uri for entry in storage.list_entries("gs://bucket/d")]

    assert listed == [f"gs://bucket/d/{name}" for name in ("Z/", "a", "b/", "c")]
    assert query(server.seen[0]) == {
        "prefix": ["d/"],
        "delimiter": ["/"],
        "maxResults": ["2"],
        "fields": ["items(name,size),prefixes,nextPageToken"],
        "projection": ["noAcl"],
        "prettyPrint": ["false"],
    }
    assert len(server.seen) == 3  # nothing else is asked for


# --- What is missing, and what is refused -----------------------------------------------


@every_use
def test_a_bucket_that_is_not_there_is_named(
    gcs_credentials: Credentials, local: Path, use: Use
) -> None:
    with pytest.raises(ObjectNotFound) as caught:
        use(GcsStorage(gcs_credentials), MISSING_BUCKET, local)

    assert MISSING_BUCKET in caught.value.detail
    assert "http://127.0.0.1:" in caught.value.detail


@every_use
def test_a_bucket_that_nobody_can_have_is_refused(
    gcs_credentials: Credentials, local: Path, use: Use
) -> None:
    with pytest.raises(InvalidInput, match="a bucket that Google can't have") as caught:
        use(GcsStorage(gcs_credentials), "gs://-bucket/dir/", local)

    assert "gs://-bucket" in caught.value.detail


@every_use
def test_an_endpoint_that_does_not_answer_is_named(local: Path, use: Use) -> None:
    with socket.socket() as unused:  # bound, so that nobody else listens there
        unused.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(StorageError, match="can't be reached") as caught:
            use(impatient(endpoint), "gs://bucket/dir/", local)

    assert f"http://{endpoint}" in caught.value.detail
    assert "GOOGLE_BASE_URL in the secret 'g'" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (google.NotFound("The specified bucket does not exist."), ObjectNotFound, "no such bucket"),
        (google.NotFound("No such object: bucket/x"), ObjectNotFound, "no such object"),
        (google.Unauthorized("Invalid Credentials"), StorageDenied, "GOOGLE_SERVICE_ACCOUNT_KEY"),
        (google.Forbidden("no access"), StorageDenied, "GOOGLE_SERVICE_ACCOUNT_KEY"),
        (google.PreconditionFailed("conditionNotMet"), TransferFailed, "the object changed"),
        (google.BadRequest("Invalid bucket name"), StorageError, "Invalid bucket name"),
        (google.ServiceUnavailable("busy"), StorageError, "busy"),
        (google.RetryError("waited", google.TooManyRequests("slow")), StorageError, "slow"),
    ],
)
def test_an_answer_that_an_emulator_does_not_give_says_what_to_look_at(
    answer: Exception, expected: type[StorageError], message: str
) -> None:
    credentials = Credentials({"GOOGLE_SERVICE_ACCOUNT_KEY": "hush"})

    with (
        pytest.raises(StorageError, match=message) as caught,
        gcs_errors("gs://bucket/x", credentials),
    ):
        raise answer

    assert type(caught.value) is expected
    assert "gs://bucket/x at https://storage.googleapis.com" in caught.value.detail
    assert "hush" not in str(caught.value)


# --- Transfers --------------------------------------------------------------------------


def test_what_is_not_possible_now_is_tried_again(local: Path) -> None:
    replies = [Reply(503), None, Reply(200, b"content")]

    with serving(lambda _: replies.pop(0)) as server:
        storage = GcsStorage(Credentials({"STORAGE_EMULATOR_HOST": server.url}), patience_s=60)
        storage.download("gs://bucket/x", local / "got")

    assert (local / "got").read_bytes() == b"content"


def test_a_content_that_is_changed_on_its_way_up_is_sent_again(local: Path) -> None:
    changed = {"error": {"message": f'Provided CRC32C "{CRC32C}" doesn\'t match calculated CRC32C'}}
    replies = [of_json(changed, 400), of_json({"name": "x", "size": "7", "crc32c": CRC32C})]

    with serving(lambda _: replies.pop(0)) as server:
        stored = impatient(server.url).upload(local / "local", "gs://bucket/x")

    assert stored.size_bytes == 7
    assert stored.checksum == f"crc32c:{b64decode(CRC32C).hex()}"
    assert len(server.seen) == 2
    assert all(CRC32C.encode() in seen.body and b"content" in seen.body for seen in server.seen)


def test_a_content_that_is_not_all_there_afterwards_is_an_error(local: Path) -> None:
    less = of_json({"name": "x", "size": "6", "crc32c": CRC32C})

    with (
        serving(lambda _: less) as server,
        pytest.raises(TransferFailed, match="6 of 7 bytes"),
    ):
        impatient(server.url).upload(local / "local", "gs://bucket/x")


def test_all_parts_are_of_the_version_that_came_first(local: Path) -> None:
    content = b"0123456789" * 100

    def script(seen: Seen) -> Reply:
        if "Range" not in seen.headers:
            return Reply(200, content, {"X-Goog-Generation": "7"})
        assert query(seen)["ifGenerationMatch"] == ["7"]
        first, last = map(int, seen.headers["Range"].removeprefix("bytes=").split("-"))
        return Reply(206, content[first : last + 1]) if first < 500 else Reply(412)

    with serving(script) as server:
        credentials = Credentials({"STORAGE_EMULATOR_HOST": server.url})
        storage = GcsStorage(credentials, part_bytes=100)
        with pytest.raises(TransferFailed, match="the object changed"):
            storage.download("gs://bucket/x", local / "got")

    assert [path.name for path in local.iterdir()] == ["local"]


def test_a_compressed_object_arrives_as_it_is_stored(local: Path) -> None:
    reply = Reply(200, b"not really gzip", {"Content-Encoding": "gzip"})

    with serving(lambda _: reply) as server:
        impatient(server.url).download("gs://bucket/x", local / "got")

    assert (local / "got").read_bytes() == b"not really gzip"
    assert server.seen[0].headers["Accept-Encoding"] == "gzip"


def test_a_key_goes_into_the_url_as_one_segment(local: Path) -> None:
    with serving(lambda _: Reply(200, b"")) as server:
        impatient(server.url).download("gs://bucket/a b/50%~#?é", local / "got")

    path = urlsplit(server.seen[0].path).path
    assert path == "/download/storage/v1/b/bucket/o/a%20b%2F50%25~%23%3F%C3%A9"
