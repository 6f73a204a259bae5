"""Arrays in, finished runs out: the student alone, and the student that was trained with help.

python examples/own_arrays.py [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import crossdistill

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/own_arrays")

# 300 samples of 3 gestures: a wrist's sensor sees them through noise, a camera (here only in training) sees them well.
random = np.random.default_rng(0)
labels = np.arange(300) % 3
wrist = 2 * np.eye(3, 6)[labels] + random.normal(size=(300, 6))
camera = 2 * np.eye(3, 4)[labels] + 0.3 * random.normal(size=(300, 4))
names = np.array(["wave", "push", "turn"])[labels]
is_test = np.arange(300) >= 200  # true for the samples that are tested and never trained on

dataset = crossdistill.from_arrays({"wrist": wrist, "camera": camera}, names, splits=is_test, name="gestures")
recipe = replace(crossdistill.own(("wrist",), ("camera",)), epochs=10)

for method in ("baseline", "amid"):
    # resume: a run that is finished already is returned as it is, and one that was killed goes on
    results = crossdistill.run(replace(recipe, method=method), FOLDER / method, resume=True, dataset=dataset)
    print(f"{method:8}  student {results['student']['top1']:.1%}", end="")
    print(f"  teacher {results['teacher']['top1']:.1%}" if method == "amid" else "")
print("One seed says little; compare.py shows how to be sure.")
print(f"Next: crossdistill report {FOLDER} --out report.html")
