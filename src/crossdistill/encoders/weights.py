"""Checkpoints of published networks: read without running code, and loaded key by key or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from crossdistill.types import InputError, one_line

_rebuild_array, _rebuild_number = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
_ARRAYS: list[Any] = [  # scripts keep a sampler's state beside the weights, in arrays, which are as harmless as tensors
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"},
    _rebuild_array,
    _rebuild_number,
    (_rebuild_array, "numpy.core.multiarray._reconstruct"),  # NumPy 1's names
    (_rebuild_number, "numpy.core.multiarray.scalar"),
]


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """The state dict in a .safetensors, .pt or .pth file: bare, or under "model" or "state_dict", and without the
    "module." that DataParallel puts before every key.

    Nothing but tensors, numbers, text and arrays is unpickled. Raises InputError for a file that is missing, damaged,
    or holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except Exception as error:  # what a damaged file raises depends on the damage
        reason = one_line(error)[:160]
        raise InputError(f"{path}: not a readable file of tensors ({type(error).__name__}: {reason})") from error
    state = next((content[key] for key in ("model", "state_dict") if _holds_state(content, key)), content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: expected a state dict of tensors, bare or under 'model' or 'state_dict'")
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): value for key, value in state.items()}


def load_weights(
    module: nn.Module, state: Mapping[str, Tensor], source: Path | str, ignored: Sequence[str] = ()
) -> None:
    """Copy a state dict into `module`, which must have the same keys and shapes.

    ignored: beginnings of keys that are left out, such as those of the head on which the weights were trained.
    BatchNorm's counters of batches, which old and converted files lack, may be missing: nothing here reads them.
    Raises InputError, naming `source`, what was expected and what was found, and then changes nothing.
    """
    expected_state = module.state_dict()
    given = {key: value for key, value in state.items() if not key.startswith(tuple(ignored))}
    for key in [key for key in expected_state if key in given and given[key].shape != expected_state[key].shape]:
        expected, found = tuple(expected_state[key].shape), tuple(given[key].shape)
        raise InputError(f"{source}: {key}: expected shape {expected}, found {found}")
    missing = [key for key in expected_state if key not in given and not key.endswith(".num_batches_tracked")]
    unexpected = [key for key in given if key not in expected_state]
    if missing or unexpected:
        expected_key = f"expected {_first(missing)}" if missing else "no more keys expected"
        found_key = f"found {_first(unexpected)}" if unexpected else "not found"
        raise InputError(f"{source}: keys do not fit: {expected_key}, {found_key}")
    module.load_state_dict(given, strict=False)


def _unpickle(path: Path) -> Any:
    with torch.serialization.safe_globals(_ARRAYS):
        return torch.load(path, map_location="cpu", weights_only=True)


def _holds_state(content: Any, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _first(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more}"
