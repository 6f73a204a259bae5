"""Diagnoses of several labels and of numbers: on variables whose R² and information are known, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import crossdistill
from crossdistill.cli.main import main
from crossdistill.data import from_arrays, write_manifest
from crossdistill.diagnosis import rehearsal
from crossdistill.diagnosis.rehearsal import Pairs, rehearse
from crossdistill.diagnosis.scores import replicates_of, score_of_replicates
from crossdistill.diagnosis.simple import SimpleTargets
from crossdistill.evaluation.multilabel import average_precisions
from crossdistill.evaluation.regression import r2_scores
from tests.diagnosis.test_information import two_normals

TARGET_NOISE, AUXILIARY_NOISE = 0.8, 0.3


def numbers(count=400, labelled=None, seed=0, others=0):
    """A number, and target and auxiliary that are it with noise of their own; NaN where it is not known. others: target
    columns that say nothing, and which few labels do not suffice to tell from the one that does."""
    random = np.random.default_rng(seed)
    y = random.normal(size=count)
    wrist = np.stack([y + TARGET_NOISE * random.normal(size=count), *random.normal(size=(others, count))], axis=1)
    camera = (y + AUXILIARY_NOISE * random.normal(size=count))[:, None]
    return wrist, np.where(np.arange(count) < (labelled or count), 70 + 5 * y, np.nan), camera


def labels(count=240, labelled=None, seed=0, several=3):
    """Independent labels, which a target of twenty mixed features shows less well than the auxiliary."""
    random = np.random.default_rng(seed)
    y = (random.random((count, several)) < 0.4).astype(int)
    wrist = 1.2 * y @ random.normal(size=(several, 20)) + 2 * random.normal(size=(count, 20))
    camera = y + 0.4 * random.normal(size=(count, several))
    return wrist, np.where((np.arange(count) < (labelled or count))[:, None], y, -1), camera


def diagnosed(wrist, y, camera, **options):
    task = "multilabel" if np.ndim(y) == 2 and np.nanmax(y) == 1 else "regression"
    return crossdistill.diagnose(wrist, y, camera, task=task, **options)


def test_what_is_known_of_normal_variables():
    """x = y + noise: R² and I(S; y) follow from the correlation of x and y, I(A; S) from that of both views."""
    found = diagnosed(*numbers(800)).evidence
    explained = {"target": 1 / (1 + TARGET_NOISE**2), "auxiliary": 1 / (1 + AUXILIARY_NOISE**2)}
    for name, truth in explained.items():
        score = found.scores[name]
        assert score.mean == pytest.approx(truth, abs=0.05)
        assert score.low < truth < score.high
    between = explained["target"] * explained["auxiliary"]  # the square of the two views' correlation
    for estimates, square in ((found.student_label, explained["target"]), (found.teacher_student, between)):
        assert estimates == pytest.approx([-math.log(1 - square) / 2] * 2, abs=0.1)


def test_what_is_known_of_several_labels():
    """The mean over labels of I(S; label), of which two are told by a normal variable each, better and worse."""
    (first, one, information), (second, two, less) = two_normals(2.5, 800, 0), two_normals(1.0, 800, 1)
    order = np.random.default_rng(0).permutation(800)  # both alternate, so one would tell the other
    wrist, y = np.concatenate([first, second[order]], axis=1), np.stack([one, two[order]], axis=1)
    noise = np.random.default_rng(1).normal(size=(800, 2))
    found = diagnosed(wrist, y, noise).evidence
    assert found.student_label == pytest.approx([(information + less) / 2] * 2, abs=0.08)
    assert max(found.teacher_student) < 0.05
    assert (found.task, math.isnan(found.divergence)) == ("multilabel", True)


@pytest.mark.parametrize(
    ("given", "measure"), [(numbers(240, 40, others=30), "R²"), (labels(240, 60), "mAP")], ids=["R2", "mAP"]
)
def test_the_auxiliary_and_what_it_teaches_are_measured_and_no_verdict_is_given(given, measure):
    found = diagnosed(*given)
    assert found.answer == "cannot tell"
    assert found.evidence.differences["gap"].low > 0
    assert found.evidence.differences["by auxiliary"].mean > 0
    assert "held against training for classes alone" in found.verdict.because[0]
    assert "pairs without one many, as here" in found.verdict.lever
    assert f"{measure}, in %" in found.text()
    for width in (40, 80):
        assert max(map(len, found.text(width).splitlines())) <= width


def test_an_auxiliary_of_noise_teaches_nothing():
    wrist, y, camera = numbers(240, 40)
    found = diagnosed(wrist, y, np.random.default_rng(5).normal(size=camera.shape)).evidence
    assert found.scores["auxiliary"].mean < 0.1
    assert found.differences["gap"].mean < 0.05
    assert found.differences["by auxiliary"].mean < 0.05


def test_units_and_the_order_of_labels_change_nothing():
    wrist, y, camera = numbers(60, 40)
    one, other = (diagnosed(wrist, values, camera).evidence for values in (y, 1e9 + 1e4 * y))
    assert other.scores["target"].mean == pytest.approx(one.scores["target"].mean, abs=1e-6)
    assert other.student_label == pytest.approx(one.student_label, abs=1e-3)
    wrist, y, camera = labels(60, 40)
    one, other = (diagnosed(wrist, values, camera).evidence for values in (y, y[:, ::-1]))
    assert other.scores["taught"].mean == pytest.approx(one.scores["taught"].mean, abs=1e-9)


def test_an_interval_of_r2_covers_what_it_is_of():
    """Of 200 samples of one predictor's answers, about 95 % of the intervals hold the R² of all answers."""
    truth, held = 1 - 0.5**2 / (1 + 0.5**2), 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        told = random.normal(size=(60, 1))
        y = told + 0.5 * random.normal(size=(60, 1))
        replicates = replicates_of(lambda rows, t=told, y=y: float(r2_scores(t[rows], y[rows]).mean()), np.arange(60))
        score = score_of_replicates(replicates, (-np.inf, 1))
        held += score.low <= truth <= score.high
    assert 0.90 < held / 200 < 0.985


