"""`falconeri-worker --self-test`: can the worker's own software do its work on this machine?

Called by `main`. For the bundle (deploy/worker-bundle), whose build and whose tests run it, and for
people who ask whether it starts in their image. Asks nothing of any network, writes no file.
"""

from __future__ import annotations

import importlib
import pkgutil
import ssl
import sys
from collections.abc import Callable

import falconeri.client
import falconeri.storage
import falconeri.wire
import falconeri_worker
from falconeri.storage import Credentials

# ruff: noqa: PLC0415 - the stores' libraries take long to import: each by its own check

_PACKAGES = (falconeri.client, falconeri.storage, falconeri.wire, falconeri_worker)


def run() -> bool:
    """Check everything, print a line for each check, and say whether all went well."""
    return all([_passes(name, check) for name, check in _CHECKS.items()])  # noqa: C419 (each)


def _passes(name: str, check: Callable[[], str]) -> bool:
    try:
        found = check()
    except Exception as ex:  # noqa: BLE001 (whatever it is, it is what was asked for)
        sys.stdout.write(f"FAILED {name}: {type(ex).__name__}: {ex}\n")
        return False
    sys.stdout.write(f"ok {name}: {found}\n")
    return True


def _python() -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _modules() -> str:
    names = [
        module.name
        for package in _PACKAGES
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith(".__main__")
    ]
    for name in names:
        importlib.import_module(name)
    return f"{len(names)} imported"


def _certificates() -> str:
    count = ssl.create_default_context().cert_store_stats()["x509_ca"]
    if not count:
        raise RuntimeError("no certificate authority is known: https can't be used")
    return f"{count} authorities"


def _checksums() -> str:
    import google_crc32c

    if google_crc32c.implementation != "c":
        raise RuntimeError("CRC-32C is computed by Python, which is slow")
    return "CRC-32C in C"


def _s3() -> str:
    import boto3

    from falconeri.storage.s3_client import client_for

    client = client_for(Credentials({"AWS_ACCESS_KEY_ID": "-", "AWS_SECRET_ACCESS_KEY": "-"}))
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    if "Signature=" not in url:
        raise RuntimeError(f"not signed: {url}")
    session = boto3.session.Session(region_name="us-east-1")
    session.client("sts")  # pyright: ignore[reportUnknownMemberType]  (stubs of S3 only)
    return client.meta.endpoint_url


def _gs() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.auth.crypt import RSASigner

    from falconeri.storage.gcs_client import client_for

    for accounts in ("compute_engine", "identity_pool"):  # of machines and of pods
        importlib.import_module(f"google.auth.{accounts}")
    client = client_for(Credentials({"GOOGLE_SKIP_SIGNATURE": "true"}))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    RSASigner(key).sign(b"as a service account does")  # pyright: ignore[reportUnknownMemberType]
    return client.endpoint


_CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "modules": _modules,
    "certificates": _certificates,
    "checksums": _checksums,
    "s3": _s3,
    "gs": _gs,
}
