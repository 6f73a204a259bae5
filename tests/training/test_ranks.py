"""Ranks that divide a batch's losses among each other step as one process does, in float64 and to its rounding."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from crossdistill.methods import MI
from crossdistill.training.distributed import on_first_rank
from crossdistill.training.engine import OneProcess
from crossdistill.training.pauses import EpochSoFar
from crossdistill.types import InputError
from tests.methods.small import batch, model
from tests.processes import start
from tests.training import ranks
from tests.training.ranks import Group, Rank

STEPS = {"amid": 20, "amid_u": 4, "ccl": 4, "gmc": 4, "rkd": 4, "crd": 4, "cmc": 4, "mst": 9, "comodo": 4}
"""Of each kind of divided loss a method; all are taken through their stages, and some samples lack a modality."""


def test_steps_of_one_two_and_four_ranks_are_one_process_s() -> None:
    """Also of two whose encoders run in chunks of three samples; the one process takes whole batches."""
    code, output, error = start(ranks.main, STEPS, [Group(2, chunk_size=3), Group(4)]).result()
    assert code == 0, error[-4000:]
    found = json.loads(output.splitlines()[-1])
    assert found.keys() == STEPS.keys()
    for name, distances in found.items():
        assert len(distances) == 2 + 4
        assert max(distances.values()) <= 1e-10, name


def test_what_ranks_know_of_an_epoch_goes_on_on_each_of_them_and_on_another_number() -> None:
    """Each rank's means are of its share of the losses; the ranks' mean is the epoch's."""
    method, by_rank = MI(model()), []
    for value in (1.0, 4.0):
        so_far = EpochSoFar()
        so_far.add(batch(), {"loss": torch.tensor(value)}, {})
        by_rank.append(so_far.stored(OneProcess(), method, 0.0))
    together = {**by_rank[0], "means": [each["means"][0] for each in by_rank]}
    alone = EpochSoFar.restored(together, OneProcess(), method)
    assert alone.terms.read() == {"loss": 2.5}
    for rank, expected in enumerate((1.0, 4.0)):
        assert EpochSoFar.restored(together, Rank(global_rank=rank, world_size=2), method).terms.read() == {
            "loss": expected
        }


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("results.json: cannot be written"), "results.json: cannot be written"),
        (OSError(28, "No space left on device", "runs/a"), "runs/a: No space left on device"),
        (RuntimeError("CUDA out of\nmemory"), "RuntimeError: CUDA out of memory"),
        (KeyError("top1"), "KeyError: 'top1'"),
    ],
    ids=["mistake", "disk", "device", "defect"],
)
def test_whatever_goes_wrong_on_the_first_rank_is_raised_on_the_others(error: Exception, line: str) -> None:
    """The others would go on to the next message, and wait for it."""
    sent: list[str] = []

    def send(line: str) -> str:
        sent.append(line)
        return line

    def fail() -> None:
        raise error

    first: Any = SimpleNamespace(world_size=2, is_global_zero=True, broadcast=send)
    other: Any = SimpleNamespace(world_size=2, is_global_zero=False, broadcast=lambda own: sent[0])
    with pytest.raises(type(error)):
        on_first_rank(first, fail)
    assert sent == [line]
    with pytest.raises(InputError, match=line):
        on_first_rank(other, fail)
