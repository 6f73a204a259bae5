"""What every method gains in every setting, on one map, and under it what is gained without the auxiliary modality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from crossdistill.reports.benchmark.gains_figure import FULL, gains_figure
from crossdistill.reports.benchmark.paired import CONTROLS, STUDENT_ALONE, Pair, Side, Tests
from crossdistill.reports.benchmark.ranks import students
from crossdistill.reports.benchmark.results import Level, Setting
from crossdistill.reports.captioned import CaptionedFigure
from crossdistill.reports.comparison import Difference
from crossdistill.reports.formats import listed
from crossdistill.reports.sections import Section

_HEADINGS: dict[Level, str] = {
    "few": "Every method's gain with few labels",
    "all": "Every method's gain with all labels",
}


def gains_section(settings: Sequence[Setting], tests: Tests, level: Level) -> Section | None:
    """The differences to the student alone at one level of labels; None where fewer than two methods have any."""
    here = [setting for setting in settings if setting.level == level]
    differences = {
        (label, setting.key): row
        for setting in here
        for label in (*students(here), *CONTROLS)
        if (row := tests.get((setting.key, Pair(Side(label), STUDENT_ALONE)))) and not math.isnan(row.difference)
    }
    measured = {label for label, _ in differences}
    methods = [label for label in students(here) if label in measured and label not in CONTROLS]
    controls = [label for label in CONTROLS if label in measured and label != "baseline"]
    if len(methods) < 2:
        return None
    columns = [setting.key for setting in here if any(key == setting.key for _, key in differences)]
    common = [key for key in columns if all((label, key) in differences for label in methods)]
    methods.sort(key=lambda label: (-_mean(differences, label, common or columns), label))
    caption = (
        "The student's top-1 less that of the student alone, in points; "
        f"methods by their mean over {_settings(columns, common)}. Bold: significant, corrected for all tests of this "
        f"page. Blue: a gain, orange: a loss, the stronger the larger, up to {100 * FULL:.0f} points. Empty: not "
        "measured."
    )
    if controls:
        caption += f" Under the line: {listed(controls)}, without what the auxiliary modality could teach."
    heading, rows = _HEADINGS[level], [*methods, *controls]
    draw = partial(gains_figure, rows, columns, differences, len(methods))
    figure = CaptionedFigure(f"gains-{level}", caption, draw, title=f"{heading} (points)")
    return Section(f"gains-{level}", heading, figures=(figure,))


def _settings(columns: Sequence[str], common: Sequence[str]) -> str:
    """In words, the settings that methods are sorted by."""
    if not common:
        return "their settings, which differ"
    if len(common) == len(columns):
        return "the settings"
    return f"the {len(common)} settings that have all of them" if len(common) > 1 else f"{common[0]}"


def _mean(differences: Mapping[tuple[str, str], Difference], label: str, columns: Sequence[str]) -> float:
    values = [differences[label, key].difference for key in columns if (label, key) in differences]
    return math.fsum(values) / len(values)
