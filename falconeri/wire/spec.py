"""The pipeline spec: what a user writes to describe a job.

Field names are Pachyderm's, as the original falconeri's are. Unknown fields are refused, and each
message names the path of the field. Called by CLI (to check before sending) and falconerid.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from falconeri.duration import parse_duration_s
from falconeri.errors import InvalidInput, InvalidSpec
from falconeri.globs import MAX_LENGTH, compile_glob
from falconeri.sizes import SIZE, parse_size_bytes
from falconeri.wire import codec
from falconeri.wire.memory import MemoryLadder
from falconeri.wire.pod_patch import PodPatch, parse_patch
from falconeri.wire.pod_spec import Gpu, PodSpec, Quantity, SchedulingSpec

_NonEmpty = Annotated[str, Meta(min_length=1)]
_ExitCode = Annotated[int, Meta(ge=0, le=255)]
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]

# `(?!\n)`: in Python, `$` also matches before a line feed at the end.
PIPELINE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,51}$(?!\n)"
"""What makes a job name (this, a dash and ten characters) a valid DNS label."""

REPO_NAME = r"^[A-Za-z0-9._-]{1,255}$(?!\n)"
"""What names a directory below `/pfs`."""

MAX_INPUT_DEPTH = 32
"""Levels of `cross` and `union` inside each other."""


MAX_FILES = 10_000
"""Files of the glob that make up one datum, at most: a worker gets their names in one answer."""


class Pipeline(Struct, frozen=True, forbid_unknown_fields=True):
    """`name` becomes the beginning of the job's name."""

    name: Annotated[str, Meta(pattern=PIPELINE_NAME)]


