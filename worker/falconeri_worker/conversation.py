"""A running resident program and the lines that it and the worker say to each other.

Called by `resident`, for one datum at a time, from whichever thread. What the lines are is in
docs/resident.md. Knows nothing of where datums come from.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import queue
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from falconeri.errors import FalconeriError
from falconeri.wire import codec
from falconeri_worker import usage
from falconeri_worker.cgroup import oom_kills
from falconeri_worker.child import Child, CommandNotStarted
from falconeri_worker.command import Finished, finished
from falconeri_worker.excerpt import Excerpt, printable
from falconeri_worker.stopping import Stop
from falconeri_worker.watch import READ_BYTES, Watch, copy, number

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_MAX_LINE_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 200
_GOODBYE_S = 2.0
_DRAIN_READS = 64
_LOG = 2
"""Our stderr."""


class _Said(Struct, forbid_unknown_fields=True):
    """A line of the program: exactly one of the three."""

    ready: bool | UnsetType = UNSET
    done: bool | UnsetType = UNSET
    error: str | UnsetType = UNSET

    @property
    def is_ready(self) -> bool:
        return self.ready is True and self.done is UNSET and self.error is UNSET

    @property
    def is_answer(self) -> bool:
        return self.ready is UNSET and (self.done is True) is (self.error is UNSET)


@dataclass(kw_only=True)
class Ended:
    """How the work on a datum ended, and what it used."""

    was_ready: bool = False
    """Whether the program had begun to work on it."""
    done: bool = False
    error: str | None = None
    """What the program says went wrong; it goes on running."""
    misunderstood: str | None = None
    """What it did against the protocol."""
    unread: bool = False
    """It ended without having read a word of the datum."""
    timed_out: bool = False
    finished: Finished | None = None
    """Set if the program ended, or was ended."""
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None


class Conversation:
    """A program from its start to its end.

    Raises:
        CommandNotStarted: It could not even begin.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str | None) -> None:
        self._kills_before = oom_kills()
        self._over = threading.Event()
        self._child = _started_aside(argv, env, cwd, self._over)
        stdin = self._child.stdin
        assert stdin is not None  # noqa: S101 - it was made so
        self.stdin = stdin
        self.stdout, self.stderr = self._child.output_pipes
        for pipe in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(pipe.fileno(), False)
        self.ready = False
        """Whether it has said so."""
        self.heard = bytearray()
        """What it said that nobody has looked at."""
        self.silent = False
        """Whether it can say nothing more."""
        self._cpu_counted_s = 0.0

    def work_on(
        self,
        line: bytes,
        *,
        stops: Sequence[Stop],
        output: Excerpt,
        start_limit_s: float,
        timeout_s: float | None,
    ) -> Ended:
        """Say the line, and return how the program answered; it has ended if it didn't.

        Args:
            line: The datum.
            stops: Wishes to stop; they end the program.
            output: Gets its stderr.
            start_limit_s: How long the program may take until it is ready, if it isn't.
            timeout_s: How long the datum may take then.
        """
        usage.forget_peak(self._child.pid)
        with Watch(self._child, stops) as watch:
            exchange = _Exchange(self, watch, output)
            if not self.ready:
                watch.limit(start_limit_s)
                exchange.wait_until_ready()
            if self.ready:
                watch.limit(timeout_s)
                exchange.ask(line)
            exchange.finish()
            ended = exchange.ended
            ended.timed_out = watch.timed_out
            if watch.ended:
                buried = self._child.reap()
                ended.finished = finished(
                    buried, kills_before=self._kills_before, timed_out=watch.timed_out
                )
                self._note_use(ended, buried.cpu_s, buried.peak_memory_bytes)
            else:
                pid = self._child.pid
                self._note_use(ended, usage.cpu_s(pid), usage.peak_memory_bytes(pid))
        return ended

    def out_of_step(self) -> str | None:
        """Say what keeps the program from another datum: it has ended, or talks out of turn."""
        if self._child.has_ended():
            return "it ended between two datums"
        self.listen()
        if self.heard:
            return f"it said more than was asked: {_shown(self.heard)}"
        return "it closed its stdout" if self.silent else None

    def say_goodbye(self) -> None:
        """Close its stdin, and wait a moment for its end."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        rest = Excerpt()
        with Watch(self._child, ()) as watch:

            def pass_on(source: FileDescriptorLike) -> None:
                if not copy(source, rest, _LOG):
                    watch.forget(source)

            for pipe in (self.stdout, self.stderr):
                watch.on_readable(pipe, pass_on)
            watch.until(lambda: watch.ended, within_s=_GOODBYE_S)

    def close(self) -> None:
        """Kill whatever still runs."""
        try:
            self._child.close()
        finally:
            self._over.set()

    def listen(self) -> None:
        """Hear all that the program has said so far."""
        while not self.silent and len(self.heard) <= _MAX_LINE_BYTES:
            try:
                data = os.read(self.stdout.fileno(), READ_BYTES)
            except BlockingIOError:
                return
            self.heard += data
            self.silent = not data

    def _note_use(self, ended: Ended, cpu_s: float | None, peak_memory_bytes: int | None) -> None:
        if cpu_s is not None:
            ended.cpu_s = max(0.0, cpu_s - self._cpu_counted_s)
            self._cpu_counted_s = cpu_s
        ended.peak_memory_bytes = peak_memory_bytes


class _Exchange:
    """A line for the program and a line from it, while its log is kept."""

    def __init__(self, talk: Conversation, watch: Watch, output: Excerpt) -> None:
        self.ended = Ended()
        self._talk = talk
        self._watch = watch
        self._output = output
        self._asked = False
        self._unsaid = memoryview(b"")
        self._said_bytes = 0
        watch.on_readable(talk.stdout, self._hear)
        watch.on_readable(talk.stderr, self._keep_log)

    def wait_until_ready(self) -> None:
        self._watch.until(lambda: self._talk.ready or self._is_over)

    def ask(self, line: bytes) -> None:
        self.ended.was_ready = True
        self._asked = True
        self._unsaid = memoryview(line)
        self._watch.on_writable(self._talk.stdin, self._say)
        self._watch.until(lambda: self._is_over)

    def finish(self) -> None:
        """Take what is still in the pipes; see to it that a program ends that can't go on."""
        ended, watch = self.ended, self._watch
        if self._talk.silent and not self._is_answered:
            watch.until(lambda: watch.ended, within_s=_GOODBYE_S)  # most likely that is why
            if not watch.ended:
                ended.misunderstood = "closed its stdout before the datum was done"
        if ended.misunderstood is not None and not watch.ended:
            watch.end()
        if watch.ending:
            watch.until(lambda: watch.ended)
        if watch.ended:
            self._talk.listen()
            self._understand()
            ended.unread = self._asked and not self._is_answered and self._is_unread()
        self._keep_rest_of_log()

    @property
    def _is_answered(self) -> bool:
        ended = self.ended
        return ended.done or ended.error is not None or ended.misunderstood is not None

    @property
    def _is_over(self) -> bool:
        return self._is_answered or self._talk.silent or self._watch.ended

    def _hear(self, source: FileDescriptorLike) -> None:
        self._talk.listen()
        self._understand()
        if self._talk.silent or self._is_answered:
            self._watch.forget(source)

    def _understand(self) -> None:
        heard = self._talk.heard
        while not self._is_answered and heard:
            line, newline, rest = heard.partition(b"\n")
            if len(line) > _MAX_LINE_BYTES:
                limit = f"{_MAX_LINE_BYTES // 1024} KiB"
                self.ended.misunderstood = f"said a line of more than {limit}: {_shown(line)}"
            elif newline:
                heard[:] = rest
                self._take(bytes(line))
            else:
                return

    def _take(self, line: bytes) -> None:
        expected = '{"done": true} or {"error": "…"}' if self._asked else '{"ready": true}'
        try:
            said = codec.decode(line, _Said)
        except FalconeriError:
            said = _Said()
        if self._asked and said.is_answer:
            self.ended.done = said.done is True
            self.ended.error = None if said.error is UNSET else printable(said.error)
        elif not self._talk.ready and said.is_ready:
            self._talk.ready = True
        else:
            self.ended.misunderstood = f"said {_shown(line)} instead of {expected}"

    def _say(self, source: FileDescriptorLike) -> None:
        try:
            written = os.write(number(source), self._unsaid)
            self._unsaid = self._unsaid[written:]
            self._said_bytes += written
        except BlockingIOError:
            return
        except BrokenPipeError:  # its end, or its answer, says more
            self._unsaid = memoryview(b"")
        if not self._unsaid:
            self._watch.forget(source)

    def _is_unread(self) -> bool:
        """Look into the pipe, which keeps what was not read as long as we hold our end."""
        left = array.array("i", [0])
        fcntl.ioctl(self._talk.stdin.fileno(), termios.FIONREAD, left)
        return left[0] == self._said_bytes

    def _keep_log(self, source: FileDescriptorLike) -> None:
        if not copy(source, self._output, _LOG):
            self._watch.forget(source)

    def _keep_rest_of_log(self) -> None:
        """All that it printed before its answer is there already; what has no end is not for us."""
        for _ in range(_DRAIN_READS):
            try:
                if not copy(self._talk.stderr, self._output, _LOG):
                    return
            except BlockingIOError:
                return


def _started_aside(
    argv: Sequence[str], env: Mapping[str, str], cwd: str | None, over: threading.Event
) -> Child:
    """Start a program that outlives our thread: from one that stays until it is over."""
    made: queue.SimpleQueue[Child | CommandNotStarted] = queue.SimpleQueue()

    def start() -> None:
        try:
            made.put(Child(argv, env=env, cwd=cwd, stdin=subprocess.PIPE))
        except CommandNotStarted as ex:
            made.put(ex)
            return
        over.wait()

    threading.Thread(target=start, name="falconeri-resident", daemon=True).start()
    child = made.get()
    if isinstance(child, CommandNotStarted):
        raise child
    return child


def _shown(line: bytes | bytearray) -> str:
    text = printable(bytes(line[: 4 * _SHOWN_CHARACTERS]))
    return repr(text[:_SHOWN_CHARACTERS] + ("…" if len(text) > _SHOWN_CHARACTERS else ""))
