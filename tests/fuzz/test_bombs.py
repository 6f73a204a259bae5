"""Each bomb is refused in one line that says why, or read, in bounded time and memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.fuzz.pool import Worker
from tests.fuzz.subjects.bombs import BOMBS


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(0) as started:
        yield started


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for a process's memory")
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_is_refused_or_read_in_bounded_time_and_memory(bomb, worker: Worker) -> None:
    outcome = worker.tried(f"bomb-{bomb.__name__}", 0)
    print(f"{outcome.seconds:.1f} s, {outcome.megabytes:.0f} MiB")
    assert not outcome.fault, outcome
    assert BOMBS[bomb] in outcome.said
    assert bool(BOMBS[bomb]) == bool(outcome.said), outcome.said
