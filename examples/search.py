"""Random search on a validation split, with the same number of trials for every method.

    python examples/search.py emoji --methods baseline amid --trials 16 --seeds 3 --out runs/search-emoji

Each trial draws the shared settings (learning rate, weight decay, dropout) and the method's own from the ranges
below, trains on a part of the training samples and measures on the rest; test samples are never read. Trials of all
methods with one number share the shared settings, so no method gets luckier draws. Finished trials are kept: run
the command again to go on after a kill.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from crossdistill.recipes.files import load_recipe
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.run import run

MI_SCALES = {"sum": (0.03, 4.0), "mean": (0.1, 10.0)}


def draw(recipe: Recipe, method: str, trial: int) -> Recipe:
    """The trial-th candidate of a method."""
    shared = np.random.default_rng([0, trial])
    dropout = float(shared.choice([0.0, 0.1, 0.25, 0.4, 0.5]))
    optimization = replace(
        recipe.optimization,
        learning_rate=log_uniform(shared, 5e-4, 5e-3),
        weight_decay=log_uniform(shared, 1e-3, 1e-1),
    )
    encoders = {name: replace(encoder, dropout=dropout) for name, encoder in recipe.model.encoders.items()}
    own = np.random.default_rng([1, trial])
    reduction = str(own.choice(["sum", "mean"]))
    alpha_1 = log_uniform(own, *MI_SCALES[reduction])
    options: dict[str, Any] = {
        "alpha_1": alpha_1,
        "temperature": float(own.choice([0.1, 0.2, 0.5])),
        "reduction": reduction,
        "warmup_epochs": round(recipe.epochs * float(own.choice([0.0, 0.2, 0.4]))),
    }
    alpha_2, alpha_3 = alpha_1 * log_uniform(own, 0.1, 2.0), log_uniform(own, 0.01, 1.0)
    discriminator_learning_rate = log_uniform(own, 1e-5, 1e-3)
    if method == "amid":
        options |= {"alpha_2": alpha_2, "alpha_3": alpha_3}
        optimization = replace(optimization, discriminator_learning_rate=discriminator_learning_rate)
    if method == "mi+mia":
        options |= {"alpha_2": alpha_2, "alpha_3": 0.0}
    name = "amid" if method == "mi+mia" else method
    settings = {**recipe.options.get(name, {}), **options} if name in ("amid", "mi") else {}
    return replace(
        recipe,
        method=name,
        evaluate_every=10**6,
        checkpoint_every=10**6,
        data=replace(recipe.data, evaluate_on="validation"),
        model=replace(recipe.model, dropout=dropout, encoders=encoders),
        optimization=optimization,
        options={name: settings},
    )


def log_uniform(generator: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(generator.uniform(np.log(low), np.log(high))):.3g}")


def measure(job: tuple[Recipe, str, int, int, Path]) -> dict[str, Any]:
    recipe, method, trial, seed, folder = job
    results = run(replace(draw(recipe, method, trial), seed=seed), folder, resume=True)
    model = "teacher" if method == "teacher" else "student"
    accuracy = results[model]["top1"]
    return {"method": method, "trial": trial, "seed": seed, "top1": accuracy, "folder": str(folder)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--methods", nargs="+", default=["baseline", "mi+mia", "amid"])
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe)
    jobs = [
        (recipe, method, trial, seed, arguments.out / f"{method}-{trial}-{seed}")
        for method in arguments.methods
        for trial in range(arguments.trials)
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        table = pd.DataFrame(list(pool.map(measure, jobs)))
    table.to_csv(arguments.out / "trials.csv", index=False)
    means = table.groupby(["method", "trial"])["top1"].mean()
    for method in arguments.methods:
        best = int(means[method].idxmax())
        chosen = draw(recipe, method, best)
        print(f"{method}: best trial {best}, validation top-1 {100 * means[method, best]:.1f} %")
        print(
            f"  median of all trials {100 * means[method].median():.1f} %; dropout {chosen.model.dropout}, "
            f"lr {chosen.optimization.learning_rate}, weight decay {chosen.optimization.weight_decay}, "
            f"discriminator lr {chosen.optimization.discriminator_learning_rate}, {json.dumps(chosen.options)}"
        )


if __name__ == "__main__":
    main()
