"""Requests that no honest client sends, by name; `{path}` stands for a path of the port."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.server.falconerid import PASSWORD, basic

AUTH = f"Authorization: {basic(PASSWORD)}\r\n".encode()
HEAD = b"Host: x\r\n" + AUTH
CLOSE = b"Connection: close\r\n"
JSON = b"Content-Type: application/json\r\n"


def get(target: bytes, version: bytes = b" HTTP/1.1", head: bytes = HEAD) -> bytes:
    return b"GET " + target + version + b"\r\n" + head + CLOSE + b"\r\n"


def post(head: bytes, body: bytes = b"") -> bytes:
    return b"POST {path} HTTP/1.1\r\n" + HEAD + JSON + CLOSE + head + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"


def body(text: bytes) -> bytes:
    return post(b"Content-Length: %d\r\n" % len(text), text)


REFUSED = {
    "no JSON": body(b"{nonsense"),
    "half of JSON": body(b'{"pod_name":"p","node_name":'),
    "JSON nested deeply": body(b'{"pod_name":' + b"[" * 60_000),
    "objects nested deeply": body(b'{"a":' * 12_000),
    "huge number": body(b'{"pod_name":"p","node_name":"n","hold_s":' + b"9" * 60_000 + b"}"),
    "endless number": body(b'{"pod_name":"p","node_name":"n","hold_s":1e999999999}}'),
    "NUL in JSON": body(b'{"pod_name":"\\u0000","node_name":"n"}'),
    "raw NUL in JSON": body(b'{"pod_name":"\0","node_name":"n"}'),
    "invalid UTF-8 in JSON": body(b'{"pod_name":"\xc3\x28","node_name":"n"}'),
    "lone surrogate in JSON": body(b'{"pod_name":"\\ud800","node_name":"n"}'),
    "other charset": body('{"pod_name":"p","node_name":"n"}'.encode("utf-16")),
    "other media type": body(b"pod_name=p").replace(JSON, b"Content-Type: text/plain\r\n"),
    "body that is too large": post(b"Content-Length: 60000000\r\n", b"{" * 100_000),
    "chunk of no number": post(CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk of a negative number": post(CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"),
    "chunk in another notation": post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"),
    "chunks of nothing": post(CHUNKED, b"0\r\n\r\n"),
    "unknown coding": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "almost a coding": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "length and chunks": post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n"),
    "chunks and length": post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "),
    "negative length": post(b"Content-Length: -1\r\n", b"{}"),
    "signed length": post(b"Content-Length: +2\r\n", b"{}"),
    "length in words": post(b"Content-Length: two\r\n", b"{}"),
    "length of nothing": post(b"Content-Length: \r\n", b"{}"),
    "endless length": post(b"Content-Length: " + b"9" * 30 + b"\r\n", b"{}"),
    "length beyond Python's digits": post(b"Content-Length: " + b"9" * 5000 + b"\r\n", b"{}"),
    "no length": post(b""),
    "bad escape in the path": get(b"/jobs/%zz%"),
    "NUL in the path": get(b"/jobs/%00"),
    "raw NUL in the path": get(b"/jobs/\x00"),
    "invalid UTF-8 in the path": get(b"/jobs/%ff%fe/describe"),
    "raw UTF-8 in the path": get("/jobs/é".encode()),
    "raw bytes in the path": get(b"/jobs/\xff\xfe"),
    "space in the path": get(b"/jobs/a b"),
    "no path": get(b""),
    "no leading slash": get(b"nowhere"),
    "dots": get(b"/jobs/../../etc/passwd"),
    "escaped dots": get(b"/%2e%2e/%2e%2e/etc/passwd"),
    "backslashes": get(b"\\jobs\\list"),
    "double slash": get(b"//jobs//list"),
    "other server": get(b"http://evil.example:99/nowhere"),
    "no server": get(b"http://[::1/"),
    "asterisk": get(b"*"),
    "long path": get(b"/" + b"x" * 15_000),
    "connect": b"CONNECT x:80 HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "options of all": b"OPTIONS * HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "trace": b"TRACE {path} HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "lower case": b"get {path} HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "unknown method": b"BREW {path} HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "method of falcon's own": b"WEBSOCKET {path} HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "method of no token": b"G@T{} {path} HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "long method": b"X" * 10_000 + b" / HTTP/1.1\r\n" + HEAD + CLOSE + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": get(b"/nowhere", b" HTTP/2.0"),
    "HTTP/9.9": get(b"/nowhere", b" HTTP/9.9"),
    "HTTP of no number": get(b"/nowhere", b" HTTP/x"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\4\0\0\0\0\0",
    "no colon": get(b"/", head=HEAD + b"novalue\r\n"),
    "no name": get(b"/", head=HEAD + b": value\r\n"),
    "space before the colon": get(b"/", head=HEAD + b"X : value\r\n"),
    "NUL in a header": get(b"/", head=HEAD + b"X: a\0b\r\n"),
    "bare CR in a header": get(b"/", head=HEAD + b"X: a\rb\r\n"),
    "header of no token": get(b"/", head=HEAD + b"X\xe9: value\r\n"),
    "credentials twice": get(b"{path}", head=HEAD + AUTH),
    "large header": get(b"/", head=HEAD + b"X: " + b"y" * 300_000 + b"\r\n"),
    "many headers": get(b"/", head=HEAD + b"X: y\r\n" * 60_000),
    "zeros": b"\0" * 70_000,
    "letters": b"x" * 70_000,
}
"""Answered with an error of ours."""

UNFINISHED = {
    "nothing": b"",
    "line ends": b"\r\n" * 5000,
    "a word": b"GET",
    "header without an end": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "line feeds alone": get(b"/").replace(b"\r\n", b"\n"),
    "carriage returns alone": get(b"/").replace(b"\r\n", b"\r"),
    "body that stops": post(b"Content-Length: 500\r\n", b"{"),
    "chunk that stops": post(CHUNKED, b"5\r\nab"),
    "chunk that is too large": post(CHUNKED, b"ffffffff\r\n" + b"{" * 50_000),
    "chunk without an end": post(CHUNKED, b"f" * 12 + b"\r\n" + b"x" * 10_000),
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\x5a" * 200,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "websocket": b"GET {path} HTTP/1.1\r\n" + HEAD + b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "a good one and nonsense": get(b"/").replace(CLOSE, b"") + b"nonsense\r\n\r\n",
    "many": get(b"/").replace(CLOSE, b"") * 50,
}
"""Closed at the end of what the client sends, answered or not."""


def noise(seed: int) -> Iterator[bytes]:
    """Random bytes, and requests of which some bytes are changed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    good = post(b"Content-Length: 32\r\n", b'{"node_name":"n","pod_name":"p"}')
    for _ in range(25):
        yield chance.randbytes(chance.randrange(1, 4000))
        changed = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        yield bytes(changed)
        at = chance.randrange(len(good))
        yield good[:at] + chance.randbytes(chance.randrange(50)) + good[at:]
