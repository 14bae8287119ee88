"""Tries again what failed because the API server was away for a moment.

Called by `install` and `remove`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from falconeri.client.retry import RetryPolicy
from falconeri.errors import Unavailable

T = TypeVar("T")


def persistently(policy: RetryPolicy, call: Callable[[], T]) -> T:
    """Call until it works, or the policy's time is over.

    Raises:
        FalconeriError: What the last call raised; anything but `Unavailable` at once.
    """
    until = time.monotonic() + policy.deadline_s
    failures = 0
    while True:
        try:
            return call()
        except Unavailable:
            failures += 1
            pause_s = policy.pause_s(failures)
            if failures >= policy.tries or time.monotonic() + pause_s > until:
                raise
            time.sleep(pause_s)
