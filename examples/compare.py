"""Three methods with three seeds each: what a comparison's table says.

python examples/compare.py [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import crossdistill
from crossdistill import Listener


class Lines(Listener):
    """A line for each run that has ended."""

    def end(self, task: str, problem: str = "") -> None:
        print(f"{task}: {problem or 'done'}")


if __name__ == "__main__":  # each process of the comparison imports this file first
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/compare")
    recipe = replace(crossdistill.RECIPES["emoji"](), epochs=3)  # bundled: a picture, trained with its name
    recipes = [replace(recipe, method=method) for method in ("baseline", "teacher", "kd")]
    compared = crossdistill.compare(recipes, folder, seeds=3, jobs=2, listener=Lines())
    means = compared.table.groupby("label", sort=False)[["student_top1", "teacher_top1", "gap_recovered"]].mean()
    print(means.round(3).to_string())
    print(f"{len(compared.folders)} runs in {folder}; given again, the comparison keeps them")
    print(f"Three epochs tell little; for a verdict: crossdistill report {folder} --out report.html")
