"""A finished run's student predicts from arrays; saved alone, it does so without anything else of the run.

python examples/predict.py [RUN] [FOLDER]    # RUN: a folder that own_arrays.py wrote
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import crossdistill

RUN = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own_arrays/amid")
FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else "runs/examples/predict")

student = crossdistill.load(RUN)
print("trained by", student.about["method"], "to tell", ", ".join(student.classes))
for name, spec in student.inputs.items():
    print(f"takes {name}: {spec}")

new = np.random.default_rng(1).normal(size=(4, 6)) + 2 * np.eye(4, 6)  # four samples, of the wrist alone
for gesture, probabilities in zip(student.predict({"wrist": new}), student.predict_proba(new), strict=True):
    print(f"{gesture:5}", " ".join(f"{name} {p:.2f}" for name, p in zip(student.classes, probabilities, strict=True)))

try:
    student.predict(new[:, :5])
except crossdistill.InputError as error:
    print("five features:", error)

if not FOLDER.exists():
    student.save(FOLDER)  # config.json and student.safetensors, and no more
alone = crossdistill.load(FOLDER)
print(f"{FOLDER} holds {', '.join(sorted(path.name for path in FOLDER.iterdir()))}")
print("the same predictions:", np.array_equal(alone.predict_proba(new), student.predict_proba(new)))
