"""What we claim of AMID-U over all settings: its rank, on how many data sets it gains, how much of the gap, no harm."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossdistill.evaluation.significance import mean_ci, signed_rank_test
from crossdistill.reports.benchmark.claims import LEVELS, POINT, Outcome, Verdict
from crossdistill.reports.benchmark.paired import STUDENT_ALONE, Pair, Side, Tests, share_recovered
from crossdistill.reports.benchmark.ranks import ranked, ranked_labels
from crossdistill.reports.benchmark.results import Level, Setting
from crossdistill.reports.comparison import LEVEL
from crossdistill.reports.formats import counted, equals, interval, percent, points

OURS = "amid_u"
SETS, TIMES = 6, 1.5
"""On how many data sets AMID-U is to gain, and how many times the share of the gap of the next method."""
OWN_RULE = (
    "Ours of AMID-U: it is first in rank where, over data sets, Wilcoxon's signed-rank test puts it above the next "
    "method; where its rank is first and the test says nothing, these runs cannot tell. A data set shows a gain where "
    "the corrected test says so at one of its budgets and the reverse at none. Shares of the gap are compared as they "
    "are. There is no harm where no setting shows a loss and the mean difference over the settings is, by its 95 % "
    "interval, no more than a point below 0."
)


def promises(settings: Sequence[Setting], tests: Tests) -> list[Outcome]:
    """Those of our claims that speak of settings together, and can be put to these."""
    few = [setting for setting in settings if setting.level == "few" and OURS in setting.configurations]
    everything = [setting for setting in settings if setting.level == "all" and OURS in setting.configurations]
    found = [first_in_rank(few), gains_on_sets(few, tests), more_of_the_gap(few)] if few else []
    return found + ([no_harm(everything, tests)] if everything else [])


def first_in_rank(few: Sequence[Setting]) -> Outcome:
    """Tested between the first and the next method alone (Benavoli et al. 2016): how far their average ranks are apart
    depends on which others were ranked."""
    text, found = "AMID-U is first in average rank", ranked(few)
    if found is None or OURS not in found.labels:
        return _outcome(text, "few", "it is not ranked with any other method in every setting", "cannot tell")
    ranks = dict(zip(found.labels, found.ranking.average, strict=True))
    other = min((label for label in ranks if label != OURS), key=lambda label: (ranks[label], label))
    gains = list(gains_by_set(few, OURS, other).values())
    p = signed_rank_test(gains)
    measured = (
        f"rank {ranks[OURS]:.2f} of {len(ranks)} over {counted(found.ranking.data_sets, 'setting')}, the best other "
        f"{ranks[other]:.2f} ({other}); ahead of it on {sum(gain > 0 for gain in gains)} of "
        f"{counted(len(gains), 'data set')}, Wilcoxon p {equals(p)}"
    )
    first: Verdict = "holds" if p <= LEVEL else "cannot tell"
    return _outcome(text, "few", measured, first if ranks[OURS] < ranks[other] else "does not hold")


def gains_by_set(settings: Sequence[Setting], label: str, other: str) -> dict[str, float]:
    """Data set -> by how much the mean accuracy of one method is above the other's, over its settings."""
    gains: dict[str, list[float]] = {}
    for setting in settings:
        ours, theirs = (setting.configurations[name].mean()[0] for name in (label, other))
        gains.setdefault(setting.name, []).append(ours - theirs)
    return {name: math.fsum(found) / len(found) for name, found in gains.items()}


def gains_on_sets(few: Sequence[Setting], tests: Tests) -> Outcome:
    """A data set counts where one of its settings shows a gain and none a loss."""
    verdicts: dict[str, list[str]] = {}
    for setting in few:
        row = tests.get((setting.key, Pair(Side(OURS), STUDENT_ALONE)))
        if row is not None:
            verdicts.setdefault(setting.name, []).append(row.verdict)
    gained = [name for name, found in verdicts.items() if "better" in found and "worse" not in found]
    always = [name for name in gained if set(verdicts[name]) == {"better"}]
    measured = f"on {len(gained)} of {len(verdicts)}, on {len(always)} of these with every budget of few labels"
    enough: Verdict = "cannot tell" if len(verdicts) < SETS else "does not hold"
    text = f"AMID-U is significantly better than the student alone on at least {SETS} data sets"
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
    reached = ours > 0 and ours >= TIMES * shares[other]
    return _outcome(text, "few", measured, "holds" if reached else "does not hold")


def no_harm(everything: Sequence[Setting], tests: Tests) -> Outcome:
    text = "AMID-U is never significantly worse than the student alone"
    pair = Pair(Side(OURS), STUDENT_ALONE)
    rows = {each.name: row for each in everything if (row := tests.get((each.key, pair))) and not math.isnan(row.p)}
    if not rows:
        return _outcome(text, "all", "nothing could be tested", "cannot tell")
    worse = [name for name, row in rows.items() if row.verdict == "worse"]
    lowest = min(rows, key=lambda name: rows[name].difference)
    named = f" ({', '.join(worse)})" if worse else ""
    mean, half_width = mean_ci([row.difference for row in rows.values()])
    if len(rows) == 1:
        half_width = rows[lowest].half_width
    measured = (
        f"worse on {len(worse)} of {counted(len(rows), 'data set')}{named}; {points(mean)} "
        f"({interval(mean, half_width)}) points over them, at the lowest {points(rows[lowest].difference)} ({lowest})"
    )
    sure: Verdict = "holds" if mean - half_width > -POINT else "cannot tell"
    return _outcome(text, "all", measured, "does not hold" if worse else sure)


def _outcome(text: str, level: Level, measured: str, verdict: Verdict) -> Outcome:
    return Outcome(text, "ours", LEVELS[level], measured, verdict)
