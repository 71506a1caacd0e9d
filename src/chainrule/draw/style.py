"""How pictures look: light and dark as the reader's system (or the page's data-theme) is, and on paper.

A <style> inside an SVG reaches the whole page, so every rule begins with the class of our own pictures.
"""

from __future__ import annotations

NAME = "chainrule-figure"
TONES = 6
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "plus")
DASHES = {"solid": "", "dashed": "7 4", "dotted": "1.5 4"}

_LIGHT = {
    "paper": "#fdfdfb", "ink": "#1d2129", "soft": "#5b6370", "line": "#dcdfe4", "good": "#17692f", "bad": "#b3261e",
    "t1": "#1f5fbf", "t2": "#b4540a", "t3": "#17692f", "t4": "#8e3b9e", "t5": "#0b6a75", "t6": "#b3261e",
}  # fmt: skip
_DARK = {
    "paper": "#15181d", "ink": "#e6e8eb", "soft": "#a2aab6", "line": "#363c46", "good": "#7fd69a", "bad": "#ff9d94",
    "t1": "#7fb2ff", "t2": "#f0a35e", "t3": "#7fd69a", "t4": "#d9a6ea", "t5": "#70d0dc", "t6": "#ff9d94",
}  # fmt: skip


def colour(tone: str) -> str:
    """The light colour of a tone: for viewers that read no styles."""
    return _LIGHT[tone]


def _named(colours: dict[str, str]) -> str:
    return " ".join(f"--figure-{name}: {value};" for name, value in colours.items())


def css() -> str:
    """The style that each picture carries."""
    own = f".{NAME}"
    tones = " ".join(f"{own} .{t} {{ --tone: var(--figure-{t}); }}" for t in _LIGHT if t not in ("paper", "line"))
    return f"""
{own} {{ {_named(_LIGHT)} }}
@media (prefers-color-scheme: dark) {{ {own} {{ {_named(_DARK)} }} }}
[data-theme="light"] {own} {{ {_named(_LIGHT)} }}
[data-theme="dark"] {own} {{ {_named(_DARK)} }}
@media print {{ {own}, [data-theme] {own} {{ {_named({**_LIGHT, "paper": "#fff", "ink": "#000", "soft": "#444"})} }} }}
{tones}
{own} text {{ font: 13px system-ui, sans-serif; fill: var(--figure-ink); }}
{own} .paper {{ fill: var(--figure-paper); }}
{own} .name {{ font-weight: 600; font-size: 14px; }}
{own} .tick, {own} .axis, {own} .remark {{ fill: var(--figure-soft); font-size: 12px; }}
{own} .grid {{ stroke: var(--figure-line); }}
{own} .zero {{ stroke: var(--figure-soft); }}
{own} .curve {{ stroke: var(--tone); }}
{own} .fill {{ fill: var(--tone); }}
{own} .label {{ fill: var(--tone, var(--figure-ink)); }}
{own} .halo {{ paint-order: stroke; stroke: var(--figure-paper); stroke-width: 4px; stroke-linejoin: round; }}
{own} .ring {{ stroke: var(--figure-paper); }}
{own} .box {{ fill: var(--figure-paper); stroke: var(--tone); }}
""".strip()
