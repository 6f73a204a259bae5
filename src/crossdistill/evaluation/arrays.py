"""What is measured: arrays and tensors on any device alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[np.generic] | Tensor


def as_numpy(values: Array) -> npt.NDArray[np.generic]:
    """An array as it is; a tensor of any device and precision as one of the same numbers."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        # numpy has no bfloat16; float64 stays, of which numbers far from 0 need every digit
        is_narrow = values.is_floating_point() and values.element_size() < 4
        return np.asarray((values.float() if is_narrow else values).numpy())
    return np.asarray(values)
