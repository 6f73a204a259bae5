"""Verdicts on data whose answer is known by construction, and that command and function agree."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import yaml

import crossdistill
from crossdistill.cli import diagnose
from crossdistill.cli.main import main
from crossdistill.cli.parsing import parsed
from crossdistill.data import from_arrays, write_manifest
from crossdistill.data.columns import ArrayColumn
from crossdistill.data.readers import ReaderSettings, TextColumn
from crossdistill.data.reading import PartialColumn
from crossdistill.diagnosis import evidence_of, judge
from crossdistill.diagnosis.features import features_of
from crossdistill.diagnosis.scores import Score, score_of
from crossdistill.diagnosis.verdict import rehearsed_gain
from crossdistill.evaluation import mean_ci, wilson_interval
from crossdistill.recipes.files import as_dict

CLASSES = 4


def modality(labels, noise, seed, width=6):
    """Vectors around their class's corner."""
    return np.eye(CLASSES, width)[labels] + noise * np.random.default_rng(seed).normal(size=(len(labels), width))


def problem(auxiliary_noise, labelled, seed=0, count=400):
    """A target of many features, which few labels do not suffice to learn; auxiliary noise None: numbers that know
    nothing. The labels that are not known are -1."""
    y = np.random.default_rng(seed).permutation(np.arange(count) % CLASSES)
    target = modality(y, 0.35, [seed, 1], 40)
    if auxiliary_noise is None:
        auxiliary = np.random.default_rng([seed, 2]).normal(size=(count, 5))
    else:
        auxiliary = modality(y, auxiliary_noise, [seed, 2])
    return target, np.where(np.arange(count) < labelled, y, -1), auxiliary


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_labels_and_a_strong_auxiliary_is_likely(seed):
    found = crossdistill.diagnose(*problem(0.2, 48, seed, 240))
    assert found.answer == "likely"
    assert "amid_u" in found.verdict.lever
    assert found.evidence.differences["gap"].low > 0
    assert found.evidence.scores["auxiliary"].mean > 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_auxiliary_of_noise_is_unlikely(seed):
    found = crossdistill.diagnose(*problem(None, 48, seed, 240))
    assert found.answer == "unlikely"
    assert "knows the class better" in found.verdict.lever
    assert abs(found.evidence.scores["auxiliary"].mean - 1 / CLASSES) < 0.2
    assert found.evidence.teacher_student[1] < 0.15


@pytest.mark.parametrize(("noise", "lever"), [(0.2, "Record more pairs"), (None, "Look for an auxiliary")])
def test_with_all_labels_it_is_unlikely_and_the_gap_decides_the_lever(noise, lever):
    found = crossdistill.diagnose(*problem(noise, 200, count=200))
    assert found.answer == "unlikely"
    assert found.verdict.lever.startswith(lever)
    assert "taught" not in found.text()


@pytest.mark.parametrize(("labels", "seed"), [(9, 9), (9, 11), (15, 10), (30, 11)])
def test_a_gain_in_rehearsal_by_an_auxiliary_of_noise_is_not_likely(labels, seed):
    """Of so few labels, points gained in rehearsal may be chance, as they are here."""
    random = np.random.default_rng(1000 + seed)
    y = random.integers(0, 3, 200)
    y[:9] = np.arange(9) % 3
    target, noise = random.normal(size=(200, 4)) + 0.8 * y[:, None], random.normal(size=(200, 4))
    found = crossdistill.diagnose(target, np.where(np.arange(200) < labels, y, -1), noise)
    assert rehearsed_gain(found.evidence) >= 0.02
    assert found.answer != "likely"


def test_a_rehearsed_gain_is_likely_only_with_a_gap_that_is_sure():
    found = crossdistill.diagnose(*problem(0.2, 48))
    assert found.answer == "likely"
    evidence = found.evidence
    unsure = {**evidence.differences, "gap": Score(0.1, -0.01, 0.21)}
    assert judge(replace(evidence, differences=unsure)).answer == "cannot tell"
    none = {**evidence.differences, "gap": Score(-0.1, -0.2, 0.0)}
    assert judge(replace(evidence, differences=none)).answer == "unlikely"


@pytest.mark.parametrize(
    ("labels", "answer", "lever"), [(8, "cannot tell", "label more"), (80, "unlikely", "little left")]
)
def test_of_few_samples_that_are_all_told_right_the_interval_is_wilson_s(labels, answer, lever):
    """Eight do not say that there is little left to gain."""
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    target, auxiliary = random.normal(size=(400, 2)) + 9.0 * y[:, None], random.normal(size=(400, 2))
    found = crossdistill.diagnose(target, np.where(np.arange(400) < labels, y, -1), auxiliary)
    score = found.evidence.scores["target"]
    assert (score.mean, score.low) == (1.0, pytest.approx(wilson_interval(labels, labels)[0], abs=1e-6))
    assert found.answer == answer
    assert lever in found.verdict.lever


