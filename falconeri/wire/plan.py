"""What falconerid answers to `POST /jobs?plan=1`: what would be run, of which nothing is made."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from falconeri.wire.work import InputRef


class Size(Struct, frozen=True):
    """How large some datums are."""

    total_bytes: int
    smallest_bytes: int
    mean_bytes: int
    largest_bytes: int
    exact: bool
    """False: at least so many bytes. Folders that aren't looked into count as nothing."""


class PlannedInput(Struct, frozen=True):
    """An atom of the spec, as it was listed."""

    uri: str
    repo: str
    glob: str
    matches: int
    """Files and folders that the glob finds."""
    datums: int
    size: Size
    """Of these datums, each counted once however often a cross combines it."""


class PlannedDatum(Struct, frozen=True):
    """One of the first datums."""

    input_count: int
    inputs: list[InputRef]
    """Its first ones."""


class PlannedSecret(Struct, frozen=True):
    """A secret that the spec names; never its values."""

    name: str
    mount_path: str | None
    key: str | None
    env_var: str | None
    found: bool
    """False only for an optional one: without the others there would be no plan."""


class Rival(Struct, frozen=True):
    """A running job that may write the same files: one's egress URI begins with the other's."""

    job_id: UUID
    job_name: str
    egress_uri: str


class JobPlan(Struct, frozen=True):
    """What a spec would run."""

    pipeline_name: str
    image: str
    command: list[str]
    egress_uri: str
    datums: int
    max_datums: int
    """How many a job may have here."""
    size: Size
    """Of the datums: what the workers would fetch in all."""
    inputs: list[PlannedInput]
    sample: list[PlannedDatum]
    """The first datums, in their order."""
    parallelism: int
    memory: str
    cpu: float
    max_tries: int
    retry_delay_s: int
    timeout_s: int | None
    secrets: list[PlannedSecret]
    rivals: list[Rival]
    """The oldest ones, should there be very many."""
    memory_rungs: list[str] = []
    """The ladder of memory, the least first; empty if there is one amount."""


class PlanAnswer(Struct, frozen=True):
    """`{"plan": …}`."""

    plan: JobPlan
