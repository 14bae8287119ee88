"""What a container of a pod can reach that somebody else must not have."""

from __future__ import annotations

from typing import Any

from falconeri.kube.objects import parts


def credentials_of(spec: dict[str, Any], container: dict[str, Any]) -> set[str]:
    """The keys of secrets that a container has as variables or files, and tokens of accounts."""
    found = {
        f"{reference['name']}/{reference['key']}"
        for variable in container.get("env", ())
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef"))
    }
    found |= {
        f"{source['secretRef']['name']}/*"
        for source in container.get("envFrom", ())
        if "secretRef" in source
    }
    mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
    for volume in spec.get("volumes", ()):
        if volume["name"] not in mounted:
            continue
        if (secret := volume.get("secret")) is not None:
            found |= {
                f"{secret['secretName']}/{item['key']}"
                for item in secret.get("items", [{"key": "*"}])
            }
        for source in parts(volume, "projected", "sources"):
            if "serviceAccountToken" in source:
                found.add(f"token of {spec['serviceAccountName']}")
            if (projected := source.get("secret")) is not None:
                items = projected.get("items", [{"key": "*"}])
                found |= {f"{projected['name']}/{item['key']}" for item in items}
    if spec.get("automountServiceAccountToken", True):
        found.add(f"token of {spec.get('serviceAccountName', 'default')}")
    return found
