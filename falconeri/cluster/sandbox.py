"""The first process of a local pod: gives it a `/pfs` of its own, and outlives all it started.

    sandbox.py CWD ROOT [SOURCE TARGET]... -- COMMAND [ARGUMENT]...

Run by `falconeri.cluster.pod`, by its path and with `python -I -S`: it imports nothing of ours and
as little as possible of Python's, because each pod waits for it (some 20 ms).

With pairs of SOURCE and TARGET, COMMAND gets a private mount namespace in which each directory
SOURCE is seen at TARGET (`/pfs`, `/scratch`, secrets) and all else is as on the machine. Nothing is
created or mounted on the machine itself: the root is a tmpfs with everything in `/` bound into it,
put together on ROOT, an empty directory. As root this needs CAP_SYS_ADMIN, else user namespaces. It
keeps programs from tripping over each other's files; it is no defence against hostile ones.

The first process stays outside, and waits:
- standard input is a pipe whose other end its owner holds: at its end, which comes however the
  owner dies, everything in the pod is killed (PR_SET_PDEATHSIG would go off too early, when the
  thread ends that started the process);
- SIGTERM is passed on to COMMAND alone, as Kubernetes does;
- orphans become its children (PR_SET_CHILD_SUBREAPER), so that when COMMAND ends, all it left
  behind is found and killed, also what made itself a daemon;
- COMMAND dies with it (PR_SET_PDEATHSIG).

Exit code: COMMAND's own, or 128 + n when signal n ended it; 125 when the pod could not be made, 126
when COMMAND could not be run, 127 when it was not found. A negative code (as `subprocess` tells it)
means that this process was killed and could not clean up.
"""

# Importing pathlib would double the time that each pod waits:
# ruff: noqa: PTH102, PTH112, PTH115, PTH123, PTH208, PTH211

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

NOT_SET_UP = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_MS_NOSUID = 0x2
_MS_NODEV = 0x4
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_UNBINDABLE = 0x2_0000
_MS_PRIVATE = 0x4_0000
_MNT_DETACH = 0x2
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)

Bind = tuple[str, str]
"""A directory, and the absolute path at which the pod sees it."""


def main(arguments: list[str]) -> int:
    """Run the command of the module's docstring; return this process's exit code."""
    split = arguments.index("--")
    cwd, root, *paths = arguments[:split]
    binds = list(zip(paths[::2], paths[1::2], strict=True))
    if _LINUX:
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Held back until both processes are ready for them, so that none is lost in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    parent = os.getpid()
    command = os.fork()
    if command == 0:
        _become_command(arguments[split + 1 :], parent=parent, cwd=cwd, root=root, binds=binds)
    return _watch(command)


_WATCHED = (signal.SIGCHLD, signal.SIGTERM)


