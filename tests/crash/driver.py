"""Started by test_kills.py: runs that are killed again and again, and what becomes of them.

Each attempt is a process of its own, forked from this one, which has the imports behind it and has trained nothing.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crossdistill.runs.run import run
from crossdistill.types import InputError, one_line
from tests.contracts.test_runs import assert_same_run
from tests.runs.small import gestures, recipe

MADE = recipe(method="kd", epochs=2, auxiliary_epochs=1, checkpoint_every=1)
ALL_THE_TIME = replace(MADE, checkpoint_minutes=1e-9)
"""The same run, which saves after each step."""
MISTAKE = 2


def train(folder: Path) -> None:
    run(ALL_THE_TIME if folder.name.endswith("inside") else MADE, folder, resume=True, dataset=gestures())


def attempt(folder: Path, prepare: Callable[[], object] = lambda: None, after: float = 0.0) -> int:
    """Train in a process of its own; prepare: done in it before; after: seconds after which it is killed, 0 for never.
    Returns its exit status as the system has it: negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
            train(folder)
            os._exit(0)
        except (InputError, OSError) as error:
            with suppress(OSError):
                (folder.parent / "said").write_text(one_line(error))
            os._exit(MISTAKE)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    if after:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(folder: Path, count: int) -> Callable[[], None]:
    """Kill this process when it is about to open, rename, link, remove or flush in the folder for the count-th time."""
    left = count

    def met() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.link", "os.remove") and str(arguments[0]).startswith(str(folder)):
            met()

    def arm() -> None:
        sys.addaudithook(watch)
        flush = os.fsync
        os.fsync = lambda descriptor: (met(), flush(descriptor))[1]  # type: ignore[assignment]

    return arm


def kills(root: Path, times: int, seed: int) -> int:
    """At least so many kills, each run resumed to its end and compared with one that nothing happened to."""
    chance = random.Random(seed)
    whole = root / "whole"
    began = time.perf_counter()
    assert attempt(whole) == 0
    seconds, killed, number = time.perf_counter() - began, 0, 0
    while killed < times:
        folder = root / f"run{number}{'-inside' if number % 2 else ''}"
        number += 1
        for _ in range(8):
            if chance.random() < 0.5:
                status = attempt(folder, after=chance.uniform(0.02, 0.8 * seconds))
            else:
                status = attempt(folder, kill_at(folder, chance.randint(1, 60)))
            assert status in (0, -signal.SIGKILL), status
            killed += status != 0
            if status == 0:
                break
        assert attempt(folder) == 0
        assert_same_run(folder, whole)
        assert not list(folder.glob("*.partial")), "nothing is left over"
    return killed


def full_disks(root: Path) -> int:
    """Files that may not grow beyond a size, as on a full disk: one line, and nothing lost when there is room again."""
    whole = root / "whole"
    assert attempt(whole) == 0
    largest = max(path.stat().st_size for path in whole.iterdir())
    limits = [0, 300, 1500, 4000, largest // 2, largest - 1]
    for limit in limits:
        folder = root / f"full{limit}"

        def fill(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        (root / "said").unlink(missing_ok=True)
        assert attempt(folder, fill) == MISTAKE, limit
        assert attempt(folder) == 0
        assert_same_run(folder, whole)
    return len(limits)


def main(what: str, folder: Path, times: int, seed: int) -> None:
    torch.set_num_threads(1)
    print(full_disks(folder) if what == "full" else kills(folder, times, seed))
