"""The whole page of the evidence study: what was claimed and does not hold comes first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from crossdistill.evaluation.significance import least_significant
from crossdistill.reports.benchmark.claims import RULE, Outcome, outcomes, pairs, unmeasured
from crossdistill.reports.benchmark.gains import gains_section
from crossdistill.reports.benchmark.paired import Tests, count_of, paired_tests
from crossdistill.reports.benchmark.promises import OWN_RULE, promises
from crossdistill.reports.benchmark.ranks import rank_section
from crossdistill.reports.benchmark.results import FEW, GROUPS, Level, Setting, settings_of
from crossdistill.reports.benchmark.tables import (
    claims_table,
    labelled_words,
    mean_of,
    overview_table,
    setting_table,
)
from crossdistill.reports.benchmark.untouched import chosen_before, untouched_section
from crossdistill.reports.comparison import LEVEL
from crossdistill.reports.formats import counted, listed, spanned
from crossdistill.reports.sections import Origin, Report, Section

TITLE = "Benchmark: what the auxiliary modalities are worth, by data set, labels and method"


@dataclass(frozen=True)
class Provenance:
    """How the table came about.

    commands: that were given; trials: of tuning, by setting; skipped: sentences on data sets that were left out;
    failed: run or setting -> why it is not in the table
    """

    commands: tuple[str, ...] = ()
    trials: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


def report_of(table: pd.DataFrame, made: Provenance, command: str) -> Report:
    """Everything that is said of a study; the same table gives the same report. command: writes the page, to be named.

    Raises InputError where the table is not a study's.
    """
    settings = settings_of(table)
    tests = paired_tests(settings, pairs())
    found = [*promises(settings, tests), *outcomes(settings, tests)]
    levels: tuple[Level, ...] = ("few", "all")
    gains = [section for level in levels if (section := gains_section(settings, tests, level))]
    ranks = [section for level in levels if (section := rank_section(settings, level))]
    untouched = [section for level in levels if (section := untouched_section(settings, tests, level))]
    return Report(
        title=TITLE,
        summary=_summary(table, settings, found),
        findings=(),
        sections=(
            *_claims(found, settings),
            Section(
                "settings",
                "Every setting in a line",
                overview_table(settings, tests),
                _OVERVIEW_NOTE.format(over=_over(settings), alike=_alike(settings)),
            ),
            *gains,
            *ranks,
            *untouched,
            *(_setting(setting, tests, number) for number, setting in enumerate(settings, 1)),
        ),
        origin=Origin(
            command,
            _replicates(table),
            _versions(table),
            notes=(*_notes(made, tests, command, settings), *chosen_before(settings), *_unsaid(table)),
        ),
    )


_OVERVIEW_NOTE = (
    "Top-1 of the student in %, ± 95 % confidence interval over {over}; differences in points, paired. "
    "Runs that {alike} are averaged into one before either. "
    "With all labels: the student alone where every training sample has its label. Gap recovered: the student's gain "
    "by the teacher's, both over the student alone, the teacher being trained alone on the same labels; above 100 "
    "where a student of unlabelled pairs passes that teacher. The best other method is the one with the highest mean, "
    "which flatters it."
)


def _summary(table: pd.DataFrame, settings: Sequence[Setting], found: Sequence[Outcome]) -> tuple[str, ...]:
    verdicts = [outcome.verdict for outcome in found]
    failed, held = verdicts.count("does not hold"), verdicts.count("holds")
    sets = list(dict.fromkeys(setting.name for setting in settings))
    sources = counted(len({setting.source for setting in settings}), "data set")
    own = [each for each in found if each.source == "ours"]
    refuted = [f"{each.text} (labels: {each.labels})" for each in own if each.verdict == "does not hold"]
    kept = "None of our own is refuted." if not refuted else f"Refuted of our own: {'; '.join(refuted)}."
    return (
        f"Of {counted(len(found), 'claim')}, the paper's and ours, {failed} {'does' if failed == 1 else 'do'} not "
        f"hold, {held} {'holds' if held == 1 else 'hold'}, and of {len(found) - failed - held} these runs cannot tell.",
        *([kept] if own else []),
        f"{counted(len(table), 'run')} of {counted(table.label.nunique(), 'configuration')} in "
        f"{counted(len(settings), 'setting')} of {sources}: {listed(sets)}, by label budget{_shared(settings)}. At "
        f"prediction time the student sees the target modality alone, and all methods get as many steps. "
        f"{_drawn(settings)}",
    )


def _over(settings: Sequence[Setting]) -> str:
    """What is repeated: settings of tuned recipes, and those of old studies, have no folds."""
    folds = [bool(setting.folds) for setting in settings]
    return "folds" if all(folds) else "seeds, or folds where these are tested in turn" if any(folds) else "seeds"


def _alike(settings: Sequence[Setting]) -> str:
    """What runs do that are no independent repetitions."""
    label = "label the same groups"
    return f"test the same fold, or on one split {label}," if any(each.folds for each in settings) else label


def _drawn(settings: Sequence[Setting]) -> str:
    turns = "; where whole groups have them, the folds are tested in turn, each with labels of other groups"
    return (
        f"With few labels each seed draws which samples have one{turns if any(each.folds for each in settings) else ''}"
        f". Runs that {_alike(settings)} count as one."
    )


def _shared(settings: Sequence[Setting]) -> str:
    """Which of the sets are one data set, because they share their samples."""
    names: dict[str, dict[str, None]] = {}
    for setting in settings:
        names.setdefault(setting.source, {})[setting.name] = None
    shared = [f"{listed(list(found))} share their samples" for found in names.values() if len(found) > 1]
    return f" ({'; '.join(shared)}, and are one data set)" if shared else ""


def _claims(found: Sequence[Outcome], settings: Sequence[Setting]) -> list[Section]:
    failed = [each for each in found if each.verdict == "does not hold"]
    others = [each for each in found if each.verdict != "does not hold"]
    missing = unmeasured(settings)
    own = f" {OWN_RULE}" if any(each.source == "ours" for each in found) else ""
    note = f"{RULE}{own} “At most {FEW} %”: settings with that share of labelled samples, by the mean over the runs."
    if missing:
        note += f" Nothing was measured of: {'; '.join(missing)}."
    nothing = "No claim that was measured is refuted." if not failed else ""
    return [
        Section("refuted", "Claimed, and it does not hold", claims_table(failed) if failed else None, nothing),
        Section("claims", "Claims that hold, or of which these runs cannot tell", claims_table(others), note),
    ]


def _setting(setting: Setting, tests: Tests, number: int) -> Section:
    note = (
        f"Target: {setting.target}; auxiliary: {setting.auxiliary}; {counted(setting.classes, 'class', 'classes')}. "
        f"Training pairs: {labelled_words(setting)} labelled, {spanned(setting.unlabelled)} unlabelled; "
        f"{spanned(setting.evaluated)} measured."
    )
    if "auxiliary" in setting.configurations:
        note += f" The auxiliary modalities alone: {mean_of(setting, 'auxiliary', 'auxiliary')}."
    if setting.folds:
        note += f" {counted(setting.folds, 'fold')}, each tested in turn with labels of other groups."
    if setting.lost:
        note += f" Left out, as nothing was measured: {listed(setting.lost)}."
    if len({made.runs for made in setting.configurations.values()}) > 1:
        note += " Rows of fewer runs are of some of the seeds; differences are over those that both sides have."
    if setting.left_out:
        lacking = listed([f"fold {fold} seed {seed}" for fold, seed in setting.left_out])
        note += f" Left out, because some configuration lacks a run there: {lacking}."
    distinct = len(set(setting.units.values()))
    if distinct < len(setting.units):
        draws = counted(len(setting.units), "draw")
        sets = f"labelled {counted(distinct, 'distinct set')} of groups"
        gave = "whose runs are averaged fold by fold" if setting.folds > 1 else sets
        note += f" {draws} {gave}: means, intervals and tests are over these."
    return Section(f"setting-{number}", setting.key, setting_table(setting, tests), note)


def _replicates(table: pd.DataFrame) -> str:
    counts = table.groupby(["set", "budget", "label"]).size()
    least, most = int(counts.min()), int(counts.max())
    return f"{counted(most, 'run')} each" if least == most else f"{least} to {most} runs each"


def _versions(table: pd.DataFrame) -> str:
    """As in "torch 2.9.0 and python 3.11"; several where runs differ."""
    columns = [name for name in table.columns if name.startswith("version_")]
    values = {name.removeprefix("version_"): sorted(map(str, table[name].dropna().unique())) for name in columns}
    threads = values.pop("threads", [])
    words = [f"{package} {listed(found)}" for package, found in values.items() if found]
    if threads:
        words.append(f"{listed(threads)} CPU {'thread' if threads == ['1'] else 'threads'}")
    return ", ".join(words)


def _notes(made: Provenance, tests: Tests, command: str, settings: Sequence[Setting]) -> tuple[str, ...]:
    trials = sorted(set(made.trials.values()))
    places = {count: ", ".join(place for place, n in made.trials.items() if n == count) for count in trials}
    tuned = [f"{counted(count, 'trial')} in {named}" for count, named in places.items()]
    if trials in ([], [0]):
        changed = any("--fields" in each for each in (*made.commands, command))
        stands = "but for the --fields of its commands, every" if changed else "every"
        tuning = f"Nothing was tuned in this study: {stands} recipe is as it stands in the library."
    elif len(trials) == 1:
        tuning = _TUNED.format(counted(trials[0], "trial"))
    else:
        tuning = _TUNED.format(f"a number of trials that differs ({'; '.join(tuned)})")
    commands = [f"The study was asked for by: {each}" for each in made.commands if made.commands != (command,)]
    failed = [f"Not finished: {place}: {why}" for place, why in sorted(made.failed.items())]
    return (
        *commands,
        f"p: paired t-test over {_over(settings)}, and corrected by Holm for all {count_of(tests):,} tests of this "
        f"page; level {LEVEL:g}. {_least_significant(tests)}Intervals are Student's, each for itself. "
        + " ".join(_dependent(settings)),
        tuning,
        "Each run measures the test split once, after its last epoch.",
        *(f"Left out: {reason}" for reason in made.skipped),
        *failed,
    )


def _least_significant(tests: Tests) -> str:
    """How large a mean must be beside its spread to pass Holm's first step, by the number of its pairs."""
    tested = [row.pairs for row in tests.values() if not math.isnan(row.p)]
    least = [f"{least_significant(n, LEVEL / len(tested)):.1f} of {n} pairs" for n in sorted(set(tested))]
    if not least:
        return ""
    return f"To be the first that is significant a mean must be {listed(least)}, in standard deviations of its pairs. "


def _dependent(settings: Sequence[Setting]) -> list[str]:
    """What runs that count as independent have in common, in sentences."""
    sentences = []
    if any(each.folds for each in settings):
        sentences.append(
            "Folds share training samples, and labelled sets of several groups may have one in common, so their p is "
            "somewhat too small."
        )
    if not all(each.folds for each in settings):
        sentences.append(
            "Seeds of one split share its samples, and draw labels and initialisations: their intervals say nothing of "
            "other test samples."
        )
    return sentences


def _unsaid(table: pd.DataFrame) -> tuple[str, ...]:
    """Of how many runs nothing says whether groups kept their labels, and which."""
    partly = table[table.labelled < table.train]
    unsaid = int(partly[GROUPS].isna().sum()) if GROUPS in table.columns else len(partly)
    if not unsaid:
        return ()
    return (
        f"Of {counted(unsaid, 'run')} with a part of the labels the table does not say whether whole groups kept them, "
        "and which: they count as independent.",
    )


_TUNED = (
    "Tuned on validation samples, each setting on its own with {}: first learning rate, weight decay and dropout for "
    "the student alone, which all methods keep, then each method's own options with as many trials. Validation "
    "samples, a quarter of the training split, keep their labels whatever the budget."
)
