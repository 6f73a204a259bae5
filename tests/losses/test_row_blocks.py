"""The loss by blocks of rows: of any size, at any temperature, with little memory, and as a kernel on a GPU."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn.functional import normalize

from crossdistill.losses import mutual_information, mutual_information_bound, mutual_information_loss, row_blocks
from crossdistill.losses.row_blocks import loss_and_bound, rows_in_torch
from tests.losses import equations
from tests.losses.examples import normal

LABELS = {
    "some of each": lambda size: torch.arange(size) * 7 % 5 % 3,
    "one class": lambda size: torch.zeros(size, dtype=torch.int64),
    "all distinct": lambda size: torch.arange(size),
}


def value_and_gradients(full: Tensor, other: Tensor, labels: Tensor, tau: float, mean: bool, rows: int) -> list[Tensor]:
    full, other = full.clone().requires_grad_(), other.clone().requires_grad_()
    loss, bound = loss_and_bound(full, other, labels, tau, mean, rows=rows)
    return [loss.detach(), bound, *torch.autograd.grad(loss, (full, other))]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize(("size", "rows"), [(1, 1), (2, 1), (5, 2), (12, 5), (12, 64), (33, 32)])
@pytest.mark.parametrize("tau", [0.01, 0.5])
def test_blocks_of_any_size_are_the_printed_equation(labels: str, mean: bool, size: int, rows: int, tau: float) -> None:
    full, noise, given = normal(size, 4, seed=1), normal(size, 4, seed=2), LABELS[labels](size)
    other = full + 0.3 * noise
    loss, bound, *gradients = value_and_gradients(full, other, given, tau, mean, rows)
    arguments = (full.tolist(), other.tolist(), given.tolist(), tau)
    expected = equations.mutual_information_loss(*arguments, "mean" if mean else "sum")
    assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert bound.item() == pytest.approx(equations.mutual_information_bound(*arguments), rel=1e-10, abs=1e-12)
    whole = value_and_gradients(full, other, given, tau, mean, size)
    for one, in_one_block in zip(gradients, whole[2:], strict=True):
        torch.testing.assert_close(one, in_one_block, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize(("believed", "both_ways"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("rows", [5, 13, 64])
def test_strips_of_a_block_are_the_block(
    mean: bool, believed: bool, both_ways: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, beliefs = LABELS["some of each"](26), normal(26, 3, seed=5).softmax(1) if believed else None

    def made(strip: int) -> list[Tensor]:
        monkeypatch.setattr(row_blocks, "_rows_of_strip", lambda full: strip)
        full, other = normal(26, 4, seed=3).requires_grad_(), normal(26, 4, seed=4).requires_grad_()
        loss, bound = loss_and_bound(full, other, labels, 0.1, mean, beliefs, rows, both_ways)
        return [loss.detach(), bound, *torch.autograd.grad(loss, (full, other))]

    whole = made(64)
    for strip in (1, 4, 5):
        for one, other in zip(made(strip), whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("believed", [False, True])
@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_gradients_are_the_value_s_slopes(labels: str, mean: bool, believed: bool, tau: float) -> None:
    full, other = normal(7, 3, seed=3).requires_grad_(), normal(7, 3, seed=4).requires_grad_()
    beliefs = normal(7, 3, seed=5).softmax(1) if believed else None

    def loss(one: Tensor, two: Tensor) -> Tensor:
        return loss_and_bound(one, two, LABELS[labels](7), tau, mean, beliefs, rows=3)[0]

    assert gradcheck(loss, (full, other))
    for moves in ((True, False), (False, True)):  # a side that is fixed gets none
        sides = [side.detach().requires_grad_(moving) for side, moving in zip((full, other), moves, strict=True)]
        loss(*sides).backward()
        assert [side.grad is not None for side in sides] == list(moves)


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("tau", [0.5, 0.01, 0.002])
@pytest.mark.parametrize("alike", [1, 2, 5])
def test_a_candidate_that_is_surely_of_the_anchor_s_class_does_not_count(mean: bool, tau: float, alike: int) -> None:
    """Also where it is so near, and τ so small, that a least weight would not hold it down: the first anchors' loss is
    that of a batch without those candidates."""
    full, other = normal(6, 4, seed=3), normal(6, 4, seed=4)
    other[:alike] = full[:1] + 0.01 * normal(alike, 4, seed=6)  # nearer to the first than its own
    other[0] = -full[0]
    labels = torch.arange(6)
    beliefs = torch.eye(6, dtype=torch.float64)[[0] * alike + list(range(alike, 6))]

    def first(one: Tensor, two: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        one, two = one[rows].to(dtype).requires_grad_(), two[rows].to(dtype).requires_grad_()
        room = [torch.empty(1, len(rows), dtype=dtype) for _ in range(3)]
        z = (normalize(one[:1], dim=1) @ normalize(two, dim=1).T / tau).detach()
        apart = (1 - beliefs[rows[:1]] @ beliefs[rows].T).to(dtype)
        loss, _ = rows_in_torch(z, room, labels[rows[:1]], labels[rows], apart, mean, True)
        return loss, z

    everyone, those_apart = torch.arange(6), torch.tensor([0, *range(alike, 6)])
    for dtype, near in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        loss, gradient = first(full, other, everyone, dtype)
        alone, of_alone = first(full, other, those_apart, dtype)
        torch.testing.assert_close(loss, alone, rtol=near, atol=near)
        torch.testing.assert_close(gradient[:, those_apart], of_alone, rtol=near, atol=near)
        assert not gradient[:, 1:alike].any()


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_nearly_equal_rows_at_a_small_temperature(labels: str, reduction: str) -> None:
    """The top's 1 − h and the others' q are hundreds of orders of magnitude apart there; float32 keeps what matters."""
    full = normal(1, 8, seed=6) + 1e-6 * normal(24, 8, seed=7)
    full[12:] = normal(12, 8, seed=8)
    other = full + 1e-6 * normal(24, 8, seed=9)
    given = LABELS[labels](24)

    def made(one: Tensor, two: Tensor) -> tuple[Tensor, list[Tensor]]:
        one, two = one.clone().requires_grad_(), two.clone().requires_grad_()
        loss = mutual_information_loss(one, two, given, 0.01, reduction)  # type: ignore[arg-type]
        return loss.detach(), list(torch.autograd.grad(loss, (one, two)))

    exact, gradients = made(full, other)
    slow = equations.mutual_information_loss(full.tolist(), other.tolist(), given.tolist(), 0.01, reduction)
    assert exact.item() == pytest.approx(slow, rel=1e-8)
    single, single_gradients = made(full.float(), other.float())
    assert single.item() == pytest.approx(slow, rel=1e-3, abs=1e-3)
    for one, two in zip(single_gradients, gradients, strict=True):
        assert torch.isfinite(one).all()
        assert (one.double() - two).norm() <= 2e-2 * two.norm() + 1e-3


def test_loss_and_bound_of_one_pass_are_those_of_two() -> None:
    full, other, labels = normal(20, 6, seed=10).requires_grad_(), normal(20, 6, seed=11), LABELS["some of each"](20)
    made = mutual_information(full, other, labels, 0.2, "mean")
    assert torch.equal(made.loss, mutual_information_loss(full, other, labels, 0.2, "mean"))
    assert torch.equal(made.bound, mutual_information_bound(full, other, labels, 0.2))
    assert not made.bound.requires_grad


MEMORY = r"""
import re, torch
from pathlib import Path
from crossdistill.losses import mutual_information_loss
def run(size):
    full, other = (torch.randn(size, 8).requires_grad_() for _ in range(2))
    mutual_information_loss(full, other, torch.arange(size) % 10).backward()
