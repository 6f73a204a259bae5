"""What a report says, before it becomes a page or Markdown: both show the same words, tables and figures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossdistill.reports import captioned, folds, numbers, wording
from crossdistill.reports.captioned import CaptionedFigure
from crossdistill.reports.cells import FEW_NOTE, ReportTable, changes_table, differences_table, few_runs, results_table
from crossdistill.reports.comparable import targets_sentence
from crossdistill.reports.comparison import LEVEL, differences
from crossdistill.reports.formats import capitalised, counted, listed
from crossdistill.reports.groups import grouped, reference_methods
from crossdistill.reports.runs import (
    Run,
    alike,
    configurations_of,
    paired_by,
    repeated_units,
    several_folds,
    split_by_measured,
    unmeasured_sentence,
)
from crossdistill.reports.samples import NO_SAMPLES, Changes, RetrievalExample, SampleViews
from crossdistill.reports.terms import headline_name
from crossdistill.reports.tiles import Tile, next_steps, tiles
from crossdistill.reports.warnings import NOTE, warnings_table
from crossdistill.types import TaskKind

_RESULTS_NOTE = (
    "{} in %, means over the runs; ± is the 95 % confidence interval (Student t). Gap: teacher "
    "minus student of the same run. Gap recovered: how much of the way from the baseline to a teacher trained alone "
    "the student has gone. {} “–”: the configuration has no such model, or the "
    "measure is not defined."
)
_MEASURED: Mapping[TaskKind, tuple[str, str]] = {
    "classification": ("Accuracies and recalls", "R@K, WA and UA are the student's."),
    "multilabel": (
        "Mean average precision (mAP, over labels) and F1",
        "F1 is the student's, at a probability of 1/2: of all decisions together (micro), and the mean over labels. "
        "R@K and mAP@100 are of its nearest training samples; those that share a label are right.",
    ),
    "regression": (
        "R², the share of the variance that is explained,",
        "RMSE and MAE, in the number's own unit, are lower where they are better; they and Pearson's r are the "
        "student's.",
    ),
}
_SEVERAL_NUMBERS = (
    "R², the share of the variance that is explained,",
    "R² and Pearson's r are means over the numbers, the latter the student's. RMSE and MAE are each number's own and "
    "have no mean over several units: {}.",
)
_BEST_NOTE = (
    "Bold: best, that is significantly better than the baseline and not significantly worse than the highest mean "
    f"(paired t-tests with Holm's correction, level {LEVEL:g})."
)
_NONE_BEST_NOTE = (
    "No configuration is marked as best: that takes one that is significantly better than the baseline and not "
    f"significantly worse than the highest mean (paired t-tests with Holm's correction, level {LEVEL:g})."
)
_PAPER_NOTE = "“paper”: the figure that Chen et al. (CVPR 2023) print for this data set; they give it without a spread."
_EPOCH_NOTE = (
    "Each run's model is that of the epoch that was best on validation samples, which were held out from training; the "
    "curves over epochs are theirs."
)
_PICTURED_NOTE = " Under each picture: its class, and the answer of the student that is wrong."
_NAMES = {"amid": "AMID", "amid_u": "AMID-U"}
_FOLDS_NOTE = "Folds share training samples, so their pairs are not independent and p is somewhat too small."
_SEEDS_OF_FOLDS_NOTE = (
    "Folds share training samples and the seeds of a fold its test samples, so their pairs are not independent and p "
    "is too small."
)


@dataclass(frozen=True)
class Section:
    """A heading with a table, figures, or both under it. name: unique, for links to it; folded: a page shows what is in
    it when it is asked for; changes: samples with pictures, which a page shows in the table's place."""

    name: str
    heading: str
    table: ReportTable | None = None
    note: str = ""
    figures: tuple[CaptionedFigure, ...] = ()
    folded: bool = False
    changes: Changes | None = None


