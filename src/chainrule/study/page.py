"""A study as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ..errors import ArgumentError
from .contents import contents
from .html import MARK, number
from .page_around import AROUND
from .page_sections import SECTIONS
from .record import Study
from .style import CSS, SCOPE
from .summary import summary


def page(study: Study) -> str:
    """The whole page.

    >>> from chainrule.study import study
    >>> page(study(lambda x: x**2, 3.0)).startswith("<!doctype html>")
    True
    """
    title = escape(f"{study.name}: a study" if not study.file else f"{study.name} in {Path(study.file).name}: a study")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body class='{SCOPE}'>\n{body(study)}\n</body>\n</html>\n"
    )


def inside(study: Study) -> str:
    """What another page shows of it, a notebook for instance: with a style that reaches nothing else."""
    return f"<div class='{SCOPE}'><style>{CSS}</style>{body(study)}</div>"


def body(study: Study) -> str:
    """What stands in the page's body."""
    parts = [(key, title, _section(study, key)) for key, title in contents(study)]
    links = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title, _ in parts)
    sections = "\n".join(
        f'<section aria-labelledby="{key}"><h2 id="{key}">{escape(title)}</h2>{html}</section>'
        for key, title, html in parts
    )
    return (
        f"<header>{_head(study)}</header>\n"
        f'<nav aria-label="Contents"><ol>{links}</ol></nav>\n'
        f"<main>\n{sections}\n</main>\n<footer>{_foot(study)}</footer>"
    )


def _section(study: Study, key: str) -> str:
    """The section, and what had to be left out of it."""
    missing = study.left_out.get(key, "")
    note = f'<p class="notice" role="note">{escape(missing[:1].upper() + missing[1:])}.</p>' if missing else ""
    content = {**SECTIONS, **AROUND}.get(key)
    return note + (content(study) if content is not None else "")


def _head(study: Study) -> str:
    where = f" in <code>{escape(Path(study.file).name)}</code>" if study.file else ""
    names = ", ".join(f"<code>{escape(name)}</code>" for name in study.wrt)
    facts = "".join(f"<div><dt>{escape(what)}</dt><dd>{told}</dd></div>" for what, told in _facts(study))
    notice = "The study was interrupted: this page holds what was done by then."
    warned = f'<p class="notice" role="note">{notice}</p>' if study.interrupted else ""
    told = " ".join(escape(sentence) for sentence in summary(study))
    return (
        f"<h1>A study of <code>{escape(study.name)}</code></h1>"
        f'<p class="subtitle">The function <code>{escape(study.name)}</code>{where}, with respect to {names} '
        f"(says {escape(study.chosen)}).</p>{warned}"
        f'<p class="summary">{told}</p><dl class="facts">{facts}</dl>'
    )


def _facts(study: Study) -> Iterator[tuple[str, str]]:
    """What a reader in a hurry wants to know."""
    yield f"{study.name} at the start", number(study.value)
    if study.best is not None:
        yield (
            f"{study.name} at the best point",
            number(study.best.minimum.fun),
        )
    if study.check is not None:
        digits = f" to {study.check.digits} digits" if study.check.verdict == "agrees" else ""
        said = {"agrees": "agree", "wrong": "disagree", "unreliable": "can’t be compared"}[study.check.verdict]
        kind = study.check.verdict
        yield "gradient and differences", f'<span class="verdict {kind}">{MARK[kind]} {said}{digits}</span>'
    if study.convexity is not None:
        yield "shape", escape(study.convexity.verdict)
    if study.point is not None:
        yield "kind of the point reached", escape(study.point.kind)
    if study.best is not None:
        for what, told in list(study.best.told.items())[:4]:
            yield what, number(told)
    if study.complete:
        yield "time for all of it", f"{sum(study.seconds.values()):.2g} s"


def _foot(study: Study) -> str:
    from .. import __version__

    spent = ", ".join(f"{what} {seconds:.2g} s" for what, seconds in study.seconds.items())
    return f"<p>chainrule {escape(__version__)}. Time spent: {escape(spent)}.</p>"


# --- the file ---------------------------------------------------------------------------------------------------------


def require_writable(path: Path) -> None:
    """Say now, not after the work, that the page can't be written there."""
    folder = path.parent
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder, not a file to write", hint=f"--html {path / 'study.html'}")
    if not folder.is_dir():
        raise ArgumentError(f"{path} can't be written: there is no folder {folder}", hint=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise ArgumentError(f"{path} can't be written: permission denied")


def write(study: Study, path: Path) -> None:
    """Write the page, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
            file.write(page(study))
        os.chmod(file.name, 0o666 & ~_umask())
        os.replace(file.name, path)
    except OSError as error:
        raise ArgumentError(f"{path} can't be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