@pytest.mark.parametrize("seed", range(12))
def test_a_loss_in_rehearsal_of_few_labels_is_not_unlikely_where_a_gap_may_be_wide(seed):
    """The auxiliary names the class, which six labels may not show: amid_u gains 20 points here."""
    random = np.random.default_rng(100 + seed)
    y = random.integers(3, size=120)
    target = np.eye(3, 6)[y] + 0.6 * random.normal(size=(120, 6))
    auxiliary = np.eye(3, 4)[y] + 0.1 * random.normal(size=(120, 4))
    labelled = np.concatenate([np.flatnonzero(y == label)[:2] for label in range(3)])
    few = np.full(120, -1)
    few[labelled] = y[labelled]
    assert crossdistill.diagnose(target, few, auxiliary).answer != "unlikely"


def test_the_target_twice_adds_nothing():
    target, y, _ = problem(0.2, 60)
    found = crossdistill.diagnose(target, y, target)
    assert found.answer != "likely"
    assert abs(found.evidence.differences["gap"].mean) < 0.05


def test_one_label_a_class_cannot_be_told():
    target, y, auxiliary = problem(0.2, 400)
    first = [np.flatnonzero(y == number)[0] for number in range(CLASSES)]
    few = np.full(400, -1)
    few[first] = y[first]
    found = crossdistill.diagnose(target, few, auxiliary)
    assert found.answer == "cannot tell"
    assert "Label two samples of each class" in found.verdict.lever
    assert not found.evidence.is_scored


