"""What a study contains, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Iterator

from .record import Study

TITLES = {
    "program": "The program",
    "gradient": "The gradient",
    "derivation": "The derivation",
    "check": "The check",
    "sizes": "Sizes of gradients",
    "convexity": "Convexity",
    "minimum": "The minimum",
    "point": "The point reached",
    "rates": "Learning rates",
    "landscape": "The landscape",
    "examples": "The examples",
}


def has(study: Study, key: str) -> bool:
    """Whether a section has something to tell."""
    if key == "convexity":  # which is false if it is not proved
        return study.convexity is not None
    there = {"gradient": study.explained, "derivation": study.explained, "minimum": study.fits}
    if key == "point":
        return study.point is not None or study.curvature is not None
    return bool(there[key] if key in there else getattr(study, key))


def contents(study: Study) -> Iterator[tuple[str, str]]:
    """Key and title, with its number, of each section that was reached."""
    reached = [key for key in TITLES if has(study, key) or key in study.left_out]
    for n, key in enumerate(reached, start=1):
        yield key, f"{n}. {TITLES[key]}"
