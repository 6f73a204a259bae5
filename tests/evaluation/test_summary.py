"""The summary that a run keeps about one view."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from crossdistill.evaluation import evaluate_view

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
LABELS = torch.tensor([0, 1, 1, 1])
# nearest gallery row: right, right, wrong (second nearest is right), right
POINTS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]])
GALLERY = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
GALLERY_LABELS = torch.tensor([0, 1])


def test_by_hand_and_ready_for_json() -> None:
    summary = evaluate_view(LOGITS, POINTS, LABELS, GALLERY, GALLERY_LABELS)
    assert list(summary) == ["top1", "wa", "ua", "r1", "r5", "per_class", "confusion"]
    assert summary["top1"] == summary["wa"] == 0.75
    assert summary["ua"] == pytest.approx((1 + 2 / 3) / 2)
    assert (summary["r1"], summary["r5"]) == (0.75, 1.0)
    per_class = summary["per_class"]
    assert isinstance(per_class, list)
    assert per_class[:2] == pytest.approx([1, 2 / 3])
    assert math.isnan(per_class[2])
    assert summary["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert json.loads(json.dumps(summary))["confusion"] == summary["confusion"]


def test_numpy_gives_the_same() -> None:
    tensors = (LOGITS, POINTS, LABELS, GALLERY, GALLERY_LABELS)
    np.testing.assert_equal(evaluate_view(*(t.numpy() for t in tensors)), evaluate_view(*tensors))


def test_mismatched_rows_are_named() -> None:
    with pytest.raises(ValueError, match="expected logits"):
        evaluate_view(LOGITS, POINTS[:3], LABELS, GALLERY, GALLERY_LABELS)