@dataclass(frozen=True)
class Origin:
    """How a report came to be.

    command: wrote it; sources: label -> commands that repeat its runs, and a recipe; notes: what else a reader must
    know, a sentence each.
    """

    command: str
    replicates: str
    versions: str
    sources: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What is said of some runs.

    lead: one sentence for those who read no further; tiles and picture: the same in numbers and to be looked at;
    summary: sentences of one paragraph; findings: what the tests say, steps: what follows from it, a sentence each;
    retrieved: what students find among the training samples, which a page alone shows
    """

    title: str
    summary: tuple[str, ...]
    findings: tuple[str, ...]
    sections: tuple[Section, ...]
    origin: Origin
    lead: str = ""
    tiles: tuple[Tile, ...] = ()
    picture: CaptionedFigure | None = None
    steps: tuple[str, ...] = ()
    retrieved: tuple[RetrievalExample, ...] = ()


def report_of(runs: Sequence[Run], command: str, samples: SampleViews = NO_SAMPLES) -> Report:
    """Everything that is said of these runs; in which order they are given changes nothing.

    command: the one that makes the report, to be named in it; samples: what is shown of single ones.
    """
    order = list(grouped(runs))
    runs = sorted(runs, key=lambda run: (order.index(run.label), run.replicate))
    origin = Origin(command, wording.replicates(runs), versions(runs), _sources(runs))
    measured, left_out = split_by_measured(runs)[0], unmeasured_sentence(runs)
    if not measured:
        sections = tuple(_warnings(runs))
        return Report(runs[0].name, (left_out,), (), sections, origin, retrieved=tuple(samples.retrieval))
    return Report(
        title=wording.title(measured),
        summary=(*wording.summary(measured), *filter(None, (targets_sentence(measured), left_out))),
        findings=tuple(wording.findings(measured)),
        sections=(
            *_results(measured),
            *_warnings(runs),
            *_differences(measured),
            *_figures(measured),
            *_samples(measured, samples),
        ),
        origin=origin,
        lead=wording.lead(measured),
        tiles=tiles(measured),
        picture=captioned.ladder_figure(measured),
        steps=next_steps(measured),
        retrieved=tuple(samples.retrieval),
    )


def versions(runs: Sequence[Run]) -> str:
    """Every version that took part: "torch 2.9.0", or "torch 2.9.0 and 2.10.0" where runs differ; threads last."""
    by_package: dict[str, list[str]] = {}
    for run in runs:
        for package, version in run.versions.items():
            if str(version) not in by_package.setdefault(package, []):
                by_package[package].append(str(version))
    threads = by_package.pop("threads", [])
    words = [f"{package} {listed(sorted(each))}" for package, each in by_package.items()]
    return ", ".join(
        words + [f"{listed(sorted(threads))} CPU {'thread' if threads == ['1'] else 'threads'}"] * bool(threads)
    )


def _sources(runs: Sequence[Run]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Label -> the commands that repeat its runs, and the recipe of the first; the others differ in seed and fold."""
    return {
        label: (
            tuple(f"crossdistill train {shlex.quote((run.folder / 'recipe.yaml').as_posix())}" for run in replicates),
            replicates[0].recipe,
        )
        for label, replicates in configurations_of(runs).items()
    }


def _results(runs: Sequence[Run]) -> list[Section]:
    table = results_table(runs)
    seeds = captioned.seeds_figure(runs)
    sections = [Section("headline", "Results", table, _results_note(table, runs), (seeds,) if seeds else ())]
    one_by_one = numbers.numbers_table(runs)
    if one_by_one is not None:
        sections.append(Section("numbers", numbers.HEADING, one_by_one, numbers.note_of(one_by_one, runs)))
    validation = folds.folds_table(runs)
    if validation is not None:
        sections.append(Section("folds", f"Over {len(folds.fold_numbers(runs))} folds", validation, folds.NOTE))
    return sections


def _differences(runs: Sequence[Run]) -> list[Section]:
    sections = []
    references = {"baseline": "the baseline"} | {name: _NAMES[name] for name in reference_methods(runs)}
    for reference, name in references.items():
        compared = differences(runs, reference)
        if not compared or (reference != "baseline" and compared.keys() <= {"baseline"}):
            continue
        figure = captioned.difference_figure(runs, reference)
        sections.append(
            Section(
                f"differences-{reference}",
                f"Difference to {name}",
                differences_table(runs, reference),
                _differences_note(runs, reference),
                (figure,) if figure else (),
            )
        )
    return sections


