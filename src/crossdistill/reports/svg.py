"""Figures to SVG: inside a page, or as files of their own."""

from __future__ import annotations

import io
import re
import warnings
from html import escape

import matplotlib
from matplotlib.figure import Figure

from crossdistill.reports.style import INK, RULE, STYLE


def inline(figure: Figure, name: str) -> str:
    """An <svg> element for an HTML page: no fixed size, ids that start with `name`, text and grid in CSS variables."""
    svg = _svg(figure)
    svg = svg[svg.index("<svg") :]
    width = 1.4 * 72 / 16 * figure.get_figwidth()  # in rem: 8 pt text at about 11 px
    head = rf'<svg viewBox="\1" role="img" style="--width: {width:.1f}rem">'
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', head, svg, count=1)
    return re.sub(r"<[^>]*>", lambda tag: _tag_for_page(tag[0], name), svg).strip()  # tags alone: text stays as it is


def document(figure: Figure, title: str) -> str:
    """A file: on white, so that it can be read on pages of any colour, in whatever sans-serif font there is."""
    svg = _svg(figure, background="white").replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return re.sub(r"(<svg [^>]*>)", rf"\1\n <title>{escape(title)}</title>", svg, count=1) if title else svg


@matplotlib.rc_context(STYLE)
def _svg(figure: Figure, background: str = "none") -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # a script that matplotlib's font lacks: the browser draws the text, and its font has it
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor=background)
    return re.sub(r"<metadata>.*?</metadata>\s*|<!DOCTYPE[^>]*>\s*", "", buffer.getvalue(), flags=re.DOTALL)


def _tag_for_page(tag: str, name: str) -> str:
    tag = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', tag)
    tag = tag.replace('xlink:href="#', f'href="#{name}-').replace("xlink:href=", "href=")
    return tag.replace("url(#", f"url(#{name}-").replace(INK, "var(--ink)").replace(RULE, "var(--rule)")
