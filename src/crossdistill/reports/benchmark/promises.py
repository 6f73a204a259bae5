"""What we claim of AMID-U over all settings: its rank, on how many data sets it gains, how much of the gap, no harm."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from crossdistill.evaluation.significance import mean_ci, signed_rank_test
from crossdistill.reports.benchmark.claims import LEVELS, POINT, Outcome, Verdict
from crossdistill.reports.benchmark.paired import STUDENT_ALONE, Pair, Side, Tests, share_recovered, verdicts_by_source
from crossdistill.reports.benchmark.ranks import ranked, ranked_labels
from crossdistill.reports.benchmark.results import Level, Setting, paired_mean
from crossdistill.reports.comparison import LEVEL, Difference
from crossdistill.reports.formats import counted, equals, interval, percent, points
from crossdistill.reports.units import unit_means

OURS = "amid_u"
SETS, TIMES = 6, 1.5
"""On how many data sets AMID-U is to gain, and how many times the share of the gap of the next method."""
OWN_RULE = (
    "Ours of AMID-U: it is first in rank where, over data sets, Wilcoxon's signed-rank test puts it above each of the "
    "other methods, a claim of all of them that needs no correction; where its rank is first and a test says nothing, "
    "these runs cannot tell. A data set shows a gain where the corrected test says so in every one of its settings "
    f"with few labels. Shares of the gap are compared as they are, and fewer than {SETS} data sets tell of no lead. "
    "There is no harm where no setting shows a loss and the mean difference over the data sets is, by its 95 % "
    "interval, no more than a point below 0."
)


def promises(settings: Sequence[Setting], tests: Tests) -> list[Outcome]:
    """Those of our claims that speak of settings together, and can be put to these."""
    few = [setting for setting in settings if setting.level == "few" and OURS in setting.configurations]
    everything = [setting for setting in settings if setting.level == "all" and OURS in setting.configurations]
    found = [first_in_rank(few), gains_on_sets(few, tests), more_of_the_gap(few)] if few else []
    return found + ([no_harm(everything, tests)] if everything else [])


def first_in_rank(few: Sequence[Setting]) -> Outcome:
    """Tested between it and each other method (Benavoli et al. 2016), as how far average ranks are apart depends on
    which others were ranked; being above all of them is as sure as the least sure of these (Berger 1982)."""
    text, found = "AMID-U is first in average rank", ranked(few)
    if found is None or OURS not in found.labels:
        return _outcome(text, "few", "it is not ranked with any other method in every setting", "cannot tell")
    ranks = dict(zip(found.labels, found.ranking.average, strict=True))
    other = min((label for label in ranks if label != OURS), key=lambda label: (ranks[label], label))
    leads = {label: gains_by_source(few, OURS, label) for label in ranks if label != OURS}
    tested = {label: signed_rank_test(gains) if _gains_outweigh(gains) else 1.0 for label, gains in leads.items()}
    hardest = max(tested, key=lambda label: (tested[label], label == other, label))
    ahead = f"{sum(gain > 0 for gain in leads[hardest])} of {counted(found.ranking.data_sets, 'data set')}"
    measured = (
        f"rank {ranks[OURS]:.2f} of {len(ranks)} over {counted(found.ranking.data_sets, 'data set')}, the best other "
        f"{ranks[other]:.2f} ({other}); hardest to tell from {hardest}: ahead of it on {ahead}, Wilcoxon p "
        f"{equals(tested[hardest])}"
    )
    above = tested[hardest] <= LEVEL
    first: Verdict = "holds" if above and ranks[OURS] < ranks[other] else "cannot tell"
    return _outcome(text, "few", measured, first if ranks[OURS] <= ranks[other] else "does not hold")


def _gains_outweigh(gains: Sequence[float]) -> bool:
    """Whether Wilcoxon's sum of ranks is larger of gains than of losses."""
    changed = np.array([gain for gain in gains if gain])
    ranks = [(abs(changed) < size).sum() + (abs(changed) <= size).sum() + 1 for size in abs(changed)]  # twice each
    return float(np.sign(changed) @ ranks) > 0


