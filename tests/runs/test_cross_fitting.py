"""Cross-fitted teachers: what they say of a sample they say without having seen its label."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

import crossdistill
from crossdistill.data import from_arrays
from crossdistill.data.splits import labelled_folds
from crossdistill.evaluation.collect import outputs_of
from crossdistill.listening import Listener
from crossdistill.recipes.cross_fitted import OUTPUTS
from crossdistill.recipes.files import load_recipe, to_yaml
from crossdistill.recipes.variants.controls import controlled
from crossdistill.runs.cross_fitting import temperature_of
from crossdistill.runs.results import read_results
from crossdistill.runs.run import load_trained, run
from crossdistill.types import InputError
from tests.listening import Heard
from tests.runs.small import gestures, recipe, with_data


def small(folds=3, ensemble=1, **changes):
    made = recipe(method="kd", **{"epochs": 15, "auxiliary_epochs": 0, "batch_size": 8, **changes})
    settings = {"auxiliary_encoders": "trained", "teacher": "cross_fitted", "folds": folds, "ensemble": ensemble}
    return replace(made, model=replace(made.model, **settings))


def said(folder, data):
    """The outputs that the run's student learnt, and the data that they are in."""
    built = load_trained(folder, data)
    return built.dataset.columns[OUTPUTS], built.dataset


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")}


def test_outputs_do_not_know_the_label_that_they_are_to_teach(tmp_path: Path) -> None:
    """Labels of noise, which its teachers remember, and of which they know nothing where they have not seen them."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(80, 30)), random.integers(0, 2, 80)
    noise = from_arrays({"wrist": x[:, :10], "eye": x[:, 10:]}, y, splits=np.arange(80) >= 60)
    made = small(folds=2, epochs=40, batch_size=32)
    made = replace(made, model=replace(made.model, encoders={}, width=32))
    run(made, tmp_path, dataset=noise)
    column, _ = said(tmp_path, noise)
    outputs = column.fetch(np.arange(60)).argmax(1).numpy()
    assert (outputs == y[:60]).mean() < 0.7
    teacher = load_trained(tmp_path / "teachers" / "fold0-member0", noise)
    seen = np.flatnonzero(labelled_folds(noise, 2, made.seed) > 0)
    remembered = outputs_of(noise, seen, teacher.model, ("full",), torch.device("cpu")).made.logits["full"].argmax(1)
    assert (remembered.numpy() == y[seen]).mean() > 0.9


def test_unlabelled_and_tested_samples_have_outputs_too_and_all_is_kept(tmp_path: Path) -> None:
    made = with_data(small(ensemble=2, epochs=3), labelled=0.5, fold=0)
    results = run(made, tmp_path, dataset=gestures())
    assert len(list((tmp_path / "teachers").glob("fold*"))) == 6
    column, data = said(tmp_path, gestures())
    labelled = len(data.labelled_rows("train"))
    assert 0 < labelled < len(data.rows("train")), "labels are taken once, as the recipe's seed draws them"
    assert data.present([OUTPUTS])[np.concatenate([data.rows("train"), data.rows("test")])].all()
    logits = column.fetch(data.rows("train"))
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(len(logits)))
    assert results["student"]["measured"] == len(data.rows("test"))
    assert results["teacher"]["measured"] == len(data.rows("test"))
    assert len(data.rows("train")) - labelled == results.samples["train"] - results.samples["labelled"]
    assert results.auxiliary == made.data.auxiliary, "what a report says that the student had in training"
    of_teachers = [read_results(path.parent).seconds for path in times(tmp_path / "teachers")]
    assert results.seconds > sum(of_teachers)
    assert crossdistill.evaluate(tmp_path, gestures())["student"] == results["student"]
    assert crossdistill.load(tmp_path).predict(np.zeros((2, 6, gestures().shapes["wrist"][-1]))).shape == (2,)


@pytest.mark.parametrize("changes", [{"class_weights": {"gesture 0": 3.0}}, {"balanced": True, "labelled": 0.4}])
def test_teachers_draw_by_the_weights_that_the_student_has(tmp_path: Path, changes: dict[str, object]) -> None:
    """Once, and not once more by the recipe's: squares of weights, and other data than the run's."""
    made = with_data(small(folds=2, epochs=1), **changes)
    run(made, tmp_path, dataset=gestures())
    teacher = json.loads((tmp_path / "teachers" / "fold0-member0" / "config.json").read_text())
    student = json.loads((tmp_path / "config.json").read_text())
    assert "weights" in student["data"]["fingerprint"]
    recipe_of_teacher = load_recipe(str(tmp_path / "teachers" / "fold0-member0" / "recipe.yaml"))
    assert (recipe_of_teacher.data.balanced, recipe_of_teacher.data.class_weights) == (False, {})
    assert teacher["data"]["fingerprint"]["weights"] == student["data"]["fingerprint"]["weights"]


class Killed(BaseException):
    pass


class Kill(Listener):
    """Ends the process, as it were, in the middle: after so many steps."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self, task, values=MappingProxyType({})) -> None:
        assert task == "kd seed 0", "a teacher's epochs are steps of the run"
        self.left -= 1
        if self.left < 0:
            raise Killed


