"""The OpenAPI document as a page for people: no script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --accent: #0b7285; }
@media (prefers-color-scheme: dark) { :root { --accent: #66d9e8; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem; }
details[open] > summary { margin-bottom: .5rem; }
summary { cursor: pointer; }
summary code { font-weight: 600; }
.method { display: inline-block; min-width: 4.5rem; color: var(--accent); }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .3rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
"""


def page(document: Mapping[str, Any]) -> str:
    """The HTML of an OpenAPI document.

    Args:
        document: As `falconeri.server.openapi.document` makes it.
    """
    info = document["info"]
    body = "".join(_sections(document))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}: REST API</h1>"
        f"<p>{escape(info['description'])}</p>"
        '<p>For programs: <a href="/api-docs/openapi.json">openapi.json</a></p>'
        f"{body}</body></html>"
    )


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            html = _operation(method.upper(), path, operation)
            by_tag.setdefault(operation["tags"][0], []).append(html)
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>" + "".join(operations)
    yield "<h2>types</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield (
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> '
            f"{escape(schema.get('description', '').split(chr(10))[0])}</summary>"
            f"{_json(schema)}</details>"
        )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{escape(operation['description'])}</p>"]
    if operation["parameters"]:
        rows = "".join(_parameter(parameter) for parameter in operation["parameters"])
        parts.append(f"<table><tr><th>parameter<th>in<th>meaning</tr>{rows}</table>")
    if "requestBody" in operation:
        parts.append("<h4>Request</h4>" + _content(operation["requestBody"]["content"]))
    for status, response in operation["responses"].items():
        parts.append(f"<h4>{status}: {escape(response['description'])}</h4>")
        if status == "200":
            parts.append(_content(response["content"]))
    return (
        f'<details id="{operation["operationId"]}"><summary><code><span class="method">{method}'
        f"</span>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"{''.join(parts)}</details>"
    )


def _parameter(parameter: Mapping[str, Any]) -> str:
    name, where = escape(parameter["name"]), escape(parameter["in"])
    text = parameter.get("description") or parameter["schema"].get("format", "")
    return f"<tr><td><code>{name}</code><td>{where}<td>{escape(text)}</tr>"


def _content(content: Mapping[str, Any]) -> str:
    html = ""
    for media_type, body in content.items():
        names = [
            f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>'
            for name in _references(body["schema"])
        ]
        html += f"<p><code>{escape(media_type)}</code> {' or '.join(names)}</p>"
        if "example" in body:
            html += _json(body["example"])
    return html


def _references(schema: Mapping[str, Any]) -> list[str]:
    options: list[Mapping[str, Any]] = schema.get("anyOf", [schema])
    return [option["$ref"].rpartition("/")[2] for option in options if "$ref" in option]


def _json(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"
