"""What `pod_patch` of a spec may be: an object that is merged, or a list of changes (RFC 6902).

As in Pachyderm it may also be a string that has either as JSON. Called by `falconeri.wire.spec`;
applied by `falconeri.cluster.patching`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType, field

from falconeri.errors import BadRequest, InvalidInput
from falconeri.wire import codec

_Pointer = Annotated[str, Meta(pattern=r"^(/([^~/]|~[01])*)*$(?!\n)")]
"""A place in the pod's `spec`: `/containers/0/env/-`."""

_NEEDS_VALUE = {"add", "replace", "test"}
_NEEDS_FROM = {"move", "copy"}


class PatchOperation(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One change: `{"op": "add", "path": "/hostNetwork", "value": true}`."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: _Pointer
    value: Any = UNSET
    """Of `add`, `replace` and `test`."""
    from_: _Pointer | UnsetType = field(default=UNSET, name="from")
    """Of `move` and `copy`."""

    def __post_init__(self) -> None:
        """Each kind of change has what it needs."""
        if self.op in _NEEDS_VALUE and self.value is UNSET:
            raise ValueError(f"`{self.op}` at {self.path!r} needs a `value`")
        if self.op in _NEEDS_FROM and self.from_ is UNSET:
            raise ValueError(f"`{self.op}` to {self.path!r} needs a `from`")


ParsedPatch = dict[str, Any] | list[PatchOperation]
PodPatch = ParsedPatch | str


def parse_patch(patch: PodPatch) -> ParsedPatch:
    """What a patch says, also if it is written as a string.

    Raises:
        ValueError: The string has neither an object nor such a list.
    """
    if not isinstance(patch, str):
        return patch
    try:
        return codec.decode(patch, cast("type[ParsedPatch]", ParsedPatch), unique_keys=True)
    except (BadRequest, InvalidInput) as ex:
        raise ValueError(f"the string `pod_patch` is no patch: {ex}") from ex
