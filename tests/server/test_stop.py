"""What is left of a falconerid that is told to stop: nothing, and the exit status 0."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.databases import fresh_database
from tests.server.conftest import spec
from tests.server.falconerid import running

SLOW_ENDS = """
    import atexit, ctypes, sys, threading
    from pathlib import Path

    # A destructor of each thread, as those of OpenSSL, that takes 0.2 s: usleep(value of the key).
    libc, key = ctypes.CDLL(None), ctypes.c_uint()
    libc.pthread_key_create(ctypes.byref(key), libc.usleep)

    def begin(*_):
        sys.setprofile(None)
        libc.pthread_setspecific(key, ctypes.c_void_p(200_000))

    def tell():
        left = len(list(Path("/proc/self/task").iterdir()))
        sys.stderr.write(f"threads at exit: {left}\\n")

    threading.setprofile(begin)
    atexit.register(tell)
"""
"""A sitecustomize.py: all threads of a Python take their time to end."""


def test_exit_waits_for_the_last_of_each_thread(tmp_path: Path) -> None:
    # Else OpenSSL's destructors run in them while its exit handler does: a crash, at times.
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(SLOW_ENDS))
    with (
        fresh_database() as url,
        running(url, tmp_path, PYTHONPATH=str(tmp_path)) as own,
    ):
        job = own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]
        own.call("GET", f"/jobs/{job['id']}/wait?hold_s=0", waiting=True)

        assert own.stop() == 0
        assert own.log.read_text().splitlines()[-1] == "threads at exit: 1"


HANGING = """
    import sys, threading
    from falconeri import log, threads

    log.setup("stuck")
    threading.Thread(target=threading.Event().wait, name="hangs", daemon=True).start()
    threads.await_others(3, limit_s=0.1)
"""


def test_thread_that_hangs_keeps_nothing_from_its_exit() -> None:
    end = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HANGING)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert end.returncode == 3
    assert "threads_cut_off" in end.stderr
    assert "hangs" in end.stderr
