"""Windows of a sample become one: mean softmax, mean representation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossdistill.evaluation.collect import Outputs, averaged
from crossdistill.tasks import Classification
from crossdistill.types import Representations

TASK = Classification(("a", "b", "c"))


def outputs(rows: list[int], present: list[bool], seed: int = 0, scale: float = 3.0) -> Outputs:
    random = torch.Generator().manual_seed(seed)
    made = {view: torch.randn(len(rows), 5, generator=random) for view in ("target", "full")}
    logits = {view: scale * torch.randn(len(rows), 3, generator=random) for view in ("target", "full")}
    numbers = torch.tensor(rows)
    there = {"target": torch.ones(len(rows), dtype=torch.bool), "full": torch.tensor(present)}
    return Outputs(Representations(made, logits), numbers % 3, numbers, there, ())  # type: ignore[arg-type]


ROWS = [7, 7, 7, 2, 5, 5, 9, 9]
PRESENT = [True, False, True, True, True, True, False, False]


def test_means_over_the_windows_that_are_there() -> None:
    """In slow loops over samples and windows."""
    given = outputs(ROWS, PRESENT)
    found = averaged(given, TASK)
    assert found.rows.tolist() == [7, 2, 5, 9]
    assert found.labels.tolist() == [1, 2, 2, 0]
    assert found.present["target"].tolist() == [True] * 4
    assert found.present["full"].tolist() == [True, True, True, False]
    for view in ("target", "full"):
        for position, row in enumerate([7, 2, 5, 9]):
            windows = [n for n, other in enumerate(ROWS) if other == row and given.present[view][n]]  # type: ignore[index]
            if not windows:
                continue
            shares = []
            for window in windows:
                powers = np.exp(given.made.logits[view][window].double().numpy())  # type: ignore[index]
                shares.append(powers / powers.sum())
            expected = np.mean(shares, axis=0)
            assert np.allclose(found.made.logits[view][position].exp(), expected, rtol=1e-5)  # type: ignore[index]
            vectors = [given.made.representations[view][window].numpy() for window in windows]  # type: ignore[index]
            assert np.allclose(found.made.representations[view][position], np.mean(vectors, 0), atol=1e-6)  # type: ignore[index]


def test_single_windows_are_left_as_they_are() -> None:
    given = outputs([4, 1, 3], [True, False, True])
    assert averaged(given, TASK) is given


def test_samples_that_are_not_neighbours_are_not_joined() -> None:
    assert averaged(outputs([1, 1, 2, 1], [True] * 4), TASK).rows.tolist() == [1, 2, 1]


@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_sure_predictions_stay_finite_and_keep_their_class(scale: float) -> None:
    given = outputs([1, 1, 2, 2], [True] * 4, scale=scale)
    found = averaged(given, TASK)
    assert torch.isfinite(found.made.target_logits).all()
    certain = outputs([1, 1], [True, True], scale=scale)
    certain.made.logits["target"][1] = certain.made.logits["target"][0]  # type: ignore[index]
    assert averaged(certain, TASK).made.target_logits.argmax(1) == certain.made.target_logits[0].argmax()
