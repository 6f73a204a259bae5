"""A student is trained, saved, exported, and answers alike in ONNX Runtime, where there is no crossdistill.

python examples/ship.py    # needs crossdistill[export]
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

import crossdistill

FOLDER = Path("runs/examples/ship")

random = np.random.default_rng(0)
labels = np.arange(240) % 3
names = np.array(["push", "turn", "wave"])[labels]
wrist = [np.eye(3)[label] + 0.5 * random.normal(size=(random.integers(8, 30), 3)) for label in labels]
camera = 2 * np.eye(3, 4)[labels] + 0.3 * random.normal(size=(240, 4))
dataset = crossdistill.from_arrays({"wrist": wrist, "camera": camera}, names, splits=np.arange(240) >= 200)

recipe = replace(crossdistill.own(("wrist",), ("camera",)), method="kd", epochs=4, batch_size=32)
if not (FOLDER / "run/results.json").exists():
    crossdistill.run(recipe, FOLDER / "run", dataset=dataset)
student = crossdistill.load(FOLDER / "run")
if not (FOLDER / "student").exists():
    student.save(FOLDER / "student")  # what crossdistill itself loads, on another machine

file = FOLDER / "wrist.onnx"
exported = crossdistill.export(FOLDER / "run", file, dataset=dataset)
takes = ", ".join(f"{name} {shape}" for name, shape in exported.inputs.items())
print(f"{file.name} takes {takes}")
print(f"checked on {exported.described}")

session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
new = [random.normal(size=(length, 3)) for length in (5, 50, 1)]  # other lengths than training had
(probabilities,) = session.run(["probabilities"], student.arrays(new))
print("the same predictions:", np.allclose(probabilities, student.predict_proba(new), atol=1e-5))
