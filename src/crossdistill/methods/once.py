"""What the turns of a step and its end ask for alike, made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor

Made = TypeVar("Made")


class Once(Generic[Made]):
    """What was made of a tensor, kept until another tensor is asked about, or the same after a change in place.

    >>> import torch
    >>> from crossdistill.methods.once import Once
    >>> sums, labels = Once[float](), torch.tensor([1, 2])
    >>> sums.of(labels, lambda: float(labels.sum())), sums.of(labels, lambda: -1.0)
    (3.0, 3.0)
    >>> sums.of(labels.add_(1), lambda: float(labels.sum()))
    5.0
    """

    def __init__(self) -> None:
        self._kept: tuple[Tensor, int, Made] | None = None

    def of(self, tensor: Tensor, make: Callable[[], Made]) -> Made:
        version = 0 if tensor.is_inference() else tensor._version  # which is not counted in inference mode
        kept = self._kept
        if kept is None or kept[0] is not tensor or kept[1] != version:
            kept = self._kept = tensor, version, make()
        return kept[2]
