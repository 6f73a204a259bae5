"""The normalised temperature-scaled cross-entropy (NT-Xent; Chen, Kornblith, Norouzi, Hinton, ICML 2020)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from crossdistill.losses.checks import full_precision, require_pair, require_temperature, without_autocast
from crossdistill.losses.cosine import unit_rows
from crossdistill.types import EVERYTHING, Share


def nt_xent_loss(
    first: Float[Tensor, "batch width"],
    second: Float[Tensor, "batch width"],
    temperature: float = 0.3,
    share: Share = EVERYTHING,
) -> Float[Tensor, ""]:
    """Each of the 2B rows is to find its sample's other row among the 2B - 1 other rows; GMC's term of one modality.

    Use it where both kinds of rows lie in one space and are to spread over it (GMC: Poklukar et al., ICML 2022).

    The mean over i of -log( exp(cos(z_i, z_i')/τ) / Σ_{j ≠ i} exp(cos(z_i, z_j)/τ) ), in nats, z_i' being the other row
    of z_i's sample. Rows of one kind are each other's negatives too, which InfoNCE does not have. 0 for B = 1.
    Gradients reach both.

    Args:
        first: (B, D)
        second: (B, D), row i of one sample with row i of `first`
        temperature: τ > 0
        share: the anchors of both that this rank computes, of a batch that ranks divide; the ranks' mean is then the
            loss

    Raises:
        ValueError: a shape or dtype mismatch, or τ ≤ 0.

    >>> import torch
    >>> from crossdistill.losses import nt_xent_loss
    >>> float(nt_xent_loss(torch.eye(3), torch.eye(3))) < float(nt_xent_loss(torch.eye(3), torch.eye(3).roll(1, 0)))
    True
    >>> round(float(nt_xent_loss(torch.ones(3, 3), torch.ones(3, 3))), 3)  # nothing tells the 5 others apart: log 5
    1.609
    """
    require_pair(first, second, ("first", "second"), "(B, D)")
    require_temperature(temperature)
    size = len(first)
    rows = unit_rows(torch.cat([full_precision(first), full_precision(second)]))
    places = torch.arange(2 * size, device=rows.device).view(2, size)
    own, partners = places[:, share.rows].flatten(), places.flip(0)[:, share.rows].flatten()
    anchors = rows.view(2, size, -1)[:, share.rows].flatten(0, 1)
    with without_autocast(rows):
        similarity = (anchors @ rows.T / temperature).scatter(1, own[:, None], -torch.inf)
    return share.ranks / (2 * size) * cross_entropy(similarity, partners, reduction="sum")
