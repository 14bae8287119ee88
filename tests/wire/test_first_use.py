"""Types that several threads meet for the first time at once, in a process that could crash."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import sys, threading
    from typing import Annotated

    import msgspec

    from falconeri.wire.codec import convert, decode

    CLASSES = '''
    class Leaf(msgspec.Struct):
        a: int
        b: str | None
    class Inner(msgspec.Struct):
        a: list[Leaf]
        b: Annotated[int, msgspec.Meta(ge=1)]
    class Outer(msgspec.Struct):
        a: list[Inner]
        b: dict[str, Inner] | None
        c: Leaf
    '''
    VALUE = {"a": [{"a": [], "b": 1}], "b": {}, "c": {"a": 1, "b": "x"}}
    TEXT = msgspec.json.encode(VALUE)
    USES = {
        "decode": lambda type_: decode(TEXT, type_),
        "convert": lambda type_: convert(VALUE, type_),
    }

    def meet(use, type_, together):
        together.wait()
        use(type_)

    sys.setswitchinterval(1e-6)
    for _ in range(500):
        names = {"msgspec": msgspec, "Annotated": Annotated}
        exec(CLASSES, names)
        together = threading.Barrier(4)
        arguments = USES[sys.argv[1]], names["Outer"], together
        threads = [threading.Thread(target=meet, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
"""
"""Without the lock it dies of SIGSEGV within the first dozens of rounds."""


@pytest.mark.parametrize("use", ["decode", "convert"])
def test_threads_may_meet_a_type_at_once(use: str) -> None:
    program = textwrap.dedent(PROGRAM)

    assert subprocess.run([sys.executable, "-c", program, use], check=False).returncode == 0
