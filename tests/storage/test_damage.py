"""Contents that break off or are changed on their way down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from falconeri.errors import TransferFailed
from falconeri.storage import Storage
from falconeri.storage.gcs import GcsStorage
from falconeri.storage.s3 import S3Storage
from tests.storage.breaking_server import CHANGED, CONTENT, HALF, BreakingServer, breaking_server

Open = Callable[[BreakingServer, int], Storage]

STORES: dict[str, Open] = {
    "s3": lambda server, part_bytes: S3Storage(server.credentials, part_bytes=part_bytes),
    "gs": lambda server, part_bytes: GcsStorage(server.credentials, part_bytes=part_bytes),
}
WHOLE_BYTES = len(CONTENT)
PART_BYTES = 1500

damages = pytest.mark.parametrize("instead", [b"", HALF, CHANGED], ids=["none", "half", "changed"])
losses = pytest.mark.parametrize("instead", [b"", CONTENT[:700]], ids=["none", "half a part"])


@pytest.fixture(params=STORES)
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


def download(scheme: str, server: BreakingServer, path: Path, part_bytes: int) -> int:
    return STORES[scheme](server, part_bytes).download(f"{scheme}://bucket/x", path)


@damages
def test_a_content_that_is_damaged_on_its_way_is_fetched_again(
    tmp_path: Path, scheme: str, instead: bytes
) -> None:
    with breaking_server(broken=2, instead=instead) as server:
        size_bytes = download(scheme, server, tmp_path / "got", WHOLE_BYTES)

    assert size_bytes == len(CONTENT)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.requests == ["all"] * 3


def test_what_the_disk_has_no_room_for_is_refused_before_it_comes(
    tmp_path: Path, scheme: str
) -> None:
    too_big = {"Content-Length": str(1 << 50)}

    with (
        breaking_server(broken=0, instead=b"", headers=too_big) as server,
        pytest.raises(TransferFailed, match="not enough room on the disk") as caught,
    ):
        download(scheme, server, tmp_path / "got", WHOLE_BYTES)

    assert f"{scheme}://bucket/x" in caught.value.detail
    assert str(tmp_path) in caught.value.detail
    assert list(tmp_path.iterdir()) == []


@damages
def test_a_content_that_is_always_damaged_leaves_nothing(
    tmp_path: Path, scheme: str, instead: bytes
) -> None:
    with (
        breaking_server(broken=1000, instead=instead) as server,
        pytest.raises(TransferFailed) as caught,
    ):
        download(scheme, server, tmp_path / "got", WHOLE_BYTES)

    assert f"{scheme}://bucket/x at http://127.0.0.1:" in caught.value.detail
    assert "(5 times)" in caught.value.detail
    assert list(tmp_path.iterdir()) == []


def test_a_big_content_comes_in_parts(tmp_path: Path, scheme: str) -> None:
    with breaking_server(broken=0, instead=b"") as server:
        size_bytes = download(scheme, server, tmp_path / "got", PART_BYTES)

    assert size_bytes == len(CONTENT)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert sorted(server.requests) == ["all", *sorted(f"bytes={at}" for at in RANGES)]


RANGES = ["0-1499", "1500-2999", "3000-4499", "4500-5999", "6000-7499", "7500-8999", "9000-9999"]


@losses
def test_a_part_that_breaks_off_is_fetched_again(
    tmp_path: Path, scheme: str, instead: bytes
) -> None:
    with breaking_server(broken=4, instead=instead) as server:
        download(scheme, server, tmp_path / "got", PART_BYTES)

    assert (tmp_path / "got").read_bytes() == CONTENT
    assert len(server.requests) == 1 + len(RANGES) + 3


@losses
def test_a_part_that_always_breaks_off_leaves_nothing(
    tmp_path: Path, scheme: str, instead: bytes
) -> None:
    with (
        breaking_server(broken=1000, instead=instead) as server,
        pytest.raises(TransferFailed) as caught,
    ):
        download(scheme, server, tmp_path / "got", PART_BYTES)

    assert f"{scheme}://bucket/x at http://127.0.0.1:" in caught.value.detail
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_make_up_the_content_are_fetched_again(
    tmp_path: Path, scheme: str
) -> None:
    with breaking_server(broken=1 + len(RANGES), instead=CHANGED) as server:
        download(scheme, server, tmp_path / "got", PART_BYTES)

    assert (tmp_path / "got").read_bytes() == CONTENT
    assert len(server.requests) == 2 * (1 + len(RANGES))


def test_where_there_is_no_checksum_an_md5_as_etag_is_compared(tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    headers = {"x-amz-checksum-crc32": "", "ETag": f'"{md5}"'}

    with breaking_server(broken=1, instead=CHANGED, headers=headers) as server:
        download("s3", server, tmp_path / "got", WHOLE_BYTES)

    assert (tmp_path / "got").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_an_etag_that_only_looks_like_an_md5_is_believed_to_be_none(tmp_path: Path) -> None:
    headers = {"x-amz-checksum-crc32": "", "ETag": f'"{"0" * 32}"'}

    with breaking_server(broken=0, instead=b"", headers=headers) as server:
        download("s3", server, tmp_path / "got", WHOLE_BYTES)

    assert (tmp_path / "got").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_an_etag_of_something_encrypted_is_no_md5(tmp_path: Path) -> None:
    headers = {
        "x-amz-checksum-crc32": "",
        "x-amz-server-side-encryption": "aws:kms",
        "ETag": f'"{"0" * 32}"',
    }

    with breaking_server(broken=0, instead=b"", headers=headers) as server:
        download("s3", server, tmp_path / "got", WHOLE_BYTES)

    assert len(server.requests) == 1