def _watch(command: int) -> int:
    """Wait until the command or the owner has ended, and end everything else."""
    wakeups = _signals_as_bytes()
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(wakeups, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == 0 and not os.read(0, 512):
                _kill_all()
                if not _LINUX:
                    os.killpg(0, signal.SIGKILL)  # the best that can be done there
                return 128 + signal.SIGKILL
            if fd == wakeups:
                if signal.SIGTERM in os.read(wakeups, 512):
                    os.kill(command, signal.SIGTERM)  # reaped only below: the pid is still its own
                if (code := _reap(command)) is not None:
                    _kill_all()
                    return code


def _signals_as_bytes() -> int:
    """Return a pipe from which the watched signals can be read, one byte each."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _WATCHED:
        signal.signal(number, _only_wake_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    return reader


def _only_wake_up(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal for which the byte in the pipe is enough."""


def _reap(command: int) -> int | None:
    """Collect all children that have ended; return the command's exit code if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def _kill_all() -> None:
    """Kill all descendants: when one dies, its children become ours, until there are none."""
    while _LINUX:
        _reap(0)
        killed = [pid for pid in _children() if _kill(pid)]
        if not killed:
            return  # none left, or only another user's (setuid programs), which we may not touch
        os.waitpid(-1, 0)


def _children() -> list[int]:
    """The pids of our children, from `/proc/PID/stat`: "PID (NAME) STATE PARENT …"."""
    children: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = file.read().rpartition(b")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os.getpid():
            children.append(int(name))
    return children


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    return True


def _become_command(
    command: list[str], *, parent: int, cwd: str, root: str, binds: Sequence[Bind]
) -> NoReturn:
    """Turn this process, fresh from fork, into the command."""
    code = NOT_SET_UP
    try:
        if binds:
            enter_private_root(root, binds)
        os.chdir(cwd)
        if _LINUX:
            _die_with(parent)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, programs must not
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        code = NOT_EXECUTABLE
        os.execvp(command[0], command)  # noqa: S606 - the words are to be taken as they are
    except OSError as ex:
        code = NOT_FOUND if code == NOT_EXECUTABLE and isinstance(ex, FileNotFoundError) else code
        os.write(2, f"falconeri pod: cannot start: {ex}\n".encode(errors="replace"))
    os._exit(code)


def _die_with(parent: int) -> None:
    """Be killed when the first process dies. To be called after all changes of credentials."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(NOT_SET_UP)  # it was quicker


def enter_private_root(root: str, binds: Sequence[Bind]) -> None:
    """Move this process, which must have one thread, into the machine's root with `binds` added.

    Args:
        root: An empty directory, used as a mount point inside the new namespace only.

    Raises:
        OSError: The machine does not permit it.
    """
    _unshare_mounts()
    _mount(None, "/", _MS_REC | _MS_PRIVATE)
    ours = {""}
    _mirror("", root)
    for source, target in binds:
        path = os.path.realpath(target)
        _make_mount_point(root, path, ours)
        _mount(source, root + path, _MS_BIND | _MS_REC)
        ours.add(path)
    os.chdir(root)
    _call("pivot_root", b".", b".")  # the old root now lies on top of the new one
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")
    _mount(None, "/", _MS_REC | _MS_PRIVATE)  # bindable again, for sandboxes that programs make


def _unshare_mounts() -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", _CLONE_NEWNS)
    except PermissionError:
        try:
            _call("unshare", _CLONE_NEWNS | _CLONE_NEWUSER)
        except OSError as ex:  # also ENOSPC, whose text says nothing of namespaces
            raise OSError(ex.errno, f"no CAP_SYS_ADMIN, no user namespaces: {ex.strerror}") from ex
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def _mirror(source: str, target: str) -> None:
    """Put a tmpfs on `target` in which each entry of the directory `source` appears as it is.

    Args:
        source: A path without trailing slash: "" for the root.
    """
    entries = list(os.scandir(source or "/"))
    _mount("tmpfs", target, _MS_NOSUID | _MS_NODEV, "tmpfs", b"mode=755,size=16m")
    # Or else the entry below which `target` lies would contain all that was bound before it.
    _mount(None, target, _MS_UNBINDABLE)
    for entry in entries:
        place = f"{target}/{entry.name}"
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), place)
            continue
        if entry.is_dir():
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            _mount(entry.path, place, _MS_BIND | _MS_REC)
        except OSError as ex:  # a network file system that has gone away is no reason to stay away
            os.write(2, f"falconeri pod: {entry.path} is not seen here: {ex}\n".encode())


def _make_mount_point(root: str, path: str, ours: set[str]) -> None:
    """See that the directory `path` exists below `root`, without making it on the machine.

    Args:
        ours: The directories below `root` that aren't the machine's, in which we may make others.
    """
    if os.path.isdir(root + path):
        return
    parent = path.rpartition("/")[0]
    _make_mount_point(root, parent, ours)
    if parent not in ours:
        _mirror(parent, root + parent)
    os.mkdir(root + path)
    ours.update((parent, path))


def _mount(
    source: str | None, target: str, flags: int, kind: str | None = None, data: bytes | None = None
) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _call("mount", encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), data)


def _call(name: str, *arguments: ctypes.c_ulong | bytes | int | None) -> None:
    """Call a function of libc that returns 0.

    Raises:
        OSError: By errno; the function's name is in its text.
    """
    function: Callable[..., int] = getattr(_libc, name)
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
