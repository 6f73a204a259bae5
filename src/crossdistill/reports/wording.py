"""The summary in words: what the numbers say, and what they do not."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from crossdistill.data.constant_numbers import not_defined
from crossdistill.reports.comparison import LEVEL, Difference, best, differences, highest
from crossdistill.reports.formats import NONE, capitalised, counted, equals, interval, listed, percent, points, spanned
from crossdistill.reports.groups import (
    WITHOUT_AUXILIARY,
    ablated,
    grouped,
    main_configuration,
    reference_methods,
    unlabelled,
)
from crossdistill.reports.runs import Run, alike, configurations_of, paired_by, repeated_units, several_folds
from crossdistill.reports.samples import Changes
from crossdistill.reports.tables import Headline, headlines, on_same_samples
from crossdistill.reports.terms import Terms, terms
from crossdistill.runs.results import constant_in, unmeasured_views
from crossdistill.types import View

_VERDICTS = {
    "better": "Significantly better than {}",
    "worse": "Significantly worse than {}",
    "no significant difference": "No significant difference to {}",
    "not tested": "Not tested against {} (fewer than two independent pairs of runs, or a measure is missing)",
}


def title(runs: Sequence[Run]) -> str:
    main = main_configuration(runs)
    run = configurations_of(runs)[main][0]
    if run.target and _helpers(run) and "student" in run.scores:
        return f"Distilling {listed(run.auxiliary)} into {listed(run.target)}"
    return f"{run.name}: {main}"


def summary(runs: Sequence[Run]) -> list[str]:
    """Sentences on the main configuration, to follow `lead`: how measured, what the test says, the gap, caveats."""
    main = main_configuration(runs)
    table = headlines(runs)
    run = configurations_of(runs)[main][0]
    first = lead(runs)
    sentences = [_setting(runs, main)]
    if math.isnan(table[main].student):
        missing = "Without a student that was measured in every run, there is nothing to compare."
        return [*sentences, undefined(runs) or missing]
    if not first:
        sentences.append(_accuracy(table[main], main, terms(runs)))
    sentences += _compared(runs, main)
    sentences += _learnt_alone(main) if run.alone else _gap(table[main], main, complete_samples(runs))
    sentences += [sentence for sentence in (undefined(runs), without_teacher(runs), labelled_sets(runs)) if sentence]
    if len(runs) > len(table):
        sentences.append(
            "Intervals cover the variation between these runs, not what other data or other settings would give."
        )
    return sentences


def verdict(runs: Sequence[Run]) -> list[str]:
    """What the runs of several configurations say, to stand below their table, a sentence each: the lead, or what the
    summary says in its place, and the findings; nothing of one configuration."""
    main, first = main_configuration(runs), lead(runs)
    if first:
        return [first, *findings(runs)]
    row = headlines(runs)[main]
    if len(configurations_of(runs)) == 1 or math.isnan(row.student):
        return findings(runs)
    alone = _learnt_alone(main) if configurations_of(runs)[main][0].alone else []
    return [_accuracy(row, main, terms(runs)), *_compared(runs, main), *alone, *findings(runs)]


def _compared(runs: Sequence[Run], main: str) -> list[str]:
    """How the main configuration differs from the baseline, and what the test says."""
    paired, run = differences(runs), configurations_of(runs)[main][0]
    what = "distillation" if _helpers(run) else main
    if main in paired:
        return _difference(main, paired[main], runs, tested(paired), what)
    if main == "baseline":
        return []
    return [f"Without a baseline run of the same {paired_by(runs)}, these runs cannot say whether {what} helped."]


def undefined(runs: Sequence[Run]) -> str:
    """Of which numbers there is no R², and why; empty where all have one."""
    constant = [constant_in(run.scores, run.classes) for run in runs]
    most = max(constant, key=len)
    some = "" if len({*constant}) == 1 else " of some runs"
    sentence = not_defined(most, runs[0].classes, f"{runs[0].split} samples{some}")
    return f"{capitalised(sentence)}." if sentence else ""


def without_teacher(runs: Sequence[Run]) -> str:
    """Why models beside the student were not measured although the method trains them; empty where all were."""
    lacking = [run for run in runs if unmeasured_views(run.method, run.scores)]
    if not lacking:
        return ""
    by_cause: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Run]] = {}
    for run in lacking:
        by_cause.setdefault((run.split, (*run.target, *run.auxiliary), run.absent), []).append(run)
    some = len(by_cause) > 1 or any(len(run.scores) > 1 for run in runs)
    sentences = []
    for (split, modalities, absent), own in by_cause.items():
        views = [view for run in own for view in unmeasured_views(run.method, run.scores)]
        where = f"in {counted(len(own), 'run')} " if some else ""
        sentences.append(f"{capitalised(where + not_measured(views, split, modalities, absent))}.")
    return " ".join(sentences)


def not_measured(views: Collection[View], split: str, modalities: Sequence[str], absent: Sequence[str]) -> str:
    """Why these views have no scores, as a sentence without its end; absent: the modalities that no measured sample
    has."""
    what = ["the teacher"] * ("full" in views) + ["the auxiliary model"] * ("auxiliary" in views)
    what += ["the gap"] * ("full" in views)
    if absent:
        lacked = f"no {split} sample has {listed(absent)}"
    else:
        lacked = f"no {split} sample, or no labelled training sample, has all of {listed(modalities)}"
    return f"{lacked}, so {listed(what)} cannot be measured"


def findings(runs: Sequence[Run]) -> list[str]:
    """What the corrected tests say, a sentence each; empty where fewer than two configurations are compared.

    Students that learn without help, methods and controls are named beside the baseline; these and ablations beside
    AMID or AMID-U, of which they are; the tables have them all.
    """
    to_baseline = differences(runs)
    if len(to_baseline) < 2:
        return []
    groups = grouped(runs)
    named = ("without distillation", "methods", "controls")
    sentences = [
        _best(runs, to_baseline),
        *against("the baseline", {label: row for label, row in to_baseline.items() if groups[label] in named}),
    ]
    for place, reference in enumerate(reference_methods(runs)):
        sentences += against(reference, _beside(reference, runs, ablations_alone=place > 0))
    return sentences


def _beside(reference: str, runs: Sequence[Run], ablations_alone: bool = False) -> dict[str, Difference]:
    """The differences to AMID or AMID-U that are put in words: no variations, and of ablations its own."""
    table, configurations = differences(runs, reference), configurations_of(runs)
    if not table.keys() - {"baseline"}:
        return {}

    def is_named(run: Run) -> bool:
        if run.role == "ablation":
            return ablated(run) == reference
        return run.role != "variation" and not ablations_alone

    others = {label: row for label, row in table.items() if label != "baseline"}  # which is compared with it above
    return {label: row for label, row in others.items() if is_named(configurations[label][0])}


def against(reference: str, table: Mapping[str, Difference]) -> list[str]:
    """One sentence for each verdict that any configuration got: which ones, by how many points."""
    sentences = []
    for verdict, start in _VERDICTS.items():
        labels = [f"{label} ({points(row.difference)})" for label, row in table.items() if row.verdict == verdict]
        if labels:
            sentences.append(f"{start.format(reference)}: {listed(labels)}.")
    return sentences


def _best(runs: Sequence[Run], to_baseline: Mapping[str, Difference]) -> str:
    top, marked = highest(runs), best(runs)
    count = tested(to_baseline)
    if not top:
        return "No configuration has a mean, as no measure is defined in all of its runs; none is called best."
    if not count:
        return f"The highest mean is that of {top}; nothing could be tested, so no configuration is called best."
    corrected = f"paired t-test, corrected for {counted(count, 'comparison')} (Holm), level {LEVEL:g}"
    if not marked:
        return f"No configuration is significantly better than the baseline ({corrected}), so none is called best."
    labels = [label for label in to_baseline if label in marked]
    if labels == [top]:
        return (
            f"Best: {top}, significantly better than the baseline ({corrected}); every other configuration is "
            "significantly worse than it or not better than the baseline."
        )
    return (
        f"Best: {listed(labels)}; each is significantly better than the baseline ({corrected}), and none is "
        f"significantly worse than the highest mean, that of {top}."
    )


def tested(table: Mapping[str, Difference]) -> int:
    """How many of the differences have a test."""
    return sum(row.verdict != "not tested" for row in table.values())


def replicates(runs: Sequence[Run]) -> str:
    """How many seeds and folds each configuration has, in words."""
    configurations = configurations_of(runs).values()
    seeds = sorted({len({run.seed for run in group}) for group in configurations})
    folds = sorted({len({run.fold for run in group}) for group in configurations})
    each = " each" if len(configurations) > 1 else ""
    words = f"{_spread(seeds)} {'seed' if seeds[-1] == 1 else 'seeds'}{each}"
    return words if folds[-1] == 1 else f"{words} in {_spread(folds)} folds"


_OTHER_LABELS = ", and others than the runs of the same {} that do say, with which they make pairs"


def labelled_sets(runs: Sequence[Run]) -> str:
    """What is no independent repetition, and how that is counted; empty where every run is one."""
    unsaid = [run for run in runs if run.drawn and not run.labelled_groups]
    sentences = []
    if repeated_units(runs):
        draws = {(run.replicate, run.labels) for run in runs if run.labelled_groups}
        if several_folds(runs):
            gave = f"are over {counted(len({fold for (fold, _), _ in draws}), 'fold')}"
        else:
            gave = f"gave {counted(len({labels for _, labels in draws}), 'distinct labelled set')}"
        sentences.append(
            f"{len(draws):,} draws of groups to be labelled {gave}; runs that {alike(runs)} are averaged, and count "
            "once in means, intervals and tests."
        )
    if unsaid:
        others = any(run.labelled_groups for run in runs)
        sentences.append(
            f"Which groups kept their labels, {counted(len(unsaid), 'run')} of before that was kept "
            f"{'does' if len(unsaid) == 1 else 'do'} not say: their seeds count as independent, though several may "
            f"have drawn the same groups{_OTHER_LABELS.format(paired_by(runs)) if others else ''}."
        )
    return " ".join(sentences)


def pairs_in_words(row: Difference, runs: Sequence[Run]) -> str:
    """How many pairs a test has, as in "5 pairs"."""
    return counted(row.pairs, "independent pair" if repeated_units(runs) else "pair")


def _spread(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def lead(runs: Sequence[Run]) -> str:
    """What distillation brought, for somebody who reads no further; empty where these runs cannot say it."""
    main, table = main_configuration(runs), headlines(runs)
    run, row = configurations_of(runs)[main][0], differences(runs).get(main)
    if row is None or {table[main].units, table["baseline"].units} != {row.pairs}:  # levels and difference of one set
        return ""
    if math.isnan(row.p) or not (run.target and _helpers(run)):
        return ""
    alone, words = percent(table["baseline"].student), terms(runs)
    verdict = "significant" if row.verdict in ("better", "worse") else "not significant, it may be chance"
    kind = "gain" if row.difference > 0 else "loss" if row.difference < 0 else "difference"
    return (
        f"{_labels(configurations_of(runs)[main])} the {main} student, which had {listed(run.auxiliary)} in training, "
        f"{words.reached.format(percent(table[main].student))} from {listed(run.target)} alone; a student "
        f"trained without {listed(run.auxiliary)} {words.alone.format(alone)}. The {kind} of "
        f"{points(abs(row.difference)).lstrip('+')} points is {verdict}."
    )


def _labels(runs: Sequence[Run]) -> str:
    """How a sentence begins whose runs had labels for a part of their training samples."""
    if not any(unlabelled(run) for run in runs):
        return "Trained with all labels,"
    known = spanned([run.samples["train"] - unlabelled(run) for run in runs])
    return f"With labels for {known} of {spanned([run.samples['train'] for run in runs])} training samples,"


def _setting(runs: Sequence[Run], main: str) -> str:
    run = configurations_of(runs)[main][0]
    sizes = sorted({size for run in runs if (size := run.samples.get(run.split, run.samples.get("test")))})
    samples = f"{sizes[0]:,} to {sizes[-1]:,} samples" if len(sizes) > 1 else "".join(f"{s:,} samples" for s in sizes)
    split = ", ".join(
        part for part in (samples, counted(len(run.classes), terms(runs).name, terms(runs).names)) if part
    )
    sees = ""
    if run.target and "student" in run.scores:
        sees = f" At prediction time the student sees {listed(run.target)} only"
        sees += f"; {listed(_helpers(run))} helped in training." if _helpers(run) else "."
    configurations = counted(len(configurations_of(runs)), "configuration")
    return (
        f"{counted(len(runs), 'run')} of {configurations}, {replicates(runs)}, measured on the {run.split} split "
        f"({split}).{sees}"
    )


def _helpers(run: Run) -> tuple[str, ...]:
    """The auxiliary modalities that the run's student learnt with the help of."""
    return () if run.method in WITHOUT_AUXILIARY or run.alone else run.auxiliary


