"""What is measured of a view after an epoch, where not all of it is defined."""

from __future__ import annotations

import pytest
import torch

from crossdistill.encoders import MLP
from crossdistill.evaluation.collect import Outputs
from crossdistill.models import CrossModalModel
from crossdistill.runs.measure import cosines
from crossdistill.runs.results import COSINE_PAIR, COSINE_SAME_CLASS
from crossdistill.types import Representations


def outputs(labels: list[int]) -> Outputs:
    """Teacher and student of as many samples as labels, whose representations are the same."""
    made, there = torch.eye(len(labels), 4), torch.ones(len(labels), dtype=torch.bool)
    logits = torch.zeros(len(labels), 3)
    both = Representations({"target": made, "full": made}, {"target": logits, "full": logits})
    rows = torch.arange(len(labels))
    return Outputs(both, torch.tensor(labels), rows, {"target": there, "full": there}, ())


@pytest.mark.parametrize(("labels", "expected"), [([0, 1, 2], None), ([0, 1, 0], 0.0)])
def test_samples_of_one_class_are_alike_only_where_a_class_has_two(labels: list[int], expected: float | None) -> None:
    """A cosine of 0 would say that they are at right angles."""
    model = CrossModalModel({"x": MLP(2, 4), "y": MLP(2, 4)}, ["x"], ["y"], width=4, classes=3)
    found = cosines(outputs(labels), model)
    assert found[COSINE_PAIR] == pytest.approx(1.0)
    assert found.get(COSINE_SAME_CLASS) == expected
