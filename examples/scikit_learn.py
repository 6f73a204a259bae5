"""A scikit-learn classifier that is trained with what it will not have: half of each digit, a search, what ships.

python examples/scikit_learn.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import crossdistill

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/scikit_learn")

# Handwritten digits, cut in two: prediction has the left half alone, training both. Of 1,000 digits, 50 are labelled.
digits = load_digits()
left, right = digits.images[:, :, :4].reshape(-1, 32), digits.images[:, :, 4:].reshape(-1, 32)
train, test = np.arange(1000), np.arange(1000, 1797)
few = np.where(train < 50, digits.target[train], -1)

alone = crossdistill.CrossModalClassifier("baseline", random_state=0).fit(left[train], few)
helped = crossdistill.CrossModalClassifier("amid_u", random_state=0).fit(left[train], few, auxiliary=right[train])
print(f"student alone {alone.score(left[test], digits.target[test]):.1%}")
print(f"with the other half in training {helped.score(left[test], digits.target[test]):.1%}", end="")
print(f", its teacher {helped.teacher_score(left[test], digits.target[test], right[test]):.1%}")

# A search slices the auxiliary with X once the estimator says that its fit wants it. Unlabelled samples of a held-out
# part are not scored.
sklearn.set_config(enable_metadata_routing=True)
model = crossdistill.CrossModalClassifier(random_state=0, n_epochs=10).set_fit_request(auxiliary=True)
pipeline = make_pipeline(StandardScaler(), model)
grid = {"crossmodalclassifier__method": ["amid_u", "kd"]}
search = GridSearchCV(pipeline, grid, cv=2).fit(left[train], few, auxiliary=right[train])
print("chosen by cross-validation:", search.best_params_["crossmodalclassifier__method"])

# What ships: two files, and a card, that need neither the right half nor scikit-learn.
if not FOLDER.exists():
    helped.student_.save(FOLDER)
student = crossdistill.load(FOLDER)
print("loaded:", ", ".join(student.predict(left[test[:5]])))
