"""How much memory a run took at most."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import torch


def reset_peak_memory(device: torch.device) -> None:
    """Forget the earlier peak, where the system can, so that each run of a process measures its own."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]  # a process's first run has no statistics to reset yet
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):  # Linux: see proc_pid_clear_refs(5)
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory of tensors on the GPU; without one, of this whole process since `reset_peak_memory`.

    A process's has Python, libraries and data in it, and begins with it where the system cannot forget (not Linux).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))  # ru_maxrss starts at the parent's peak
        return int(peak.split()[1]) / 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
