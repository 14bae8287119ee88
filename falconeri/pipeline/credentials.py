"""Which credentials open a job's stores: the secret that its spec names, else this process's own.

Called where a bucket is reached for a job outside its workers: listing inputs, deleting leftovers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import UNSET

from falconeri.storage import Credentials
from falconeri.wire.spec import Secret

_KEY_VARIABLES = {"s3": "AWS_ACCESS_KEY_ID", "gs": "GOOGLE_SERVICE_ACCOUNT_KEY"}
"""A secret that the spec maps to this variable has the keys for stores of the scheme."""


def job_credentials(
    secrets: Sequence[Secret], uri: str, read_secret: Callable[[str], Mapping[str, str]]
) -> Credentials:
    """The credentials for a URI of a job.

    Args:
        secrets: The `transform.secrets` of its spec.
        read_secret: Reads one of the cluster's secrets by name.

    Raises:
        SecretNotFound: The cluster doesn't have the secret.
    """
    own = Credentials.from_environment()
    variable = _KEY_VARIABLES.get(uri.partition("://")[0], "")
    for secret in secrets:
        if secret.env_var is not UNSET and secret.env_var == variable:
            return Credentials.from_secret(secret.name, read_secret(secret.name), base=own)
    return own
