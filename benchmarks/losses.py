"""Price of the mutual-information loss, forward and backward, in units of its three matrix products.

    python benchmarks/losses.py [--device cuda] [--batches 256,1024,4096,8192] [--widths 128,512] [--tiny]

Similarities forward and a product for each gradient are what any loss over all pairs of a batch must compute: their
time is 1. Beside ours: Eq. 7-8 typed as they stand, the supervised contrastive loss (Khosla et al. 2020) in its common
dense form, and pytorch-metric-learning's, where it is installed. Memory is what a loss takes on top of its inputs and
their gradients. Targets: on a CPU 1.6 at D = 512 and 2.3 at D = 128 from B = 4,096 on, on a GPU 1.3; below 100 MiB.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from crossdistill.losses import mutual_information_loss

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
TARGETS, LARGE = {128: 2.3, 512: 1.6}, 4096  # on a CPU, by width, from this batch on
CLASSES, DENSE = 51, 16384  # beyond this batch losses that keep B x B matrices are left out


def ours(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    return mutual_information_loss(full, other, labels, temperature=0.5)


def as_typed(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    """Eq. 7 and 8 typed as they stand: infinite as soon as h rounds to 1, so no choice, only a yardstick."""
    h = (normalize(full) @ normalize(other).T / 0.5).softmax(1)
    positive = labels[:, None] == labels[None, :]
    return -(torch.where(positive, h.log(), torch.log1p(-h)).sum(1)).mean()


def supervised_contrastive(full: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    log_h = (normalize(full) @ normalize(other).T / 0.5).log_softmax(1)
    positive = labels[:, None] == labels[None, :]
    return -((log_h * positive).sum(1) / positive.sum(1)).mean()


def losses() -> dict[str, Loss]:
    found = {
        "mutual_information_loss": ours,
        "Eq. 7-8 as typed": as_typed,
        "supervised contrastive": supervised_contrastive,
    }
    try:
        from pytorch_metric_learning.losses import SupConLoss
    except ImportError:
        return found
    peer = SupConLoss(temperature=0.5)
    found["pytorch-metric-learning's SupConLoss"] = lambda full, other, labels: peer(full, labels, None, other, labels)
    return found


def inputs(batch: int, width: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    full, other = (torch.randn(batch, width, generator=generator).to(device).requires_grad_() for _ in range(2))
    return full, other, torch.randint(0, CLASSES, (batch,), generator=generator).to(device)


def products(full: Tensor, other: Tensor, _: Tensor) -> None:
    similarity = full.detach() @ other.detach().T
    _to_full, _to_other = similarity @ other.detach(), similarity.T @ full.detach()


def backward_of(loss: Loss) -> Callable[[Tensor, Tensor, Tensor], None]:
    def run(full: Tensor, other: Tensor, labels: Tensor) -> None:
        full.grad = other.grad = None
        loss(full, other, labels).backward()

    return run


def seconds(run: Callable[..., None], given: tuple[Tensor, Tensor, Tensor], repeats: int) -> float:
    """Of one call, without other processes' share of the CPU."""
    on_gpu = given[0].is_cuda
    if on_gpu:
        torch.cuda.synchronize()
    clock = time.perf_counter if on_gpu else time.process_time
    started = clock()
    for _ in range(repeats):
        run(*given)
    if on_gpu:
        torch.cuda.synchronize()
    return (clock() - started) / repeats


def mebibytes(name: str, batch: int, width: int, device: str) -> float:
    """What the loss took at most, in this process, which must have run nothing larger before."""
    given = inputs(batch, width, device)
    run = backward_of(losses()[name])
    run(*inputs(64, width, device))  # libraries' own
    gradients = 2 * batch * width * 4 / 2**20
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run(*given)
        return (torch.cuda.max_memory_allocated() - before) / 2**20 - gradients
    before = _peak()
    run(*given)
    return _peak() - before - gradients


def _peak() -> float:
    """MiB that this process has taken at most; what getrusage says begins with its parent's."""
    kibibytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kibibytes[1]) / 2**10 if kibibytes else math.nan


def table(batches: Sequence[int], width: int, device: str) -> None:
    found: dict[str, dict[int, str]] = {}
    for batch in batches:
        given = inputs(batch, width, device)
        runs = {name: backward_of(loss) for name, loss in losses().items() if loss is ours or batch <= DENSE}
        repeats, rounds = max(1, (1024 if device == "cpu" else 8192) // batch), 5 if batch <= 8192 else 3
        timed: dict[str, list[float]] = {name: [] for name in ("three products", *runs)}
        for turn in range(rounds + 1):
            for name, run in {"three products": products, **runs}.items():
                taken = seconds(run, given, repeats)
                if turn > 0:
                    timed[name].append(taken)
        unit = statistics.median(timed["three products"])
        for name, values in timed.items():
            shown = f"{1000 * unit:,.2f} ms" if name == "three products" else f"{statistics.median(values) / unit:.2f}"
            found.setdefault(name, {})[batch] = shown
    print(
        f"\n| D = {width} | "
        + " | ".join(f"B = {batch:,}" for batch in batches)
        + " |\n"
        + "|---" * (len(batches) + 1)
        + "|"
    )
    for name, cells in found.items():
        print(f"| {name} | " + " | ".join(cells.get(batch, "") for batch in batches) + " |", flush=True)
    target = 1.3 if device == "cuda" else TARGETS.get(width, math.nan)
    goals = [f"≤ {target}" if batch >= LARGE and target == target else "" for batch in batches]
    print(f"| target of ours | {' | '.join(goals)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batches", type=numbers, default=[])
    parser.add_argument("--widths", type=numbers, default=[128, 512])
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    parser.add_argument("--memory-of", nargs=3, metavar=("NAME", "B", "D"), help="print the MiB of one loss, and end")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        name, batch, width = arguments.memory_of
        print(mebibytes(name, int(batch), int(width), arguments.device))
        return 0
    usual = [256, 1024, 4096, 8192] if arguments.device == "cpu" else [256, 1024, 4096, 8192, 32768, 131072]
    batches = [16, 64] if arguments.tiny else arguments.batches or usual
    for width in arguments.widths:
        table(batches, width, arguments.device)
    size, width = min(batches[-1], 8192), arguments.widths[-1]
    print(f"\nMiB beside inputs and gradients, B = {size:,}, D = {width}, target of ours below 100:")
    for name in losses():
        words = ["--device", arguments.device, "--memory-of", name, str(size), str(width)]
        made = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=True)
        print(f"  {name}: {float(made.stdout):,.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
