"""The page's tables: claims, all settings in a line each, and one setting with every configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossdistill.reports.benchmark.claims import Outcome
from crossdistill.reports.benchmark.paired import STUDENT_ALONE, Pair, Side, Tests, share_recovered
from crossdistill.reports.benchmark.results import Configuration, Measure, Setting
from crossdistill.reports.cells import ReportTable, Row
from crossdistill.reports.comparison import Difference
from crossdistill.reports.formats import NONE, interval, p_value, percent, points, spanned, with_ci
from crossdistill.reports.groups import GROUPS, Group

_ALONE = ("baseline", "teacher", "auxiliary")
_GROUP_OF: dict[str, Group] = {"ablation": "ablations", "control": "controls", "variation": "variations"}
_NOT_TESTED = Difference(0, math.nan, math.nan, math.nan, math.nan)


def claims_table(outcomes: Sequence[Outcome]) -> ReportTable:
    rows = tuple(
        Row((each.text, each.source, each.labels, each.measured, each.verdict), "methods") for each in outcomes
    )
    return ReportTable(
        ("claim", "whose", "labels", "measured: difference in points (95 % CI)", "verdict"), rows, prose=True
    )


def overview_table(settings: Sequence[Setting], tests: Tests) -> ReportTable:
    """A line a setting: where AMID-U stands between the student alone, what all labels would make of that, the teacher
    alone and the best other method."""
    columns = ("setting", "labelled", "student alone", "with all labels", "teacher alone", "AMID-U − student alone",
               "95 % CI", "gap recovered", "best other method", "its difference")  # fmt: skip
    # where folds are tested in turn, other samples are tested than the set's own
    everything = {(each.name, each.folds): mean_of(each, "baseline") for each in settings if each.level == "all"}
    taught = [NONE if each.level == "all" else everything.get((each.name, each.folds), NONE) for each in settings]
    rows = (_overview(setting, mean, tests) for setting, mean in zip(settings, taught, strict=True))
    return ReportTable(columns, tuple(Row(row, "methods") for row in rows))


def setting_table(setting: Setting, tests: Tests) -> ReportTable:
    """Every configuration that has a student or a teacher against the student alone; methods and controls by falling
    mean."""
    shown = [each for each in setting.configurations.values() if each.values["student"] or each.values["teacher"]]
    made = sorted(shown, key=_place)
    columns = ("configuration", "runs", "student top-1", "teacher top-1", "difference", "95 % CI", "p", "p (Holm)",
               "gap recovered", "verdict")  # fmt: skip
    return ReportTable(columns, tuple(Row(_cells(setting, each, tests), group_of(each)) for each in made))


def group_of(made: Configuration) -> Group:
    if made.role == "method":
        return "without distillation" if made.method in _ALONE else "methods"
    return _GROUP_OF[made.role]


def mean_of(setting: Setting, label: str, measure: Measure = "student") -> str:
    """A configuration's mean accuracy and interval in %."""
    made = setting.configurations.get(label)
    return NONE if made is None else with_ci(*made.mean(measure))


def labelled_words(setting: Setting) -> str:
    """How many training samples are labelled, as in "114 of 1,143" or "86 to 121 of 431"."""
    return f"{spanned(setting.labelled)} of {spanned(setting.train)}"


def _test(setting: Setting, label: str, tests: Tests) -> Difference:
    return tests.get((setting.key, Pair(Side(label), STUDENT_ALONE)), _NOT_TESTED)


def _overview(setting: Setting, all_labels: str, tests: Tests) -> tuple[str, ...]:
    ours = _test(setting, "amid_u", tests)
    others = {
        made.label: row.difference
        for made in setting.configurations.values()
        if group_of(made) == "methods" and made.label != "amid_u"
        if not math.isnan((row := _test(setting, made.label, tests)).difference)
    }
    best = max(others, key=lambda label: (others[label], label), default="")
    return (
        setting.key,
        labelled_words(setting),
        mean_of(setting, "baseline"),
        all_labels,
        mean_of(setting, "teacher", "teacher"),
        points(ours.difference),
        interval(ours.difference, ours.half_width),
        percent(share_recovered([setting], "amid_u")),
        best or NONE,
        points(others[best]) if best else NONE,
    )


def _cells(setting: Setting, made: Configuration, tests: Tests) -> tuple[str, ...]:
    row = _test(setting, made.label, tests)
    is_student = bool(made.values["student"])
    return (
        made.label,
        str(made.runs),
        with_ci(*made.mean()),
        with_ci(*made.mean("teacher")),
        points(row.difference),
        interval(row.difference, row.half_width),
        p_value(row.p),
        p_value(row.p_holm),
        percent(share_recovered([setting], made.label)) if is_student else NONE,
        row.verdict if is_student and made.label != "baseline" else NONE,
    )


def _place(made: Configuration) -> tuple[int, float, str]:
    group = group_of(made)
    if group == "without distillation":
        return GROUPS.index(group), _ALONE.index(made.method), made.label
    mean = made.mean()[0]
    return GROUPS.index(group), math.inf if math.isnan(mean) else -mean, made.label
