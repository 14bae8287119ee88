"""Who may do what: bearer tokens, and the Roles and bindings that are stored. Called by `front`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from tests.kube.objects import parts
from tests.kube.refusals import Json, Refused
from tests.kube.store import Store


@dataclass(frozen=True)
class Request:
    """What somebody asks for, as rules name it."""

    verb: str
    group: str
    resource: str
    """With its subresource, if any: `pods/log`."""
    namespace: str
    name: str


@dataclass(frozen=True)
class Account:
    """A service account."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"


class Access:
    """The tokens, and the decision on each request."""

    def __init__(self, store: Store) -> None:
        self.admin_token = secrets.token_urlsafe(16)
        """May do anything."""
        self.forbidden: set[tuple[str, str]] = set()
        """Pairs of verb and resource that nobody may do, `*` for any: for tests."""
        self.used: set[tuple[str, str, str]] = set()
        """What accounts were let do: their name, the verb, the resource."""
        self.refused: list[str] = []
        """What accounts were not let do, but by a test's wish."""
        self._store = store
        self._accounts: dict[str, Account] = {}

    def token_for(self, namespace: str, name: str) -> str:
        """A new token of a service account. What it may do is what the bindings say by then."""
        token = secrets.token_urlsafe(16)
        self._accounts[token] = Account(namespace, name)
        return token

    def check(self, authorization: str, request: Request) -> str:
        """Let a request pass, and return who made it.

        Raises:
            Refused: 401 or 403.
        """
        scheme, _, token = authorization.partition(" ")
        account = self._accounts.get(token)
        if scheme.lower() != "bearer" or (token != self.admin_token and account is None):
            raise Refused(401, "Unauthorized", "Unauthorized")
        who = str(account) if account else "admin"
        for verb, resource in self.forbidden:
            if verb in {"*", request.verb} and resource in {"*", request.resource}:
                raise _forbidden(who, request)
        if account:
            if not any(_allows(rule, request) for rule in self._rules(account, request)):
                refusal = _forbidden(who, request)
                self.refused.append(refusal.message)
                raise refusal
            self.used.add((account.name, request.verb, request.resource))
        return who

    def _rules(self, account: Account, request: Request) -> Iterator[Json]:
        if request.namespace:
            for binding in self._store.list("RoleBinding", request.namespace):
                if _binds(binding, account, request.namespace):
                    yield from self._rules_of(binding["roleRef"], request.namespace)
        for binding in self._store.list("ClusterRoleBinding"):
            if _binds(binding, account, ""):
                yield from self._rules_of(binding["roleRef"], "")

    def _rules_of(self, role: Json, namespace: str) -> list[Json]:
        place = namespace if role["kind"] == "Role" else ""
        found = self._store.find(role["kind"], place, role["name"])
        return (found or {}).get("rules") or []


def _binds(binding: Json, account: Account, namespace: str) -> bool:
    return any(
        subject.get("kind") == "ServiceAccount"
        and subject.get("name") == account.name
        and subject.get("namespace", namespace) == account.namespace
        for subject in parts(binding, "subjects")
    )


def _allows(rule: Json, request: Request) -> bool:
    main, _, sub = request.resource.partition("/")
    wanted = {"*", request.resource, *([f"*/{sub}"] if sub else [main])}
    names = rule.get("resourceNames")
    return (
        not {"*", request.verb}.isdisjoint(parts(rule, "verbs"))
        and not {"*", request.group}.isdisjoint(parts(rule, "apiGroups"))
        and not wanted.isdisjoint(parts(rule, "resources"))
        and (not names or request.name in names)
    )


def _forbidden(who: str, request: Request) -> Refused:
    resource = f"{request.resource.partition('/')[0]}"
    resource = f"{resource}.{request.group}" if request.group else resource
    named = f' "{request.name}"' if request.name else ""
    place = f' in the namespace "{request.namespace}"' if request.namespace else ""
    return Refused(
        403,
        "Forbidden",
        f'{resource}{named} is forbidden: User "{who}" cannot {request.verb} resource '
        f'"{request.resource}" in API group "{request.group}"{place}',
    )