def _learnt_alone(main: str) -> list[str]:
    return [
        f"The {main} student learnt from labels alone, as it does where all training pairs have one, or "
        "none of them: what it differs by from the baseline is chance."
    ]


def _accuracy(row: Headline, label: str, words: Terms) -> str:
    mean = percent(row.student)
    if math.isnan(row.student_ci):
        return f"The {label} student reaches {mean} % {words.long} in a single run."
    independent = f", {row.units} of them independent" if row.units < row.runs else ""
    return (
        f"The {label} student reaches {mean} ± {percent(row.student_ci)} % {words.long} "
        f"(mean and 95 % confidence interval of {row.runs} runs{independent})."
    )


def _difference(label: str, row: Difference, runs: Sequence[Run], comparisons: int, what: str) -> list[str]:
    pairs, key = pairs_in_words(row, runs), paired_by(runs)
    if math.isnan(row.difference):
        return ["Its difference to the baseline is not defined: a measure is missing."]
    if math.isnan(row.p):
        return [
            f"That is {points(row.difference)} points against the baseline of the same {key}; "
            f"{pairs.replace('1 ', 'one ')} of runs cannot tell a difference from the noise between seeds and labels."
        ]
    same = math.isnan(row.half_width)
    spread = "the same in each pair" if same else f"95 % CI {interval(row.difference, row.half_width)}"
    measured = (
        f"Paired by {key}, {label} differs from the baseline by {points(row.difference)} points "
        f"({spread}, {pairs}, p {equals(row.p)})."
    )
    sure = "All pairs differ alike" if same else "The interval excludes zero"
    if row.p > LEVEL:
        why = f"{pairs} are too few" if same else "The interval includes zero"
        return [
            measured,
            f"{why}: these runs do not show that {what} changes the {terms(runs).noun} "
            "(no significant difference to the baseline).",
        ]
    if row.verdict == "no significant difference":
        return [
            measured,
            f"{sure}, but corrected for {comparisons} comparisons (Holm) p {equals(row.p_holm)}: "
            "no significant difference to the baseline, chance may explain it.",
        ]
    verdict = "helped" if row.verdict == "better" else "did harm"
    return [measured, f"{sure}: in this setting {what} {verdict}."]


