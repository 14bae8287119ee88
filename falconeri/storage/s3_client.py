"""Clients of S3 and of stores that speak like it, made from `Credentials` and kept.

Called by `falconeri.storage.s3` only. What the credentials leave open (roles of a pod or a machine,
profiles) is found by botocore's own search.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from falconeri import __version__
from falconeri.errors import StorageError
from falconeri.storage.base import Credentials
from falconeri.storage.parts import PartReader
from falconeri.storage.pool import CONNECTIONS

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60
_ATTEMPTS = 5
"""Tries of one request, with some seconds between them in all."""
_SMALL_BYTES = 256 * 1024


def endpoint_of(credentials: Credentials) -> str | None:
    """Return the URL of a store that isn't Amazon's."""
    return credentials.get("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@lru_cache(maxsize=32)
def client_for(credentials: Credentials) -> S3Client:
    """Return the client for these credentials; clients may be shared by threads.

    Raises:
        StorageError: A setting that can't be used.
    """
    try:
        # A session of its own: the making of clients from a shared one is not safe with threads.
        session = boto3.session.Session(
            botocore_session=_core_session(), profile_name=credentials.get("AWS_PROFILE")
        )
        region = credentials.get("AWS_REGION", "AWS_DEFAULT_REGION") or session.region_name
        client = session.client(  # pyright: ignore[reportUnknownMemberType]  (stubs of S3 only)
            "s3",
            region_name=region or "us-east-1",
            endpoint_url=endpoint_of(credentials),
            aws_access_key_id=credentials.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=credentials.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
            config=_config(credentials),
        )
    except (BotoCoreError, ValueError) as ex:
        raise StorageError("the settings for S3 can't be used", detail=str(ex)) from ex
    client.meta.events.register_last("before-call.s3", _send_small_at_once)
    return client


def _send_small_at_once(params: dict[str, Any], **_: object) -> None:
    """Don't await the store's "continue", as botocore does: it takes as long as the rest."""
    body = params.get("body")
    if isinstance(body, PartReader) and len(body) <= _SMALL_BYTES:
        params["headers"].pop("Expect", None)


def _core_session() -> botocore.session.Session:
    """A session that leaves times as the store writes them.

    Nobody here reads them, and to understand that of each key is most of the work of a listing.
    """
    session = botocore.session.Session()
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=str)
    return session


def _config(credentials: Credentials) -> Config:
    attempts = credentials.get("AWS_MAX_ATTEMPTS") or str(_ATTEMPTS)
    options: dict[str, Any] = {}
    if credentials.enabled("AWS_SKIP_SIGNATURE"):
        options["signature_version"] = UNSIGNED
    for option in ("request_checksum_calculation", "response_checksum_validation"):
        if wanted := credentials.get(f"AWS_{option.upper()}"):
            options[option] = wanted.lower()
    return Config(
        user_agent=f"falconeri/{__version__}",  # botocore's own is long, and made for each request
        s3={"addressing_style": _addressing_style(credentials)},
        max_pool_connections=CONNECTIONS,
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": int(attempts)},
        tcp_keepalive=True,
        **options,
    )


def _addressing_style(credentials: Credentials) -> Literal["auto", "path", "virtual"]:
    """Few stores other than Amazon's have a host name for each bucket."""
    if credentials.enabled("AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
        return "virtual"
    return "path" if endpoint_of(credentials) else "auto"
