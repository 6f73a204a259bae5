"""Of several numbers each one's measures, as a table of the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossdistill.cli.columns import Columns
from crossdistill.runs.results import NumberScores
from crossdistill.tasks import MEASURES


def numbers_table(names: Sequence[str], scores: Mapping[str, NumberScores]) -> Columns | None:
    """Each number's R², and its errors in its own unit; None of a single number, whose measures are all there is.

    scores: what they are of, such as a view or a split, "" where that goes without saying -> the scores
    """
    if len(names) == 1 or not scores:
        return None
    share, *errors = (measure for measure in MEASURES["regression"] if measure.key in ("r2", "rmse", "mae"))
    said = [""] if any(scores) else []
    table = Columns(("number", *said, share.name, *(measure.name for measure in errors)), ("number", ""))
    for place, name in enumerate(names):
        for of, each in scores.items():
            own = (each.per_number_rmse[place], each.per_number_mae[place])
            cells = (measure.shown(float(value)) for measure, value in zip(errors, own, strict=True))
            table.add(name, *([of] if said else []), share.shown(float(each.per_number[place])), *cells)
    return table