def complete_samples(runs: Sequence[Run]) -> str:
    """The samples that have all modalities, which teachers and gaps are measured on, in words; empty where that are all
    samples, and where not all students were measured on them."""
    teachers = [run.scores["teacher"].measured for run in runs if "teacher" in run.scores]
    whole = all(math.isnan(scores.complete) for run in runs for scores in run.scores.values())
    if whole or not teachers or not on_same_samples(runs):
        return ""
    have = "sample that has" if max(teachers) == 1 else "samples that have"
    return f"the {spanned(teachers)} {runs[0].split} {have} all modalities"


def gaps_of(runs: Sequence[Run]) -> str:
    """Which samples gaps are of, where these are not all that students are measured on; empty elsewhere."""
    if complete := complete_samples(runs):
        return f"Gaps are of {complete}."
    if on_same_samples(runs) or not any("teacher" in run.scores for run in runs):
        return ""
    return (
        "Gaps are of the samples that have all modalities where a run says how good its student is on them; not all "
        "do, so the gap recovered is of teachers on these and of students on all."
    )


def _gap(row: Headline, label: str, complete: str) -> list[str]:
    baseline, teacher = percent(row.way.baseline), percent(row.way.teacher)
    if label == "baseline" or NONE in (baseline, teacher):
        return []
    recovered = percent(row.gap_recovered)
    means = f"the baseline's {baseline} % and the {teacher} % of a teacher trained alone"
    if row.way.baseline < 0:
        sentence = (
            f"of the gap between {means} no share is said: below 0 a model is worse than one that always says the "
            "mean, and there is no lowest value."
        )
    elif recovered == NONE:
        sentence = f"there is no gap to recover: between {means} the auxiliary modalities bring no gain."
    elif row.gap_recovered < 0:
        sentence = f"it recovers none of the gap between {means} ({recovered} %)."
    else:
        sentence = f"it recovers {recovered} % of the gap between {means}."
    return [f"On {complete}, {sentence}" if complete else capitalised(sentence)]


def changed(changes: Changes, runs: Sequence[Run]) -> str:
    """How many samples are newly right and newly wrong, which are shown, and how many change with the seed."""
    run = configurations_of(runs)[changes.configuration][0]
    shown = max(len(changes.newly_right), len(changes.newly_wrong))
    of_fold = f" of fold {changes.fold}" if several_folds(runs) else ""
    found = (
        f"Of {changes.measured:,} {run.split} samples{of_fold}, the {changes.configuration} student of seed "
        f"{changes.seed} gets {changes.right:,} right that the student alone of that seed does not (newly right), and "
        f"{changes.wrong:,} wrong that it gets right (newly wrong)."
    )
    drawn = f" Shown are up to {shown} of each, drawn by a fixed seed, not picked." if shown else ""
    if not changes.by_seed:
        return f"{found}{drawn} Another seed changes others."
    right, wrong = changes.by_seed
    return (
        f"{found}{drawn} Two runs of the student alone, with different seeds, differ on {right:,} and {wrong:,}: "
        "so many change with the seed."
    )
