"""A method of one's own, compared with the baseline: one class, one line.

python examples/own_method.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch.nn.functional import cross_entropy, mse_loss

import crossdistill
from crossdistill.testing import check_method
from crossdistill.types import Batch, Objective, Representations, Turn


class Regression(crossdistill.Method):
    """The student's representation is drawn to that of a teacher that learns alongside.

    Args:
        weight: of the squared distance between the two
    """

    views = predicts = ("target", "full")  # the student's and the teacher's: what is computed, what is measured

    def __init__(self, model: crossdistill.CrossModalModel, weight: float = 1.0) -> None:
        super().__init__(model)
        self.weight = weight

    def turns(self, epoch: int) -> Sequence[Turn]:
        return [Turn("student and teacher", self.model.parameters_of("target", "full"), self._objective)]

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        student = cross_entropy(representations.target_logits, batch.labels)
        teacher = cross_entropy(representations.full_logits, batch.labels)
        distance = mse_loss(representations.target, representations.full.detach())
        return Objective(student + teacher + self.weight * distance, {"student": student, "distance": distance})


crossdistill.METHODS["regression"] = Regression

if __name__ == "__main__":  # each of the two processes imports this file first
    check_method(Regression)  # raises, in a sentence, for what would go wrong in training
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own_method")
    recipe = replace(crossdistill.RECIPES["emoji"](), epochs=2)
    recipes = [replace(recipe, method="baseline"), replace(recipe, method="regression")]
    compared = crossdistill.compare(recipes, folder, seeds=2, jobs=2)
    for folder_of_run, failure in compared.failures.items():
        print(f"{folder_of_run}: {failure.message}")
    print(compared.table[["label", "seed", "student_top1", "teacher_top1"]].round(3).to_string(index=False))
