"""Starting the engine, and what a run needs of the process: threads, deterministic kernels, quiet libraries."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Protocol, TypeVar, cast

import torch
from torch import nn

from crossdistill.extras import needed_for
from crossdistill.training.devices import device_of
from crossdistill.training.settings import Machine
from crossdistill.types import InputError, one_line

Part = TypeVar("Part", bound=nn.Module)

_LONGEST_WAIT = timedelta(days=1)
"""Of ranks for one that measures or saves alone, which may take hours; one that has died is noticed without it."""
_WATCH = "crossdistill: ends with its launcher"


class Engine(Protocol):
    """What training asks of its engine: Lightning Fabric has it for several processes, `OneProcess` for one."""

    @property
    def device(self) -> torch.device: ...
    @property
    def world_size(self) -> int: ...
    @property
    def global_rank(self) -> int: ...
    @property
    def is_global_zero(self) -> bool: ...
    def to_device(self, obj: Part) -> Part: ...
    def autocast(self) -> AbstractContextManager[None]: ...
    def barrier(self) -> None: ...
    def broadcast(self, obj: Any) -> Any: ...


@dataclass(frozen=True)
class OneProcess:
    """The engine of a run in one process; importing Fabric would take longer than importing PyTorch.

    device: where it computes; precision: of encoders, fusion and classifiers, as `Machine` has it

    >>> import torch
    >>> from crossdistill.training.engine import OneProcess
    >>> engine = OneProcess(torch.device("cpu"), "bf16-mixed")
    >>> with engine.autocast():
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "32-true"
    world_size: ClassVar[int] = 1
    global_rank: ClassVar[int] = 0
    is_global_zero: ClassVar[bool] = True

    def to_device(self, obj: Part) -> Part:
        return obj.to(self.device)

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed")

    def barrier(self) -> None:
        """Nobody to wait for."""

    def broadcast(self, obj: Any) -> Any:
        return obj


def launched(machine: Machine) -> Engine:
    """The engine on this machine, its processes started; under torchrun those that it has started.

    Raises InputError for an accelerator that this machine does not have.
    """
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", machine.devices))
    nodes = int(os.environ["GROUP_WORLD_SIZE"]) if "GROUP_WORLD_SIZE" in os.environ else machine.nodes
    end_with_launcher()
    device = device_of(machine.accelerator, "machine.accelerator")
    if devices * nodes == 1:
        return OneProcess(device, machine.precision)
    with needed_for("training on several devices"):
        from lightning_fabric import Fabric  # seconds, which a run in one process need not wait for
        from lightning_fabric.strategies.ddp import DDPStrategy

    try:
        engine = Fabric(
            accelerator=device.type,
            devices=devices,
            num_nodes=nodes,
            strategy=DDPStrategy(timeout=_LONGEST_WAIT),
            precision=machine.precision,
        )
    except (RuntimeError, ValueError, TypeError) as error:  # what there is no such device for
        raise InputError(f"machine: {one_line(error)[:200]}") from error
    started = getattr(engine.strategy.launcher, "procs", None)
    if started is not None and "LOCAL_RANK" not in os.environ:
        end_with_ranks(started)  # before it launches: that waits until all ranks have met
    engine.launch()
    return cast(Engine, engine)


def end_with_launcher() -> None:
    """End this process when the one that started it as a rank dies: torchrun's agent, the first rank of a script.

    A rank that lived on would write into a folder in which the run is resumed. Does nothing in a process that no
    launcher started, such as one whose terminal may close.
    """
    started_by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    started_by_first_rank = os.environ.get("LOCAL_RANK", "0") != "0"
    watched = any(thread.name == _WATCH for thread in threading.enumerate())
    if (started_by_torchrun or started_by_first_rank) and not watched:
        threading.Thread(target=_watch_parent, args=(os.getppid(),), name=_WATCH, daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:  # an orphan gets another one
        time.sleep(0.5)
    print("crossdistill: this rank's launcher is gone, so it ends, too; continue with --resume", file=sys.stderr)
    os._exit(1)


def end_with_ranks(started: list[subprocess.Popen[bytes]], patience: float = 5.0) -> None:
    """End this process, with one line, when one of the ranks that it starts fails: by itself within `patience` seconds,
    as where it waits for the other, else by force.

    started: where Fabric's launcher puts the ranks; they are taken out of it, since its own observer would end this
    process by SIGKILL, without a word.
    """
    threading.Thread(target=_watch_ranks, args=(started, patience), daemon=True).start()


def _watch_ranks(started: list[subprocess.Popen[bytes]], patience: float) -> None:
    ranks = list[subprocess.Popen[bytes]]()
    while not any(codes := [rank.poll() for rank in ranks]):  # None while it runs, 0 at its good end
        if ranks and all(code == 0 for code in codes):
            return
        while started:
            ranks.append(started.pop())
        time.sleep(0.2)
    time.sleep(patience)
    for rank in ranks:
        rank.kill()
    print("crossdistill: another rank has ended, so this one ends, too; continue with --resume", file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """On this many CPU threads inside, as many as before where it is 0; the process has its own number afterwards."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if threads:
            torch.set_num_threads(before)


@contextmanager
def with_gradients() -> Iterator[None]:
    """Gradients inside, though the caller has switched them off, as notebooks that predict do."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Deterministic kernels wherever there are any, inside; for a process that is ours."""
    before = torch.get_deterministic_debug_mode()
    # not `use_deterministic_algorithms`, which imports the compiler: as many seconds as PyTorch itself
    torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def silence_libraries() -> None:
    """No warnings of libraries from this process, unless Python was asked for them: one of many, whose parent says what
    there is to say."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.root.addHandler(logging.NullHandler())


def own_process() -> None:
    """Settings of the whole process, where it is ours: the command line, its workers, the ranks that torchrun starts.

    Launch notices of the engine are not this program's output. To be called after its import, which sets its level.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    warnings.filterwarnings("ignore", message=".*all_gather is deprecated.*")
    warnings.filterwarnings("ignore", message="This DataLoader will create .* worker processes")  # the recipe's choice
