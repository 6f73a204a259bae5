"""What the estimator takes, what it makes of it, and what it refuses in one line."""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import sparse
from sklearn.exceptions import NotFittedError

from crossdistill import (
    CrossModalClassifier,
    CrossModalRegressor,
    EncoderSettings,
    InputError,
    Modalities,
    diagnose,
    from_arrays,
)
from crossdistill.data.doubts import doubts_of
from crossdistill.estimator import training
from crossdistill.estimator.inputs import checked_auxiliary
from crossdistill.estimator.labels import weights_of
from tests.data.pictures import stripes
from tests.estimator.small import CLASSES, SAMPLES, problem, quick

X, Y, A = problem()
FEW = np.where(np.arange(SAMPLES) < 30, Y, -1)
NAMES = np.array(["push", "turn", "wave"])
FRAME = pd.DataFrame(X).add_prefix("x")
TIMES = pd.Series(pd.date_range("2024-01-01", periods=SAMPLES, freq="D"))


def windows(values: Any) -> Any:
    """(N, 8, F): each sample's numbers for eight steps, a little moved."""
    return values[:, None, :] + 0.1 * np.random.default_rng(3).normal(size=(len(values), 8, 1))


def ragged(values: Any) -> list[Any]:
    """N sequences of 3 to 8 steps."""
    return [window[: 3 + row % 6] for row, window in enumerate(windows(values))]


def test_labels_are_told_better_than_by_chance_and_without_the_auxiliary() -> None:
    model = quick(n_epochs=40).fit(X, Y, auxiliary=A)
    fresh, y, auxiliary = problem(seed=1)
    assert model.score(fresh, y) > 0.55
    assert model.teacher_score(fresh, y, auxiliary) > model.score(fresh, y)
    assert model.method_ == "amid_u"
    assert len(model.history_) == 40


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)])
def test_pictures_are_told_by_what_no_pixel_says_alone(order: tuple[int, ...]) -> None:
    pixels, labels = stripes(120, seed=0)
    fresh, truth = stripes(80, seed=1)
    model = quick("baseline", n_epochs=12, batch_size=20).fit(pixels.transpose(order), labels)
    assert model.score(fresh.transpose(order), truth) > 0.9
    np.testing.assert_array_equal(
        model.predict(list(fresh.transpose(order)[:5])), model.predict(fresh.transpose(order))[:5]
    )


def test_a_list_of_pictures_is_an_array_where_they_have_one_size() -> None:
    pixels, labels = stripes(20, seed=0)
    pictures = [Image.fromarray(picture) for picture in pixels]
    model = quick("baseline", n_epochs=1, batch_size=10).fit(pictures, labels)
    np.testing.assert_array_equal(model.predict_proba(pictures), model.predict_proba(pixels))
    with pytest.raises(InputError, match=r"of one size .*found \(19, 24, 3\), \(20, 24, 3\)"):
        model.predict([pixels[0], pixels[1][1:]])