def gains_by_source(settings: Sequence[Setting], label: str, other: str) -> list[float]:
    """By how much the mean accuracy of one method is above the other's in the replicates that both have, the mean over
    each source's settings."""
    gains = [paired_mean(each.configurations[label], each.configurations[other]) for each in settings]
    return unit_means([each.source for each in settings], gains)


def gains_on_sets(few: Sequence[Setting], tests: Tests) -> Outcome:
    """A data set counts where each of its settings shows a gain."""
    text = f"AMID-U is significantly better than the student alone on at least {SETS} data sets"
    rows = _tested(few, tests)
    if not rows:
        return _outcome(text, "few", "nothing could be tested", "cannot tell")
    verdicts = verdicts_by_source(rows)
    gained = [name for name, found in verdicts.items() if found == {"better"}]
    named = f" ({', '.join(gained)})" if gained else ""
    measured = f"on {len(gained)} of {counted(len(verdicts), 'data set')}{named}"
    enough: Verdict = "cannot tell" if len(verdicts) < SETS else "does not hold"
    return _outcome(text, "few", measured, "holds" if len(gained) >= SETS else enough)


def more_of_the_gap(few: Sequence[Setting]) -> Outcome:
    text = f"AMID-U recovers at least {TIMES:g} times the share of the gap that the best other method recovers"
    shares = {label: share_recovered(few, label) for label in ranked_labels(few) if label != "baseline"}
    shares = {label: share for label, share in shares.items() if not math.isnan(share)}
    ours = shares.pop(OURS, math.nan)
    if math.isnan(ours) or not shares:
        return _outcome(text, "few", "no gap, or no other method in every setting", "cannot tell")
    other = max(shares, key=lambda label: (shares[label], label))
    measured = f"{percent(ours)} %, the best other one {percent(shares[other])} % ({other})"
    if ours > 0 and shares[other] > 0:
        measured += f": {ours / shares[other]:.1f} times"
    measured += f", over {counted(sets := len({setting.source for setting in few}), 'data set')}"
    reached: Verdict = "holds" if sets >= SETS else "cannot tell"
    return _outcome(text, "few", measured, reached if ours > 0 and ours >= TIMES * shares[other] else "does not hold")


def no_harm(everything: Sequence[Setting], tests: Tests) -> Outcome:
    text = (
        "AMID-U, whose student learns alone where all have labels (which test samples chose), is never significantly "
        "worse than the student alone"
    )
    rows = _tested(everything, tests)
    if not rows:
        return _outcome(text, "all", "nothing could be tested", "cannot tell")
    verdicts = verdicts_by_source(rows)
    worse = [name for name, found in verdicts.items() if "worse" in found]
    lowest, loss = min(rows, key=lambda made: made[1].difference)
    named = f" ({', '.join(worse)})" if worse else ""
    mean, half_width = mean_ci(unit_means([each.source for each, _ in rows], [row.difference for _, row in rows]))
    if len(rows) == 1:
        half_width = loss.half_width
    measured = (
        f"worse on {len(worse)} of {counted(len(verdicts), 'data set')}{named}; {points(mean)} "
        f"({interval(mean, half_width)}) points over them, at the lowest {points(loss.difference)} ({lowest.name})"
    )
    sure: Verdict = "holds" if mean - half_width > -POINT else "cannot tell"
    return _outcome(text, "all", measured, "does not hold" if worse else sure)


def _tested(settings: Sequence[Setting], tests: Tests) -> list[tuple[Setting, Difference]]:
    """The settings in which AMID-U could be tested against the student alone, and what came of it."""
    pair = Pair(Side(OURS), STUDENT_ALONE)
    return [(each, row) for each in settings if (row := tests.get((each.key, pair))) and not math.isnan(row.p)]


def _outcome(text: str, level: Level, measured: str, verdict: Verdict) -> Outcome:
    return Outcome(text, "ours", LEVELS[level], measured, verdict)
