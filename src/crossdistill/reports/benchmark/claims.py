"""What has been claimed, by the paper and by us, and what the settings say: verdicts come from the numbers alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crossdistill.recipes.variants.ablations import U_JSD, U_NO_L_MI, U_NO_L_MIA, U_NO_SOFT_LABELS
from crossdistill.recipes.variants.published import (
    FIXED_TEACHER,
    L_MIS,
    NO_ADVERSARIAL,
    NO_D2,
    NO_DYNAMIC_WEIGHT,
    NO_WARMUP,
)
from crossdistill.reports.benchmark.paired import (
    BEST_CONTROL,
    HALF_WAY,
    STUDENT_ALONE,
    Evidence,
    Pair,
    Side,
    Tests,
    best_control,
    evidence_of,
    share_recovered,
)
from crossdistill.reports.benchmark.results import FEW, Level, Setting
from crossdistill.reports.formats import counted, interval, listed, percent, points

Verdict = Literal["holds", "does not hold", "cannot tell"]
POINT = 0.01
"""The least gain that a claim can mean: where the interval excludes it and no setting shows one, there is none."""
RULE = (
    "A claim that one is better than another holds where the corrected test says so on at least half of the data sets "
    "and the reverse on none, and the mean difference over the data sets is, by its 95 % interval, above 0. It does "
    "not hold where the test says the reverse on at least as many data sets as it agrees; nor where it agrees in no "
    "setting and the mean difference over the data sets is, by its 95 % interval, less than one point. Else these runs "
    "cannot tell. Sets that share their samples are one data set, whose settings are averaged; a test says that one is "
    "better on a data set where it says so in every one of its settings at that level of labels, and worse where it "
    "does in any."
)
LEVELS: Mapping[Level, str] = {"few": f"at most {FEW} %", "between": f"more than {FEW} %", "all": "all"}


@dataclass(frozen=True)
class Claim:
    """That the first of a pair is better. source: who says so, and where."""

    text: str
    source: str
    pair: Pair


@dataclass(frozen=True)
class Outcome:
    """A claim, at which labels, what was measured, and whether it holds."""

    text: str
    source: str
    labels: str
    measured: str
    verdict: Verdict


_AMID, _MI = Side("amid"), Side("mi")
PAPER_CLAIMS = (
    Claim("AMID's student is better than the student alone", "paper, Tables 1, 3", Pair(_AMID, STUDENT_ALONE)),
    Claim(
        "AMID is better than the student alone in retrieval (R@1)",
        "paper, Table 2",
        Pair(Side("amid", "R@1"), Side("baseline", "R@1")),
    ),
    *(
        Claim(f"AMID is better than {name.upper()}", "paper, Tables 1, 3", Pair(_AMID, Side(name)))
        for name in ("crd", "gmc", "crcd", "ccl")
    ),
    Claim(
        "AMID's student approaches the teacher: it goes more than half of the way",
        "paper, Table 4 (93 % on UCF51)",
        Pair(_AMID, Side(HALF_WAY)),
    ),
    Claim("L_MIs alone makes a better student than no distillation", "paper, Table 4", Pair(_MI, STUDENT_ALONE)),
    Claim(
        "L_MIs alone makes the teacher weak",
        "paper, Figure 1(a)",
        Pair(Side("teacher", "teacher"), Side("mi", "teacher")),
    ),
    Claim("AMID is better than L_MIs alone", "paper, Table 4", Pair(_AMID, _MI)),
    Claim("L_MIa beside L_MIs makes a better student", "paper, Table 4", Pair(Side(NO_ADVERSARIAL), Side(L_MIS))),
    Claim(
        "L_MIa beside L_MIs makes a better teacher",
        "paper, Table 4",
        Pair(Side(NO_ADVERSARIAL, "teacher"), Side(L_MIS, "teacher")),
    ),
    Claim("L_adv beside both makes a better student", "paper, Table 4", Pair(_AMID, Side(NO_ADVERSARIAL))),
    Claim(
        "L_adv beside both narrows the gap between teacher and student",
        "paper, Figure 4",
        Pair(Side(NO_ADVERSARIAL, "gap"), Side("amid", "gap")),
    ),
    Claim("L_MI is better than L_nce", "paper, Table 4", Pair(_AMID, Side("amid_class_means"))),
    Claim("A teacher that learns along is better than a fixed one", "paper, Table 5", Pair(_AMID, Side(FIXED_TEACHER))),
    Claim("Warm-up helps", "paper, Table 5", Pair(_AMID, Side(NO_WARMUP))),
    Claim("The second discriminator helps", "paper, Table 5", Pair(_AMID, Side(NO_D2))),
    Claim("The dynamic weight helps", "paper, Table 5", Pair(_AMID, Side(NO_DYNAMIC_WEIGHT))),
)
"""The paper's, of all labels; how they do with few is asked as well."""

