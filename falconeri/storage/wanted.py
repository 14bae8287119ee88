"""How a transfer ends half-way because nobody wants it any more: a claim was lost, say.

Whoever moves bytes calls `go_on` before each piece of them, in whichever thread that is; `pool`
hands the wish on to its threads. Called by the worker and the stores.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar


class Unwanted(BaseException):
    """The transfer is no longer wanted; nothing of it is to be seen.

    Not an Exception, so that no library takes it for a failure of its own, and tries again.
    """


def _always() -> bool:
    return True


_wanted: ContextVar[Callable[[], bool]] = ContextVar("falconeri-wanted", default=_always)


@contextmanager
def while_wanted(wanted: Callable[[], bool]) -> Generator[None]:
    """Let the transfers of this block end with `Unwanted` soon after `wanted` says no.

    Args:
        wanted: Asked by many threads, for every piece: it must be quick.
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def go_on() -> None:
    """Return if what is being moved is still wanted.

    Raises:
        Unwanted: It is not.
    """
    if not _wanted.get()():
        raise Unwanted
