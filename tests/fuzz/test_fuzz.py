"""Mutated inputs of every kind: one line or a right answer, in bounded time and memory. See `tests/fuzz/__init__.py`.

`make test-fuzz CASES=10000` tries more of them.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.fuzz.pool import again, fuzz


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for a process's memory")
def test_mutated_inputs_end_in_one_line_or_a_right_answer() -> None:
    cases, seed = int(os.environ.get("FUZZ_CASES", "1000")), int(os.environ.get("FUZZ_SEED", "0"))
    tally = fuzz(cases, seed)
    print(tally)
    assert sum(tally.cases.values()) >= cases
    faults = [f"{outcome.fault}: {again(*case.split(), seed)}" for case, outcome in tally.faults.items()]
    assert not faults, "\n".join(faults)
    assert all(0 < tally.lines[name] < count for name, count in tally.cases.items() if name != "media"), tally
