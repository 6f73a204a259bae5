"""Hold the verdicts of `crossdistill diagnose` against what training gave, and write the tables of docs/diagnose.md.

    python scripts/weak_auxiliaries.py && cp runs/weak/results.parquet docs/results/diagnose/weak.parquet
    python scripts/calibrate_diagnosis.py --data data

What training gave is read from docs/results/benchmark/results.parquet and docs/results/diagnose/weak.parquet. What is
measured of each case is kept in docs/results/diagnose/evidence.json; delete it to measure anew. Needs the sets as
`crossdistill prepare` makes them in DATA; cases whose data are not there are left out, and said.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from weak_auxiliaries import CASES

from crossdistill.diagnosis import Evidence, Score, Thresholds, evidence_of, judge
from crossdistill.diagnosis.diagnose import Counts
from crossdistill.diagnosis.verdict import rehearsed_gain
from crossdistill.evaluation import mean_ci
from crossdistill.recipes.recipe import DataSettings
from crossdistill.recipes.variants.benchmark import SETS, settings, source_of
from crossdistill.reports.units import study_units, unit_means
from crossdistill.runs.data import build_dataset
from crossdistill.types import InputError

RESULTS = Path("docs/results")
PAGE = Path("docs/diagnose.md")
BEGIN, END = "<!-- calibration:begin -->", "<!-- calibration:end -->"
FEW_SEEDS = (0, 1, 2)
GRID = [Thresholds(likely, unlikely) for likely in (0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
        for unlikely in (-0.02, -0.01, 0.0, 0.01, 0.02) if unlikely <= likely]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What is diagnosed and what training gave. home: whose samples it has, which several cases may share; runs: the
    table's rows of it, empty where nothing was trained; label: whose gain counts"""

    name: str
    budget: str
    home: str
    kind: str
    data: DataSettings
    runs: pd.DataFrame
    label: str = "amid_u"

    @property
    def key(self) -> str:
        return f"{self.name}, {self.budget}, {self.kind}"


@dataclass(frozen=True)
class Outcome:
    """gain: of the student over the student alone, paired by seed or fold, runs with labels of the same groups as one;
    own: over itself with a zeroed auxiliary."""

    gain: tuple[float, float]
    own: tuple[float, float]

    @property
    def word(self) -> str:
        """helped: both are above 0 beyond chance; open: a gain of two points or more that is not sure; else no gain."""
        sure = [mean - half > 0 for mean, half in (self.gain, self.own)]
        if all(sure):
            return "helped"
        return "open" if min(self.gain[0], self.own[0]) >= 0.02 else "no gain"


def cases(data: Path) -> Iterator[Case]:
    """Every case, in the order of the page."""
    benchmark = pd.read_parquet(RESULTS / "benchmark" / "results.parquet")
    budgets = {"10 % of labels", "1 subject labelled", "1 speaker labelled", "all labels"}
    plans = [plan for plan in settings(SETS, data=data) if plan.words in budgets]
    for plan in plans:
        runs = benchmark[(benchmark.set == plan.recipe.name) & (benchmark.budget == plan.words)]
        home = source_of(plan.recipe.name)
        yield Case(plan.recipe.name, plan.words, home, "as it is", plan.recipe.data, runs)
        if "amid_u, shuffled auxiliary" in set(runs.label) and not plan.budget.is_all:
            shuffled = replace(plan.recipe.data, control="shuffled")
            label = "amid_u, shuffled auxiliary"
            yield Case(plan.recipe.name, plan.words, home, "shuffled", shuffled, runs, label)
    weak_table = RESULTS / "diagnose" / "weak.parquet"
    weak = pd.read_parquet(weak_table) if weak_table.is_file() else pd.DataFrame({"set": []})
    for case in CASES:
        recipe = case.recipe(data)
        home, words = source_of(Path(recipe.data.source).name), case.budget.words("subject")
        yield Case(case.name, words, home, "weak", recipe.data, weak[weak.set == case.name])


