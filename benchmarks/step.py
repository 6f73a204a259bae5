"""Cost of one training step of each method beside the baseline's, and of the loop beside a bare one.

python benchmarks/step.py [--accelerator cuda] [--precision bf16-mixed]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import torch
from timing import compare

from crossdistill.methods import METHODS
from crossdistill.recipes.library.bundled import emoji
from crossdistill.runs.build import build
from crossdistill.runs.data import build_dataset
from crossdistill.training.engine import OneProcess
from crossdistill.training.loop import build_optimizers, step
from crossdistill.types import Batch


def method_step(engine: OneProcess, name: str, batch: Batch) -> Callable[[], object]:
    """One step of our loop, after warm-up; a fixed teacher is frozen, as a run leaves it."""
    recipe = replace(emoji(), method=name)
    built = build(recipe)
    method = built.method
    for change in built.stages[-1].before:
        change()
    method.model.hold(method.held(recipe.epochs - 1))
    method.model.train()
    engine.to_device(method.model)
    engine.to_device(method)
    optimizers = build_optimizers(method, recipe.epochs, recipe.optimization)
    turns = method.turns(recipe.epochs - 1)

    def run() -> None:
        terms = step(engine, method, turns, optimizers, batch, float("inf")).terms
        next(iter(terms.values())).item()  # waits for the device

    return run


def bare_baseline_step(engine: OneProcess, batch: Batch) -> Callable[[], object]:
    """The baseline's step as one would type it without a library."""
    recipe = replace(emoji(), method="baseline")
    model = engine.to_device(build(recipe).model)
    optimizer = torch.optim.AdamW(model.parameters_of("target"), 1e-3)
    local = batch.to(engine.device)

    def run() -> None:
        with engine.autocast():
            logits = model.predict(local.modalities)
        loss = torch.nn.functional.cross_entropy(logits.float(), local.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    arguments = parser.parse_args()
    engine = OneProcess(torch.device(arguments.accelerator), arguments.precision)
    dataset = build_dataset(emoji().data)
    batch = dataset.__getitems__(dataset.rows("train")[:128].tolist())
    alternatives = {"baseline, bare loop": bare_baseline_step(engine, batch)}
    alternatives |= {f"{name}, our loop": method_step(engine, name, batch) for name in METHODS}
    compare(f"One step on {engine.device}, {arguments.precision}, emoji recipe, B = 128", alternatives, rounds=30)