@pytest.mark.parametrize("after", [3, 12], ids=["in a teacher", "in the student"])
def test_a_run_that_was_stopped_goes_on_with_the_teachers_that_it_has(tmp_path: Path, after: int) -> None:
    made = small(folds=2, epochs=5)
    whole = run(made, tmp_path / "whole", dataset=gestures())
    with pytest.raises(Killed):
        run(made, tmp_path / "stopped", dataset=gestures(), listener=Kill(after))
    with pytest.raises(InputError, match="already holds a run; continue it with --resume"):
        run(made, tmp_path / "stopped", dataset=gestures())
    before = times(tmp_path / "stopped" / "teachers")
    again = run(made, tmp_path / "stopped", resume=True, dataset=gestures())
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing is trained again"
    assert again.files == whole.files
    assert again["student"] == whole["student"]


def test_what_a_kill_at_the_very_end_leaves_is_removed_when_the_run_is_asked_for_again(tmp_path: Path) -> None:
    made, folder = small(folds=2, epochs=2), tmp_path / "run"
    run(made, folder, dataset=gestures())
    whole = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    for place in (folder, folder / "teachers", *folder.glob("teachers/*/")):
        for name in (".lock", "checkpoint.pt", "checkpoint.previous.pt"):
            (place / name).write_bytes(b"left behind")
    results = run(made, folder, resume=True, dataset=gestures())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == whole
    assert results.files


def test_other_data_than_those_of_its_teachers_are_refused(tmp_path: Path) -> None:
    made, data = small(folds=2, epochs=3), gestures()
    with pytest.raises(Killed):
        run(made, tmp_path, dataset=data, listener=Kill(7))
    changed = replace(data, labels=data.labels[::-1].copy())
    with pytest.raises(InputError, match="is of other data: labels differ from when its teachers were trained"):
        run(made, tmp_path, resume=True, dataset=changed)
    (tmp_path / "teachers" / "outputs.json").unlink()
    with pytest.raises(InputError, match="was begun on other data: labels differ"):
        run(made, tmp_path, resume=True, dataset=changed)


def test_a_shuffled_control_shuffles_what_its_teachers_see(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 120)
    camera = np.eye(2)[y]
    data = from_arrays({"wrist": random.normal(size=(120, 3)), "eye": camera}, y, splits=np.arange(120) >= 80)
    made = small(folds=2, epochs=8)
    made = replace(made, model=replace(made.model, encoders={}, width=16))
    run(made, tmp_path / "own", dataset=data)
    run(controlled(made, "kd", "shuffled auxiliary"), tmp_path / "shuffled", dataset=data)
    own, shuffled = (
        said(tmp_path / name, data)[0].fetch(np.arange(80)).argmax(1).numpy() for name in ("own", "shuffled")
    )
    assert (own == y[:80]).mean() > 0.95
    assert (shuffled == y[:80]).mean() < 0.8


def test_a_recipe_says_it_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(to_yaml(small(folds=4, ensemble=2)), encoding="utf-8")
    read = load_recipe(str(path))
    assert (read.model.teacher, read.model.folds, read.model.ensemble) == ("cross_fitted", 4, 2)


def test_folds_are_whole_groups_where_the_split_is() -> None:
    groups = np.arange(48) // 4
    data = from_arrays({"x": np.eye(48)}, np.arange(48) % 3, splits=np.arange(48) >= 36, groups=groups)
    fold = labelled_folds(data, 5, seed=0)
    assert (fold[36:] == -1).all()
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(9))
    assert len(np.unique(fold)) == 6
    one = replace(data, labels=np.where((groups == 0) | (groups > 8), data.labels, -1))
    assert np.unique(labelled_folds(one, 2, seed=0)).tolist() == [-1, 0, 1], "of one group, by class"


def test_labels_of_which_no_class_has_two_make_no_folds() -> None:
    """Whoever is tested on such a sample has never heard of its class."""
    alone = from_arrays({"x": np.eye(6)}, np.arange(6))
    in_groups = from_arrays({"x": np.eye(6)}, [0, 1, 2, 0, 1, 2], groups=[0, 0, 0, 1, 1, 1], splits=np.arange(6) >= 3)
    for data in (alone, in_groups, replace(alone, labels=np.full(6, -1))):
        with pytest.raises(InputError, match=r"arrays: expected labelled samples for two folds at least"):
            labelled_folds(data, 5, seed=0)
    pair = from_arrays({"x": np.eye(6)}, [0, 1, 2, 3, 4, 4])
    fold = labelled_folds(pair, 5, seed=0)
    assert fold[:4].tolist() == [-1] * 4
    assert {*fold[4:].tolist()} == {0, 1}
    of_one_person_each = from_arrays(
        {"x": np.eye(8)}, [0, 0, 1, 1] * 2, groups=list("aabbccdd"), splits=np.arange(8) > 3
    )
    with pytest.raises(InputError, match="found each class in one group alone"):
        labelled_folds(of_one_person_each, 5, seed=0)


