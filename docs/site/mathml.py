"""Mathematics in a page as MathML: browsers show it by themselves, so no script and no font is fetched."""

import re
from xml.etree import ElementTree as xml

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.util import logging

log = logging.getLogger(__name__)
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
BELOW = ("lim", "max", "min", "sup", "inf", "arg\u2009min", "arg\u2009max")  # what a letter stands under
OPERANDS = ("mi", "mn", "mrow", "mfrac", "msub", "msup")
BRACKETS = {"(": "prefix", "[": "prefix", "{": "prefix", ")": "postfix", "]": "postfix", "}": "postfix"}


def mathml(latex: str, display: str = "inline") -> str:
    """A `<math>` element; raises for what is not LaTeX.

    >>> print(mathml("f'"))
    <math xmlns="..." display="inline"><mrow><mrow><mi>f</mi><mo>′</mo></mrow></mrow></math>
    """
    if re.search(r"(?<!\\)[{}]", latex) and latex.replace(r"\{", "").count("{") != latex.replace(r"\}", "").count("}"):
        raise ValueError("brackets don't pair")
    root = xml.fromstring(re.sub(r"&(?!#?\w+;)", "&amp;", convert(spelled(latex), display=display)))
    unknown = [t for e in root.iter() if (t := e.text or "").startswith("\\") and len(t) > 1]
    if unknown:
        raise ValueError(f"unknown commands {unknown}")
    _tidy(root)
    if display == "block":
        for limit in [e for e in root.iter(f"{{{NAMESPACE}}}msub") if e[0].text in BELOW]:
            limit.tag = f"{{{NAMESPACE}}}munder"
    xml.register_namespace("", NAMESPACE)
    return xml.tostring(root, encoding="unicode")


def spelled(latex: str) -> str:
    """LaTeX in the words that the converter knows."""
    latex = latex.replace(r"\arg\min", r"\argmin ").replace(r"\arg\max", r"\argmax ")
    return re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", latex)


def _tidy(element: xml.Element) -> None:
    """What the converter leaves rough: primes, names of functions, brackets around matrices."""
    for child in element:
        _tidy(child)
    for i, child in enumerate(element):
        tag, text = child.tag.rpartition("}")[2], child.text or ""
        after = element[i + 1] if i + 1 < len(element) else None
        if tag == "msup" and set("".join(child[1].itertext())) <= set("′″‴"):  # a prime is raised by itself
            row = xml.Element(f"{{{NAMESPACE}}}mrow")
            prime = xml.SubElement(row, f"{{{NAMESPACE}}}mo")
            prime.text = "".join(child[1].itertext())
            row.insert(0, child[0])
            element[i] = row
        elif tag in ("mi", "mo") and len(text) > 1 and text.isalpha():  # a word: a function, not an operator
            child.tag = f"{{{NAMESPACE}}}mi"
            child.set("mathvariant", "normal")
            opens = after is not None and "".join(after.itertext())[:1] in ("(", "[", "{", "")
            if (
                after is not None
                and after.tag.endswith(("}mi", "}mn", "}mrow", "}mfrac", "}msub", "}msup"))
                and not opens
            ):
                child.tag = f"{{{NAMESPACE}}}mo"  # with the space of an operator, on its right
                child.set("form", "prefix")
                child.set("lspace", "0.17em" if i else "0")
                child.set("rspace", "0.17em")
        elif tag == "mo" and text in BRACKETS and element.find(f"{{{NAMESPACE}}}mtable") is not None:
            child.attrib |= {"fence": "true", "stretchy": "true", "form": BRACKETS[text]}


def _show(translator, node, display):
    try:
        made = mathml(node.astext(), display)
    except Exception as error:
        log.warning("mathematics that can't be read (%s): %s", error, node.astext(), location=node)
        made = ""
    translator.body.append(made if display == "inline" else f'<div class="math">{made}</div>')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer(
        "mathml",
        (lambda translator, node: _show(translator, node, "inline"), None),
        (lambda translator, node: _show(translator, node, "block"), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
