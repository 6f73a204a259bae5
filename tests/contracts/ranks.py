"""One of two ranks: trains every method of the contract suite, one run folder each, on data in which
some samples lack the auxiliary modality and most a label; and AMID on whole data, with its epoch chosen on validation
samples. Whole batches of all methods are in tests/training/test_ranks.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from crossdistill.methods import METHODS
from crossdistill.runs.run import run
from crossdistill.training import Machine, Optimization
from tests.contracts.small import data, incomplete, recipe, with_choice

NEVER = 100
"""Epochs between checkpoints: the run with a chosen epoch keeps its own, as other tests of ranks do."""


def train_all(folder: Path, devices: int) -> None:
    torch.set_num_threads(1)
    for method in METHODS:
        # SGD: Adam's first steps are the gradients' signs, which blow rounding up to the size of a step. The learning
        # rate is one at which the methods with the largest gradients (RKD) do not multiply rounding from step to step;
        # the test's tolerances are as small in proportion.
        machine, sgd = Machine(accelerator="cpu", devices=devices), Optimization("sgd", learning_rate=0.002)
        made = recipe(method)
        made = replace(made, machine=machine, optimization=sgd, epochs=min(made.epochs, 3), checkpoint_every=NEVER)
        run(replace(made, data=replace(made.data, labelled=0.4)), folder / method, dataset=incomplete())
    chosen = with_choice(replace(recipe("amid"), machine=machine, optimization=sgd))
    run(chosen, folder / "amid-chosen", dataset=data())