def _warnings(runs: Sequence[Run]) -> list[Section]:
    table = warnings_table(runs)
    return [Section("warnings", "Warnings", table, NOTE)] if table is not None else []


def _figures(runs: Sequence[Run]) -> list[Section]:
    over_epochs = captioned.curve_figures(runs)
    sections = [
        Section(figure.name, heading, figures=(figure,), folded=figure.name == captioned.LOSS_PANELS)
        for heading, figure in over_epochs.items()
    ]
    every = captioned.every_configuration_figure(runs)
    if every:
        sections.append(Section("configurations", "Every configuration over epochs", figures=(every,)))
    by_class = captioned.figures_by_class(runs)
    if by_class:
        sections.append(Section("classes", "Class by class", figures=tuple(by_class)))
    confusion = captioned.confusion_figure(runs)
    if confusion:
        sections.append(Section("confusion", "What is confused with what", figures=(confusion,)))
    return sections


def _samples(runs: Sequence[Run], samples: SampleViews) -> list[Section]:
    sections = []
    if (changes := samples.changes) is not None:
        pictured = any(each.picture is not None for each in (*changes.newly_right, *changes.newly_wrong))
        note = wording.changed(changes, runs) + (_PICTURED_NOTE if pictured else "")
        shown = changes if pictured else None
        table = changes_table(changes)
        sections.append(Section("changed", "Which samples change", table if table.rows else None, note, changes=shown))
    if samples.map is not None:
        figure = captioned.map_of_representations(samples.map, runs)
        sections.append(Section("map", "Map of the representations", figures=(figure,)))
    return sections


def _results_note(table: ReportTable, runs: Sequence[Run]) -> str:
    notes = [_RESULTS_NOTE.format(*_measured(runs))]
    notes += [sentence for sentence in (wording.without_teacher(runs), wording.gaps_of(runs)) if sentence]
    if few_runs(runs):
        notes.append(f"{capitalised(FEW_NOTE)}.")
    if any(row.best for row in table.rows):
        notes.append(_BEST_NOTE)
    elif differences(runs):
        notes.append(_NONE_BEST_NOTE)
    if any(column.endswith(", paper") for column in table.columns):
        notes.append(_PAPER_NOTE)
    if any(run.followed != run.split for run in runs):
        notes.append(_EPOCH_NOTE)
    if repeated := wording.labelled_sets(runs):
        notes.append(repeated)
    return " ".join(notes)


def _measured(runs: Sequence[Run]) -> tuple[str, str]:
    """What the columns are, in words: of shares, and of the others."""
    if runs[0].task != "regression" or len(runs[0].classes) == 1:
        return _MEASURED[runs[0].task]
    shares, others = _SEVERAL_NUMBERS
    there = numbers.numbers_table(runs) is not None
    return shares, others.format(f"see {numbers.HEADING}" if there else "runs of before do not say them")


def _differences_note(runs: Sequence[Run], reference: str) -> str:
    tested = sum(row.verdict != "not tested" for row in differences(runs, reference).values())
    repeated = f", pairs that {alike(runs)} averaged into one" if repeated_units(runs) else ""
    note = (
        f"Student {headline_name(runs)} minus that of {reference} in percentage points, over the runs that share "
        f"{paired_by(runs)} with a run of it{repeated}"
    )
    if not tested:
        return f"{note}; a paired t-test takes two independent pairs."
    note += (
        f"; p from a paired t-test, and corrected for the {counted(tested, 'test')} of this table (Holm). The verdict "
        f"goes by the corrected p at the level of {LEVEL:g}; “no significant difference” does not say that two "
        "configurations are equal: the interval says how far apart they may be."
    )
    if not several_folds(runs):
        return note
    several = any(len({run.fold for run in own}) < len(own) for own in configurations_of(runs).values())
    return f"{note} {_SEEDS_OF_FOLDS_NOTE if several else _FOLDS_NOTE}"