def test_folds_are_of_labelled_samples_that_have_all_modalities() -> None:
    """A class whose only complete samples are of one fold is known to no other fold's teacher."""
    labels, here = np.arange(24) % 2, np.arange(24) < 20
    data = from_arrays({"x": np.eye(24), "y": np.eye(24)}, labels, present={"y": here})
    fold = labelled_folds(data, 3, seed=0)
    assert np.array_equal(fold >= 0, here)


@pytest.mark.parametrize("by_group", [False, True])
def test_no_teacher_teaches_a_class_away_that_it_has_not_seen(tmp_path: Path, by_group: bool) -> None:
    """The only sample of a class, or a person's own class: its label teaches it, and outputs of others know it."""
    random, train = np.random.default_rng(0), 48
    labels = np.arange(72) % 2
    rare = (np.arange(72) % 12 == 4) if by_group else (np.arange(72) == 3)
    labels = np.where(rare | (np.arange(72) >= 66), 2, labels)
    groups = np.where(np.arange(72) < train, np.where(rare, 0, np.arange(72) % 3), 3 + np.arange(72) % 2)
    eye = 3 * np.eye(3)[labels] + 0.3 * random.normal(size=(72, 3))
    splits = np.arange(72) >= train
    data = from_arrays(
        {"wrist": random.normal(size=(72, 4)), "eye": eye}, labels, splits=splits, groups=groups if by_group else ()
    )
    quick = replace(recipe().optimization, learning_rate=0.03)
    made = small(folds=5, epochs=20, batch_size=16, optimization=quick)
    made = replace(made, model=replace(made.model, encoders={}, width=16))
    heard = Heard()
    run(made, tmp_path, dataset=data, listener=heard)
    column, dataset = said(tmp_path, data)
    here = dataset.present([OUTPUTS])
    own = rare & (np.arange(72) < train)
    assert own.any()
    assert not here[own].any()
    assert here[~own].all()
    outputs = column.fetch(np.flatnonzero(here)).argmax(1).numpy()
    assert (outputs == labels[here])[labels[here] == 2].mean() > 0.6, "tested ones are known, too"
    (line,) = [line for line in heard.lines if "in one fold alone" in line]
    assert line.startswith("WARNING: model.teacher: cross_fitted: labelled samples of '2' are")
    fewer = [line for line in heard.lines if line.startswith("WARNING: model.folds 5: 3 are made")]
    assert len(fewer) == by_group


def test_what_is_said_of_a_teacher_names_it(tmp_path: Path) -> None:
    labels = np.where(np.arange(24) < 16, np.repeat([0, 1, 1, 1], 4)[np.arange(24) % 16], np.arange(24) % 2)
    data = from_arrays(
        {"wrist": np.eye(24), "eye": np.eye(24)},
        labels,
        splits=np.arange(24) >= 16,
        groups=[0] * 5 + [1] * 11 + [2] * 8,
    )
    made = small(folds=2, epochs=1)
    made = replace(made, model=replace(made.model, encoders={}, width=4))
    heard = Heard()
    run(made, tmp_path, dataset=data, listener=heard)
    of_teachers = [line for line in heard.lines if "teacher 0, fold " in line]
    assert all(line.startswith("WARNING: teacher 0, fold ") for line in of_teachers)
    assert any("all labelled training samples are of one class, '1'" in line for line in heard.lines) == bool(
        of_teachers
    )


def test_the_temperature_is_the_most_likely_one() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(200, 4, generator=random, dtype=torch.float64)
    labels = torch.multinomial((logits / 2.5).softmax(1), 1, generator=random).squeeze(1)
    grid = torch.logspace(-1, 1, 2001, dtype=torch.float64)
    losses = torch.stack([torch.nn.functional.cross_entropy(logits / t, labels) for t in grid])
    assert temperature_of(logits, labels) == pytest.approx(float(grid[losses.argmin()]), rel=2e-3)


def test_what_cannot_be_fitted_so_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.teacher: cross_fitted: amid reads more of a teacher than its outputs"):
        run(replace(small(), method="amid"), tmp_path, dataset=gestures())
    with pytest.raises(InputError, match=r"model.folds: expected 2 or more, found 1"):
        run(small(folds=1), tmp_path, dataset=gestures())
    with pytest.raises(InputError, match=r"one process; set machine.devices and machine.nodes to 1"):
        run(replace(small(), machine=crossdistill.Machine("cpu", devices=2)), tmp_path, dataset=gestures())
    with pytest.raises(InputError, match="its teachers are trained in a run's folder"):
        crossdistill.build(small(), gestures())
    assert not list(tmp_path.iterdir())