class Secret(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A secret of the cluster: one key as a variable (`key`, `env_var`), or all as a directory."""

    name: _NonEmpty
    mount_path: _NonEmpty | UnsetType = UNSET
    key: _NonEmpty | UnsetType = UNSET
    env_var: _NonEmpty | UnsetType = UNSET
    optional: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Exactly one of the two shapes."""
        variable = (self.key is not UNSET, self.env_var is not UNSET)
        if self.mount_path is UNSET and not all(variable):
            raise ValueError("a secret needs either `mount_path`, or both `key` and `env_var`")
        if self.mount_path is not UNSET and (any(variable) or self.optional is not UNSET):
            raise ValueError("a secret with `mount_path` takes no `key`, `env_var` or `optional`")


class Transform(Struct, frozen=True, forbid_unknown_fields=True):
    """The user's program: an image and the command to run in it for each datum.

    The fields that the original doesn't know are absent unless they are used: it would refuse them.
    """

    cmd: Annotated[list[str], Meta(min_length=1)]
    image: _NonEmpty
    image_pull_policy: str | None = None
    env: dict[str, str] = field(default_factory=dict[str, str])
    secrets: list[Secret] = field(default_factory=list[Secret])
    service_account: str | None = None
    stdin: list[str] | UnsetType = UNSET
    """Lines that the command reads."""
    working_dir: Annotated[str, Meta(pattern="^/")] | UnsetType = UNSET
    """Where it begins."""
    accept_return_code: list[_ExitCode] | UnsetType = UNSET
    """Exit codes that are as good as 0."""
    err_cmd: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    """Run when the command has failed for the last time: its success recovers the datum."""
    err_stdin: list[str] | UnsetType = UNSET
    """Lines that `err_cmd` reads."""
    resident: bool | UnsetType = UNSET
    """The command runs once in each worker, and receives datums one by one."""

    def __post_init__(self) -> None:
        """Refuse what no environment can hold, and fields that go ill together."""
        for name in self.env:
            if not name or "=" in name:
                raise ValueError(f"`env`: {name!r} can't be a variable's name")
        if self.err_stdin is not UNSET and self.err_cmd is UNSET:
            raise ValueError("`err_stdin` is for `err_cmd`, which isn't there")
        if self.resident is True:
            self._check_resident()

    def _check_resident(self) -> None:
        if self.stdin is not UNSET:
            raise ValueError("`stdin`: a resident program gets its datums there")
        if self.accept_return_code is not UNSET:
            raise ValueError("`accept_return_code`: a resident program doesn't end with a datum")
        if isinstance(self.working_dir, str) and f"{self.working_dir}/".startswith("/pfs/"):
            raise ValueError("`working_dir`: /pfs changes under a resident program")


class ParallelismSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How many workers run at once."""

    constant: _Count


class ResourceRequests(Struct, frozen=True, forbid_unknown_fields=True):
    """What each worker gets: `memory` as Kubernetes writes it (`500Mi`), `cpu` in cores.

    With a ladder of memory, workers with more are made for the datums that ran out of it.
    """

    memory: _NonEmpty | MemoryLadder
    cpu: Annotated[float, Meta(ge=0)]
    gpu: Gpu | UnsetType = UNSET
    extended: dict[str, Quantity] | UnsetType = UNSET
    """Any other resource of nodes, by name: `{"ephemeral-storage": "10Gi"}`."""

    @property
    def least_memory(self) -> str:
        """What the workers get with which all datums begin."""
        return self.memory if isinstance(self.memory, str) else self.memory.start

    @property
    def memory_rungs(self) -> list[str]:
        """All amounts of the ladder, the least first; empty if there is none."""
        return [] if isinstance(self.memory, str) else self.memory.rungs


class Grouping(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much of what a glob finds is one datum: so many files, or files of so many bytes."""

    files: Annotated[int, Meta(ge=1, le=MAX_FILES)] | UnsetType = UNSET
    bytes: Annotated[str, Meta(extra_json_schema={"pattern": SIZE})] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Exactly one of the two."""
        if (self.files is UNSET) is (self.bytes is UNSET):
            raise ValueError("exactly one of `files` and `bytes` says how large a datum may be")
        if self.bytes is not UNSET:
            parse_size_bytes(self.bytes, name="bytes")

    @property
    def max_bytes(self) -> int | None:
        """What a datum has at most, unless a single file is larger; None: they don't count."""
        return None if self.bytes is UNSET else parse_size_bytes(self.bytes, name="bytes")

    @property
    def max_files(self) -> int:
        """How many files a datum has at most; a directory that the glob finds counts as one."""
        return MAX_FILES if self.files is UNSET else self.files


class Atom(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Files below a URI, seen by the program under `/pfs/<repo>/`."""

    uri: _NonEmpty = field(name="URI")
    repo: Annotated[str, Meta(pattern=REPO_NAME)]
    glob: Annotated[str, Meta(pattern="^/", max_length=MAX_LENGTH)]
    """Which of them: see `falconeri.globs`. Each file or directory that it finds is a datum."""
    datums: Grouping | UnsetType = UNSET
    """Several of them are one."""
    allow_empty: bool = False
    """Fine if there is none; otherwise it is taken for a mistake."""

    def __post_init__(self) -> None:
        """A repo is a directory beside `out`; a glob can be read, and grouped if it is to be."""
        if self.repo in {"out", ".", ".."}:
            raise ValueError(f"`repo` must not be {self.repo!r}: it names a directory below /pfs")
        try:
            glob = compile_glob(self.glob)
        except ValueError as ex:
            raise ValueError(f"`glob`: {ex}") from ex
        if glob.is_whole and self.datums is not UNSET:
            raise ValueError("`datums`: the glob makes one datum of everything; `/**` finds files")


class Input(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of `atom` (also written `pfs`), `cross` and `union`."""

    atom: Atom | UnsetType = UNSET
    pfs: Atom | UnsetType = UNSET
    cross: list[Input] | UnsetType = UNSET
    union: list[Input] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Exactly one key."""
        given = [v for v in (self.atom, self.pfs, self.cross, self.union) if v is not UNSET]
        if len(given) != 1:
            raise ValueError("an input has exactly one of `atom` (or `pfs`), `cross`, `union`")

    @property
    def files(self) -> Atom | None:
        """The atom under either of its names, or None for a combination."""
        if self.atom is not UNSET:
            return self.atom
        return self.pfs if self.pfs is not UNSET else None


class Egress(Struct, frozen=True, forbid_unknown_fields=True):
    """Where outputs go: the URI of a bucket or directory."""

    uri: _NonEmpty = field(name="URI")


class PipelineSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One job, as a user describes it; what the original doesn't know is absent unless used."""

    pipeline: Pipeline
    transform: Transform
    parallelism_spec: ParallelismSpec
    resource_requests: ResourceRequests
    input: Input
    egress: Egress
    datum_tries: _Count | None = None
    job_timeout: str | None = None
    node_selector: dict[str, str] = field(default_factory=dict[str, str])
    retry_delay: str | UnsetType | None = UNSET
    pipelining: bool | UnsetType = UNSET
    """Whether workers fetch the next datum's inputs, and store outputs, while the command runs;
    they do unless it says no."""
    datum_timeout: str | UnsetType = UNSET
    scheduling_spec: SchedulingSpec | UnsetType = UNSET
    pod: PodSpec | UnsetType = UNSET
    pod_patch: PodPatch | UnsetType = UNSET
    """Changes of the pod's `spec` that no other field makes; see `falconeri.wire.pod_patch`."""

    def __post_init__(self) -> None:
        """Say at once that a duration can't be read, or that nobody could follow the input."""
        if _depth(self.input) > MAX_INPUT_DEPTH:
            raise ValueError(f"`input` is nested more than {MAX_INPUT_DEPTH} levels deep")
        if self.job_timeout is not None:
            parse_duration_s(self.job_timeout, name="job_timeout")
        if isinstance(self.retry_delay, str):
            parse_duration_s(self.retry_delay, name="retry_delay")
        if self.datum_timeout is not UNSET and not self.datum_timeout_s:
            raise ValueError("`datum_timeout` is a second at least; leave it out for no limit")
        if self.pod_patch is not UNSET:
            parse_patch(self.pod_patch)

    @property
    def max_tries(self) -> int:
        """How often a datum may fail by its program's fault; absent and 0 mean once."""
        return self.datum_tries or 1

    @property
    def timeout_s(self) -> int | None:
        """Whole seconds until the job is stopped, or None for no limit."""
        if self.job_timeout is None:
            return None
        return parse_duration_s(self.job_timeout, name="job_timeout") or None

    @property
    def datum_timeout_s(self) -> int | None:
        """Whole seconds that the program may take for a datum, or None for no limit."""
        if self.datum_timeout is UNSET:
            return None
        return parse_duration_s(self.datum_timeout, name="datum_timeout")

    @property
    def retry_delay_s(self) -> int:
        """Whole seconds that a datum waits after its first failure; doubled by each further one."""
        return parse_duration_s(self.retry_delay or "0", name="retry_delay")


def parse_spec(data: bytes | str) -> PipelineSpec:
    """Read a spec from JSON.

    Raises:
        InvalidSpec: Wrong shape; `detail` is the field's path and what is wrong with it.
        BadRequest: Not JSON.
    """
    try:
        return codec.decode(data, PipelineSpec, unique_keys=True)
    except InvalidInput as ex:
        raise InvalidSpec(detail=_whole(ex)) from ex


def stored_form(spec: PipelineSpec) -> dict[str, Any]:
    """Return the object kept in `jobs.pipeline_spec`, as the original stores it.

    Timeouts are in seconds. `datum_tries` and `retry_delay` are columns of their own; what the
    original doesn't know is left out where it says nothing.
    """
    stored: dict[str, Any] = msgspec.to_builtins(spec)
    for column in ("datum_tries", "retry_delay"):
        stored.pop(column, None)
    stored["job_timeout"] = spec.timeout_s
    if spec.pipelining is True:  # as where nothing is said
        del stored["pipelining"]
    if "datum_timeout" in stored:
        stored["datum_timeout"] = spec.datum_timeout_s
    if spec.pod_patch is not UNSET:
        stored["pod_patch"] = msgspec.to_builtins(parse_patch(spec.pod_patch))
    _name_atoms(stored["input"])
    for secret in stored["transform"]["secrets"]:
        if "env_var" in secret:
            secret.setdefault("optional", False)
    return stored


def _whole(error: InvalidInput) -> str:
    """Keep a message of its own; that of an error with a path is only the class's words."""
    if error.message == InvalidInput.default_message:
        return error.detail
    return f"{error.message}: {error.detail}" if error.detail else error.message


def _depth(input_: Input) -> int:
    """Count the levels of an input, without recursion: it may be as deep as JSON allows."""
    level, depth = [input_], 0
    while level:
        depth += 1
        level = [
            child
            for node in level
            for children in (node.cross, node.union)
            if children is not UNSET
            for child in children
        ]
    return depth


def _name_atoms(node: dict[str, Any]) -> None:
    """Write the alias `pfs` as `atom`, at every depth."""
    if "pfs" in node:
        node["atom"] = node.pop("pfs")
    for children in (node.get("cross", []), node.get("union", [])):
        for child in children:
            _name_atoms(child)
