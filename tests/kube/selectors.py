"""Label and field selectors. Called by `store` for lists and by `watching` for each change."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.kube.objects import dig, part
from tests.kube.refusals import Json, bad_request

Matches = Callable[[Json], bool]

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_IN = re.compile(rf"(?P<key>{_NAME})\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_NAME})\s*(?P<how>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.]*)")
_EXISTS = re.compile(rf"(?P<not>!?)\s*(?P<key>{_NAME})")

_FIELDS = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase"),
    "Event": (
        *("involvedObject.kind", "involvedObject.name", "involvedObject.namespace"),
        *("involvedObject.uid", "reason", "type", "reportingComponent"),
    ),
    "Job": ("status.successful",),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
}
"""The fields that can be selected by, beside the name and the namespace of any object."""


def parse_labels(text: str) -> Matches:
    """What a label selector selects.

    Raises:
        Refused: 400, it can't be read.
    """
    terms = [_label_term(term.strip()) for term in re.split(r",(?![^(]*\))", text) if term.strip()]
    return lambda obj: all(term(part(obj, "metadata", "labels")) for term in terms)


def _label_term(text: str) -> Callable[[dict[str, str]], bool]:
    if match := _IN.fullmatch(text):
        values = {value.strip() for value in match["values"].split(",")}
        key, wanted = match["key"], match["how"] == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if match := _EQUAL.fullmatch(text):
        key, value, equal = match["key"], match["value"], match["how"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if match := _EXISTS.fullmatch(text):
        key, wanted = match["key"], not match["not"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f"unable to parse requirement: found {text!r}")


def parse_fields(kind: str, text: str) -> Matches:
    """What a field selector selects among the objects of a kind.

    Raises:
        Refused: 400, it can't be read, or not be selected by.
    """
    known = ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ()))
    terms: list[tuple[str, str, bool]] = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if match is None:
            raise bad_request(f"invalid field selector {text!r}: can't understand {term!r}")
        field, how, value = match.groups()
        if field not in known:
            raise bad_request(f"field label not supported: {field}")
        terms.append((field, value, how != "!="))
    return lambda obj: all((_value(obj, f) == v) is equal for f, v, equal in terms)


def _value(obj: Json, path: str) -> str:
    found = dig(obj, path)
    return "" if found is None else str(found)
