"""One job from submission to its end, byte for byte as the original's programs say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.server.contract.rows import (
    CREATE,
    CREATE_OUTPUTS,
    GET,
    RESERVE,
    UPDATE,
    UPDATE_OUTPUTS,
    covers,
)
from tests.server.contract.test_records import DATUM, INPUT_FILE, JOB, OUTPUT_FILE, require
from tests.server.falconerid import PASSWORD, Falconerid, running

# As the command line sends it, of a file with `pfs` and `"job_timeout": "90 min"`.
SUBMISSION = """\
{"job":{"pipeline":{"name":"book_words"},\
"transform":{"cmd":["python3","/x.py"],"image":"r/i","image_pull_policy":null,"env":{},\
"secrets":[{"name":"s3","key":"AWS_ACCESS_KEY_ID","env_var":"AWS_ACCESS_KEY_ID",\
"optional":false}],"service_account":null},\
"parallelism_spec":{"constant":10},"resource_requests":{"memory":"500Mi","cpu":1.2},\
"datum_tries":3,"job_timeout":"1h 30m","node_selector":{},\
"input":{"atom":{"URI":"IN","repo":"books","glob":"/*"}},"egress":{"URI":"OUT"}}}"""

STORED: dict[str, Any] = {
    "job_timeout": 5400,
    "node_selector": {},
    "parallelism_spec": {"constant": 10},
    "pipeline": {"name": "book_words"},
    "resource_requests": {"cpu": 1.2, "memory": "500Mi"},
}

WHO = '"pod_name":"book-words-abcde"'


@covers(CREATE, GET, RESERVE, CREATE_OUTPUTS, UPDATE_OUTPUTS, UPDATE)
def test_sample_exchange(falconerid: Falconerid, tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "s3"
    secret.mkdir(parents=True)
    (secret / "AWS_ACCESS_KEY_ID").write_text("key")
    books = tmp_path / "books"
    books.mkdir()
    (books / "a.txt").write_text("words")
    read, written = f"file://{books}/", f"file://{tmp_path}/words/"
    submission = SUBMISSION.replace("IN", read).replace("OUT", written)

    with running(falconerid.database_url, tmp_path) as server:

        def say(method: str, path: str, body: str) -> Any:  # noqa: ANN401 - any JSON
            headers = {"Accept": "*/*"}
            answer = server.call(method, path, body.encode(), password=PASSWORD, headers=headers)
            assert answer.status in {200, 204}, answer.body
            return json.loads(answer.body) if answer.body else answer.status

        job = say("POST", "/jobs", submission)["job"]
        require(job, JOB)
        stored = job["pipeline_spec"]
        assert {name: stored[name] for name in STORED} == STORED
        assert stored["input"] == {"atom": {"URI": read, "glob": "/*", "repo": "books"}}
        assert stored["transform"]["secrets"][0]["optional"] is False

        reserve = f"/jobs/{job['id']}/reserve_next_datum"
        work = say("POST", reserve, f'{{"node_name":"node-1",{WHO}}}')
        require(work["datum"], DATUM)
        require(work["input_files"][0], INPUT_FILE)
        assert work["input_files"][0]["uri"] == f"{read}a.txt"
        assert work["input_files"][0]["local_path"] == "/pfs/books/a.txt"
        datum = f"/datums/{work['datum']['id']}"

        new = f'{{{WHO},"output_files":[{{"uri":"{written}a.txt"}}]}}'
        (file,) = say("POST", f"{datum}/output_files", new)["output_files"]
        require(file, OUTPUT_FILE)
        ended = f'{{{WHO},"output_files":[{{"id":"{file["id"]}","status":"done"}}]}}'
        assert say("PATCH", f"{datum}/output_files", ended) == 204

        patch = '{"status":"done","output":"…","error_message":null,"backtrace":null}'
        require(say("PATCH", datum, f'{{{WHO},"datum":{patch}}}')["datum"], DATUM)
        assert say("POST", reserve, f'{{"node_name":"node-1",{WHO}}}') is None
        assert server.call("GET", f"/jobs/{job['id']}").json["job"]["status"] == "done"
