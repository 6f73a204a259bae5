"""Figures to SVG: inside a page, or as files of their own."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from crossdistill.reports.style import INK, ON_DARK, RULE, STYLE

VARIABLES = {INK: "--ink", RULE: "--rule", **{color: f"--{color.removeprefix('#')}" for color in ON_DARK}}
"""Colours of figures -> the CSS variables that stand for them in a page, which has others in the dark."""

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold (its production 2, Char): one such letter in a label, and no browser shows the file."""


@dataclass(frozen=True)
class Spot:
    """A part of a figure, in fractions of its size from the bottom left, and the text that belongs to it."""

    left: float
    right: float
    bottom: float
    top: float
    text: str


def inline(figure: Figure, name: str, title: str, values: Callable[[], Sequence[Spot]] = tuple) -> str:
    """An <svg> element for an HTML page: no fixed size, ids that start with `name`, colours in CSS variables.

    title: what a screen reader calls it; values: what is told of parts of it when a pointer is on them,
    asked for when it has been drawn and all has its place.
    """
    svg = _svg(figure)
    svg = svg[svg.index("<svg") :]
    width = 1.4 * 72 / 16 * figure.get_figwidth()  # in rem: 8 pt text at about 11 px
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1">', svg, count=1)
    svg = re.sub(r"<[^>]*>", lambda tag: _tag_for_page(tag[0], name), svg).strip()  # tags alone: text stays as it is
    head = f'<svg role="img" aria-label="{escape(title)}" style="--width: {width:.1f}rem"'
    return svg.replace("<svg", head, 1).removesuffix("</svg>") + _told(figure, values()) + "</svg>"


def _told(figure: Figure, values: Sequence[Spot]) -> str:
    """Transparent rectangles with titles, which browsers show to a pointer: no script needed."""
    across, down = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    return "".join(
        f'<rect class="told" x="{across * spot.left:.2f}" y="{down * (1 - spot.top):.2f}" '
        f'width="{across * (spot.right - spot.left):.2f}" height="{down * (spot.top - spot.bottom):.2f}">'
        f"<title>{escape(spot.text)}</title></rect>"
        for spot in values
    )


def document(figure: Figure, title: str) -> str:
    """A file: on white, so that it can be read on pages of any colour, in whatever sans-serif font there is."""
    svg = _svg(figure, background="white").replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    if title:
        svg = re.sub("<svg [^>]*>", lambda tag: f"{tag[0]}\n <title>{escape(title)}</title>", svg, count=1)
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", svg)


@matplotlib.rc_context(STYLE)
def _svg(figure: Figure, background: str = "none") -> str:
    figure.set_facecolor(background)
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # a script that matplotlib's font lacks: the browser draws the text, and its font has it
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # savefig would draw it twice
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return re.sub(r"<metadata>.*?</metadata>\s*|<!DOCTYPE[^>]*>\s*", "", buffer.getvalue(), flags=re.DOTALL)


def _tag_for_page(tag: str, name: str) -> str:
    tag = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', tag)
    tag = tag.replace('xlink:href="#', f'href="#{name}-').replace("xlink:href=", "href=")
    tag = tag.replace("url(#", f"url(#{name}-")
    for color, variable in VARIABLES.items():
        tag = tag.replace(color, f"var({variable})")
    return tag
