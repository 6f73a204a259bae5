"""A table at any width of the terminal that has room for the longest of its numbers: none of them is cut."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

_WORDS = 10
"""Columns of the terminal for a column of words at least; what is longer goes on in the next line."""


@dataclass
class Columns:
    """Rows of cells under names. words: the names whose cells are read from the left and may be folded; title, caption:
    a line above, and below."""

    names: Sequence[str]
    words: Collection[str]
    title: str = ""
    caption: str = ""
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        self.rows.append(cells)

    def shown(self, room: int) -> RenderableType:
        """A table where it fits into so many columns of the terminal, some lines for each row elsewhere."""
        needed = sum(self._least(place) for place in range(len(self.names))) + len(self.names) - 1
        body = self._table() if needed <= room else self._lines(room)
        return Group(*([self.title] if self.title else []), body, *([self.caption] if self.caption else []))

    def _least(self, place: int) -> int:
        """Below which a number would be cut, or a word of the name."""
        name, longest = self.names[place], max((len(row[place]) for row in self.rows), default=0)
        return max([min(longest, _WORDS) if name in self.words else longest, *map(len, name.split())])

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
        for name in self.names:
            if name in self.words:
                table.add_column(name, overflow="fold")
            else:
                table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def _lines(self, room: int) -> Group:
        """Of each row its words, and below them its numbers, each after its name."""
        lines: list[RenderableType] = []
        for row in self.rows:
            filled = [(name, cell) for name, cell in zip(self.names, row, strict=True) if cell]
            lines.append(", ".join(cell for name, cell in filled if name in self.words))
            numbers = [f"{name} {cell}".replace(" ", "\0") for name, cell in filled if name not in self.words]
            wrapped = textwrap.wrap(
                ", ".join(numbers), max(room - 2, 1), break_long_words=False, break_on_hyphens=False
            )
            lines.append(Padding("\n".join(wrapped).replace("\0", " "), (0, 0, 0, 2)))
        return Group(*lines)