def outcome_of(case: Case) -> Outcome | None:
    """What training gave; None where nothing was trained."""
    if not len(case.runs):
        return None
    by = {str(label): rows.set_index(["fold", "seed"]).student_top1 for label, rows in case.runs.groupby("label")}
    named = case.runs.drop_duplicates(["fold", "seed"]).set_index(["fold", "seed"])
    labelled = named.labelled_groups.to_dict() if "labelled_groups" in named else {}
    intervals = []
    for other in ("baseline", "amid_u, zeroed auxiliary"):
        gains = (by[case.label] - by[other]).dropna()
        units = study_units({key: labelled.get(key, "") for key in gains.index})
        intervals.append(mean_ci(unit_means(units.values(), gains.tolist())))
    return Outcome(*intervals)


def measured(case: Case, kept: dict[str, Any]) -> list[Evidence]:
    """The evidence of each seed's labels, or of each of the first folds as the benchmark has them, measured once."""
    drawn = case.data.labelled < 1 or case.data.labelled_groups
    in_turn = case.data.labelled_groups and case.kind != "weak"
    found = []
    for number in FEW_SEEDS if drawn else FEW_SEEDS[:1]:
        seed, fold = (0, number) if in_turn else (number, -1)
        key = f"{case.key}, {f'fold {fold}' if in_turn else f'seed {seed}'}"
        if key not in kept:
            data = replace(case.data, evaluate_on="none", fold=fold)
            evidence = evidence_of(build_dataset(data, seed), data.target, data.auxiliary, seed)
            kept[key] = plain(evidence)
            print(key, flush=True)
        found.append(typed(kept[key]))
    return found


def plain(evidence: Evidence) -> dict[str, Any]:
    three = {
        group: {name: [score.mean, score.low, score.high] for name, score in getattr(evidence, group).items()}
        for group in ("scores", "differences")
    }
    numbers = {name: getattr(evidence, name) for name in ("teacher_student", "student_label", "divergence")}
    return {"counts": vars(evidence.counts), **three, **numbers}


def typed(kept: dict[str, Any]) -> Evidence:
    scores, differences = (
        {name: Score(*values) for name, values in kept[group].items()} for group in ("scores", "differences")
    )
    pairs = [tuple(kept[name]) for name in ("teacher_student", "student_label")]
    return Evidence(Counts(**kept["counts"]), scores, differences, pairs[0], pairs[1], kept["divergence"])


def answer_of(evidences: Sequence[Evidence], judged: Callable[[Evidence], str]) -> str:
    """What most seeds' labels say; "cannot tell" where none has most."""
    (word, count), *_ = Counter(map(judged, evidences)).most_common(1)
    return word if count * 2 > len(evidences) else "cannot tell"


def by(thresholds: Thresholds) -> Callable[[Evidence], str]:
    return lambda evidence: judge(evidence, thresholds).answer


def hit(answer: str, truth: str) -> int:
    """1 right, -1 wrong, 0 where one of both says nothing."""
    if truth == "open" or answer == "cannot tell":
        return 0
    return 1 if (answer == "likely") == (truth == "helped") else -1


Known = list[tuple[Case, list[Evidence], str]]


def best(known: Known) -> Thresholds:
    """Thresholds with the most right less wrong answers; of equals the one nearest to those that ship."""
    return max(
        GRID,
        key=lambda t: (
            sum(hit(answer_of(evidences, by(t)), truth) for _, evidences, truth in known),
            -abs(t.likely - Thresholds().likely) - abs(t.unlikely - Thresholds().unlikely),
        ),
    )


def few(evidence: Evidence) -> str:
    """A rule to beat: likely wherever most pairs have no label."""
    return "likely" if evidence.counts.unlabelled >= evidence.counts.labelled else "unlikely"


def wide_gap(evidence: Evidence) -> str:
    """Another: likely wherever all modalities know more than the target, by the interval."""
    gap = evidence.differences["gap"]
    return "cannot tell" if math.isnan(gap.mean) else "likely" if gap.low > 0 else "unlikely"


def complementary(place: int) -> Callable[[Evidence], str]:
    """arXiv 2510.13182: likely where I(auxiliary; target) is above I(target; label)."""

    def judged(evidence: Evidence) -> str:
        between, of_labels = evidence.teacher_student[place], evidence.student_label[place]
        if math.isnan(between) or math.isnan(of_labels):
            return "cannot tell"
        return "likely" if between > of_labels else "unlikely"

    return judged


