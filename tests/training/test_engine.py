"""Which device a run takes, and whose random numbers it leaves alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import lightning_fabric
import pytest
import torch

from crossdistill.training.devices import device_of
from crossdistill.training.distributed import _as_bytes
from crossdistill.training.engine import launched
from crossdistill.training.randomness import seeded
from crossdistill.training.settings import Machine
from crossdistill.types import InputError


def fail(*_: object) -> None:
    raise AssertionError("a GPU was asked")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, as far as a run on its CPU may look."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("get_rng_state", "set_rng_state", "manual_seed", "manual_seed_all", "init", "_lazy_init"):
        monkeypatch.setattr(torch.cuda, name, fail)


@pytest.mark.usefixtures("two_gpus")
def test_a_run_on_the_cpu_wakes_no_gpu_and_gives_the_random_state_back() -> None:
    """Each GPU that is woken takes some hundred MiB of its memory, and a rank would wake those of all others."""
    device = launched(Machine("cpu")).device
    torch.default_generator.manual_seed(3)
    expected = torch.rand(2)
    torch.default_generator.manual_seed(3)
    with seeded(5, device):
        first = torch.rand(4)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(first, torch.rand(4, generator=torch.Generator().manual_seed(5)))


def test_auto_is_a_device_that_has_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which an Apple GPU has not."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert launched(Machine()).device == torch.device("cpu")


@pytest.mark.parametrize("setting", ["machine.accelerator", "--device"])
def test_a_gpu_that_is_not_there_is_refused_by_the_name_of_its_setting(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"^{setting}: cuda: no GPU can be used here; take auto or cpu$"):
        device_of("cuda", setting)
    assert device_of("auto", setting) == device_of("cpu", setting) == torch.device("cpu")


def test_ranks_wait_for_one_that_measures_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own half an hour ends a run whose first rank measures for longer."""
    asked: dict[str, Any] = {}

    def fabric(**options: Any) -> None:
        asked.update(options)
        raise ValueError("enough")

    monkeypatch.setattr(lightning_fabric, "Fabric", fabric)
    with pytest.raises(InputError, match="enough"):
        launched(Machine("cpu", devices=2))
    assert asked["strategy"]._timeout >= timedelta(hours=12)


def test_bytes_of_no_rows() -> None:
    for tensor in (torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool), torch.zeros(0, 2, 5)):
        assert len(_as_bytes(tensor)) == 0
    assert _as_bytes(torch.zeros(2, 3)).shape == (2, 12)
