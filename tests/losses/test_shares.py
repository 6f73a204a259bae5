"""A batch's loss divided among ranks: the mean of what they make of their anchors is the loss, and so are gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from crossdistill import losses
from crossdistill.types import EVERYTHING, Share
from tests.losses.examples import normal, value_and_gradients

SIZE = 7
LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3])
BELIEFS = normal(SIZE, 3, seed=3).softmax(1)

DIVIDED: dict[str, Callable[[Tensor, Tensor, Share], Tensor]] = {
    "mutual information": lambda x, y, share: losses.mutual_information_loss(x, y, LABELS, 0.3, share=share),
    "means": lambda x, y, share: losses.mutual_information_loss(x, y, LABELS, 0.3, "mean", BELIEFS, share),
    "bound": lambda x, y, share: losses.mutual_information_bound(x, y, LABELS, 0.3, share),
    "loss and bound": lambda x, y, share: torch.stack(losses.mutual_information(x, y, LABELS, 0.3, share=share)).sum(),
    "both ways": lambda x, y, share: losses.class_contrastive_loss(x, y, LABELS, 0.3, share),
    "InfoNCE": lambda x, y, share: losses.info_nce_loss(x, y, 0.3, share),
    "NT-Xent": lambda x, y, share: losses.nt_xent_loss(x, y, 0.3, share),
    "angles": lambda x, y, share: losses.angle_relation_loss(x, y, "mean", share),
}


@pytest.mark.parametrize("ranks", [2, 3, 7, 8])
@pytest.mark.parametrize("name", DIVIDED)
def test_the_ranks_mean_is_the_loss(name: str, ranks: int) -> None:
    loss, x, y = DIVIDED[name], normal(SIZE, 4, seed=1), normal(SIZE, 4, seed=2)
    expected, gradients = value_and_gradients(lambda a, b: loss(a, b, EVERYTHING), x, y)
    shares = [Share.of(SIZE, rank, ranks) for rank in range(ranks)]
    made = [value_and_gradients(lambda a, b, share=share: loss(a, b, share), x, y) for share in shares]
    assert_close(torch.stack([value for value, _ in made]).mean(), expected, rtol=1e-12, atol=1e-14)
    for side, gradient in enumerate(gradients):
        assert_close(torch.stack([each[side] for _, each in made]).mean(dim=0), gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("size", "ranks"), [(12, 1), (12, 4), (7, 3), (2, 4), (0, 2)])
def test_shares_are_all_rows_once_or_all_rows_for_everybody(size: int, ranks: int) -> None:
    rows = [torch.arange(size)[Share.of(size, rank, ranks).rows].tolist() for rank in range(ranks)]
    everything = list(range(size))
    assert rows == [everything] * ranks if size < ranks else [row for each in rows for row in each] == everything
    for rank, own in enumerate(rows):
        share = Share.of(size, rank, ranks)
        divided = share.ranks if size else 1
        assert share.weight == pytest.approx(len(own) * divided / max(size, 1) if size else 1.0)
