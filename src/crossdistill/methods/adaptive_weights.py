"""The discriminators' adaptive weights: Eq. 14."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptiveWeights(nn.Module):
    """λ1, λ2 of D1 and D2, by how badly M and S are aligned (Eq. 14): start (½, ½), positive, adding up to 1.

    The discriminator whose pairs are aligned worse weighs more in Eq. 12 and 13.

    beta: the moving average's smoothing, in (0, 1). Raises ValueError outside it.

    >>> from crossdistill.methods import AdaptiveWeights
    >>> adaptive = AdaptiveWeights(beta=0.5)
    >>> adaptive.weights
    (0.5, 0.5)
    >>> adaptive.update(0.9, 0.1)  # own pairs are aligned well, those of a class are not: more weight to D2
    >>> [round(weight, 3) for weight in adaptive.weights]
    [0.401, 0.599]
    """

    moving_average: Tensor

    def __init__(self, beta: float = 0.9) -> None:
        super().__init__()
        if not 0 < beta < 1:
            raise ValueError(f"expected beta in (0, 1), got {beta}")
        self.beta = beta
        self.register_buffer("moving_average", torch.full((2,), 0.5, dtype=torch.float64))

    @property
    def weights(self) -> tuple[float, float]:
        first, second = self.moving_average.softmax(dim=0).tolist()
        return first, second

    def update(self, mean_cosine_1: float, mean_cosine_2: float) -> None:
        """Take, once per epoch, the epoch's mean cosines.

        Args:
            mean_cosine_1: mean of Φ(M_i, S_i)
            mean_cosine_2: mean of Φ(M_v, S_v^{η_j}), j ≠ 0
        """
        cosines = self.moving_average.new_tensor([mean_cosine_1, mean_cosine_2])
        self.moving_average.mul_(self.beta).add_((1 - self.beta) * (1 - cosines))
