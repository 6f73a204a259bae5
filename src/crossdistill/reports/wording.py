"""The summary in words: what the numbers say, and what they do not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from crossdistill.reports.runs import Run, methods_of
from crossdistill.reports.tables import (
    NONE,
    Difference,
    Headline,
    differences,
    headlines,
    interval,
    p_value,
    percent,
    points,
)


def main_method(runs: Sequence[Run]) -> str:
    """The last method that has a student and is not the baseline; else the baseline, else the last method."""
    methods = list(methods_of(runs))
    students = [method for method in methods if any("student" in r.scores for r in runs if r.label == method)]
    return ([m for m in students if m != "baseline"] or students or methods)[-1]


def title(runs: Sequence[Run]) -> str:
    run = methods_of(runs)[main_method(runs)][0]
    if run.auxiliary and run.target and run.label != "baseline" and "student" in run.scores:
        return f"Distilling {listed(run.auxiliary)} into {listed(run.target)}"
    return f"{run.name}: {main_method(runs)}"


def summary(runs: Sequence[Run]) -> list[str]:
    """Sentences on the main method: its accuracy, its difference to the baseline, the gap recovered, the caveats."""
    method = main_method(runs)
    table, paired = headlines(runs), differences(runs)
    sentences = [_setting(runs, method)]
    if math.isnan(table[method].student_top1):
        return [
            *sentences,
            "None of these runs has a student with a measured accuracy, so there is nothing to compare.",
        ]
    sentences.append(_accuracy(table[method], method))
    if method in paired:
        sentences += _difference(paired[method], len(paired))
    elif method != "baseline":
        sentences.append("Without a baseline run of the same seed, these runs cannot say whether distillation helped.")
    sentences += _gap(table, method)
    if len(runs) > len(table):
        sentences.append(
            "Intervals cover the variation between these runs, not what other data or other settings would give."
        )
    return sentences


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _setting(runs: Sequence[Run], method: str) -> str:
    run = next(run for run in runs if run.label == method)
    sizes = sorted({size for run in runs if (size := run.samples.get(run.split, run.samples.get("test")))})
    samples = f"{sizes[0]:,} to {sizes[-1]:,} samples" if len(sizes) > 1 else "".join(f"{s:,} samples" for s in sizes)
    split = ", ".join(part for part in (samples, counted(len(run.classes), "class", "classes")) if part)
    sees = ""
    if run.target and "student" in run.scores:
        sees = f" At prediction time the student sees {listed(run.target)} only"
        helped = f"; {listed(run.auxiliary)} helped in training." if run.auxiliary and method != "baseline" else "."
        sees += helped
    methods = counted(len(methods_of(runs)), "method")
    return f"{counted(len(runs), 'run')} of {methods}, measured on the {run.split} split ({split}).{sees}"


def _accuracy(row: Headline, method: str) -> str:
    mean = percent(row.student_top1)
    if math.isnan(row.student_top1_ci):
        return f"The {method} student reaches {mean} % top-1 accuracy in a single run."
    return (
        f"The {method} student reaches {mean} ± {percent(row.student_top1_ci)} % top-1 accuracy "
        f"(mean and 95 % confidence interval of {row.runs} runs)."
    )


def _difference(row: Difference, comparisons: int) -> list[str]:
    if math.isnan(row.difference):
        return ["Its difference to the baseline is not defined: an accuracy is missing."]
    if math.isnan(row.half_width):
        return [
            f"That is {points(row.difference)} points against the baseline of the same seed; one pair of runs cannot "
            "tell a difference from the noise between seeds."
        ]
    found = (
        f"Paired by seed, it differs from the baseline by {points(row.difference)} points "
        f"(95 % CI {interval(row.difference, row.half_width)}, {row.pairs} pairs, p {_equals(row.p)})."
    )
    if abs(row.difference) <= row.half_width:
        return [found, "The interval includes zero: these runs do not show that distillation changes the accuracy."]
    if row.p_holm > 0.05:
        return [
            found,
            f"The interval excludes zero, but corrected for {comparisons} comparisons (Holm) p {_equals(row.p_holm)}: "
            "chance may explain it.",
        ]
    verdict = "helped" if row.difference > 0 else "did harm"
    return [found, f"The interval excludes zero: in this setting distillation {verdict}."]


def _gap(table: Mapping[str, Headline], method: str) -> list[str]:
    if method == "baseline" or not {"baseline", "teacher"} <= table.keys():
        return []
    baseline, teacher = percent(table["baseline"].student_top1), percent(table["teacher"].teacher_top1)
    if NONE in (baseline, teacher):
        return []
    recovered = percent(table[method].gap_recovered)
    means = f"the baseline's {baseline} % and the {teacher} % of a teacher trained alone"
    if recovered == NONE:
        return [f"There is no gap to recover: between {means} the auxiliary modalities bring no gain."]
    if table[method].gap_recovered < 0:
        return [f"It recovers none of the gap between {means} ({recovered} %)."]
    return [f"It recovers {recovered} % of the gap between {means}."]


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"
