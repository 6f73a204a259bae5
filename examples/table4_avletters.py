"""Table 4's story on AVLetters: what each term of the objective does to student and teacher.

    crossdistill prepare avletters --source DIR          # once
    python examples/table4_avletters.py --seeds 5        # runs, a table, a report

Lip video is the target, sound the auxiliary modality; repetition 3 of each letter and speaker is tested. Each row is a
recipe; all have the same encoders, epochs and schedule. Settings were chosen on a validation split
(examples/search.py); the test split is measured once, after the last epoch.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from crossdistill.evaluation import mean_ci, paired_test
from crossdistill.recipes.bundled import RECIPES
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.run import run


def configurations(recipe: Recipe) -> dict[str, Recipe]:
    """The rows of Table 4 (paper, on UCF51: 66.7; 74.3; 69.8 / 71.2; 72.7 / 76.0; 73.8 / 75.7), then those of Table 5.

    The weights are the recipe's for AMID; a row of Table 4 differs from the one above it in one term.
    """
    amid = dict(recipe.options["amid"])
    mi = {key: amid[key] for key in ("alpha_1", "temperature", "warmup_epochs", "reduction") if key in amid}

    def variant(**changes: Any) -> Recipe:
        return replace(recipe, method="amid", options={"amid": {**amid, **changes}})

    # the baseline's own best trial of the same search, so that it is not judged at settings that suit another method
    encoders = {name: replace(encoder, dropout=0.4) for name, encoder in recipe.model.encoders.items()}
    tuned = replace(
        recipe,
        method="baseline",
        model=replace(recipe.model, dropout=0.4, encoders=encoders),
        optimization=replace(recipe.optimization, learning_rate=3e-3, weight_decay=0.04),
    )
    fixed = replace(recipe, method="amid", model=replace(recipe.model, teacher="fixed"))
    return {
        "student alone": replace(recipe, method="baseline"),
        "student alone, its own best settings": tuned,
        "teacher alone": replace(recipe, method="teacher"),
        "auxiliary alone": replace(recipe, method="auxiliary", epochs=recipe.auxiliary_epochs),
        "L_MIs": replace(recipe, method="mi", options={"mi": mi}),
        "L_MIs + L_MIa": variant(alpha_3=0.0),
        "L_MIs + L_MIa + L_adv (AMID)": variant(),
        "AMID, fixed teacher": fixed,
        "AMID, no warm-up": variant(warmup_epochs=0),
        "AMID, no D2": variant(second_discriminator=False),
        "AMID, no dynamic weight": variant(dynamic_weights=False),
    }


def measure(job: tuple[str, Recipe, int, Path]) -> tuple[str, int, dict[str, Any]]:
    name, recipe, seed, folder = job
    return name, seed, run(replace(recipe, seed=seed, evaluate_every=10), folder, resume=True)


def show(values: list[float]) -> str:
    mean, half = mean_ci(values)
    return f"{100 * mean:.1f} ± {100 * half:.1f}"


def difference(values: list[float], reference: list[float]) -> str:
    if values == reference:
        return "–"
    mean, half = mean_ci(list(np.subtract(values, reference)))
    return f"{100 * mean:+.1f} ± {100 * half:.1f} (p = {paired_test(values, reference):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="avletters", choices=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/table4"))
    arguments = parser.parse_args()
    rows = configurations(RECIPES[arguments.recipe]())
    jobs = [
        (name, recipe, seed, arguments.out / f"{position}-seed{seed}")
        for seed in range(arguments.seeds)
        for position, (name, recipe) in enumerate(rows.items())
    ]
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in rows}
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for name, seed, results in pool.map(measure, jobs):
            found[name][seed] = results
    scores = {
        name: {
            view: [runs[seed][view]["top1"] for seed in sorted(runs)]
            for view in ("student", "teacher")
            if view in runs[0]
        }
        for name, runs in found.items()
    }
    print("| configuration | student top-1 | teacher top-1 | student − student alone | gap |")
    print("|---|---|---|---|---|")
    for name, views in scores.items():
        if name == "auxiliary alone":
            continue
        student = show(views["student"]) if "student" in views else "–"
        teacher = show(views["teacher"]) if "teacher" in views else "–"
        gain = difference(views["student"], scores["student alone"]["student"]) if "student" in views else "–"
        gap = show(list(np.subtract(views["teacher"], views["student"]))) if len(views) == 2 else "–"
        print(f"| {name} | {student} | {teacher} | {gain} | {gap} |")
    alone = [found["auxiliary alone"][seed]["auxiliary_alone"]["top1"] for seed in range(arguments.seeds)]
    print(f"\nAuxiliary modality alone: {show(alone)}. Top-1 in %, mean ± 95 % confidence interval over seeds.")


if __name__ == "__main__":
    main()