def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
run(256)
before = peak()
run(8192)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_of_all_pairs_is_kept() -> None:
    """One matrix of all pairs would be 256 MiB."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 1 < float(done.stdout) < 100


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@GPU
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1, 2, 3, 33, 300, 9000])
def test_the_kernel_is_the_torch_code(size: int, dtype: torch.dtype) -> None:
    """9,000 columns are more than a program has at a time."""
    from crossdistill.losses.row_kernel import rows_in_kernel

    for name, mean, believed, tau in itertools.product(LABELS, (False, True), (False, True), (0.01, 0.5)):
        full, noise = normal(min(size, 64), 6, seed=size), normal(size, 6, seed=size + 1)
        candidates = torch.nn.functional.normalize(noise + 3 * full.repeat(size, 1)[:size])
        z = (torch.nn.functional.normalize(full) @ candidates.T / tau).to("cuda", dtype)
        labels = LABELS[name](size).cuda()
        anchors = labels[: len(z)]
        apart = (1 - normal(len(z), size, seed=3).abs().clamp(0, 1)).to("cuda", dtype) if believed else None
        ours, theirs = z.clone(), z.clone()
        spare = [torch.empty_like(z) for _ in range(3)]
        made = rows_in_kernel(ours, (), anchors, labels, apart, mean, True)
        expected = rows_in_torch(theirs, spare, anchors, labels, apart, mean, True)
        rtol = 1e-10 if dtype == torch.float64 else 2e-4
        for one, two in zip((*made, ours), (*expected, theirs), strict=True):
            torch.testing.assert_close(one, two, rtol=rtol, atol=rtol * float(two.abs().max()))


@GPU
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_on_a_gpu_it_is_the_cpu_s_loss_and_the_same_each_time(reduction: str) -> None:
    full, other, labels = normal(700, 16, seed=12), normal(700, 16, seed=13), torch.arange(700) % 9

    def made(device: str) -> list[Tensor]:
        one, two = full.to(device).requires_grad_(), other.to(device).requires_grad_()
        loss = mutual_information_loss(one, two, labels.to(device), 0.1, reduction)  # type: ignore[arg-type]
        return [loss.detach().cpu(), *(gradient.cpu() for gradient in torch.autograd.grad(loss, (one, two)))]

    for on_gpu, again, on_cpu in zip(made("cuda"), made("cuda"), made("cpu"), strict=True):
        assert torch.equal(on_gpu, again)
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-10, atol=1e-12)