def test_pillow_s_pictures_are_what_they_show() -> None:
    """A palette's places are no brightness, and a grey picture is one of a single colour, not a window over time."""
    pixels, labels = stripes(20, seed=0)
    settings = {"n_epochs": 1, "batch_size": 10}
    palettes = [Image.fromarray(np.uint8(picture // 64 * 64)).quantize(256) for picture in pixels]
    shown = np.stack([np.asarray(picture.convert("RGB")) for picture in palettes])
    coloured = quick("baseline", **settings).fit(palettes, labels)
    assert np.array_equal(coloured.predict_proba(palettes), coloured.predict_proba(shown))
    assert np.array_equal(coloured.student_.predict(palettes), coloured.student_.predict(shown))
    assert coloured.student_.inputs["X"].shape == shown.shape[1:]
    grey = [Image.fromarray(picture).convert("L") for picture in pixels]
    one_colour = quick("baseline", **settings).fit(grey, labels)
    assert one_colour.student_.inputs["X"].shape == (*pixels.shape[1:3], 1)
    assert one_colour.student_.predict(grey[0]).shape == (1,)


FORMS = {
    "table": X,
    "frame": pd.DataFrame(X),
    "windows": windows(X),
    "ragged": ragged(X),
    "equal sequences": list(windows(X)),
    "nested lists": windows(X).tolist(),
    "pictures": np.random.default_rng(0).integers(0, 255, (SAMPLES, 4, 5, 6)).astype(np.uint8),
    "pictures, colours last": np.random.default_rng(0).integers(0, 255, (SAMPLES, 5, 6, 3)).astype(np.uint8),
    "named": Modalities(wrist=X, elbow=ragged(X[:, :2])),
    "dict": {"wrist": X, "elbow": X[:, :2]},
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_x_is_learnt_and_predicted(form: str) -> None:
    given = FORMS[form]
    model = quick(n_epochs=6).fit(given, Y, auxiliary=A)
    assert model.predict(given).shape == (SAMPLES,)
    assert model.n_features_in_ == {"named": 8, "dict": 8, "pictures, colours last": 3}.get(form, 6)
    alike = quick(n_epochs=6).fit(given, Y, auxiliary=FORMS["frame"])
    assert alike.transform(given).shape == (SAMPLES, 16)


def test_sequences_given_as_a_list_may_have_other_lengths_later() -> None:
    model = quick().fit(list(windows(X)), Y, auxiliary=A)
    assert model.predict(ragged(X)).shape == (SAMPLES,)
    assert model.predict(ragged(X)[:1]).shape == (1,)


@pytest.mark.parametrize(
    "y",
    [
        FEW,
        FEW.astype(float),
        np.where(FEW < 0, np.nan, FEW),
        [int(label) if label >= 0 else None for label in FEW],
        [NAMES[label] if label >= 0 else None for label in FEW],
        np.array([NAMES[label] if label >= 0 else np.nan for label in FEW], dtype=object),
        np.where(FEW < 0, "", NAMES[FEW]),
        np.where(FEW < 0, "  ", NAMES[FEW]),
        pd.Series([NAMES[label] if label >= 0 else pd.NA for label in FEW], dtype="string"),
        pd.Series([label if label >= 0 else pd.NA for label in FEW], dtype="Int64"),
        pd.Series(np.where(FEW < 0, None, NAMES[FEW])),
        np.array([*map(np.int64, FEW), None], dtype=object)[:-1],
        np.ma.masked_array(Y, FEW < 0),
        np.ma.masked_array(NAMES[Y], FEW < 0),
    ],
    ids=[
        *(
            "-1",
            "-1.0",
            "NaN",
            "None",
            "None of texts",
            "NaN of texts",
            "empty",
            "spaces",
            "NA",
            "NA of numbers",
            "series",
        ),
        *("NumPy's -1 among objects", "masked", "masked text"),
    ],
)
def test_samples_without_a_label_are_learnt_from_in_whatever_way_they_lack_it(y: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = quick(n_epochs=10).fit(X, y, auxiliary=A)
    assert len(model.classes_) == CLASSES
    assert np.array_equal(model.predict_proba(X), quick(n_epochs=10).fit(X, FEW, auxiliary=A).predict_proba(X))
    assert model.score(X, y) == model.score(X[:30], y[:30])


def test_classes_keep_their_type() -> None:
    assert quick("baseline").fit(X, Y > 0).predict(X).dtype == np.bool_
    assert quick("baseline").fit(X, NAMES[Y]).predict(X)[0] in NAMES
    assert set(quick("baseline").fit(X, Y + 0.0).classes_) == {0.0, 1.0, 2.0}
    assert quick("baseline").fit(X, [-1, 5, 7] * 30).classes_.tolist() == [5, 7]


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]", "category", "boolean", "bool[pyarrow]"])
def test_classes_beside_na_keep_their_type(dtype: str) -> None:
    truth = dtype.startswith("bool")
    labels = pd.Series(Y > 0 if truth else Y)
    for given in (labels.astype(dtype), labels.astype(dtype).mask(FEW < 0)):
        classes = quick("baseline").fit(X, given).classes_
        assert classes.tolist() == sorted(set(labels.tolist()))
        assert classes.dtype.kind == ("b" if truth else "i")


def test_tensors_are_arrays() -> None:
    model = quick().fit(torch.from_numpy(X), torch.from_numpy(FEW), auxiliary=torch.from_numpy(A))
    assert np.array_equal(model.predict_proba(X), quick().fit(X, FEW, auxiliary=A).predict_proba(X))
    learning = torch.from_numpy(X).requires_grad_()
    assert np.array_equal(model.predict_proba(learning), model.predict_proba(X))
    listed = quick().fit(learning, FEW, auxiliary=list(torch.from_numpy(A).requires_grad_()))
    assert np.array_equal(listed.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("form", [lambda a: a, list, lambda a: Modalities(auxiliary=a), lambda a: {"auxiliary": a}])
def test_masked_numbers_are_missing_ones(form: Any) -> None:
    """What lies below a mask is nobody's number: a whole row of the auxiliary is a sample that lacks it."""
    gone = np.arange(SAMPLES) % 2 == 0
    masked = np.ma.masked_array(np.where(gone[:, None], 1e6, A), np.repeat(gone[:, None], 4, axis=1))
    model = quick(n_epochs=1).fit(X, Y, auxiliary=form(masked))
    same = quick(n_epochs=1).fit(X, Y, auxiliary=np.where(gone[:, None], np.nan, A))
    assert np.array_equal(model.predict_proba(X), same.predict_proba(X))
    with pytest.raises(ValueError, match="contains NaN"):
        quick().fit(form(np.ma.masked_array(X, X > 2)), Y)


def test_a_masked_sequence_is_a_missing_one() -> None:
    sequences = [np.ma.masked_array(np.full((2 + row % 3, 4), 1e6), row < 40) for row in range(SAMPLES)]
    assert checked_auxiliary(sequences, SAMPLES)["auxiliary"].present.tolist() == [False] * 40 + [True] * 50


def test_features_that_float32_cannot_hold_are_named() -> None:
    seconds = pd.DataFrame(X, columns=list("abcdef")).assign(c=1.6e9 + X[:, 2])
    for x, named in ((seconds, r"X: .*feature 2 \('c'\)"), (X * 1e-300, "X: .*feature 0, .*and of 5 more")):
        with pytest.warns(UserWarning, match=named):
            quick("baseline").fit(x, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick("baseline").fit(X + 1e4, Y)
        quick("baseline").fit(np.where(X > 0, X * 1e-12, 0.5), Y)


def test_scores_want_weights_that_count() -> None:
    model = quick("amid").fit(X, Y, auxiliary=A)
    only = (np.arange(SAMPLES) < 9).astype(float)
    assert model.score(X, Y, only) == model.score(X[:9], Y[:9])
    assert model.teacher_score(X, Y, A, only) == model.teacher_score(X[:9], Y[:9], A[:9])
    with pytest.raises(ValueError, match="sample_weight"):
        model.score(X, Y, np.ones(3))
    with pytest.raises(InputError, match="sample_weight: expected some above 0"):
        model.score(X, FEW, (FEW < 0).astype(float))


@pytest.mark.parametrize(
    ("y", "doubted"),
    [
        ([-1, 0, 1] * 8, True),
        ([-1.0, 0.0, 1.0] * 8, True),
        ([-2, -1, 0, 1, 2] * 5, True),
        ([-1] * 16 + [0, 1] * 4, False),  # few labels
        ([-1, 0, 1, 2] * 6, False),
        ([-1, "neutral", "good"] * 8, False),
    ],
)
def test_minus_one_that_may_be_a_class_is_said(y: list[Any], doubted: bool) -> None:
    """Moods of -1, 0 and 1: without a word one of three had been left out, and `score` counted the others alone."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = quick("baseline", n_epochs=1).fit(np.random.default_rng(0).normal(size=(len(y), 3)), y)
    said = [str(warning.message) for warning in caught if "-1 is taken for no label" in str(warning.message)]
    assert len(said) == doubted
    assert -1 not in fitted.classes_.tolist()


def test_minus_one_that_an_unsigned_type_has_made_another_number_is_said() -> None:
    with pytest.warns(UserWarning, match="y: 255 is taken for a class, far above the others; -1 becomes 255 in uint8"):
        quick("baseline", n_epochs=1).fit(X, FEW.astype(np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick("baseline", n_epochs=1).fit(X, Y.astype(np.uint8))


@pytest.mark.filterwarnings("ignore:X. half of a feature's numbers:UserWarning")
def test_logarithms_of_probabilities_are_theirs() -> None:
    model = quick("baseline").fit(X, Y)
    with np.errstate(all="raise"):
        np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), atol=1e-12)
        far = model.predict_log_proba(1e6 * X)
    assert not np.isnan(far).any()
    assert (far <= 0).all()
    several = quick("baseline").fit(X, np.eye(CLASSES, dtype=int)[Y])
    assert np.array_equal(several.predict_log_proba(X), np.log(several.predict_proba(X)))


@pytest.mark.parametrize("fraction", [0.1, 0.99])
def test_too_few_labels_to_hold_some_out_are_said_in_own_words(fraction: float) -> None:
    model = quick("baseline", early_stopping=True, validation_fraction=fraction)
    with pytest.raises(
        InputError, match=r"labelled train rows for validation, with one of each of 3 classes on either"
    ):
        model.fit(X, np.where(np.arange(SAMPLES) < 6, Y, -1))


def test_minus_one_beside_one_alone_is_a_class() -> None:
    y = np.where(Y == 0, -1, 1)
    with pytest.warns(UserWarning, match="taken for two classes"):
        model = quick("baseline", n_epochs=60).fit(X, y)
    assert model.classes_.tolist() == [-1, 1]
    assert model.score(X, y) == (model.predict(X) == y).mean() > 0.7


def test_auxiliary_rows_that_are_missing_are_no_numbers_to_learn_from() -> None:
    gone = np.arange(SAMPLES) % 2 == 1
    holes, garbage = A.copy(), A.copy()
    holes[gone], garbage[gone] = np.nan, 1e6
    model = quick(n_epochs=10).fit(X, Y, auxiliary=holes)
    assert np.isfinite(model.predict_proba(X)).all()
    assert not np.allclose(model.predict_proba(X), quick(n_epochs=10).fit(X, Y, auxiliary=garbage).predict_proba(X))
    listed: list[Any] = [None if lacks else steps for lacks, steps in zip(gone, ragged(A), strict=True)]
    blank = [steps * np.nan if lacks else steps for lacks, steps in zip(gone, ragged(A), strict=True)]
    assert np.array_equal(
        quick().fit(X, Y, auxiliary=listed).predict_proba(X), quick().fit(X, Y, auxiliary=blank).predict_proba(X)
    )
    assert model.teacher_score(X, Y, holes) == model.teacher_score(X[~gone], Y[~gone], A[~gone])


SAID = [f"{NAMES[label]} {'gently' if row % 2 else 'hard'}" for row, label in enumerate(Y)]


@pytest.mark.parametrize(
    "said",
    [SAID, np.array(SAID), np.array(SAID, dtype=object), pd.Series(SAID), pd.array(SAID, dtype="string")],
    ids=["list", "texts", "objects", "series", "extension"],
)
def test_texts_are_an_auxiliary_modality(said: Any) -> None:
    model = quick(n_epochs=10).fit(X, FEW, auxiliary={"said": said})
    assert model.teacher_score(X, Y, {"said": said}) > 0.8 > model.score(X, Y)
    again = quick(n_epochs=10).fit(X, FEW, auxiliary=Modalities(said=SAID))
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))


def test_samples_may_lack_their_text() -> None:
    given: list[Any] = [None if row % 3 == 0 else text for row, text in enumerate(SAID)]
    model = quick(n_epochs=2).fit(X, Y, auxiliary=given)
    absent = [row for row in range(SAMPLES) if row % 3 == 0]
    assert model.teacher_score(X, Y, given) == model.teacher_score(
        np.delete(X, absent, 0), np.delete(Y, absent), [text for text in given if text is not None]
    )
    gaps = [np.nan if text is None else text for text in given]
    for other in (gaps, {"said": gaps}, Modalities(said=gaps)):
        assert np.array_equal(quick(n_epochs=2).fit(X, Y, auxiliary=other).predict_proba(X), model.predict_proba(X))
    with pytest.raises(InputError, match="said: expected numbers, found texts such as"):
        quick().fit(X, Y, auxiliary={"said": [3, *SAID[1:]]})
    as_table = pd.DataFrame({"said": given})["said"]
    assert np.array_equal(quick(n_epochs=2).fit(X, Y, auxiliary=as_table).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("as_x", [SAID, np.array(SAID), {"said": SAID}, Modalities(said=SAID)])
def test_texts_are_no_target(as_x: Any) -> None:
    with pytest.raises(
        InputError, match=r"expected numbers, found texts such as '(push|turn|wave) .*learnt from a manif"
    ):
        quick().fit(as_x, Y, auxiliary=A)


def test_without_an_auxiliary_the_student_is_trained_alone_and_that_is_said() -> None:
    with pytest.warns(UserWarning, match=r"trained alone \(method baseline, not amid_u\), and the 60 samples without"):
        model = quick().fit(X, FEW)
    assert model.method_ == "baseline"
    assert np.array_equal(model.predict_proba(X), quick("baseline").fit(X, FEW).predict_proba(X))
    with pytest.raises(InputError, match="trained no teacher"):
        model.teacher_score(X, Y, A)
    assert quick("self_training").fit(X, FEW).method_ == "self_training"


def test_weights_say_how_much_a_sample_counts() -> None:
    twice = np.concatenate([X, X])
    labels = np.concatenate([Y, (Y + 1) % CLASSES])  # each sample once with its class and once with a wrong one
    weights = np.repeat([1.0, 0.02], SAMPLES)
    model = quick("baseline", n_epochs=40).fit(twice, labels, sample_weight=weights)
    assert model.score(X, Y) > 0.7
    assert quick("baseline", n_epochs=40).fit(twice, labels, sample_weight=weights[::-1]).score(X, Y) < 0.2
    nothing = np.repeat([1.0, 0.0], SAMPLES)
    left_out = quick("baseline").fit(twice, labels, sample_weight=nothing)
    assert np.array_equal(left_out.predict_proba(X), quick("baseline").fit(X, Y).predict_proba(X))
    same = quick("baseline").fit(X, Y, sample_weight=np.full(SAMPLES, 0.3))
    assert np.array_equal(same.predict_proba(X), quick("baseline").fit(X, Y).predict_proba(X))


def test_balanced_classes_find_the_rare_one() -> None:
    rare = np.concatenate([np.flatnonzero(Y == 0), np.flatnonzero(Y == 1), np.flatnonzero(Y == 2)[:4]])
    fresh, y, _ = problem(seed=1)
    found = {
        weight: (quick("baseline", n_epochs=40, class_weight=weight).fit(X[rare], Y[rare]).predict(fresh[y == 2]) == 2)
        for weight in (None, "balanced")
    }
    assert found["balanced"].mean() > found[None].mean() + 0.1
    texts = quick("baseline", class_weight={"wave": 5.0}).fit(X, NAMES[Y])
    assert not np.array_equal(texts.predict_proba(X), quick("baseline").fit(X, NAMES[Y]).predict_proba(X))


def test_the_best_epoch_on_held_out_samples_is_kept() -> None:
    model = quick("baseline", n_epochs=30, learning_rate=0.1, early_stopping=True, validation_fraction=0.3).fit(X, Y)
    measured = [record["evaluation/student/top1"] for record in model.history_]
    assert len(measured) == 30
    assert measured[model.best_epoch_] == max(measured) > measured[-1] or model.best_epoch_ == 29
    assert quick("baseline").fit(X, Y).best_epoch_ is None


def test_how_much_of_the_gap_is_recovered() -> None:
    fresh, y, auxiliary = problem(seed=1)
    model = quick(n_epochs=20).fit(X, FEW, auxiliary=A)
    alone = quick("baseline", n_epochs=20).fit(X, FEW)
    expected = (model.score(fresh, y) - alone.score(fresh, y)) / (
        model.teacher_score(fresh, y, auxiliary) - alone.score(fresh, y)
    )
    assert model.gap_recovered(fresh, y, auxiliary, alone) == pytest.approx(expected)
    gone = np.arange(len(y)) % 2 == 0
    some = np.where(gone[:, None], np.nan, auxiliary)
    complete = model.gap_recovered(fresh[~gone], y[~gone], auxiliary[~gone], alone)
    assert model.gap_recovered(fresh, y, some, alone) == pytest.approx(complete), "all three on the same samples"


def test_it_says_how_it_goes_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    quick(n_epochs=20).fit(X, Y, auxiliary=A)
    assert capsys.readouterr().out == ""
    quick(n_epochs=20, verbose=1).fit(X, Y, auxiliary=A)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "amid_u: 20 epochs"
    assert len(lines) == 11
    quick(n_epochs=20, verbose=2, early_stopping=True).fit(X, Y, auxiliary=A)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert "validation" in lines[-1]


def test_the_process_is_the_callers() -> None:
    def state() -> object:
        draws = np.random.get_state()[1].tobytes()  # type: ignore[index, union-attr] # noqa: NPY002
        return torch.get_num_threads(), torch.random.get_rng_state().numpy().tobytes(), draws, dict(os.environ)

    before = state()
    quick().fit(X, FEW, auxiliary=A).predict(X)
    assert state() == before


HARD = {
    "few samples": (X[:6], Y[:6], A[:6]),
    "a class of one": (X[:61], np.where(np.arange(61) == 60, 2, Y[:61] % 2), A[:61]),
    "one label each": (X, np.where(np.arange(SAMPLES) < CLASSES, Y, -1), A),
    "constant": (np.ones((SAMPLES, 2)), Y, np.zeros((SAMPLES, 1))),
    "large scales": (X * 1e30, Y, A * 1e-30),
    "far from zero": (X + 1e4, Y, A),
    "bytes": ((X * 20).clip(-100, 100).astype(np.int8), Y, A > 1),
    "float32": (X.astype(np.float32), Y, A.astype(np.float16)),
    "objects": (X.astype(object), Y, A.astype(object)),
    "one feature": (X[:, :1], Y, A[:, :1]),
}


@pytest.mark.filterwarnings("ignore:X, auxiliary are the same in all")
@pytest.mark.parametrize("case", HARD)
def test_hard_cases_train_to_finite_numbers(case: str) -> None:
    x, y, auxiliary = HARD[case]
    model = quick().fit(x, y, auxiliary=auxiliary)
    assert np.isfinite(model.predict_proba(x)).all()
    assert model.teacher_score(x, y, auxiliary) >= 0
    if x.dtype.kind == "i":
        assert model.predict(x + 0.5).shape == (len(x),)


REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "NaN in X": ((np.where(X > 3, np.nan, X), Y, A), "contains NaN"),
    "NaN in a sequence": (([*ragged(X)[:-1], ragged(X)[-1] * np.nan], Y, A), "sequence 89 contains NaN"),
    "sparse": ((sparse.csr_matrix(X), Y, A), "Sparse data"),
    "sparse of keys": ((sparse.dok_matrix(X), Y, A), "Sparse data"),
    "texts": ((np.array([["a"]] * SAMPLES), Y, A), "X: expected numbers, found texts such as 'a'"),
    "one axis": ((X[:, 0], Y, A), "Expected 2D array"),
    "too large": ((X * 1e300, Y, A), r"X: row \d+: NaN or infinity \(in float32\)"),
    "columns of y": ((X, np.stack([Y, Y], 1), A), "0 or 1 for each label, found 2"),
    "one class": ((X, np.zeros(SAMPLES, dtype=int), A), "one class, 0$"),
    "one class and -1": ((X, np.where(Y > 0, 5, -1), A), "one class, 5; -1 stands for no label"),
    "no label": ((X, np.full(SAMPLES, -1), A), "every sample is unlabelled"),
    "numbers and texts": ((X, np.array([0, "a", 1] * 30, dtype=object), A), "texts beside numbers: 'a' and 0"),
    "0 and '0'": ((X, np.array([0, "0"] * 45, dtype=object), A), "labels of one kind, .* numbers: '0' and 0"),
    "NumPy's in a list": ((X, [np.int64(0), np.str_("a"), -1] * 30, A), "labels of one kind, .* numbers: 'a' and 0$"),
    "0 and '0' in a list": ((X, [0, "0", None] * 30, A), "labels of one kind, .* numbers: '0' and 0"),
    "a zero character": ((X, ["a\0", "a", "b"] * 30, A), r"y: .* without zero characters, found 'a.x00'"),
    "measurements": ((X, X[:, 0], A), "Unknown label type"),
    "part of a row": ((X, Y, np.where(A > 2.5, np.nan, A)), r"auxiliary: row \d+ is NaN in a part"),
    "nothing": ((X, Y, A * np.nan), "auxiliary: expected at least one sample that has it"),
    "None in all": ((X, Y, [None] * SAMPLES), "auxiliary: expected at least one sample that has it, found None in all"),
    "no X": ((None, Y, A), "X: expected samples, found None"),
    "a column of X": (
        (FRAME.assign(c=NAMES[Y]), Y, A),
        "X: .* column 'c' of (object|str), such as '(push|turn|wave)'; encode",
    ),
    "gaps in texts": (
        (FRAME.assign(c=pd.Series([None] * SAMPLES, dtype="string")), Y, A),
        "X: .* column 'c' of string",
    ),
    "times in X": (
        (FRAME.assign(c=TIMES), Y, A),
        "X: expected numbers, found column 'c' of datetime64.*; make numbers of",
    ),
    "times alone": ((TIMES.to_numpy()[:, None], Y, A), "X: expected numbers, found datetime64"),
    "times in the auxiliary": ((X, Y, FRAME.assign(c=TIMES)), "auxiliary: expected numbers, found column 'c'"),
    "column twice": ((X, Y, pd.DataFrame(A, columns=["a"] * A.shape[1])), "auxiliary: expected distinct column names"),
    "texts in a list": (
        (X, Y, ["a.mp4"] * SAMPLES),
        "auxiliary: expected numbers or texts, found the name of a file, 'a.mp4'",
    ),
    "one axis of the auxiliary": ((X, Y, A[:, 0]), r"auxiliary: expected samples of features, .* values\[:, None\]"),
    "None in X": (([None, *ragged(X)[1:]], Y, A), "X: row 0 is None; only auxiliary samples may be missing"),
    "no step": (([ragged(X)[0][:0], *ragged(X)[1:]], Y, A), "X: sequence 0: expected at least one step"),
    "series": (([x[:, 0] for x in ragged(X)], Y, A), r"X: expected as many numbers .* found 3 and 4; .* x\[:, None\]"),
    "one series": (([ragged(X)[0][:, 0], *ragged(X)[1:]], Y, A), r"X: sequence 0: expected \(time, features\), found"),
    "no modality": ((X, Y, {}), "^auxiliary: expected at least one modality"),
    "fewer": ((X, Y, A[:80]), "auxiliary: expected as many samples as X, 90, found 80$"),
    "dict of others": ((X, Y, {"camera": A[:80]}), "slices crossdistill.Modalities, but no dict"),
    "same name": (({"a": X}, Y, {"a": A}), "a is a modality of X already"),
    "weights below 0": ((X, Y, A, -np.ones(SAMPLES)), "[Nn]egative"),
    "weights of 0": ((X, Y, A, np.zeros(SAMPLES)), "every sample|zero|weight above 0"),
}


@pytest.mark.filterwarnings("ignore:no labelled training sample of")  # that were shown to no teacher
def test_a_list_says_by_none_which_auxiliary_samples_are_missing() -> None:
    gone = np.arange(SAMPLES) % 3 == 1
    vectors = [None if missing else row for row, missing in zip(A, gone, strict=True)]
    expected = quick().fit(X, FEW, auxiliary=np.where(gone[:, None], np.nan, A)).predict_proba(X)
    for auxiliary in (vectors, {"auxiliary": vectors}, Modalities(auxiliary=vectors)):
        assert np.array_equal(quick().fit(X, FEW, auxiliary=auxiliary).predict_proba(X), expected)
    pictures = [
        None if missing else Image.fromarray(p) for p, missing in zip(stripes(SAMPLES, seed=0)[0], gone, strict=True)
    ]
    checked = checked_auxiliary(pictures, SAMPLES)["auxiliary"]
    assert np.array_equal(checked.present, ~gone)
    assert len(checked.values) == (~gone).sum()


def test_rows_whose_index_has_another_order_are_said() -> None:
    shuffled = FRAME.sample(frac=1, random_state=0)
    with pytest.warns(UserWarning, match=r"auxiliary has the index of X in another order.*auxiliary.loc\[X.index\]"):
        quick("baseline").fit(shuffled, Y, auxiliary=pd.DataFrame(A))
    with pytest.warns(UserWarning, match="y has the index of X in another order"):
        quick("baseline").fit(shuffled, pd.Series(Y), auxiliary=A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = pd.DataFrame(A).loc[shuffled.index]
        quick("baseline").fit(shuffled, pd.Series(Y).loc[shuffled.index], auxiliary=together)
        quick("baseline").fit(shuffled.reset_index(drop=True), Y, auxiliary=pd.DataFrame(A))


def test_every_table_s_rows_are_held_against_the_first_one_s() -> None:
    named, shuffled = pd.Series(Y), pd.DataFrame(A).sample(frac=1, random_state=0)
    with pytest.warns(UserWarning, match=r"X\['b'\] has the index of X\['a'\] in another order"):
        quick("baseline").fit({"a": FRAME, "b": shuffled.add_prefix("b")}, Y)
    with pytest.warns(UserWarning, match=r"auxiliary has the index of y in another order.*auxiliary.loc\[y.index\]"):
        model = quick().fit(X, named, auxiliary=shuffled)
    with pytest.warns(UserWarning, match="sample_weight has the index of X"):
        quick("baseline").fit(FRAME, Y, auxiliary=A, sample_weight=pd.Series(np.ones(SAMPLES), shuffled.index))
    with pytest.warns(UserWarning, match="sample_weight has the index of y") as caught:
        model.score(X, named, sample_weight=pd.Series(np.ones(SAMPLES), shuffled.index))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="auxiliary has the index of y") as caught:
        model.teacher_score(X, named, shuffled)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="camera has the index of wrist in another order") as caught:
        from_arrays({"wrist": FRAME, "camera": shuffled}, Y)
    assert caught[0].filename == __file__


def holes(*rows: int, value: float = np.nan) -> Any:
    """The auxiliary samples, of which the first ten are not there, with a number that cannot be in some rows."""
    changed = A.copy()
    changed[:10] = np.nan
    changed[list(rows), 0] = value
    return changed


BAD_ROWS = {
    "beyond float32": (holes(50, value=1e39), "auxiliary: row 50: NaN or infinity"),
    "a part of a row": (holes(50), "auxiliary: row 50 is NaN in a part"),
    "in a list": ([None] * 10 + list(holes(50)[10:]), "auxiliary: row 50 is NaN in a part"),
    "a sequence": (
        [None if row < 10 else np.full((4, 3), 1e39 if row == 50 else 1.0) for row in range(SAMPLES)],
        "auxiliary: row 50: NaN or infinity",
    ),
    "no sequence": (
        [None if row < 10 else np.ones((4, 3)) if row != 50 else np.ones(3) for row in range(SAMPLES)],
        "auxiliary: sequence 50: expected",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_errors_number_the_samples_as_they_were_given(case: str) -> None:
    auxiliary, message = BAD_ROWS[case]
    with pytest.raises(InputError, match=message):
        quick().fit(X, Y, auxiliary=auxiliary)


def test_errors_number_samples_of_arrays_and_of_weighted_ones_as_they_were_given() -> None:
    with pytest.raises(InputError, match="z: row 50: NaN or infinity"):
        from_arrays({"z": holes(50, value=1e39)}, Y, present={"z": np.arange(SAMPLES) >= 10})
    changed = X.copy()
    changed[50] = 1e39
    with pytest.raises(InputError, match="X: row 50: NaN or infinity"):
        quick("baseline").fit(changed, Y, auxiliary=A, sample_weight=np.arange(SAMPLES) >= 10)


def test_balanced_classes_are_so_by_the_weights_that_samples_have() -> None:
    weights = np.where((Y == 0) & (np.arange(SAMPLES) > 20), 0.0, 1.0)
    some = quick("baseline", class_weight="balanced").fit(X, Y, A, sample_weight=weights)
    less = quick("baseline", class_weight="balanced").fit(X[weights > 0], Y[weights > 0], A[weights > 0])
    assert np.array_equal(some.predict_proba(X), less.predict_proba(X))
    weights = np.random.default_rng(0).uniform(0.1, 2, SAMPLES)
    balanced = weights_of(weights, "balanced", Y, np.arange(CLASSES))
    assert np.bincount(Y, balanced) == pytest.approx([weights.sum() / CLASSES] * CLASSES)


def test_trainings_in_threads_do_not_disturb_one_another() -> None:
    alone, before = quick().fit(X, FEW, auxiliary=A).predict_proba(X), torch.get_rng_state()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: quick().fit(X, FEW, auxiliary=A).predict_proba(X), range(4)))
    assert all(np.array_equal(each, alone) for each in found)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_process_that_is_forked_while_another_thread_trains_can_train() -> None:
    """The lock's holder is not there in the child."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with training._ONE_AT_A_TIME:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = os.fork()
    if not child:
        os._exit(0 if training._ONE_AT_A_TIME.acquire(timeout=10) else 1)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_subclass_may_ask_for_more() -> None:
    class Mine(CrossModalClassifier):  # type: ignore[misc]
        def __init__(self, needed: int) -> None:
            super().__init__("baseline", n_epochs=needed, width=16, random_state=0)

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {name: getattr(self, name) for name in CrossModalClassifier().get_params()}

    model = Mine(2).fit(FRAME, Y, auxiliary=A)
    assert model.n_features_in_ == X.shape[1]
    assert list(model.feature_names_in_) == list(FRAME.columns)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_it_trains_where_gradients_are_switched_off(off: Any) -> None:
    expected = quick().fit(X, FEW, auxiliary=A).predict_proba(X)
    with off():
        assert np.array_equal(quick().fit(X, FEW, auxiliary=A).predict_proba(X), expected)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was() -> None:
    model = quick("baseline", n_epochs=-1)
    with pytest.raises(InputError, match="n_epochs"):
        model.fit(FRAME, Y, auxiliary=A)
    with pytest.raises(NotFittedError):
        model.predict(FRAME)
    model.set_params(n_epochs=1).fit(FRAME, Y, auxiliary=A)
    expected = model.predict_proba(FRAME)
    with pytest.raises(InputError, match="n_epochs"):
        model.set_params(n_epochs=-1).fit(FRAME.add_prefix("other_").iloc[:, :4], Y, auxiliary=A)
    assert np.array_equal(model.predict_proba(FRAME), expected)
    model.set_params(n_epochs=1).fit(X, Y, auxiliary=A)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("kind", ["S1", "M8[ns]", "M8[D]", "m8[s]"])
def test_bytes_and_times_are_no_classes(kind: str) -> None:
    labels = np.array([b"a", b"b", b"c"])[Y] if kind == "S1" else Y.astype(kind)
    with pytest.raises(InputError, match=r"y: expected texts or numbers, found .*; make texts of them"):
        quick("baseline").fit(X, labels, auxiliary=A)


def test_tensors_with_a_gradient_are_labels() -> None:
    y = torch.tensor(Y, dtype=torch.float64, requires_grad=True)
    assert np.array_equal(quick().fit(X, y, A).predict(X), quick().fit(X, Y.astype(float), A).predict(X))
    settings = {"n_epochs": 1, "width": 16, "random_state": 0}
    several = torch.tensor(np.eye(CLASSES)[Y], requires_grad=True)
    expected = quick().fit(X, several.detach().numpy().astype(int), A).predict_proba(X)
    assert np.array_equal(quick().fit(X, several, A).predict_proba(X), expected)
    plain = CrossModalRegressor(**settings).fit(X, Y.astype(float), auxiliary=A).predict(X)
    assert np.array_equal(CrossModalRegressor(**settings).fit(X, y, auxiliary=A).predict(X), plain)


def test_columns_of_several_labels_are_known_by_their_names() -> None:
    several = pd.DataFrame(np.eye(CLASSES, dtype=int)[Y], columns=list("abc"))
    model = quick(n_epochs=20).fit(X, several, auxiliary=A)
    assert model.score(X, several[list("cab")]) == model.score(X, several)
    assert model.teacher_score(X, several[list("cab")], A) == model.teacher_score(X, several, A)
    assert model.score(X, several.to_numpy()) == model.score(X, several)
    with pytest.warns(UserWarning, match="y: its columns x, b, c are taken for a, b, c of training, by their place"):
        assert model.score(X, several.rename(columns={"a": "x"})) == model.score(X, several)
    assert model.score(X, pd.DataFrame(several.to_numpy())) == model.score(X, several)
    unnamed = quick(n_epochs=20).fit(X, several.to_numpy(), auxiliary=A)
    assert unnamed.score(X, several.set_axis([2, 0, 1], axis=1)) == unnamed.score(X, several)
    assert from_arrays({"x": X}, several, task="multilabel").classes == ("a", "b", "c")
    numbers = pd.DataFrame({"a": X[:, 0], "b": 100 - X[:, 1]})
    regressor = CrossModalRegressor(n_epochs=5, width=16, random_state=0).fit(X, numbers, auxiliary=A)
    assert regressor.score(X, numbers[["b", "a"]]) == regressor.score(X, numbers)


@pytest.mark.parametrize("text", ["nan", "-1", "None"])
def test_a_class_that_looks_like_no_label_is_said(text: str) -> None:
    labels = np.where(FEW < 0, text, NAMES[Y])
    with pytest.warns(UserWarning, match="is taken for a class") as said:
        quick("baseline").fit(X, labels, auxiliary=A)
    expected = (
        f"'{text}' is taken for a class; a sample without a label has an empty cell, or None, NaN or '' in Python"
    )
    assert [str(each.message) for each in said] == [expected]
    assert doubts_of(from_arrays({"x": X}, labels)) == [expected], "of arrays, too"
    with pytest.warns(UserWarning, match=f"y: {text!r} is taken for a class; .* None, NaN or an empty text"):
        diagnose(X, labels, A)


def test_classes_that_may_be_one_are_said() -> None:
    with pytest.warns(UserWarning, match="'Push' and 'push' are taken for 2 classes; spell them alike"):
        quick("baseline").fit(X, np.where(np.arange(SAMPLES) == 5, "Push", NAMES[Y]), auxiliary=A)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("X", "vectors"), ("X", "sequences"), *(("auxiliary", kind) for kind in ("vectors", "sequences", "texts"))],
)
def test_a_modality_that_is_the_same_in_all_samples_is_said(name: str, kind: str) -> None:
    same = {
        "vectors": np.ones((SAMPLES, 3)),
        "sequences": [np.ones((4, 3))] * SAMPLES,
        "texts": ["just noise"] * SAMPLES,
    }[kind]
    given = {"X": X, "y": FEW, "auxiliary": A} | {name: same}
    with pytest.warns(UserWarning, match="is the same in all") as said:
        quick().fit(**given)
    line = f"{name} is the same in all {SAMPLES} training samples, so that nothing can be learnt from it"
    assert [str(each.message) for each in said].count(line) == 1
    assert {each.filename for each in said} == {__file__}


def test_scores_want_labels_of_training_s_kind() -> None:
    model = quick("baseline").fit(X, Y, auxiliary=A)
    with pytest.raises(InputError, match=r"y: expected classes like those of training, 0, 1, 2, found '\d', .*"):
        model.score(X, Y.astype(str))
    with pytest.raises(InputError, match="auxiliary: expected samples, found None"):
        quick().fit(X, Y, auxiliary=A).teacher_score(X, Y, None)
    with pytest.raises(InputError, match="baseline: expected an estimator"):
        model.gap_recovered(X, Y, A, baseline=None)


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    arguments, message = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=message):
        quick().fit(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method: expected one of"),
        ({"method": "teacher"}, "trains no student"),
        ({"n_epochs": 0}, "^n_epochs: expected above 0"),
        ({"batch_size": 0}, "batch_size: expected above 0"),
        ({"learning_rate": -1.0}, "^learning_rate: expected above 0"),
        ({"width": 0}, "^width: expected above 0"),
        ({"dropout": 1.5}, "^dropout: expected a probability"),
        ({"method_options": {"alpha": 1}}, "amid_u.alpha: not an option; there are .*alpha_1"),
        ({"method_options": {"alpha_1": "two"}}, "amid_u.alpha_1: expected float, found 'two'"),
        ({"class_weight": {7: 1.0}}, "class_weight: expected classes of y"),
        ({"class_weight": {1: -1.0}}, "class_weight: expected numbers from 0"),
        ({"class_weight": {1: np.nan}}, "class_weight: expected numbers from 0"),
        ({"class_weight": [1, 2]}, r"class_weight: expected a dict, 'balanced' or None, found \[1, 2\]"),
        ({"class_weight": {1, 2}}, "class_weight: expected a dict, 'balanced' or None, found {1, 2}"),
        ({"class_weight": "even"}, "class_weight: expected a dict, 'balanced' or None, found 'even'"),
        ({"class_weight": {1: "x"}}, "class_weight: expected numbers from 0, found 'x'"),
        ({"early_stopping": "x"}, "early_stopping: expected True or False, found 'x'"),
        ({"early_stopping": 2}, "early_stopping: expected True or False, found 2"),
        ({"verbose": "x"}, "verbose: expected a whole number from 0, found 'x'"),
        ({"random_state": "a"}, "random_state: expected a whole number .* or None, found 'a'"),
        ({"random_state": -1}, "random_state: expected a whole number from 0 .*, found -1"),
        ({"n_epochs": "5"}, "n_epochs: expected a whole number or None, found '5'"),
        ({"method_options": ["alpha_1"]}, "method_options: expected a dict or None"),
        ({"encoders": ["X"]}, "encoders: expected a dict or None"),
        ({"device": "tpu"}, "^device: expected one of auto"),
        ({"early_stopping": True, "validation_fraction": 1.5}, "^validation_fraction: expected above 0"),
        (
            {"early_stopping": True, "validation_fraction": 0.02},
            "of 90 .* 3 classes .*; label more samples, or take an",
        ),
        ({"learning_rate": 1e9}, "lower learning_rate or the method's weights$"),
        ({"encoders": {"wrist": EncoderSettings("mlp")}}, "^encoders.*no modality wrist"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        quick(**options).fit(X, Y, auxiliary=A)


def test_numbers_of_numpy_are_numbers_as_searches_give_them() -> None:
    options = {
        "n_epochs": np.int64(3),
        "width": np.int32(16),
        "learning_rate": np.float64(1e-2),
        "dropout": np.float32(0.25),
        "early_stopping": np.bool_(False),
        "random_state": np.int64(0),
        "verbose": np.int32(0),
        "class_weight": {0: np.float32(2), 1: np.int64(2), 2: 2},
    }
    assert np.array_equal(
        quick(**options, method_options={"alpha_1": np.float64(4.0)}).fit(X, Y, auxiliary=A).predict_proba(X),
        quick(method_options={"alpha_1": 4.0}).fit(X, Y, auxiliary=A).predict_proba(X),
    )


def test_a_modality_that_is_missing_at_prediction_is_named() -> None:
    """How many features all have together names none of them."""
    named = {"arm": X[:, :2], "leg": X[:, 2:]}
    model = quick("kd").fit(named, Y, auxiliary={"camera": A})
    for asked in (model.predict, partial(model.teacher_score, y=Y, auxiliary={"camera": A})):
        with pytest.raises(InputError, match=r"X lacks the modality leg: expected arm, leg as in fit, found arm$"):
            asked({"arm": X[:, :2]})
        with pytest.raises(
            InputError, match=r"training did not have, hip: expected arm, leg as in fit, found arm, leg,"
        ):
            asked({**named, "hip": X})
        with pytest.raises(InputError, match=r"leg: expected float64 of shape \(4\)"):
            asked({**named, "leg": X[:, 3:]})
    assert model.predict(dict(reversed(named.items()))).tolist() == model.predict(named).tolist()
    with pytest.raises(InputError, match=r"X: expected samples without a modality's name, as in fit, found arm$"):
        quick("kd").fit(X, Y, auxiliary=A).predict({"arm": X})


def test_a_class_whose_samples_all_have_weight_0_is_none() -> None:
    model = quick("baseline").fit(X, Y, sample_weight=(Y != 1).astype(float))
    assert model.classes_.tolist() == [0, 2]
    with pytest.raises(InputError, match=r"at least two classes among the samples with a weight above 0, found \[2\]"):
        quick("baseline").fit(X, Y, sample_weight=(Y == 2).astype(float))


def test_prediction_wants_what_training_had() -> None:
    with pytest.raises(NotFittedError):
        quick().predict(X)
    model = quick().fit(windows(X), Y, auxiliary=A)
    with pytest.raises(InputError, match=r"X: expected .* shape"):
        model.predict(X)
    with pytest.raises(ValueError, match="6 features as input"):
        model.predict(windows(X)[:, :, :5])
    with pytest.raises(InputError, match="expected auxiliary, found camera"):
        model.teacher_score(windows(X), Y, {"camera": A})
    assert isinstance(model, CrossModalClassifier)


@pytest.mark.parametrize("form", [list, tuple, np.array], ids=["list", "tuple", "objects"])
def test_minus_one_beside_texts_is_no_label(form: Any) -> None:
    given = [-1 if row % 4 == 1 else str(name) for row, name in enumerate(NAMES[Y])]
    labels = form(given, dtype=object) if form is np.array else form(given)
    model = quick().fit(X, labels, auxiliary=A)
    expected = quick().fit(X, [None if label == -1 else label for label in given], auxiliary=A)
    assert model.classes_.tolist() == ["push", "turn", "wave"]
    assert np.array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert model.score(X, labels) == expected.score(X, NAMES[Y], sample_weight=(np.arange(SAMPLES) % 4 != 1) * 1.0)


def named(values: Any) -> list[pd.DataFrame]:
    return [pd.DataFrame(steps).add_prefix("x") for steps in values]


def turned(values: list[Any]) -> list[Any]:
    return [each.iloc[..., ::-1] if each.ndim == 1 else each.iloc[:, ::-1] for each in values]


@pytest.mark.parametrize(
    "form", [list, lambda x: {"pen": x}, lambda x: Modalities(pen=x)], ids=["list", "dict", "both"]
)
def test_sequences_that_are_tables_are_known_by_their_columns_names(form: Any) -> None:
    tables, helped = named(ragged(X)), named(ragged(A))
    model = quick().fit(form(tables), FEW, auxiliary=helped)
    assert next(iter(model.student_.inputs.values())).features == tuple(FRAME.columns)
    assert np.array_equal(model.predict_proba(form(tables)), model.predict_proba(form(turned(tables))))
    assert np.array_equal(model.student_.predict_proba(tables), model.student_.predict_proba(turned(tables)))
    assert model.teacher_score(form(turned(tables)), Y, turned(helped)) == model.teacher_score(form(tables), Y, helped)
    mixed = [turned([table])[0] if row % 2 else table for row, table in enumerate(tables)]
    again = quick().fit(form(mixed), FEW, auxiliary=turned(helped)[:1] + helped[1:])
    assert again.score(form(tables), Y) == again.score(form(mixed), Y)
    odd = [tables[0].add_prefix("y"), *tables[1:]]
    with pytest.raises(InputError, match=r"^(X|pen): row 1: expected the columns yx0, .* as in row 0, found x0, "):
        quick().fit(form(odd), FEW, auxiliary=A)
    with pytest.raises(InputError, match=r"^(X|pen): row 0: expected the column 'x0' that training had, found yx0, "):
        model.predict(form(odd))


def test_rows_of_a_table_in_a_list_are_known_by_their_names() -> None:
    rows, helped = [row for _, row in FRAME.iterrows()], [row for _, row in pd.DataFrame(A).add_prefix("a").iterrows()]
    mixed = [turned([row])[0] if place % 2 else row for place, row in enumerate(rows)]
    expected = quick().fit(FRAME, FEW, auxiliary=A).predict_proba(FRAME)
    model = quick().fit(mixed, FEW, auxiliary=[helped[0], *turned(helped)[1:]])
    assert np.array_equal(model.predict_proba(FRAME), expected)
    assert np.array_equal(model.predict_proba(mixed), expected)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(turned(rows))
    both = quick().fit({"pen": mixed}, FEW, auxiliary=A)
    assert np.array_equal(both.predict_proba({"pen": turned(rows)}), both.predict_proba({"pen": FRAME}))


def test_numbers_and_pairs_are_names_of_columns_to_the_student_too() -> None:
    """In another order they are the same columns, as `from_arrays` has them."""
    for columns in (range(X.shape[1]), range(50, 50 - X.shape[1], -1), [("a", place) for place in range(X.shape[1])]):
        table = pd.DataFrame(X)
        table.columns = pd.MultiIndex.from_tuples(columns) if isinstance(columns, list) else pd.Index(columns)
        model = quick(n_epochs=20).fit(table, FEW, auxiliary=A)
        expected, turned = model.predict_proba(table), table.iloc[:, ::-1]
        assert np.array_equal(model.predict_proba(turned), expected)
        assert np.array_equal(model.predict_proba(X), expected)
        assert model.student_.predict_proba(turned) == pytest.approx(expected, abs=1e-5)
        assert model.teacher_score(turned, Y, auxiliary=A) == model.teacher_score(table, Y, auxiliary=A)


@pytest.mark.parametrize(
    "labels", [[["p"], ["q", "p"], []], [("p", "q"), ("q", "p"), ("r", "p")], [{"p"}, {"q"}, {"p"}]]
)
def test_lists_of_labels_are_said_to_want_a_matrix(labels: list) -> None:
    several = [labels[place % 3] for place in range(SAMPLES)]
    with pytest.raises(InputError, match=r"expected .* found .*'p'.*; of lists of labels .*MultiLabelBinarizer"):
        quick("baseline").fit(X, several)
    with pytest.raises(
        InputError, match=r"labels: expected \(N, C\), .*'p'.*; of lists of labels .*MultiLabelBinarizer"
    ):
        from_arrays({"x": X}, several, task="multilabel")


def test_a_table_for_a_student_of_named_modalities_is_said_to_have_none() -> None:
    model = quick("baseline").fit({"watch": X}, Y)
    with pytest.raises(InputError, match="'X' is no input of this student; expected watch"):
        model.predict(pd.DataFrame(X))
