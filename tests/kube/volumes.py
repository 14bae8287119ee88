"""What a pod's containers find where: volumes as directories, variables. Called by `kubelet`."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube.kinds import kind_named
from tests.kube.objects import amount, dig, part, parts
from tests.kube.refusals import Json, Refused
from tests.kube.store import Store


class NotYet(Exception):
    """Something that the pod needs isn't there: it waits."""


@dataclass(frozen=True)
class Image:
    """What of an image this machine has, beside all that it has itself."""

    workdir: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Directories, by where the image has them."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def make_volumes(
    store: Store, pod: Json, directory: Path, images: Mapping[str, Image]
) -> dict[str, Path]:
    """The directories of a pod's volumes; safe to repeat.

    Raises:
        NotYet: A secret or a config map is missing.
    """
    namespace = pod["metadata"]["namespace"]
    made: dict[str, Path] = {}
    for volume in parts(pod["spec"], "volumes"):
        place = directory / volume["name"]
        if image := volume.get("image"):
            files = images.get(image["reference"], Image()).files
            place.mkdir(parents=True, exist_ok=True)
            for path, source in files.items():
                link = place / path.lstrip("/")
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    link.symlink_to(source)
        else:
            place.mkdir(parents=True, exist_ok=True)
            for source in [volume, *part(volume, "projected").get("sources", [])]:
                _fill(store, namespace, place, source)
        if "ephemeral" in volume:
            _claim(store, pod, volume)
        made[volume["name"]] = place
    return made


def _fill(store: Store, namespace: str, place: Path, source: Json) -> None:
    for kind, key, name_field in (
        ("Secret", "secret", "secretName"),
        ("ConfigMap", "configMap", "name"),
    ):
        if wanted := source.get(key):
            name = wanted.get(name_field) or wanted["name"]
            data = _data(store, kind, namespace, name)
            if data is None:
                if not wanted.get("optional"):
                    raise NotYet(f'MountVolume.SetUp failed: {key.lower()} "{name}" not found')
                continue
            mode: int = wanted.get("defaultMode", 0o644)
            chosen: list[Json] = wanted.get("items") or [{"key": k, "path": k} for k in data]
            for item in chosen:
                if item["key"] not in data:
                    raise NotYet(f"references non-existent secret key: {item['key']}")
                path = place / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data[item["key"]])
                path.chmod(item.get("mode", mode))


def _data(store: Store, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
    found = store.find(kind, namespace, name)
    if found is None:
        return None
    if kind == "ConfigMap":
        return {key: value.encode() for key, value in part(found, "data").items()}
    return {key: base64.b64decode(value) for key, value in part(found, "data").items()}


def _claim(store: Store, pod: Json, volume: Json) -> None:
    """The claim of a generic ephemeral volume: the pod's own, and gone with it."""
    metadata = pod["metadata"]
    template = volume["ephemeral"]["volumeClaimTemplate"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    name = f"{metadata['name']}-{volume['name']}"
    if store.find("PersistentVolumeClaim", metadata["namespace"], name) is None:
        store.create(
            kind_named("PersistentVolumeClaim"),
            metadata["namespace"],
            {"metadata": {"name": name, "ownerReferences": [owner]}, "spec": template["spec"]},
        )


def mounts(container: Json, volumes: Mapping[str, Path], image: Image) -> list[tuple[Path, str]]:
    """Directories, and where the container sees them."""
    found = [(source, path) for path, source in image.files.items()]
    for mount in parts(container, "volumeMounts"):
        source = volumes[mount["name"]] / mount.get("subPath", "")
        if not source.exists():
            source.mkdir(parents=True)
        found.append((source.resolve(), mount["mountPath"]))
    return found


_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


def variables(store: Store, pod: Json, container: Json, image: Image) -> dict[str, str]:
    """A container's environment.

    Raises:
        NotYet: A secret, a config map or a key of it is missing.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith("COVERAGE_")
    }
    environment |= image.environment
    for source in parts(container, "envFrom"):
        environment |= _all_keys(store, pod, source)
    for variable in parts(container, "env"):
        if (origin := variable.get("valueFrom")) is None:
            value = _expanded(variable.get("value") or "", environment)
        else:
            value = _value_from(store, pod, container, origin)
        if value is not None:
            environment[variable["name"]] = value
    return environment


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        return environment.get(match[1], match[0])

    return re.sub(r"\$?\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", replace, text)


def _all_keys(store: Store, pod: Json, source: Json) -> dict[str, str]:
    kind, key = ("Secret", "secretRef") if "secretRef" in source else ("ConfigMap", "configMapRef")
    data = _data(store, kind, pod["metadata"]["namespace"], source[key]["name"])
    if data is None and not source[key].get("optional"):
        raise NotYet(f'{kind.lower()} "{source[key]["name"]}" not found')
    prefix = source.get("prefix", "")
    return {f"{prefix}{name}": value.decode() for name, value in (data or {}).items()}


def _value_from(store: Store, pod: Json, container: Json, origin: Json) -> str | None:
    if wanted := origin.get("fieldRef"):
        return _field(pod, wanted["fieldPath"])
    if wanted := origin.get("resourceFieldRef"):
        section, _, resource = wanted["resource"].partition(".")
        given = part(container, "resources", section).get(resource, "0")
        return str(int(amount(given) / amount(wanted.get("divisor") or "1")))
    kind, key = (
        ("Secret", "secretKeyRef") if "secretKeyRef" in origin else ("ConfigMap", "configMapKeyRef")
    )
    wanted = origin[key]
    data = _data(store, kind, pod["metadata"]["namespace"], wanted["name"])
    if data is not None and wanted["key"] in data:
        return data[wanted["key"]].decode()
    if wanted.get("optional"):
        return None
    if data is None:
        raise NotYet(f'{kind.lower()} "{wanted["name"]}" not found')
    place = f"{pod['metadata']['namespace']}/{wanted['name']}"
    raise NotYet(f"couldn't find key {wanted['key']} in {kind} {place}")


def _field(pod: Json, path: str) -> str:
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path):
        return str(part(pod, "metadata", match[1]).get(match[2], ""))
    if path in {"status.podIP", "status.hostIP"}:
        return "127.0.0.1"
    found = dig(pod, path)
    if not isinstance(found, str):
        raise Refused(422, "Invalid", f"no such field: {path}")
    return found
