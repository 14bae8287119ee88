"""What a probe is told of `falconerid tasks`; `test_restarts` asks the real process."""

from __future__ import annotations

import http.client
import json

from falconeri.babysitter.pulse import ENDLESS_S, SILENT_S, Pulse, serving


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def asked(port: int | None, path: str = "/healthz") -> tuple[int, str]:
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())["status"]


def test_loop_that_is_silent_for_too_long_hangs_until_it_beats() -> None:
    pulse = Pulse(clock := Clock())
    clock.now = SILENT_S
    assert pulse.trouble() is None
    clock.now += 1
    assert pulse.trouble() == "the event loop has not run for 61 s"
    pulse.beat()
    assert pulse.trouble() is None


def test_pass_that_never_ends_is_told_and_one_that_has_ended_is_not() -> None:
    pulse = Pulse(clock := Clock())
    with pulse.passing():
        clock.now = ENDLESS_S + 1
        pulse.beat()
        assert pulse.trouble() == "a look around has not ended for 901 s"
    assert pulse.trouble() is None


def test_probe_is_answered_with_what_is_wrong() -> None:
    pulse = Pulse(clock := Clock())
    with serving(pulse, "127.0.0.1", 0) as port:
        assert asked(port) == (200, "ok")
        assert asked(port, "/metrics")[0] == 404
        clock.now = 3600
        assert asked(port) == (503, "the event loop has not run for 3600 s")


def test_without_a_port_nobody_is_answered() -> None:
    with serving(Pulse(), "127.0.0.1", None) as port:
        assert port is None
