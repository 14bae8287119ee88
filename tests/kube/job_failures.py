"""What a failed pod means to its Job: `spec.podFailurePolicy`. Called by `jobs`."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kube.happenings import has_condition
from tests.kube.objects import part, parts
from tests.kube.refusals import Json


@dataclass(frozen=True)
class Verdict:
    """Whether a failure counts, and whether it is the end."""

    counts: bool = True
    fails_job: bool = False
    message: str = ""


def judge_pod(job: Json, pod: Json) -> Verdict:
    """Judge a failed pod by the first rule that fits."""
    policy = part(job["spec"], "podFailurePolicy")
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for index, rule in enumerate(parts(policy, "rules")):
        what = _fits(rule, pod)
        if what is None:
            continue
        action = rule["action"]
        message = f"{what} for pod {name} matching {action} rule at index {index}"
        return Verdict(counts=action != "Ignore", fails_job=action == "FailJob", message=message)
    return Verdict()


def _fits(rule: Json, pod: Json) -> str | None:
    if wanted := rule.get("onExitCodes"):
        statuses = [
            *parts(pod["status"], "initContainerStatuses"),
            *parts(pod["status"], "containerStatuses"),
        ]
        for status in statuses:
            ended = status["state"].get("terminated")
            if ended is None or wanted.get("containerName") not in {None, status["name"]}:
                continue
            code = ended["exitCode"]
            if code and (code in wanted["values"]) is (wanted["operator"] == "In"):
                return f"Container {status['name']} failed with exit code {code}"
        return None
    for condition in parts(rule, "onPodConditions"):
        if condition["status"] == "True" and has_condition(pod, condition["type"]):
            return f"Pod has condition {condition['type']}"
    return None
