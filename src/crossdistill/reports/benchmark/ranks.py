"""Average ranks of the methods over settings, as values, a table and a critical-difference figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from crossdistill.evaluation.ranks import Ranking, not_separated, ranking
from crossdistill.reports.benchmark.rank_figure import critical_difference_figure
from crossdistill.reports.benchmark.results import Level, Setting, common_replicates, standing
from crossdistill.reports.captioned import CaptionedFigure
from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.formats import counted, equals, listed
from crossdistill.reports.sections import Section
from crossdistill.reports.units import unit_means

_HEADINGS: dict[Level, str] = {"few": "Average ranks with few labels", "all": "Average ranks with all labels"}


@dataclass(frozen=True)
class Ranked:
    """labels: of the methods that every setting has; left_out: of those that some lack; ranking: in labels' order."""

    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    ranking: Ranking


def students(settings: Sequence[Setting]) -> list[str]:
    """The labels of all methods that make a student, the student alone among them; no ablation, no control."""
    return list(
        dict.fromkeys(
            label
            for setting in settings
            for label, made in setting.configurations.items()
            if made.role == "method" and made.values["student"]
        )
    )


def ranked_labels(settings: Sequence[Setting]) -> list[str]:
    """Those of the methods that every setting has a student of."""
    return [
        label
        for label in students(settings)
        if all(label in each.configurations and each.configurations[label].values["student"] for each in settings)
    ]


def ranked(settings: Sequence[Setting]) -> Ranked | None:
    """The methods' ranks by their students' `standing` on each source of data, the mean over its settings, in the runs
    that all of them have; None where fewer than two are in all settings, or share no run of one."""
    labels = ranked_labels(settings)
    if not settings or len(labels) < 2:
        return None
    sources = [setting.source for setting in settings]
    common = [
        common_replicates(*(each.configurations[label].values["student"] for label in labels)) for each in settings
    ]
    if not all(common):
        return None
    held = list(zip(settings, common, strict=True))
    means = [unit_means(sources, [standing(each, label, over) for each, over in held]) for label in labels]
    left_out = [label for label in students(settings) if label not in labels]
    return Ranked(tuple(labels), tuple(left_out), ranking(list(zip(*means, strict=True))))


def rank_section(settings: Sequence[Setting], level: Level) -> Section | None:
    """Ranks at one level of labels; None where there are none."""
    found = ranked([setting for setting in settings if setting.level == level])
    if found is None:
        return None
    ranks = sorted(zip(found.ranking.average, found.labels, strict=True))
    rows = tuple(Row((label, f"{rank:.2f}"), "methods") for rank, label in ranks)
    heading = _HEADINGS[level]
    draw = partial(
        critical_difference_figure,
        dict(zip(found.labels, found.ranking.average, strict=True)),
        found.ranking.critical_difference,
        [
            (found.ranking.average[group[0]], found.ranking.average[group[-1]])
            for group in not_separated(found.ranking.average, found.ranking.critical_difference)
        ],
    )
    caption = (
        "1 is best. Methods under one bar are not significantly different: their average ranks are at most the "
        f"critical difference of {found.ranking.critical_difference:.2f} apart (Nemenyi test, level 0.05; Demšar 2006)."
    )
    captioned = CaptionedFigure(f"ranks-{level}", caption, draw, title=f"{heading} (1 is best)")
    return Section(f"ranks-{level}", heading, ReportTable(("method", "average rank"), rows), _note(found), (captioned,))


def _note(found: Ranked) -> str:
    note = (
        f"Ranks of the mean gain over the student alone on each of {counted(found.ranking.data_sets, 'data set')}; "
        "settings of one data set share its samples, so their means are averaged before they are ranked. Friedman's "
        f"test that all {len(found.labels)} are equal: χ² = {found.ranking.chi_square:.1f}, "
        f"p {equals(found.ranking.p)}."
    )
    if found.left_out:
        note += f" Not in every setting, and so not ranked: {listed(found.left_out)}."
    return note
