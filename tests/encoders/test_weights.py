"""Files of weights: every usual wrapping is taken off, nothing runs, and what does not fit is one line."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crossdistill.encoders.weights import load_weights, read_weights
from crossdistill.types import InputError

STATE = {"first.weight": torch.arange(6.0).reshape(2, 3), "first.bias": torch.tensor([-1.0, 1.0])}
SAMPLER = {"indexes": np.arange(5), "pointers": [np.int64(3)], "seen": np.zeros(2, dtype=np.float32)}
WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": lambda state: state,
    "ordered": OrderedDict,
    "model": lambda state: {"model": state, "iteration": 5},
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}},
    "parallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "parallel model": lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
    "beside a sampler's arrays": lambda state: {"iteration": 9, "model": state, "sampler": SAMPLER},
}


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2)


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def values(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("ending", ["pt", "pth"])
def test_whatever_it_is_wrapped_in_the_state_dict_comes_out(wrapping: str, ending: str, tmp_path: Path) -> None:
    found = read_weights(saved(WRAPPINGS[wrapping](STATE), tmp_path / f"weights.{ending}"))
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.safetensors")
    found = read_weights(tmp_path / "weights.safetensors")
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_arrays_that_numpy_1_wrote_are_read(tmp_path: Path) -> None:
    """PANNs' checkpoints are of 2019; NumPy 2 calls the functions that rebuild arrays and numbers otherwise."""
    new, old = saved({"model": STATE, "sampler": SAMPLER}, tmp_path / "new.pt"), tmp_path / "old.pt"
    renamed = 0
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            renamed += content.count(b"numpy._core.multiarray")
            target.writestr(name, content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert renamed >= 2
    assert torch.equal(read_weights(old)["first.weight"], STATE["first.weight"])


def test_the_legacy_format_is_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "old.pth")["first.bias"], STATE["first.bias"])


def test_a_key_that_merely_starts_with_module_is_kept(tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(2), "bias": torch.ones(2)}
    assert list(read_weights(saved(state, tmp_path / "weights.pt"))) == list(state)


class Harmful:
    """Runs a command when unpickled by a reader that allows it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    path = saved({"model": STATE, "args": Harmful(tmp_path / "ran")}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights\.pt: not a readable file of tensors \(UnpicklingError"):
        read_weights(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1.0], {}, {"model": {}}, {"weight": 3.0}, torch.ones(3), {"model": {"a": "b"}}])
def test_what_holds_no_state_dict_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights\.pt: expected a state dict of tensors"):
        read_weights(saved(content, tmp_path / "weights.pt"))


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 40], ids=["empty", "text", "noise"])
def test_a_damaged_file_is_one_line_that_names_it(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: not a readable file of tensors") as caught:
        read_weights(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_half_a_file_is_damaged(ending: str, tmp_path: Path) -> None:
    whole = tmp_path / f"weights.{ending}"
    if ending == "pt":
        torch.save(STATE, whole)
    else:
        save_file(STATE, whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match="not a readable file of tensors"):
        read_weights(whole)


@pytest.mark.parametrize("name", ["nowhere.pt", "."])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file of weights"):
        read_weights(tmp_path / name)


def test_values_are_copied_and_heads_left_out() -> None:
    module = Small()
    load_weights(module, {**STATE, "fc.weight": torch.ones(5), "fc.bias": torch.ones(5)}, "file", ignored=("fc.",))
    assert all(torch.equal(values(module)[key], STATE[key]) for key in STATE)


MISFITS = {
    "shape": (
        {**STATE, "first.weight": torch.ones(2, 4)},
        r"^file: first.weight: expected shape \(2, 3\), found \(2, 4",
    ),
    "missing": ({"first.weight": STATE["first.weight"]}, "^file: keys do not fit: expected first.bias, not found$"),
    "unexpected": ({**STATE, "second": torch.ones(1)}, "^file: keys do not fit: no more keys expected, found second$"),
    "others": ({"a": torch.ones(1), "b": torch.ones(1)}, "expected first.weight and 1 more, found a and 1 more$"),
    "nothing": ({}, "expected first.weight and 1 more, not found$"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_changes_nothing(case: str) -> None:
    state, message = MISFITS[case]
    module = Small()
    before = values(module)
    with pytest.raises(InputError, match=message):
        load_weights(module, state, "file")
    assert all(torch.equal(before[key], value) for key, value in values(module).items())


def test_a_head_is_left_out_by_the_beginning_of_its_keys_only() -> None:
    with pytest.raises(InputError, match=r"found first\.fc\.weight$"):
        load_weights(Small(), {**STATE, "first.fc.weight": torch.ones(1)}, "file", ignored=("fc.",))


def test_counters_of_batches_may_be_missing_but_statistics_may_not() -> None:
    module = nn.Sequential(nn.BatchNorm1d(2))
    state = {key: value for key, value in values(module).items() if not key.endswith("num_batches_tracked")}
    load_weights(module, state, "file")
    del state["0.running_var"]
    with pytest.raises(InputError, match=r"expected 0\.running_var, not found"):
        load_weights(module, state, "file")
