"""Draws bars in groups, several panels on one sheet, as SVG.

By hand, because a sheet in SVG can follow the reader's light or dark background, and because the
libraries that draw one weigh more than all other tools of this checkout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

_COLUMNS = 3
_PANEL_W, _PANEL_H = 300, 190  # of the axes alone
_LEFT, _TOP, _GAP_X, _GAP_Y = 52, 90, 56, 78
_TICK = 0.1
_COLOURS = ("#c9394d", "#3d7ebf", "#1f8a7d", "#b9770e", "#8d6cab", "#6c7a80")
_STYLE = """
text { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 12px; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.panel { font-weight: 600 } .note { font-style: italic }
.value { font-size: 9px; fill: #ffffff }
.paper { fill: #ffffff } .line { stroke: #d5d9de } .spread { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
  text:not(.value) { fill: #e6edf3 }
  .paper { fill: #0d1117 } .line { stroke: #3a414a } .spread { stroke: #e6edf3 }
}
"""


@dataclass(frozen=True)
class Panel:
    """Bars: (series, group) to its height and the ends of its spread."""

    title: str
    axis: str
    bars: dict[tuple[str, str], tuple[float, float, float]]


def draw(title: str, scale: str, note: str, panels: list[Panel]) -> str:
    """Return the sheet; all panels have one scale, and a series has one colour.

    Args:
        scale: What the height means.
        note: What the spread means.
    """
    series = list(dict.fromkeys(name for panel in panels for name, _ in panel.bars))
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(series)}
    highest = max((high for panel in panels for *_, high in panel.bars.values()), default=0)
    top = (int(highest / _TICK) + 1) * _TICK
    rows = -(-len(panels) // _COLUMNS)
    width = _LEFT + _COLUMNS * (_PANEL_W + _GAP_X) - 32
    height = _TOP + rows * (_PANEL_H + _GAP_Y) - 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(_LEFT, 26, title, "title"),
    ]
    for i, name in enumerate(series):
        x = _LEFT + i * 125
        parts.append(f'<rect x="{x}" y="40" width="12" height="12" fill="{colours[name]}"/>')
        parts.append(_text(x + 18, 50, name))
    parts.append(_text(width - _GAP_X + 32, 50, note, "note", anchor="end"))
    for i, panel in enumerate(panels):
        x = _LEFT + i % _COLUMNS * (_PANEL_W + _GAP_X)
        y = _TOP + i // _COLUMNS * (_PANEL_H + _GAP_Y)
        parts.append(f'<g transform="translate({x} {y})">')
        parts += [*_scale(panel, scale, top), *_bars(panel, top, series, colours), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _scale(panel: Panel, scale: str, top: float) -> Iterator[str]:
    yield _text(0, -8, panel.title, "panel")
    yield f'<g transform="rotate(-90) translate({-_PANEL_H / 2} -34)">'
    yield _text(0, 0, scale, anchor="middle") + "</g>"
    for i in range(round(top / _TICK) + 1):
        y = _PANEL_H * (1 - i * _TICK / top)
        yield f'<path class="line" d="M0 {y:.1f}h{_PANEL_W}"/>'
        yield _text(-6, y + 4, f"{i * _TICK:.1f}", anchor="end")
    yield _text(_PANEL_W / 2, _PANEL_H + 34, panel.axis, anchor="middle")


def _bars(panel: Panel, top: float, series: list[str], colours: dict[str, str]) -> Iterator[str]:
    groups = list(dict.fromkeys(group for _, group in panel.bars))
    group_w = _PANEL_W / len(groups)
    bar_w = group_w * 0.84 / len(series)
    for i, group in enumerate(groups):
        yield _text((i + 0.5) * group_w, _PANEL_H + 17, group, anchor="middle")
        for j, name in enumerate(series):
            if (name, group) not in panel.bars:
                continue
            bar = panel.bars[name, group]
            value, low, high = (_PANEL_H * (1 - number / top) for number in bar)
            x = i * group_w + group_w * 0.08 + j * bar_w
            middle = x + bar_w / 2 - 0.5
            yield (
                f'<rect x="{x:.1f}" y="{value:.1f}" width="{bar_w - 1:.1f}" '
                f'height="{_PANEL_H - value:.1f}" fill="{colours[name]}"/>'
            )
            yield f'<path class="spread" d="M{middle:.1f} {high:.1f}V{low:.1f}"/>'
            label = f"{bar[0]:.2f}".removeprefix("0")
            yield _text(middle, _PANEL_H - 4, label, "value", anchor="middle")


def _text(x: float, y: float, text: str, style: str = "", *, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
