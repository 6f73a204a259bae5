"""An encoder of one's own, in a run: by its name in a recipe, or as a module that is made already.

python examples/own_encoder.py [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from stroke_encoder import StrokeEncoder  # a module of its own, so that a finished run can import the class again

import crossdistill
from crossdistill.testing import check_encoder

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own_encoder")

check_encoder(lambda: StrokeEncoder(width=16), (-1, 3))  # raises, in a sentence, for what would go wrong in training
print("StrokeEncoder keeps the contract")

# Strokes of different length in three directions, and the letter's picture, which only training sees.
random = np.random.default_rng(0)
labels = np.arange(120) % 3
strokes = [2 * np.eye(3)[label] + random.normal(size=(random.integers(5, 20), 3)) for label in labels]
picture = np.eye(3)[labels] + 0.3 * random.normal(size=(120, 3))
dataset = crossdistill.from_arrays({"pen": strokes, "picture": picture}, labels, splits=np.arange(120) >= 80)
recipe = replace(crossdistill.own(("pen",), ("picture",)), method="kd", epochs=10, batch_size=16)

# In a recipe, and so in YAML and on the command line: the class's name and its constructor's arguments.
settings = crossdistill.EncoderSettings("stroke_encoder:StrokeEncoder", {"width": 32})
named = replace(recipe, model=replace(recipe.model, encoders={"pen": settings}))
results = crossdistill.run(named, FOLDER / "by-name", resume=True, dataset=dataset)
print(f"by name: student {results['student']['top1']:.1%}")

# From Python: a module that is made already, with whatever weights it has. A copy of it is trained.
torch.manual_seed(0)
module = StrokeEncoder(width=32)
results = crossdistill.run(recipe, FOLDER / "by-module", resume=True, dataset=dataset, encoders={"pen": module})
print(f"by module: student {results['student']['top1']:.1%}")

student = crossdistill.load(FOLDER / "by-module")
print("loaded:", student.spec.encoders["pen"].kind, "says", ", ".join(student.predict(strokes[:3])))
