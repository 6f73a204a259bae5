"""Cross-fitted teachers: what they say of a sample they say without having seen its label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossdistill.data import from_arrays
from crossdistill.data.splits import labelled_folds
from crossdistill.evaluation.collect import outputs_of
from crossdistill.runs.cross_fitting import OUTPUTS, cross_fitted, temperature_of
from crossdistill.runs.run import load_trained, run
from crossdistill.types import InputError
from tests.runs.small import gestures, recipe, with_data


def small(**changes):
    return recipe(method="kd", **{"epochs": 15, "auxiliary_epochs": 0, "batch_size": 8, **changes})


def trainable(made):
    return replace(made, model=replace(made.model, auxiliary_encoders="trained"))


def test_outputs_do_not_know_the_label_that_they_are_to_teach(tmp_path: Path) -> None:
    """Labels of noise, which its teachers remember, and of which they know nothing where they have not seen them."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(80, 30)), random.integers(0, 2, 80)
    noise = from_arrays({"wrist": x[:, :10], "eye": x[:, 10:]}, y, splits=np.arange(80) >= 60)
    made = trainable(small())
    made = replace(made, epochs=40, model=replace(made.model, encoders={}, width=32))
    _, data = cross_fitted(made, tmp_path / "teachers", noise, folds=2)
    outputs = data.columns[OUTPUTS].fetch(np.arange(60)).argmax(1).numpy()
    assert (outputs == y[:60]).mean() < 0.7
    teacher = load_trained(tmp_path / "teachers" / "fold0-member0", noise)
    seen = np.flatnonzero(labelled_folds(noise, 2, made.seed) > 0)
    remembered = outputs_of(noise, seen, teacher.model, ("full",), torch.device("cpu")).made.logits["full"].argmax(1)
    assert (remembered.numpy() == y[seen]).mean() > 0.9


def test_unlabelled_and_tested_samples_have_outputs_too_and_all_is_kept(tmp_path: Path) -> None:
    made = with_data(trainable(small(epochs=3)), labelled=0.5, fold=0)
    taught, data = cross_fitted(made, tmp_path / "teachers", gestures(), folds=3, ensemble=2)
    assert len(list((tmp_path / "teachers").iterdir())) == 6
    labelled = len(data.labelled_rows("train"))
    assert 0 < labelled < len(data.rows("train")), "labels are taken once, as the recipe's seed draws them"
    assert data.present([OUTPUTS])[np.concatenate([data.rows("train"), data.rows("test")])].all()
    logits = data.columns[OUTPUTS].fetch(data.rows("train"))
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(len(logits)))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "teachers").rglob("results.json")}
    again, same = cross_fitted(made, tmp_path / "teachers", gestures(), folds=3, ensemble=2)
    assert torch.equal(same.columns[OUTPUTS].fetch(data.rows("train")), logits)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing is trained again"
    assert again == taught
    results = run(taught, tmp_path / "student", dataset=data)
    assert results["student"]["measured"] == len(data.rows("test"))
    assert len(data.rows("train")) - labelled == results.samples["train"] - results.samples["labelled"]


def test_folds_are_whole_groups_where_the_split_is() -> None:
    groups = np.arange(48) // 4
    data = from_arrays({"x": np.eye(48)}, np.arange(48) % 3, splits=np.arange(48) >= 36, groups=groups)
    fold = labelled_folds(data, 5, seed=0)
    assert (fold[36:] == -1).all()
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(9))
    assert len(np.unique(fold)) == 6
    one = replace(data, labels=np.where((groups == 0) | (groups > 8), data.labels, -1))
    assert np.unique(labelled_folds(one, 2, seed=0)).tolist() == [-1, 0, 1], "of one group, by class"


def test_the_temperature_is_the_most_likely_one() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(200, 4, generator=random, dtype=torch.float64)
    labels = torch.multinomial((logits / 2.5).softmax(1), 1, generator=random).squeeze(1)
    grid = torch.logspace(-1, 1, 2001, dtype=torch.float64)
    losses = torch.stack([torch.nn.functional.cross_entropy(logits / t, labels) for t in grid])
    assert temperature_of(logits, labels) == pytest.approx(float(grid[losses.argmin()]), rel=2e-3)


def test_what_cannot_be_fitted_so_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="amid reads more of a teacher than its outputs"):
        cross_fitted(replace(small(), method="amid"), tmp_path, gestures())
    with pytest.raises(InputError, match="folds of labelled samples at least, found 1"):
        cross_fitted(small(), tmp_path, gestures(), folds=1)
    assert not list(tmp_path.iterdir())