def test_labels_of_one_group_cannot_be_told():
    target, y, auxiliary = problem(0.2, 80)
    found = crossdistill.diagnose(target, y, auxiliary, groups=np.arange(400) // 80)
    assert found.answer == "cannot tell"
    assert "second group" in found.verdict.lever


def test_a_sample_without_a_group_is_a_group_of_its_own_and_random_states_are_those_of_scikit_learn():
    y = np.arange(90) % 3
    target, auxiliary = modality(y, 0.6, 1), modality(y, 0.3, 2)
    people = [None if row % 3 == 0 else float("nan") if row % 3 == 1 else "a" for row in range(90)]
    found = crossdistill.diagnose(target, y, auxiliary, groups=people).evidence
    assert found.counts.groups == 61
    drawn = crossdistill.diagnose(target, y, auxiliary, random_state=np.random.RandomState(0))
    assert drawn == crossdistill.diagnose(target, y, auxiliary, random_state=np.random.RandomState(0))
    assert crossdistill.diagnose(target, y, auxiliary, random_state=None).answer


def test_few_labels_in_more_groups_than_any_class_has_samples_make_fewer_folds():
    """Six groups, and two samples of each class: no five folds could be in proportion to the classes."""
    y, rows = np.arange(400) % CLASSES, [0, 1, 8, 9, 18, 27, 34, 43]
    few = np.full(400, -1)
    few[rows] = y[rows]
    assert np.bincount(few[rows]).tolist() == [2] * CLASSES
    found = crossdistill.diagnose(modality(y, 0.35, 1, 40), few, modality(y, 0.2, 2), groups=np.arange(400) // 8)
    assert (found.evidence.counts.groups, found.evidence.is_scored) == (6, True)


def test_groups_are_kept_apart_and_their_number_widens_the_interval():
    """A target that tells a person, and so by memory the person's class, tells nothing of a new person's."""
    people = np.arange(400) // 20
    y = (people * 7 // 3) % CLASSES
    person = 5 * np.random.default_rng(0).normal(size=(20, 6))[people]
    target = person + 0.1 * np.random.default_rng(1).normal(size=(400, 6))
    auxiliary = modality(y, 0.3, 2)
    mixed = crossdistill.diagnose(target, y, auxiliary)
    apart = crossdistill.diagnose(target, y, auxiliary, groups=people)
    assert mixed.evidence.scores["target"].mean > 0.95
    assert apart.evidence.scores["target"].mean < 0.7
    assert apart.evidence.counts.groups == 20


def test_samples_without_the_auxiliary_are_counted_and_left_out():
    target, y, auxiliary = problem(0.2, 48)
    auxiliary[40:70] = np.nan
    found = crossdistill.diagnose(target, y, auxiliary).evidence.counts
    assert (found.labelled, found.unlabelled, found.incomplete) == (40, 330, 30)


def test_a_text_that_some_samples_lack_is_told_by_its_letters():
    """Its features are those that it has where all are there, and no tokenizer is asked for."""
    texts = ["a dog runs", "the cat sat", "dogs run", "a cat sits", "the dog ran", "cats sit"]
    present = np.array([True, False, True, True, True, False, True, True])
    column = TextColumn(texts, texts, ReaderSettings(), "tokenizer")
    whole, _ = features_of(column, np.arange(6), seed=0)
    features, there = features_of(PartialColumn(column, present), np.arange(8), seed=0)
    assert there.tolist() == present.tolist()
    np.testing.assert_array_equal(features[present], whole)
    assert not features[~present].any()


class Watched(ArrayColumn):
    """Tells which rows were read."""

    def __init__(self, array):
        super().__init__(array)
        self.read = set()

    def fetch(self, rows):
        self.read |= set(rows.tolist())
        return super().fetch(rows)


@pytest.mark.parametrize("text", [False, True])
def test_an_auxiliary_that_is_the_same_in_all_samples_is_said_and_no_library_warns(text):
    target, y, _ = problem(0.2, 48, count=120)
    auxiliary = ["just noise"] * 120 if text else np.ones((120, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = crossdistill.diagnose(target, y, auxiliary)
    assert found.answer == "unlikely"
    line = "auxiliary is the same in all 120 training samples, so that nothing can be learnt from it"
    assert line in str(found).replace("\n", " ")
    assert "Mend the auxiliary" in str(found)
    assert "helped to name" not in str(found), "which would be chance"


def test_a_target_that_is_the_same_in_all_samples_has_nothing_to_gain():
    _, y, auxiliary = problem(0.2, 48, count=120)
    found = crossdistill.diagnose(np.ones((120, 4)), y, auxiliary)
    assert (found.answer, "Mend the target" in str(found)) == ("unlikely", True)


def test_only_training_samples_are_read():
    y = np.arange(120) % CLASSES
    columns = {"wrist": Watched(modality(y, 0.5, 0)), "camera": Watched(modality(y, 0.2, 1))}
    splits = np.where(np.arange(120) < 80, "train", np.where(np.arange(120) < 100, "validation", "test"))
    evidence_of(from_arrays(columns, y, splits=splits), ("wrist",), ("camera",))
    assert columns["wrist"].read == columns["camera"].read == set(range(80))


def test_the_same_twice_and_the_callers_random_state_is_kept():
    given = problem(0.3, 40, count=120)
    np.random.seed(3)  # noqa: NPY002  # the state that must not change
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (crossdistill.diagnose(*given, random_state=1).text() for _ in range(2))
    assert first == second
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_no_line_is_wider_than_the_terminal():
    for labelled in (48, 160):
        found = crossdistill.diagnose(*problem(0.2, labelled, count=160))
        for width in (40, 60, 80):
            assert max(map(len, found.text(width).splitlines())) <= width


def windows(labels, seed):
    """Each class is a frequency, with a random phase."""
    random = np.random.default_rng(seed)
    time = np.arange(60)[None, :, None]
    phase = random.uniform(0, 6, (len(labels), 1, 1))
    return np.sin(0.15 * (1 + labels[:, None, None]) * time + phase) + 0.3 * random.normal(size=(len(labels), 60, 2))


def pictures(labels, seed):
    """Each class is a bright quarter."""
    made = np.random.default_rng(seed).normal(size=(len(labels), 16, 16, 3))
    for row, label in enumerate(labels):
        top, left = 8 * (label // 2), 8 * (label % 2)
        made[row, top : top + 8, left : left + 8] += 0.5
    return made


@pytest.mark.parametrize(
    "auxiliary",
    [
        windows,
        lambda y, seed: [row[: 30 + 3 * (place % 10)] for place, row in enumerate(windows(y, seed))],
        pictures,
        lambda y, seed: np.moveaxis(pictures(y, seed), -1, 1),
        lambda y, seed: np.repeat(windows(y, seed), 100, axis=2),
    ],
    ids=["windows", "sequences", "pictures", "pictures-colours-first", "wide-steps"],
)
def test_plain_features_of_each_shape_tell_the_class(auxiliary):
    y = np.arange(160) % CLASSES
    found = crossdistill.diagnose(modality(y, 2.0, 0), y, auxiliary(y, 1))
    assert found.evidence.scores["auxiliary"].mean > 0.9


def test_features_of_one_step_and_of_constants_are_finite():
    sequences = from_arrays({"pen": [np.ones((1, 2)), np.ones((3, 2)), np.zeros((2, 2))]}, [0, 1, 0])
    features, present = features_of(sequences.columns["pen"], np.arange(3), 0)
    assert np.isfinite(features).all()
    assert present.all()


def test_an_interval_of_samples_is_students_and_groups_that_agree_widen_it():
    values = np.random.default_rng(0).normal(size=40)
    mean, half = mean_ci(values)
    score = score_of(values, np.arange(40), (-9, 9))
    assert (score.mean, score.low, score.high) == pytest.approx((mean, mean - half, mean + half))
    repeated = score_of(np.repeat(values, 5), np.repeat(np.arange(40), 5), (-9, 9))
    assert (repeated.low, repeated.high) == pytest.approx((score.low, score.high))


def written(tmp_path, labelled=48):
    """A manifest with training and test rows, and the training arrays."""
    target, y, auxiliary = problem(0.2, labelled)
    names = [f"kind {label}" if label >= 0 else "" for label in y]
    names[300:] = [f"kind {label % CLASSES}" for label in range(100)]
    data = from_arrays({"wrist": target, "camera": auxiliary}, names, splits=np.arange(400) >= 300, name="mine")
    folder = write_manifest(tmp_path / "mine", data)
    return folder, {"X": {"wrist": target[:300]}, "y": names[:300], "auxiliary": {"camera": auxiliary[:300]}}


def test_command_and_function_agree(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder, arrays = written(tmp_path)
    options = ["--data.target", "[wrist]", "--data.auxiliary", "[camera]"]
    assert main(["diagnose", str(folder), *options]) == 0
    said = capsys.readouterr().out.splitlines()
    found = crossdistill.diagnose(arrays["X"], np.array(arrays["y"], dtype=object), arrays["auxiliary"])
    assert said[0] == "mine: will it help? Likely."
    assert said[1:] == found.text().splitlines()[1:]


def test_a_recipe_with_labels_taken_away(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["diagnose", "watch", "--data.labelled_groups", "1"]) == 0
    said = capsys.readouterr().out
    assert "Can't tell." in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 40


def test_a_recipe_says_nothing_of_how_training_draws_or_which_epoch_it_keeps(tmp_path):
    recipe = crossdistill.RECIPES["emoji"]()
    data = replace(
        recipe.data, choose_epoch_on="validation", balanced=True, class_weights={"Objects": 2.0}, labelled=0.5
    )
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(as_dict(replace(recipe, data=data))))
    arguments = [str(tmp_path / "recipe.yaml")]
    settings = parsed(diagnose.parser(arguments), arguments).data
    assert (settings.choose_epoch_on, settings.balanced, settings.class_weights) == ("none", False, {})
    assert settings.labelled == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "neither a file nor a bundled recipe"),
        (["{folder}"], "--data.target"),
        (["{folder}", "--data.target", "[wrist]"], "--data.auxiliary"),
        (["{folder}", "--data.target", "[wrist]", "--data.auxiliary", "[sound]"], "sound"),
        (["{folder}", "--data.target", "[wrist]", "--data.auxiliary", "[wrist]"], "wrist"),
        (["emoji", "--data.labelled", "2"], "labelled"),
        (["{folder}", "--epochs", "3"], "epochs"),
    ],
    ids=["source", "modalities", "auxiliary", "unknown", "both", "share", "option"],
)
def test_mistakes_are_one_line(tmp_path, capsys, arguments, message):
    folder, _ = written(tmp_path)
    assert main(["diagnose", *(word.format(folder=folder) for word in arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert message in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, A: (X, y, None), "without it there is no question"),
        (lambda X, y, A: (X, np.where(y >= 0, 0, -1), A), "two classes"),
        (lambda X, y, A: (X, y, np.full_like(A, np.nan)), "at least one sample"),
        (lambda X, y, A: (X, y, A[:7]), "as many samples as X"),
        (lambda X, y, A: ({"a": X}, y, {"a": A}), "is a modality of X already"),
        (lambda X, y, A: (X, y, np.where(np.arange(len(y))[:, None] < 48, np.nan, A)), "at least two classes"),
    ],
    ids=["none", "class", "nan", "counts", "names", "unpaired-labels"],
)
def test_arrays_that_cannot_be_diagnosed(change, message):
    with pytest.raises(crossdistill.InputError, match=message):
        crossdistill.diagnose(*change(*problem(0.2, 48)))


def test_thresholds_decide_between_likely_and_unlikely():
    target, y, auxiliary = problem(0.2, 48)
    evidence = crossdistill.diagnose(target, y, auxiliary).evidence
    evidence = replace(evidence, differences={**evidence.differences, "gap": Score(0.05, 0.01, 0.09)})
    thresholds = crossdistill.diagnosis.Thresholds
    answers = [judge(evidence, thresholds(*pair)).answer for pair in ((0.01, 0.0), (2.0, 0.0), (2.0, 1.0))]
    assert answers == ["likely", "cannot tell", "unlikely"]
