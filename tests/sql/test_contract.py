"""What is written twice must agree: SQL, the Python wrappers, the error classes, the README."""

from __future__ import annotations

import ast
import inspect
import re
from enum import StrEnum
from pathlib import Path
from types import FunctionType, ModuleType

import psycopg
import pytest

from falconeri import errors, states
from falconeri.db import (
    controls,
    datums,
    jobs,
    outputs,
    plans,
    requests,
    rungs,
    waiting,
    waits,
    workers,
)
from falconeri.resources import sql_root

MODULES = (controls, datums, jobs, outputs, plans, requests, rungs, waiting, waits, workers)

# A wrapper takes one argument of a type of ours for several of SQL's.
BUNDLED = {
    "claim_datums": {"who": ["pod_names", "node_names"]},
    "extend_leases": {"held": ["datum_ids", "attempts", "log_tails"]},
    "settle_outputs": {"updates": ["output_ids", "statuses", "sizes_bytes", "checksums"]},
}
# No function of SQL stands behind it: COPY is a statement.
NOT_A_FUNCTION = {"copy_datums", "copy_factor"}

CALLED_FOR_EACH_DATUM = [
    "claim_datum",
    "claim_datums",
    "complete_and_claim",
    "extend_leases",
    "register_outputs",
    "settle_outputs",
]

FILES = sorted((sql_root() / "functions").rglob("*.sql"))
PUBLIC = [file for file in FILES if not file.stem.startswith("_")]


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


def header(file: Path) -> str:
    """The comment above the function, as one line."""
    lines = file.read_text().splitlines()
    comment = lines[: next(i for i, line in enumerate(lines) if not line.startswith("--"))]
    return " ".join(line.removeprefix("--").strip() for line in comment)


def wrappers() -> list[FunctionType]:
    return [
        function
        for module in MODULES
        for function in vars(module).values()
        if isinstance(function, FunctionType)
        and function.__module__ == module.__name__
        and next(iter(inspect.signature(function).parameters), "") == "conn"
    ]


@pytest.mark.parametrize(
    ("sql_type", "enum"),
    [
        ("job_status", states.JobStatus),
        ("datum_status", states.DatumStatus),
        ("output_status", states.OutputStatus),
        ("attempt_outcome", states.AttemptOutcome),
        ("failure_class", states.FailureClass),
        ("verdict", states.Verdict),
    ],
)
def test_enum_types_have_the_same_words(
    catalog: psycopg.Connection, sql_type: str, enum: type[StrEnum]
) -> None:
    rows = catalog.execute(
        "select enumlabel from pg_enum where enumtypid = %s::regtype order by enumsortorder",
        (f"falconeri.{sql_type}",),
    )

    assert [row[0] for row in rows] == [member.value for member in enum]


def test_no_enum_type_is_without_its_python_twin(catalog: psycopg.Connection) -> None:
    count = catalog.execute(
        """
        select count(*) from pg_type
        where typtype = 'e' and typnamespace = 'falconeri'::regnamespace
        """
    ).fetchone()
    enums = [e for e in vars(states).values() if isinstance(e, type) and issubclass(e, StrEnum)]

    assert count == (len(set(enums) - {StrEnum}),)


def test_sqlstates_raised_are_those_of_the_error_classes() -> None:
    raised = {code for file in FILES for code in re.findall("errcode = '(.*?)'", file.read_text())}

    assert raised == set(errors.BY_SQLSTATE)


def test_readme_lists_every_sqlstate_with_its_name_and_http_status() -> None:
    readme = (sql_root() / "README.md").read_text()
    listed = re.findall(r"^\| `(ZF\d+)` \| `(\w+)` \| (\d+) \|", readme, re.MULTILINE)

    assert sorted(listed) == sorted(
        (state, cls.code, str(cls.http_status)) for state, cls in errors.BY_SQLSTATE.items()
    )


def test_readme_lists_every_public_function() -> None:
    readme = (sql_root() / "README.md").read_text()
    listed = re.findall(r"^\| \[`(\w+)`\]\((functions/\S+)\) \|", readme, re.MULTILINE)

    assert sorted(listed) == sorted(
        (file.stem, str(file.relative_to(sql_root()))) for file in PUBLIC
    )


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_comment_names_errors_by_their_right_names(file: Path) -> None:
    for state, code in re.findall(r"(ZF\d+)(?: (\w+))?", header(file)):
        assert code == errors.BY_SQLSTATE[state].code


