"""When to try again, and after how long.

Called by `transport`; knows nothing of HTTP.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with full jitter, so that many clients don't come back together.

    Args:
        deadline_s: Seconds after a call's beginning in which it must be over, tries and pauses
            together; the last error is raised when the next try would begin later.
        base_s: The longest that the first pause may be; each further one may be twice as long.
        cap_s: The longest that any pause may be.
        tries: How often a request is sent at most.
        whole_tries: The deadline cuts no try short, and is for what follows the first failure: for
            calls that may take minutes, but should not fail for minutes.
    """

    deadline_s: float
    base_s: float = 0.5
    cap_s: float = 60.0
    tries: int = 1_000_000
    whole_tries: bool = False

    def pause_s(self, failures: int, *, at_least_s: float = 0.0) -> float:
        """Return how long to pause after this many failures (≥ 1).

        Args:
            failures: How many tries have failed so far.
            at_least_s: What the server asked for by `Retry-After`; more than `cap_s` isn't granted.
        """
        # 2**30 half seconds are beyond any cap; more would overflow a float some day.
        longest = min(self.cap_s, self.base_s * 2 ** min(failures - 1, 30))
        jittered = random.uniform(0, longest)  # noqa: S311 (spreads load, keeps no secret)
        return max(jittered, min(at_least_s, self.cap_s))


ONCE = RetryPolicy(deadline_s=3600.0, tries=1)
"""One try; only its own time limit counts."""

BRIEF = RetryPolicy(deadline_s=15.0, cap_s=4.0)
"""For a person who waits, or a program on its way out."""

SUBMISSION = replace(BRIEF, whole_tries=True)
"""For a person who waits while a bucket is listed."""

ROLLOUT = RetryPolicy(deadline_s=60.0, cap_s=4.0)
"""For a person who waits long anyway: falconerid may be replaced meanwhile."""

PATIENT = RetryPolicy(deadline_s=1200.0)
"""For a worker: falconerid may be away for twenty minutes before its work is lost."""
