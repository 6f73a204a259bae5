"""What we claim of AMID-U over all settings: its rank, on how many data sets it gains, how much of the gap, no harm."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossdistill.reports.benchmark.claims import LEVELS, Outcome, Verdict
from crossdistill.reports.benchmark.paired import STUDENT_ALONE, Pair, Side, Tests, share_recovered
from crossdistill.reports.benchmark.ranks import Ranked, ranked, ranked_labels
from crossdistill.reports.benchmark.results import Level, Setting
from crossdistill.reports.formats import counted, percent, points

OURS = "amid_u"
SETS, TIMES = 6, 1.5
"""On how many data sets AMID-U is to gain, and how many times the share of the gap of the next method."""


def promises(settings: Sequence[Setting], tests: Tests) -> list[Outcome]:
    """Those of our claims that speak of settings together, and can be put to these."""
    few = [setting for setting in settings if setting.level == "few" and OURS in setting.configurations]
    everything = [setting for setting in settings if setting.level == "all" and OURS in setting.configurations]
    found = [first_in_rank(ranked(few)), gains_on_sets(few, tests), more_of_the_gap(few)] if few else []
    return found + ([no_harm(everything, tests)] if everything else [])


def first_in_rank(found: Ranked | None) -> Outcome:
    text = "AMID-U is first in average rank"
    if found is None or OURS not in found.labels or len(found.labels) < 2:
        return _outcome(text, "few", "it is not ranked with any other method in every setting", "cannot tell")
    ranks = dict(zip(found.labels, found.ranking.average, strict=True))
    other = min((label for label in ranks if label != OURS), key=lambda label: (ranks[label], label))
    apart = ranks[other] - ranks[OURS] > found.ranking.critical_difference
    measured = (
        f"rank {ranks[OURS]:.2f} of {len(ranks)} over {counted(found.ranking.data_sets, 'setting')}, the best other "
        f"{ranks[other]:.2f} ({other}); {'more' if apart else 'not more'} than the critical difference of "
        f"{found.ranking.critical_difference:.2f} apart"
    )
    return _outcome(text, "few", measured, "holds" if ranks[OURS] < ranks[other] else "does not hold")


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
    measured = (
        f"worse on {len(worse)} of {counted(len(rows), 'data set')}{named}; at the lowest "
        f"{points(rows[lowest].difference)} points ({lowest})"
    )
    return _outcome(text, "all", measured, "does not hold" if worse else "holds")


def _outcome(text: str, level: Level, measured: str, verdict: Verdict) -> Outcome:
    return Outcome(text, "ours", LEVELS[level], measured, verdict)