def test_labels_that_nothing_tells_are_ranked_by_chance_and_not_worse(monkeypatch):
    """In any order, average precision is the label's share and a little more. A model that knows nothing says the share
    of the other folds, which is high where that of its own is low: that must not rank the folds."""
    monkeypatch.setattr(rehearsal, "REPETITIONS", ())
    above = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        y = (random.random((40, 3)) < 0.4).astype(float)
        pairs = Pairs(random.normal(size=(40, 2)), random.normal(size=(40, 2)), y, np.arange(40), False)
        rehearsed = rehearse(pairs, SimpleTargets("multilabel", 3), seed)
        told = np.concatenate([answers for view in ("target", "auxiliary") for answers in rehearsed.answers[view]])
        above += [(average_precisions(said, y) - y.mean(0)).mean() for said in told.reshape(-1, 40, 3)]
    assert 0 < np.mean(above) < 0.08


def test_groups_that_agree_widen_the_interval_and_one_has_none():
    values = np.random.default_rng(0).normal(size=30)
    repeated, people = np.repeat(values, 4), np.repeat(np.arange(30), 4)
    alone = score_of_replicates(replicates_of(lambda rows: values[rows].mean(), np.arange(30)), (-9, 9))
    grouped = score_of_replicates(replicates_of(lambda rows: repeated[rows].mean(), people), (-9, 9))
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    assert math.isnan(score_of_replicates(replicates_of(lambda rows: 1.0, np.zeros(4, dtype=int)), (-9, 9)).low)


def test_a_soft_label_is_within_0_and_1_and_a_number_is_as_it_is():
    told = np.array([[-0.2, 0.4], [1.3, 0.0]])
    assert SimpleTargets("multilabel", 2).named(told).tolist() == [[0, 0.4], [1, 0]]
    assert SimpleTargets("regression", 2).named(told).tolist() == told.tolist()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_unlabelled_pairs_of_the_tested_group_alone_teach_nothing(task):
    """None is left to be learnt where a fold tests the group that all of them are of."""
    wrist, y, camera = numbers(60)
    people = np.arange(60) // 20
    values = np.where(y > 70, 1.0, 2.0) if task == "classification" else y
    values[50:] = np.nan
    found = crossdistill.diagnose(wrist, values, camera, groups=people, task=task).evidence
    assert found.counts.unlabelled == 10
    assert math.isfinite(found.differences["by auxiliary"].mean)


def test_too_few_labels_cannot_be_told():
    for given in (numbers(120, 9), labels(120, 9)):
        found = diagnosed(*given)
        assert not found.evidence.is_scored
        assert "Label ten samples" in found.verdict.lever
    wrist, y, camera = numbers(120, 40)
    found = diagnosed(wrist, y, camera, groups=np.arange(120) // 40)
    assert "second group" in found.verdict.lever


def test_a_label_of_one_sample_and_one_of_all_are_measured():
    wrist, y, camera = labels(120)
    y[:, 0], y[:, 1] = 1, 0
    y[3, 1] = 1
    found = diagnosed(wrist, y, camera).evidence
    assert found.counts.fewest == 1
    assert 0 < found.scores["target"].mean < 1
    assert all(map(math.isfinite, (*found.student_label, *found.teacher_student)))


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.full(60, 7.0), "regression", "numbers that differ"),
        (np.ones((60, 2)), "multilabel", "a label that some have and others lack"),
        (np.full(60, np.nan), "regression", "found none"),
        (np.full((60, 2), -1), "multilabel", "found none"),
        (np.full((60, 2), 2), "classification", "0 or 1 for each label"),
        (np.arange(60) % 3, "multilabel", r"expected \(N, C\), 0 or 1 for each label"),
        (np.where(np.arange(60) == 3, np.inf, 1.0), "regression", "infinity"),
        (np.array(["tall"] * 60), "regression", "could not convert"),
        (np.where(np.arange(60)[:, None] == np.array([3, 4]), np.nan, 1.0), "regression", "all of its 2 entries"),
        (np.arange(60.0), "numbers", "task: expected one of classification, multilabel, regression, found 'numbers'"),
        (np.arange(59.0), "regression", "inconsistent numbers of samples"),
        (1e200 * np.arange(60.0), "regression", "within float32's range"),
    ],
    ids=["one", "alike", "nan", "unlabelled", "twos", "flat", "infinity", "text", "partly", "task", "count", "huge"],
)
def test_labels_that_cannot_be_diagnosed(y, task, message):
    wrist, _, camera = numbers(60)
    with pytest.raises(ValueError, match=message):
        crossdistill.diagnose(wrist, y, camera, task=task)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_command_and_function_agree(task, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    wrist, y, camera = labels(60, 40, several=2) if task == "multilabel" else numbers(60, 40)
    folder = write_manifest(tmp_path / "mine", from_arrays({"wrist": wrist, "camera": camera}, y, task=task))
    options = ["--data.task", task, "--data.target", "[wrist]", "--data.auxiliary", "[camera]"]
    assert main(["diagnose", str(folder), *options]) == 0
    said = capsys.readouterr().out.splitlines()
    found = diagnosed({"wrist": wrist}, y, {"camera": camera})
    assert said[1:] == found.text().splitlines()[1:]