_OURS = Side("amid_u")
OWN_CLAIMS = (
    Claim(
        "AMID-U is better than the best of what does without the auxiliary, by mean in the setting: the student alone, "
        "self-training, itself with zeroed or shuffled auxiliary inputs",
        "ours",
        Pair(_OURS, Side(BEST_CONTROL)),
    ),
    Claim("L_MIs and L_MIa make a better student of AMID-U", "ours", Pair(_OURS, Side(U_NO_L_MI))),
    Claim("L_MIa beside L_MIs makes a better student of AMID-U", "ours", Pair(_OURS, Side(U_NO_L_MIA))),
    Claim("Its teachers' soft labels make a better student of AMID-U", "ours", Pair(_OURS, Side(U_NO_SOFT_LABELS))),
    Claim("AMID-U's soft labels are better than JSD", "ours", Pair(_OURS, Side(U_JSD))),
)
"""Ours, of few labels: what the gain is owed to."""


def pairs() -> list[Pair]:
    """What the claims compare."""
    return [claim.pair for claim in (*PAPER_CLAIMS, *OWN_CLAIMS)]


def outcomes(settings: Sequence[Setting], tests: Tests) -> list[Outcome]:
    """Each claim of a pair that was measured, the paper's with few and with all labels."""
    found = []
    asked: tuple[tuple[tuple[Claim, ...], tuple[Level, ...]], ...]
    asked = (OWN_CLAIMS, ("few",)), (PAPER_CLAIMS, ("all", "few"))
    for claims, levels in asked:
        for claim in claims:
            for level in levels:
                at_level = [setting for setting in settings if setting.level == level]
                evidence = evidence_of(at_level, claim.pair, tests)
                if evidence is not None:
                    measured = _measured(evidence)
                    if claim.pair.second.label == BEST_CONTROL:
                        measured += f"; the best: {_best_controls(at_level)}"
                    if claim.pair.second.label == HALF_WAY:
                        measured = f"recovers {_share(at_level, claim.pair.first.label)}; from the middle {measured}"
                    found.append(Outcome(claim.text, claim.source, LEVELS[level], measured, verdict(evidence)))
    return found


def unmeasured(settings: Sequence[Setting]) -> list[str]:
    """The claims of a pair of which no setting has both sides."""
    return [
        claim.text
        for claim in (*OWN_CLAIMS, *PAPER_CLAIMS)
        if not any(claim.pair.first.values(each) and claim.pair.second.values(each) for each in settings)
    ]


def verdict(evidence: Evidence) -> Verdict:
    """Whether a claim holds that the first of the pair is better: see `RULE`."""
    if evidence.worse and evidence.worse >= evidence.better:
        return "does not hold"
    is_sure = evidence.difference - evidence.half_width > 0  # False where there is no interval
    if not evidence.worse and evidence.better and 2 * evidence.better >= evidence.sets and is_sure:
        return "holds"
    if not evidence.partly and evidence.difference + evidence.half_width < POINT:  # False where there is no interval
        return "does not hold"
    return "cannot tell"


def _best_controls(settings: Sequence[Setting]) -> str:
    """Which control was the best, and in how many settings."""
    best = Counter(label for setting in settings if (label := best_control(setting)))
    return listed([f"{label} in {counted(count, 'setting')}" for label, count in best.most_common()])


def _share(settings: Sequence[Setting], label: str) -> str:
    share = share_recovered(settings, label)
    return "no gap" if math.isnan(share) else f"{percent(share)} % of the gap"


def _measured(found: Evidence) -> str:
    where = f"{counted(found.settings, 'setting')} of {counted(found.sets, 'data set')}"
    spread = "" if math.isnan(found.half_width) else f" ({interval(found.difference, found.half_width)})"
    return f"{points(found.difference)}{spread} points over {where}; better on {found.better}, worse on {found.worse}"
