"""What stands at the top of a report: a verdict, the numbers that carry it, and what to do next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crossdistill.reports.comparison import Difference, differences
from crossdistill.reports.formats import NONE, counted, interval, listed, percent, points, spanned
from crossdistill.reports.groups import grouped, main_configuration, unlabelled
from crossdistill.reports.runs import Run, configurations_of, repeated_units, several_folds
from crossdistill.reports.tables import Headline, headlines
from crossdistill.reports.terms import Terms, headline_name, terms
from crossdistill.reports.wording import complete_samples, pairs_in_words, replicates, tested
from crossdistill.runs.folder import RECIPE

_POINT = 0.01
"""The least difference of accuracies that is called one."""
_VERDICTS = {
    "better": "It helps",
    "worse": "It does harm",
    "no significant difference": "No significant difference",
    "not tested": "Not tested",
}
_MANY_PAIRS = 100
"""More runs than anybody would train for one comparison."""


@dataclass(frozen=True)
class Tile:
    """One number or word with its name above and its meaning below; tone: whether it is good or bad news."""

    name: str
    value: str
    meaning: str
    tone: Literal["good", "bad", "plain"] = "plain"


def tiles(runs: Sequence[Run]) -> tuple[Tile, ...]:
    """The main configuration against the baseline, then how many runs and which data that rests on."""
    main = main_configuration(runs)
    table, paired = headlines(runs), differences(runs)
    return (
        *(_verdict(main, paired[main], pairs_in_words(paired[main], runs), tested(paired)) if main in paired else ()),
        *_accuracy(main, table, terms(runs)),
        *(() if configurations_of(runs)[main][0].alone else _gap(main, table[main], complete_samples(runs))),
        Tile("runs", str(len(runs)), f"{counted(len(table), 'configuration')}, {replicates(runs)}"),
        _data(configurations_of(runs)[main]),
    )


def next_steps(runs: Sequence[Run]) -> tuple[str, ...]:
    """What follows from the verdict, a sentence each; empty where there is no student to act on."""
    main = main_configuration(runs)
    table, row, first = headlines(runs), differences(runs).get(main), configurations_of(runs)[main][0]
    if "student" not in first.scores:
        return ()
    if math.isnan(table[main].student):
        return (f"Measure on samples whose labels differ: of others {headline_name(runs)} is not defined.",)
    units = "pairs of fold and seed" if several_folds(runs) else "seeds"
    if row is None or row.verdict == "not tested":
        return (
            f"Train the baseline and the method with at least five common {units}: one run cannot tell luck from gain.",
        )
    if row.verdict == "better":
        return (*_before_shipping(runs, main), _shipping(first))
    steps = ["Ship the student alone, the baseline's: nothing here shows that the other one is better."]
    if any(run.warnings for run in runs):
        steps[:0] = ["First see to what training warned of (Warnings, below): it may be why."]
    if row.verdict == "no significant difference" and not first.alone and (pairs := _pairs_needed(row)):
        if repeated_units(runs):
            units = "folds" if several_folds(runs) else "distinct labelled sets"
        steps.append(
            f"A difference of {points(row.difference)} points would take about {pairs} {units} to be told from none, "
            "if it is there; it may not be."
        )
    if _teacher_is_no_better(table):
        steps.append(
            f"The teacher, which sees all modalities, is {_how_much_better(table)} than the student alone: the "
            "auxiliary ones add nothing that could be taught. Look at them, or take others."
        )
    elif not unlabelled(first):
        steps.append(
            "Every training sample has its label, which already says most of what an auxiliary modality could: gains "
            "come where labels are few and recordings many (amid_u, with samples without a label)."
        )
    return tuple(steps)


def _verdict(main: str, row: Difference, pairs: str, comparisons: int) -> tuple[Tile, ...]:
    tone: Literal["good", "bad", "plain"]
    tone = "good" if row.verdict == "better" else "bad" if row.verdict == "worse" else "plain"
    corrected = f", corrected for {comparisons} comparisons" if comparisons > 1 else ""
    against = f"{main} against the student alone{corrected}"
    between = interval(row.difference, row.half_width)
    spread = f"95 % CI {between}, " if between != NONE else ""
    return (
        Tile("verdict", _VERDICTS[row.verdict], against, tone),
        Tile("difference", f"{points(row.difference)} points", f"{spread}{pairs} of runs", tone),
    )


def _accuracy(main: str, table: dict[str, Headline], words: Terms) -> tuple[Tile, ...]:
    reached = percent(table[main].student)
    if reached == NONE:
        return ()
    if "baseline" not in table or main == "baseline":
        return (Tile("student", f"{reached} %", f"{words.tile}, {main}"),)
    alone = percent(table["baseline"].student)
    return (
        Tile(
            "student", f"{alone}\N{NO-BREAK SPACE}→ {reached}\N{NO-BREAK SPACE}%", f"{words.tile}: alone, then {main}"
        ),
    )


def _gap(main: str, row: Headline, complete: str) -> tuple[Tile, ...]:
    recovered = percent(row.gap_recovered)
    if main == "baseline" or recovered == NONE:
        return ()
    on = f" on {complete}" if complete else ""
    return (Tile("gap recovered", f"{recovered} %", f"of the way to a teacher's {percent(row.way.teacher)} %{on}"),)


def _data(runs: Sequence[Run]) -> Tile:
    """Of one configuration's runs, which differ where they label or test others."""
    run = runs[0]
    measured = spanned([each.samples.get(each.split, each.samples.get("test", 0)) for each in runs])
    names = counted(len(run.classes), terms([run]).name, terms([run]).names)
    about = f"{run.name}: {names}, {measured} {run.split} samples"
    train = [each.samples.get("train", 0) for each in runs]
    if not any(map(unlabelled, runs)):
        return Tile("labels", spanned(train), f"training samples, all labelled; {about}")
    known = [count - unlabelled(each) for count, each in zip(train, runs, strict=True)]
    if len({*known}) == len({*train}) == 1:
        return Tile("labels", f"{spanned(known)} of {spanned(train)}", f"training samples; {about}")
    return Tile("labels", spanned(known), f"of {spanned(train)} training samples; {about}")