@pytest.mark.parametrize("file", PUBLIC, ids=name_of)
def test_comment_says_what_is_locked_and_wrapper_what_is_raised(file: Path) -> None:
    assert "Locks:" in header(file)
    raised = set(re.findall(r"ZF\d+", header(file)))
    for wrapper in wrappers():
        if wrapper.__name__ == file.stem:
            assert set(re.findall(r"ZF\d+", wrapper.__doc__ or "")) == raised


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_file_holds_one_function_of_its_own_name(file: Path) -> None:
    text = file.read_text()

    assert re.findall(r"create (?:or replace )?function (\S+?)\(", text) == [
        f"falconeri.{file.stem}"
    ]
    assert (file.parent.name == "private") == file.stem.startswith("_")


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_function_has_a_comment_in_the_database_that_begins_its_own(
    catalog: psycopg.Connection, file: Path
) -> None:
    rows = catalog.execute(
        """
        select obj_description(oid, 'pg_proc') from pg_proc
        where pronamespace = 'falconeri'::regnamespace and proname = %s
        """,
        (file.stem,),
    ).fetchall()

    assert len(rows) == 1, "one function of this name"
    comment = rows[0][0] or ""
    assert comment
    assert header(file).split()[:2] == comment.split()[:2]


def test_no_function_is_without_a_file(catalog: psycopg.Connection) -> None:
    rows = catalog.execute(
        "select proname from pg_proc where pronamespace = 'falconeri'::regnamespace"
    )

    assert {row[0] for row in rows} == {file.stem for file in FILES}


def test_search_path_is_pinned_where_names_are_resolved_late(catalog: psycopg.Connection) -> None:
    """By the public functions, once: the private ones, called by them only, would pay again."""
    rows = catalog.execute(
        """
        select p.proname from pg_proc p join pg_language l on l.oid = p.prolang
        where p.pronamespace = 'falconeri'::regnamespace and (
          l.lanname = 'plpgsql'
            and coalesce(array_to_string(p.proconfig, ' '), '') <> case
              when p.proname = '_defer_task' then 'search_path=procrastinate, pg_temp'
              when starts_with(p.proname, '_') then ''
              when p.proname = any (%s) then 'search_path=falconeri, pg_temp enable_seqscan=off'
              when p.proname = 'requeue_expired'
                then 'search_path=falconeri, pg_temp plan_cache_mode=force_custom_plan'
              else 'search_path=falconeri, pg_temp'
            end
          or l.lanname = 'sql' and p.prosqlbody is null
          or l.lanname not in ('plpgsql', 'sql')
        )
        """,
        (CALLED_FOR_EACH_DATUM,),
    )

    assert [row[0] for row in rows] == []


def test_no_function_builds_sql_or_runs_as_its_owner() -> None:
    for file in FILES:
        assert not re.search(r"\bexecute\b|security definer", file.read_text()), file


def test_every_public_function_has_its_wrapper() -> None:
    names = {wrapper.__name__ for wrapper in wrappers()}

    assert names - NOT_A_FUNCTION == {file.stem for file in PUBLIC}


@pytest.mark.parametrize("wrapper", wrappers(), ids=lambda w: f"{w.__module__}.{w.__name__}")
def test_wrappers_arguments_are_the_functions(
    catalog: psycopg.Connection, wrapper: FunctionType
) -> None:
    if wrapper.__name__ in NOT_A_FUNCTION:
        return
    row = catalog.execute(
        """
        select coalesce(array_agg(name order by place), '{}')
        from pg_proc p, unnest(p.proargnames, p.proargmodes) with ordinality a (name, mode, place)
        where p.pronamespace = 'falconeri'::regnamespace and p.proname = %s
          and coalesce(mode, 'i') = 'i'
        """,
        (wrapper.__name__,),
    ).fetchone()
    assert row is not None
    bundled = BUNDLED.get(wrapper.__name__, {})
    parameters = list(inspect.signature(wrapper).parameters.values())[1:]

    arguments = [part for p in parameters for part in bundled.get(p.name, [p.name])]
    assert arguments == [name.removeprefix("p_") for name in row[0]]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_wrappers_decide_nothing(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    conditions = [
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name in {f.stem for f in PUBLIC}
        for node in ast.walk(function)
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Try)
    ]

    assert conditions == []
