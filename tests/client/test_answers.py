"""Answers become values or errors: ours by their code, the original's by their text."""

from __future__ import annotations

import json

import pytest

from falconeri import errors
from falconeri.client.answers import error_of, retry_after_s
from falconeri.client.connections import Response


def answer(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Response:
    return Response(status, headers or {}, body)


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
def test_each_code_becomes_its_class_again(kind: type[errors.FalconeriError]) -> None:
    body = {"code": kind.code, "message": "what", "detail": "which", "hint": "how"}

    error = error_of(answer(kind.http_status, json.dumps(body).encode()))

    assert type(error) is kind
    assert (error.message, error.detail, error.hint) == ("what", "which", "how")


def test_an_unknown_code_is_judged_by_its_status() -> None:
    body = b'{"code": "something_new", "message": "what"}'
    assert type(error_of(answer(409, body))) is errors.Conflict
    assert type(error_of(answer(503, body))) is errors.Unavailable


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "missing auth", errors.Unauthorized),
        (400, "invalid auth header", errors.BadRequest),
        (403, "datum d1 not found", errors.ClaimLost),
        (403, 'datum d1 is owned by Some("pod-a"), not pod-b', errors.ClaimLost),
        (403, "datum d1 has status Done, expected Running", errors.ClaimLost),
        (403, 'datum d1 output files mismatch: only in existing ["a"]', errors.OutputsMismatch),
        (403, "go away", errors.Forbidden),
        (404, "", errors.NotFound),
        (413, "length limit exceeded", errors.InvalidInput),
        (415, "Expected request with `Content-Type: application/json`", errors.InvalidInput),
        (422, "Failed to deserialize the JSON body", errors.InvalidInput),
        (500, 'could not load job "x"', errors.JobNotFound),
        (500, "could not load datum d1", errors.DatumNotFound),
        (500, "can only retry jobs with status 'error'", errors.JobNotRetryable),
        (500, "pool error: timeout", errors.Unavailable),
        (500, "error listing S3 objects", errors.FalconeriError),
        (502, "Bad Gateway", errors.Unavailable),
    ],
)
def test_the_originals_texts_are_understood(
    status: int, text: str, kind: type[errors.FalconeriError]
) -> None:
    error = error_of(answer(status, text.encode()))

    assert type(error) is kind
    assert text in str(error)


def test_an_answer_of_another_kind_of_server_is_an_error_with_its_status() -> None:
    assert "302" in str(error_of(answer(302)))
    assert "<html>" in str(error_of(answer(500, b"<html>\xff")))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({}, 0), ({"Retry-After": "12"}, 12), ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0)],
)
def test_retry_after_is_read_as_seconds_only(header: dict[str, str], seconds: float) -> None:
    assert retry_after_s(answer(503, headers=header)) == seconds
