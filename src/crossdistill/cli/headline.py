"""What runs have measured, as a table on the terminal and in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from crossdistill.cli.progress import console
from crossdistill.reports import (
    Run,
    headline_table,
    split_by_measured,
    targets_sentence,
    undefined,
    unmeasured_sentence,
    verdict,
    without_teacher,
)


def show_headline(runs: Sequence[Run]) -> None:
    """The table of what was measured, what it says, and which runs measured nothing."""
    measured, _ = split_by_measured(runs)
    if measured:
        console().print(headline_table(measured, console().width))
        for text in (undefined(measured), without_teacher(measured), targets_sentence(measured)):
            if text:
                console().print(text, soft_wrap=True)
        if said := verdict(measured):
            console().print(Text("\n".join(["", *said, ""])))
    if left_out := unmeasured_sentence(runs):
        console().print(left_out, soft_wrap=True)
