"""Speed of the mutual-information loss, forward and backward, beside plainer ways to write it and a peer.

    python benchmarks/losses.py

The peer is the supervised contrastive loss (Khosla et al. 2020), the usual class-aware contrastive loss, written here
in its common dense form: the same B x B similarities, but no negative terms.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from timing import compare
from torch import Tensor
from torch.nn.functional import normalize

from crossdistill.losses import mutual_information_loss

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def ours(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    return mutual_information_loss(full, other, labels, temperature=0.5)


def direct(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    """Eq. 7 and 8 typed as they stand: infinite as soon as h rounds to 1, so no choice, only a yardstick."""
    h = (normalize(full) @ normalize(other).T / 0.5).softmax(1)
    positive = labels[:, None] == labels[None, :]
    return -(torch.where(positive, h.log(), torch.log1p(-h)).sum(1)).mean()


def every_other(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    """The same value, with 1 - h as the log-sum-exp of the other columns for every column: B x B x B numbers."""
    similarity = normalize(full) @ normalize(other).T / 0.5
    own = torch.eye(len(full), dtype=torch.bool)
    others = similarity[:, None, :].masked_fill(own, -torch.inf).logsumexp(2)
    log_total = similarity.logsumexp(1, keepdim=True)
    positive = labels[:, None] == labels[None, :]
    return -(torch.where(positive, similarity - log_total, others - log_total).sum(1)).mean()


def supervised_contrastive(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    log_h = (normalize(full) @ normalize(other).T / 0.5).log_softmax(1)
    positive = labels[:, None] == labels[None, :]
    return -((log_h * positive).sum(1) / positive.sum(1)).mean()


def timed(loss: Loss, full: Tensor, other: Tensor, labels: Tensor) -> Callable[[], None]:
    def run() -> None:
        full.grad = other.grad = None
        loss(full, other, labels).backward()

    return run


if __name__ == "__main__":
    for batch in (16, 128, 512, 2048):
        generator = torch.Generator().manual_seed(0)
        full = torch.randn(batch, 512, generator=generator, requires_grad=True)
        other = torch.randn(batch, 512, generator=generator, requires_grad=True)
        labels = torch.randint(0, 51, (batch,), generator=generator)
        losses: dict[str, Loss] = {
            "mutual_information_loss": ours,
            "Eq. 7-8 as typed (not finite at small temperatures)": direct,
            "supervised contrastive loss (no negative terms)": supervised_contrastive,
        }
        if batch <= 512:
            losses["log-sum-exp of the others for every column (B x B x B)"] = every_other
        torch.testing.assert_close(ours(full, other, labels), direct(full, other, labels))
        alternatives = {name: timed(loss, full, other, labels) for name, loss in losses.items()}
        compare(f"B = {batch}, D = 512, forward and backward", alternatives, rounds=5 if batch > 512 else 15)
