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
    "minimum": "The minimum",
    "rates": "Learning rates",
    "landscape": "The landscape",
    "examples": "The examples",
}


def contents(study: Study) -> Iterator[tuple[str, str]]:
    """Key and title, with its number, of each section that was reached."""
    there = {
        "program": study.program,
        "gradient": study.explained,
        "derivation": study.explained,
        "check": study.check,
        "sizes": study.sizes,
        "minimum": study.fits,
        "rates": study.rates,
        "landscape": study.landscape,
        "examples": study.examples,
    }
    reached = [key for key in TITLES if there[key] or key in study.left_out]
    for n, key in enumerate(reached, start=1):
        yield key, f"{n}. {TITLES[key]}"
