"""What to do where a modality is missing at prediction time: zeros, averages, dropout or a student, measured.

    python scripts/missing_modality.py --seeds 5

Trains, on the bundled data with few and with all labels, the network of all modalities, modality dropout, the student
alone, and AMID-U, and measures each without the auxiliary modality; the first one also with it, and with zeros and with
the training samples' mean in its place. Prints the tables of docs/missing_modality.md: top-1 in % with 95 % intervals
over seeds, and the difference to the student alone, paired by seed, with p after Holm's correction in a setting. Where
one subject is labelled, each subject is tested in turn, as in `crossdistill benchmark`: ten runs, whatever --seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import crossdistill
from crossdistill import Recipe
from crossdistill.data.wrappers import Shape, StandInColumn, zeros
from crossdistill.encoders import Standardized
from crossdistill.evaluation import top1
from crossdistill.evaluation.collect import outputs_of
from crossdistill.evaluation.significance import holm, mean_ci, paired_test
from crossdistill.models import CrossModalModel
from crossdistill.recipes.library import bundled
from crossdistill.recipes.variants.benchmark import Budget
from crossdistill.runs.build import Built
from crossdistill.studies.compare import known_folds
from crossdistill.types import View

ALONE = "student alone"
TRAINED: Mapping[str, str] = {
    "all modalities, which it has": "teacher",
    "modality dropout, without it": "modality_dropout",
    ALONE: "baseline",
    "AMID-U's student": "amid_u",
}
SETTINGS: tuple[tuple[Callable[[], Recipe], Budget], ...] = (
    (bundled.watch, Budget(groups=1)),
    (bundled.watch, Budget()),
    (bundled.emoji, Budget(0.1)),
    (bundled.emoji, Budget()),
)

StandIn = Callable[[int, Shape], Tensor]
"""What stands in for a modality: a sample's row and shape -> its values."""


def training_mean(model: CrossModalModel, name: str) -> StandIn:
    """The training samples' mean of each feature of a modality."""
    encoder = model.encoders[name]
    assert isinstance(encoder, Standardized)
    return lambda row, shape: encoder.mean.expand(shape)


def accuracy(built: Built, view: View, stand_ins: Mapping[str, StandIn] = MappingProxyType({})) -> float:
    """Top-1 of a view on the test samples; stand_ins: modality -> what is in its place."""
    columns = {name: StandInColumn(built.dataset.columns[name], fill) for name, fill in stand_ins.items()}
    data = replace(built.dataset, columns={**built.dataset.columns, **columns})
    windows = built.recipe.data.windows
    outputs = outputs_of(data, data.rows("test"), built.model, (view,), torch.device("cpu"), windows=windows)
    return top1(outputs.made.logits[view], outputs.labels)


def measured(recipe: Recipe) -> dict[str, float]:
    """What each way reaches with the recipe's seed and fold."""
    found = {}
    for words, method in TRAINED.items():
        built = crossdistill.build(replace(recipe, method=method))
        crossdistill.train(built)
        found[words] = accuracy(built, "full" if method == "teacher" else "target")
        if method == "teacher":
            auxiliary = built.model.auxiliary
            found["all modalities, zeros in its place"] = accuracy(built, "full", dict.fromkeys(auxiliary, zeros))
            means = {name: training_mean(built.model, name) for name in auxiliary}
            found["all modalities, its mean in its place"] = accuracy(built, "full", means)
    return found


def table_of(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a way: mean and interval, difference to the student alone, corrected p. runs: rows are seeds or folds."""
    others = [way for way in runs if way != ALONE]
    corrected = dict(zip(others, holm([paired_test(runs[way], runs[ALONE]) for way in others]), strict=True))
    rows = []
    for way in runs:
        mean, half = mean_ci(100 * runs[way])
        row = {"way": way, "top-1": f"{mean:.1f} ± {half:.1f}"}
        if way != ALONE:
            mean, half = mean_ci(100 * (runs[way] - runs[ALONE]))
            row |= {"difference": f"{mean:+.1f} ± {half:.1f}", "p (Holm)": f"{corrected[way]:.3f}"}
        rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--epochs", type=int, default=0, help="of every recipe, to try the script; 0 for the recipes' own"
    )
    parser.add_argument("--out", type=Path, help="a CSV file of every seed's accuracies")
    options = parser.parse_args(arguments)
    every = []
    for recipe_of, budget in SETTINGS:
        recipe = recipe_of()
        data = replace(recipe.data, labelled=budget.share, labelled_groups=budget.groups)
        recipe = replace(recipe, data=data, epochs=options.epochs or recipe.epochs, evaluate_every=10_000)
        folds = known_folds(recipe) if budget.groups else []
        replicates = [replace(recipe, data=replace(data, fold=fold)) for fold in folds]
        replicates = replicates or [replace(recipe, seed=seed) for seed in range(options.seeds)]
        runs = pd.DataFrame([measured(each) for each in replicates]).astype(np.float64)
        seeds, tested = [each.seed for each in replicates], [each.data.fold for each in replicates]
        every.append(runs.assign(setting=f"{recipe.name}, {budget.words('subject')}", seed=seeds, fold=tested))
        print(f"\n{recipe.name}, {budget.words('subject')}\n{table_of(runs).to_string(index=False)}", flush=True)
    if options.out:
        pd.concat(every).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
