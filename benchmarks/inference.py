"""A student's answers beside its bare backbone's: encoder, projection and classifier, as one would type them.

    python benchmarks/inference.py [--recipe emoji,watch,r2plus1d] [--rounds 40] [--tiny]

Both as PyTorch runs them and as `torch.export` traces them, whose students are what `crossdistill export` writes; the
program of the backbone alone is traced in the same way. By this process's own CPU time, on one thread, in turns.
Target: 1.01.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch
from problems import PROBLEMS, Problem
from timing import compare
from torch import Tensor, nn

from crossdistill.exports.graph import StudentGraph, traced
from crossdistill.runs.build import build
from crossdistill.runs.run import student_of
from crossdistill.student import Student

TARGET = 1.01


class Backbone(nn.Module):
    """Of a student of one modality."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        network = student.network
        self.encoder = network.encoders[network.target[0]]
        self.projection, self.classifier = network.target_projection, network.classifier

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        representation = self.projection([self.encoder(x)])
        logits = self.classifier(representation)
        return logits, logits.softmax(1), representation


@torch.no_grad()
def measure(name: str, problem: Problem, size: int, rounds: int) -> None:
    built = build(replace(problem.recipe, method="baseline"), problem.dataset)
    built.model.eval()
    student = student_of(built)
    batch = problem.dataset.__getitems__(problem.dataset.rows("train")[:size].tolist())
    [modality] = student.network.target
    x = batch.modalities[modality]
    assert isinstance(x, Tensor)
    backbone, graph = Backbone(student).eval(), StudentGraph(student)
    open_size = ({0: torch.export.Dim("batch", min=1, max=4096)},)
    bare_program = torch.export.export(backbone, (x,), dynamic_shapes=open_size).module()
    program = traced(graph).module()
    answered, bare = program({modality: x})["logits"], backbone(x)[0]
    assert torch.allclose(answered, bare, atol=1e-4), "they answer the same"
    where = f"{name}, B = {size}"
    eager = {"backbone": lambda: backbone(x), "student": lambda: student.network({modality: x}, ("target",))}
    compare(f"{where}, as PyTorch runs it", eager, rounds, time.process_time, {"student": TARGET})
    exported = {"backbone": lambda: bare_program(x), "student": lambda: program({modality: x})}
    compare(f"{where}, exported", exported, rounds, time.process_time, {"student": TARGET})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="emoji,watch,r2plus1d")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--tiny", action="store_true", help="whether everything runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for recipe in arguments.recipe.split(","):
        chosen = PROBLEMS[recipe]()
        size, rounds = (4, 1) if arguments.tiny else (2 * chosen.batch, arguments.rounds)
        measure(recipe, chosen, size, rounds)