def tables(data: Path) -> list[str]:
    """The page's generated part."""
    kept_file = RESULTS / "diagnose" / "evidence.json"
    kept = json.loads(kept_file.read_text(encoding="utf-8")) if kept_file.is_file() else {}
    everything: list[tuple[Case, list[Evidence], Outcome | None]] = []
    for case in cases(data):
        try:
            everything.append((case, measured(case, kept), outcome_of(case)))
        except InputError as error:
            print(f"left out: {case.key}: {error}")
        kept_file.parent.mkdir(exist_ok=True)
        kept_file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    known: Known = [(case, evidences, outcome.word) for case, evidences, outcome in everything if outcome is not None]
    without = {home: best([k for k in known if k[0].home != home]) for home in {case.home for case, _, _ in everything}}
    lines = [
        "| case | labelled + without | target | all | rehearsed gain (least) | verdict | left out | AMID-U gained | "
        "beyond zeroed | so it |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, evidences, outcome in everything:
        shipped, left = answer_of(evidences, by(Thresholds())), answer_of(evidences, by(without[case.home]))
        counts = evidences[0].counts
        cells = [
            f"{case.name}, {case.budget}" + (", auxiliary shuffled" if case.kind == "shuffled" else ""),
            f"{counts.labelled:,} + {counts.unlabelled:,}",
            *(_mean([evidence.scores[name].mean for evidence in evidences], False) for name in ("target", "all")),
            _mean([rehearsed_gain(evidence) for evidence in evidences], True),
            shipped,
            left,
            *(
                [_interval(outcome.gain), _interval(outcome.own), outcome.word]
                if outcome
                else ["not trained"] + ["–"] * 2
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *_rates(known, without)]
    print("thresholds by all cases:", best(known))
    return lines


def _rates(known: Known, without: dict[str, Thresholds]) -> list[str]:
    rules: dict[str, Callable[[Case], Callable[[Evidence], str]]] = {
        "verdict, its set left out": lambda case: by(without[case.home]),
        "verdict, as shipped": lambda case: by(Thresholds()),
        "few labels, many pairs: likely": lambda case: few,
        "a gap above 0: likely": lambda case: wide_gap,
        "I(aux; target) > I(target; label), kNN": lambda case: complementary(0),
        "the same, bounds": lambda case: complementary(1),
    }
    decided = sum(truth != "open" for _, _, truth in known)
    homes = len({case.home for case, _, _ in known})
    lines = [
        f"{len(known)} cases of {homes} data sets were trained; in {decided} of them training gave an answer, in "
        f"{sum(truth == 'helped' for _, _, truth in known)} that it helped.",
        "",
        "| rule | right | wrong | says nothing | right of those answered (95 %) | right of `likely` |",
        "|---|---|---|---|---|---|",
    ]
    for name, rule in rules.items():
        answers = [(answer_of(evidences, rule(case)), truth) for case, evidences, truth in known if truth != "open"]
        hits = [hit(*pair) for pair in answers]
        right, wrong = hits.count(1), hits.count(-1)
        said = [truth for answer, truth in answers if answer == "likely"]
        low, high = _wilson(right, right + wrong)
        share = f"{100 * right / (right + wrong):.0f} % ({100 * low:.0f} to {100 * high:.0f})" if right + wrong else "–"
        lines.append(
            f"| {name} | {right} | {wrong} | {hits.count(0)} | {share} | {said.count('helped')} of {len(said)} |"
        )
    return lines


def _wilson(right: int, count: int) -> tuple[float, float]:
    if not count:
        return math.nan, math.nan
    z, share = 1.96, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def _mean(values: Sequence[float], signed: bool) -> str:
    known = [value for value in values if not math.isnan(value)]
    sign = "+" if signed else ""
    return f"{100 * np.mean(known):{sign}.1f}".replace("-", "−") if known else "–"


def _interval(value: tuple[float, float]) -> str:
    mean, half = value
    return f"{100 * mean:+.1f} ({100 * (mean - half):+.1f} to {100 * (mean + half):+.1f})".replace("-", "−")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    options = parser.parse_args(arguments)
    made = "\n".join(tables(options.data))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