def _before_shipping(runs: Sequence[Run], main: str) -> tuple[str, ...]:
    """What would make sure that the gain is the auxiliary modality's, where that has not been tried."""
    if "controls" in grouped(runs).values():
        return ()
    helped = configurations_of(runs)[main][0].auxiliary
    return (
        f"Make sure that the gain is due to {listed(helped)}: the same command with --controls trains {main} with "
        "shuffled and zeroed auxiliary inputs, which should gain nothing.",
    )


def _shipping(run: Run) -> str:
    """How its student gets out; one that a fold was kept from is trained once more."""
    if run.fold < 0:
        return f"Ship the student: crossdistill export {_folder(run)}"
    recipe = shlex.quote((run.folder / RECIPE).as_posix())
    return (
        "Ship a student: each of these was kept from a fold's samples, so train one on the data's own split, "
        f"crossdistill train {recipe} --data.fold -1 --out runs/student, then crossdistill export runs/student"
    )


def _folder(run: Run) -> str:
    return shlex.quote(run.folder.as_posix())


def _pairs_needed(row: Difference) -> int:
    """For how many pairs the interval would no longer hold 0, if mean and spread stayed; 0 where that says nothing."""
    if not row.difference or math.isnan(row.half_width):
        return 0
    pairs = math.ceil(row.pairs * (row.half_width / row.difference) ** 2)
    return pairs if row.pairs < pairs <= _MANY_PAIRS else 0


def _how_much_better(table: dict[str, Headline]) -> str:
    way = table["baseline"].way
    return "worse" if way.teacher - way.baseline < -_POINT else "hardly better"


def _teacher_is_no_better(table: dict[str, Headline]) -> bool:
    if "baseline" not in table:
        return False
    way = table["baseline"].way
    return way.teacher - way.baseline < _POINT
