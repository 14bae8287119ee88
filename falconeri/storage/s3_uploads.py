"""Files on their way to S3: in one request, or in parts that become an object all at once.

Called by `falconeri.storage.s3` only, within `s3_errors`. What a killed process has left of its
parts is seen by nobody, but paid for: the next upload of the same key removes it, and so does a
deletion. That also ends the upload of a worker that has lost its claim without knowing it.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from falconeri.errors import StorageDenied, TransferFailed
from falconeri.log import get_logger
from falconeri.storage.atomic import local_errors
from falconeri.storage.base import Credentials
from falconeri.storage.checksums import CRC32, CRC32C, Expected
from falconeri.storage.contents import Damaged, again
from falconeri.storage.parts import Part, PartReader, opened, split
from falconeri.storage.pool import PART_THREADS, PARTS
from falconeri.storage.s3_errors import s3_errors
from falconeri.storage.uri import Location

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_MD5 = re.compile("[0-9a-f]{32}")
_KMS = "aws:kms"

log = get_logger(__name__)


class Target(NamedTuple):
    """Where a file goes, and how."""

    client: S3Client
    credentials: Credentials
    place: Location

    @property
    def uri(self) -> str:
        """As messages name it."""
        return f"{self.place.scheme}://{self.place.bucket}/{self.place.key}"


def put(target: Target, path: Path, size_bytes: int) -> str:
    """Store a file by one request; return its ETag."""
    bucket, key = target.place.bucket, target.place.key
    seen: set[str] = set()

    def move() -> str:
        content = PartReader(descriptor, Part(1, 0, size_bytes))
        with s3_errors(target.uri, target.credentials):
            answer = target.client.put_object(Bucket=bucket, Key=key, Body=content)  # pyright: ignore[reportArgumentType]
        _require_arrived(target, answer, content, seen)
        return answer["ETag"]

    with local_errors(path), opened(path, os.O_RDONLY) as descriptor:
        return again(move)


def put_parts(target: Target, path: Path, size_bytes: int, part_bytes: int) -> str:
    """Store a file in parts; return its ETag."""
    abort_abandoned(target)
    client, bucket, key = target.client, target.place.bucket, target.place.key
    algorithm = {"ChecksumAlgorithm": "CRC32"} if _checksums_wanted(client) else {}
    upload_id = client.create_multipart_upload(Bucket=bucket, Key=key, **algorithm)["UploadId"]  # pyright: ignore[reportArgumentType]
    try:
        with local_errors(path), opened(path, os.O_RDONLY) as descriptor:
            moves = (
                partial(again, partial(_put_part, target, upload_id, descriptor, part, set[str]()))
                for part in split(size_bytes, part_bytes)
            )
            done = list(PARTS.run_all(moves, ahead=2 * PART_THREADS))
        done.sort(key=lambda part: part.get("PartNumber", 0))
        etag = _complete(target, upload_id, done)
    except BaseException:
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        raise
    if etag != _etag_of(done):  # else it is that of all parts, as they have arrived
        _require_size(target, size_bytes)
    return etag


def abort_abandoned(target: Target) -> None:
    """Remove the parts that unfinished uploads of exactly this key have left; log if we may not."""
    client, bucket, key = target.client, target.place.bucket, target.place.key
    try:
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
        for page in pages:
            for upload in page.get("Uploads", []):
                if upload.get("Key") != key:
                    return  # they are sorted by key
                upload_id = upload.get("UploadId", "")
                client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
                log.info("abandoned_parts_removed", uri=target.uri)
    except ClientError as ex:
        if _code(ex) not in {"NoSuchUpload", "NoSuchBucket"}:
            log.warning("abandoned_parts_not_removed", uri=target.uri, error=str(ex))


def expected_of(answer: Mapping[str, object]) -> Expected:
    """Read what an answer says of the whole content of its object."""
    for crc, name in ((CRC32, "ChecksumCRC32"), (CRC32C, "ChecksumCRC32C")):
        value = answer.get(name)
        if isinstance(value, str) and "-" not in value:  # else it is one of the parts' checksums
            return Expected(crc, int.from_bytes(b64decode(value), "big"))
    return Expected(md5=_md5_in(answer))


def _md5_in(answer: Mapping[str, object]) -> str | None:
    """The MD5 that an ETag is where nothing is encrypted with keys and nothing came in parts."""
    etag = str(answer.get("ETag", "")).strip('"')
    encrypted = answer.get("SSECustomerAlgorithm") or str(
        answer.get("ServerSideEncryption", "")
    ).startswith(_KMS)
    return etag if _MD5.fullmatch(etag) and not encrypted else None


def _put_part(
    target: Target, upload_id: str, descriptor: int, part: Part, seen: set[str]
) -> CompletedPartTypeDef:
    content = PartReader(descriptor, part)
    with s3_errors(target.uri, target.credentials):
        answer = target.client.upload_part(
            Bucket=target.place.bucket,
            Key=target.place.key,
            UploadId=upload_id,
            PartNumber=part.number,
            Body=content,  # pyright: ignore[reportArgumentType]
        )
    _require_arrived(target, answer, content, seen)
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": answer["ETag"]}
    if checksum := answer.get("ChecksumCRC32"):
        completed["ChecksumCRC32"] = checksum
    return completed


def _require_arrived(
    target: Target, answer: Mapping[str, object], content: PartReader, seen: set[str]
) -> None:
    """Compare what is stored with what was sent, where the store hasn't done so itself.

    An ETag that comes twice for the same content and isn't its MD5 never was one.
    """
    etag = _md5_in(answer)
    if answer.get("ChecksumCRC32") or etag is None or etag in seen:
        return
    content.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    while data := content.read(1 << 20):
        digest.update(data)
    if digest.hexdigest() != etag:
        seen.add(etag)
        problem = f"{target.uri}: MD5 {digest.hexdigest()}, and the ETag {etag}"
        raise Damaged("the content was changed on its way", detail=problem)


def _complete(target: Target, upload_id: str, parts: list[CompletedPartTypeDef]) -> str:
    try:
        answer = target.client.complete_multipart_upload(
            Bucket=target.place.bucket,
            Key=target.place.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )
    except ClientError as ex:
        # The first answer may be lost, and the repeat come too late.
        etag = _etag_of(parts)
        if etag is None or _code(ex) != "NoSuchUpload" or etag != _stored(target)[1]:
            raise
        return etag
    return answer["ETag"].strip('"')


def _etag_of(parts: list[CompletedPartTypeDef]) -> str | None:
    """The ETag of an object in parts, if theirs are MD5s."""
    etags = [part.get("ETag", "").strip('"') for part in parts]
    if not all(map(_MD5.fullmatch, etags)):
        return None
    digest = hashlib.md5(bytes.fromhex("".join(etags)), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(etags)}"


def _stored(target: Target) -> tuple[int, str]:
    head = target.client.head_object(Bucket=target.place.bucket, Key=target.place.key)
    return head["ContentLength"], head["ETag"].strip('"')


def _require_size(target: Target, size_bytes: int) -> None:
    try:
        with s3_errors(target.uri, target.credentials):
            stored_bytes, _ = _stored(target)
    except StorageDenied:
        return  # somebody may write here, and not read
    if stored_bytes != size_bytes:
        problem = f"{target.uri}: {stored_bytes} of {size_bytes} bytes"
        raise TransferFailed("not everything was stored", detail=problem)


def _checksums_wanted(client: S3Client) -> bool:
    wanted = getattr(client.meta.config, "request_checksum_calculation", "when_supported")
    return wanted == "when_supported"


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
