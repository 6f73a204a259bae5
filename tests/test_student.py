"""The student that ships: what it takes, what it gives, what it refuses in one line."""

from __future__ import annotations

import copy
import errno
import json
import math
import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import crossdistill
from crossdistill.data import from_arrays
from crossdistill.data.inputs import InputSpec, column_of
from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.evaluation import top1
from crossdistill.evaluation.collect import collect
from crossdistill.evaluation.multilabel import f1
from crossdistill.models.spec import ModelSpec, build_model
from crossdistill.models.storage import digest_of, read_config, write_config
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.runs.run import run
from crossdistill.student import Student, load
from crossdistill.training import Machine
from crossdistill.types import Batch, InputError, TaskKind
from tests.runs.small import gestures, recipe, with_data, with_model
from tests.tokenizer import save_tokenizer

SAMPLES, CLASSES = 60, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of AMID whose student takes `wrist`: sequences of different length with 3 features."""
    root = tmp_path_factory.mktemp("student")
    run(recipe(), root / "run", dataset=gestures())
    return root / "run"


@pytest.fixture(scope="module")
def student(folder: Path) -> Student:
    return load(folder)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Student:
    """A student alone of two modalities: `numbers` (5,) and `picture` (4, 4) bytes."""
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % CLASSES
    numbers = random.normal(size=(SAMPLES, 5)) + labels[:, None]
    picture = random.integers(0, 256, size=(SAMPLES, 4, 4)).astype(np.uint8)
    dataset = from_arrays({"numbers": numbers, "picture": picture}, labels, splits=np.arange(SAMPLES) >= 40)
    made = Recipe(
        method="baseline",
        epochs=2,
        batch_size=20,
        data=DataSettings("x", ("numbers", "picture"), ()),
        model=ModelSettings(width=8, encoders={name: EncoderSettings("mlp", {"width": 8}) for name in dataset.columns}),
        machine=Machine("cpu"),
    )
    root = tmp_path_factory.mktemp("both")
    run(made, root / "run", dataset=dataset)
    return load(root / "run")


def sequences(count: int = 7) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=(length, 3)) for length in range(1, count + 1)]


def test_it_says_what_it_takes_and_gives(student: Student) -> None:
    assert student.classes == ("gesture 0", "gesture 1", "gesture 2")
    assert set(student.inputs) == {"wrist"}, "nothing auxiliary"
    spec = student.inputs["wrist"]
    assert (spec.kind, spec.shape, spec.dtype) == ("array", (-1, 3), "float64")
    assert student.about["method"] == "amid"
    assert student.about["data"]["name"] == "gestures"


def test_only_what_predicts_is_in_it(student: Student, folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    assert sum(p.numel() for p in student.parameters()) == results["parameters"]["student"]
    assert not any("eye" in key for key in student.state_dict())


def test_shapes_of_what_it_gives(student: Student) -> None:
    given = sequences(7)
    labels, shares = student.predict({"wrist": given}), student.predict_proba({"wrist": given})
    assert labels.shape == (7,)
    assert set(labels.tolist()) <= set(student.classes)
    assert shares.shape == (7, 3)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    assert np.array_equal(labels, np.array(student.classes)[shares.argmax(1)])
    assert student.transform({"wrist": given}).shape == (7, student.spec.width)


def test_forward_takes_tensors_and_gives_logits(student: Student) -> None:
    values = torch.randn(5, 6, 3)
    with torch.no_grad():
        logits = student({"wrist": values})
    assert logits.shape == (5, 3)
    np.testing.assert_allclose(logits.softmax(1), student.predict_proba({"wrist": values}), rtol=1e-4, atol=1e-6)
    assert not student.training


def alike(values: np.ndarray) -> Iterator[Any]:
    """The same batch (B, T, F) in other clothes."""
    yield values.tolist()
    yield torch.from_numpy(values)
    yield torch.from_numpy(values).requires_grad_()
    yield [torch.from_numpy(value) for value in values]
    yield tuple(values)
    yield values.astype(np.float32)
    yield np.asfortranarray(values)


def test_a_batch_in_many_clothes(student: Student) -> None:
    values = np.random.default_rng(2).normal(size=(4, 6, 3)).astype(np.float32).astype(np.float64)
    expected = student.predict_proba({"wrist": values})
    for given in alike(values):
        assert np.array_equal(student.predict_proba({"wrist": given}), expected)
    assert np.array_equal(student.predict_proba(values), expected), "one modality needs no name"


def test_one_sample_is_a_batch_of_one(student: Student, both: Student) -> None:
    sample = sequences(3)[2]
    assert student.predict(sample).shape == (1,)
    assert np.array_equal(student.predict(sample), student.predict([sample]))
    one = {"numbers": np.zeros(5), "picture": np.zeros((4, 4), np.uint8)}
    many = {name: value[None] for name, value in one.items()}
    assert np.array_equal(both.predict_proba(one), both.predict_proba(many))


@pytest.mark.parametrize(
    ("task", "expected", "measured"),
    [
        ("classification", ["b"], lambda logits: top1(logits, [1])),
        ("multilabel", [[0, 1]], lambda x: f1(x, [[0, 1]])[0]),
    ],
)
def test_it_answers_what_is_measured_of_it(task: TaskKind, expected: list[Any], measured: Any) -> None:
    """Also where logits are nearer to each other than their probabilities, which float32 rounds to 1/2."""
    inputs, encoders = {"x": InputSpec("array", (2,))}, {"x": EncoderSettings("features")}
    spec = ModelSpec(("x",), (), ("a", "b"), inputs, encoders, width=2, task=task)
    network = build_model(spec)
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor([-1e-9, 1e-9]))
    student = Student(spec, network)
    assert student.predict_proba([[0.0, 0.0]]).tolist() == [[0.5, 0.5]]
    assert student.predict([[0.0, 0.0]]).tolist() == expected
    assert measured(student({"x": torch.zeros(1, 2)})) == 1.0


def test_a_table_with_a_column_for_each_feature(both: Student) -> None:
    random = np.random.default_rng(3)
    numbers = random.normal(size=(6, 5)).astype(np.float32)
    picture = random.integers(0, 256, size=(6, 4, 4)).astype(np.uint8)
    expected = both.predict_proba({"numbers": numbers, "picture": picture})
    table = pd.DataFrame(numbers, columns=list("abcde"), index=list("uvwxyz"))
    assert np.array_equal(both.predict_proba({"numbers": table, "picture": picture}), expected)


def test_a_sample_s_result_does_not_depend_on_its_batch(both: Student) -> None:
    random = np.random.default_rng(4)
    given = {
        "numbers": random.normal(size=(300, 5)).astype(np.float32),
        "picture": random.integers(0, 256, size=(300, 4, 4)).astype(np.uint8),
    }
    whole = both.predict_proba(given)
    for size in (1, 2, 3, 5, 64, 257):
        parts = [
            both.predict_proba({name: value[start : start + size] for name, value in given.items()})
            for start in range(0, 300, size)
        ]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-6)
        assert np.array_equal(np.concatenate(parts).argmax(1), whole.argmax(1))


def test_a_sequence_s_result_does_not_depend_on_the_lengths_beside_it(student: Student) -> None:
    given = sequences(40)
    whole = student.predict_proba(given)
    alone = np.concatenate([student.predict_proba([sample]) for sample in given])
    np.testing.assert_allclose(alone, whole, rtol=0, atol=1e-6)


WRONG: dict[str, tuple[Any, str]] = {
    "another name": ({"hand": [[0.0] * 3]}, "'hand' is no input of this student; expected wrist"),
    "an auxiliary modality": (
        {"wrist": [[0.0] * 3], "eye": [0.0] * 5},
        "'eye' is no input of this student; expected wrist",
    ),
    "nothing": ({}, "expected inputs for wrist, found none for wrist"),
    "no samples": ({"wrist": []}, "wrist: expected .* found"),
    "another number of features": (
        {"wrist": np.zeros((2, 4, 5))},
        r"wrist: expected float64 of shape \(any length, 3\), one or a list of them, found a sample of shape \(4, 5\)",
    ),
    "one such among others": ({"wrist": [np.zeros((2, 3)), np.zeros((2, 4))]}, r"found a sample of shape \(2, 4\)"),
    "a sequence of no steps": (
        {"wrist": [np.zeros((2, 3)), np.zeros((0, 3))]},
        r"of at least one step, found a sample of shape \(0, 3\)",
    ),
    "a vector": ({"wrist": np.zeros(3)}, r"found a sample of shape"),
    "words": ({"wrist": "hello"}, "wrist: expected float64 .* found"),
    "text in an array": ({"wrist": np.array([["a", "b", "c"]])}, "of dtype <U1"),
    "objects": ({"wrist": [[{}, {}, {}]]}, "of dtype object"),
    "complex numbers": ({"wrist": np.zeros((2, 3), complex)}, "of dtype complex128"),
    "NaN": ({"wrist": [np.full((2, 3), np.nan)]}, "wrist: NaN or infinity"),
    "infinity": ({"wrist": [np.zeros((1, 3)), np.full((2, 3), np.inf)]}, "wrist: row 1: NaN or infinity"),
    "None": ({"wrist": None}, "wrist: expected float64"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_it_cannot_read_is_one_line(case: str, student: Student) -> None:
    inputs, message = WRONG[case]
    for method in (student.predict, student.predict_proba, student.transform):
        with pytest.raises(InputError, match=message) as caught:
            method(inputs)
        assert "\n" not in str(caught.value)


WRONG_ARRAYS: dict[str, tuple[Any, str]] = {
    "fractions for bytes": (np.zeros((2, 4, 4)), r"picture: expected uint8 of shape \(4, 4\), found float64; .*astype"),
    "channels last": (np.zeros((2, 4, 4, 3), np.uint8), r"found an array of shape \(2, 4, 4, 3\)"),
    "another size": (np.zeros((2, 4, 5), np.uint8), r"found an array of shape \(2, 4, 5\)"),
    "fewer samples": (
        np.zeros((1, 4, 4), np.uint8),
        "as many samples of each modality, found 2 of numbers, 1 of picture",
    ),
    "ragged": ([[1, 2], [3]], "picture: expected uint8"),
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_arrays_of_another_kind_are_one_line(case: str, both: Student) -> None:
    picture, message = WRONG_ARRAYS[case]
    with pytest.raises(InputError, match=message):
        both.predict({"numbers": np.zeros((2, 5)), "picture": picture})


def test_two_modalities_need_their_names(both: Student) -> None:
    with pytest.raises(InputError, match=re.escape("expected inputs by name, {'numbers', 'picture': ...}")):
        both.predict(np.zeros((2, 5)))


def test_predicting_changes_nothing(student: Student) -> None:
    before = {key: value.clone() for key, value in student.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    student.train()
    first = student.predict_proba(sequences())
    assert student.training, "the mode that it was in"
    student.eval()
    assert np.array_equal(student.predict_proba(sequences()), first), "and no dropout in either"
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[key]) for key, value in student.state_dict().items())


def test_saved_alone_it_loads_again(student: Student, tmp_path: Path) -> None:
    saved = student.save(tmp_path / "deep" / "saved")
    assert sorted(path.name for path in saved.iterdir()) == ["README.md", "config.json", "student.safetensors"]
    again = load(saved)
    assert again.classes == student.classes
    assert again.about == student.about
    assert np.array_equal(again.predict_proba(sequences()), student.predict_proba(sequences()))
    twice = again.save(tmp_path / "twice")
    assert (twice / "student.safetensors").read_bytes() == (saved / "student.safetensors").read_bytes()
    assert (twice / "config.json").read_bytes() == (saved / "config.json").read_bytes()
    with pytest.raises(InputError, match="expected a new or empty folder, found something in it"):
        student.save(saved)
    with pytest.raises(InputError, match=r"README\.md: expected a new or empty folder, found a file"):
        student.save(saved / "README.md")


@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_student(
    there: bool, student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 1:  # the tensors are written, and what comes next is not
            raise OSError(errno.ENOSPC, "No space left on device")

    if there:
        (tmp_path / "saved").mkdir()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"saved: cannot be written: No space left on device$"):
        student.save(tmp_path / "saved")
    assert [path.name for path in tmp_path.rglob("*")] == ["saved"] * there


def test_double_precision_is_one_call_away(student: Student) -> None:
    expected = student.predict_proba(sequences())
    precise = copy.deepcopy(student).double()
    np.testing.assert_allclose(precise.predict_proba(sequences()), expected, atol=1e-6)


def test_files_can_be_read_by_whom_the_umask_lets(folder: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask, path.name


@pytest.mark.parametrize("method", ["teacher", "auxiliary"])
def test_a_run_that_trains_no_student_has_none(method: str, tmp_path: Path) -> None:
    run(recipe(method=method, epochs=1, auxiliary_epochs=1), tmp_path / "run", dataset=gestures())
    assert not (tmp_path / "run" / "student.safetensors").exists()
    with pytest.raises(InputError, match=f"method {method} trains no student, so there is nothing that predicts"):
        load(tmp_path / "run")


def copied(folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("place", [10, 400, -3])
def test_a_flipped_bit_is_found(place: int, folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "run")
    content = bytearray((broken / "student.safetensors").read_bytes())
    content[place] ^= 1
    (broken / "student.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"student\.safetensors: damaged or exchanged"):
        load(broken)


def test_another_run_s_student_is_found(folder: Path, tmp_path: Path) -> None:
    run(recipe(seed=1), tmp_path / "other", dataset=gestures())
    broken = copied(folder, tmp_path / "run")
    (broken / "student.safetensors").write_bytes((tmp_path / "other/student.safetensors").read_bytes())
    with pytest.raises(InputError, match="damaged or exchanged"):
        load(broken)
    again = copied(folder, tmp_path / "again")
    (again / "config.json").write_bytes((tmp_path / "other/config.json").read_bytes())
    load(again)  # of the same model and data, which is as good


def test_another_run_s_classes_are_not_answered_with(folder: Path, tmp_path: Path) -> None:
    data = gestures()
    renamed = replace(data, classes=tuple(reversed(data.classes)))
    run(recipe(), tmp_path / "other", dataset=renamed)
    broken = copied(folder, tmp_path / "run")
    (broken / "config.json").write_bytes((tmp_path / "other/config.json").read_bytes())
    with pytest.raises(InputError, match=r"config\.json: of another run than results\.json and the weights"):
        load(broken)


def changed(config: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    inner: Any = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return config


DAMAGED = {
    "no folder": (None, "no such folder"),
    "not JSON": ("{", "config.json: not valid JSON"),
    "a list": ("[]", "config.json: expected a JSON object, found list"),
    "a later format": (("format", 99), "expected format 1, found 99; update crossdistill"),
    "no format": (("format", None), "expected format 1, found None, so it is damaged"),
    "no width": (("model", "width", 0), "model.width: expected above 0, found 0"),
    "negative windows": (("model", "windows", -1), "model.windows: expected 0 or more, found -1"),
    "an odd dtype": (("model", "inputs", "wrist", "dtype", ","), "wrist.dtype: expected one of numbers, found ','"),
    "an odd shape": (("model", "inputs", "wrist", "shape", [-1]), "wrist.shape: expected sizes above 0"),
    "no model": (("model", None), "model: expected target, auxiliary, .* found None"),
    "no classes": (("model", "classes", 3), "model.classes: expected"),
    "an odd width": (("model", "width", "wide"), "model.width: expected int, found 'wide'"),
    "an unknown kind": (("model", "encoders", "wrist", "kind", "cnn99"), "expected one of auto, .*found 'cnn99'"),
    "other layers": (("model", "encoders", "wrist", "settings", "layers", 3), r"config\.json: of another run than res"),
    "somebody's own command": (
        ("model", "encoders", "wrist", "kind", "subprocess:Popen"),
        "expected subprocess:Popen to be a subclass of torch.nn.modules.module.Module",
    ),
    "a module that is not there": (
        ("model", "encoders", "wrist", "kind", "no_such_module:Net"),
        "cannot import no_such_module:Net",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_folders_are_one_line(case: str, folder: Path, tmp_path: Path) -> None:
    change, message = DAMAGED[case]
    broken = tmp_path / "nowhere"
    if change is not None:
        broken = copied(folder, tmp_path / "run")
        config = broken / "config.json"
        if isinstance(change, tuple):
            *path, value = change
            content = changed(json.loads(config.read_text()), *path, value=value)
            content.pop("digest")
            config.write_text(json.dumps({**content, "digest": digest_of(content)}))
        else:
            config.write_text(change)
    with pytest.raises(InputError, match=message) as caught:
        load(broken)
    assert "\n" not in str(caught.value)


def test_an_unfinished_run_is_one_line(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "run")
    (broken / "results.json").unlink()
    with pytest.raises(InputError, match=re.escape("not a finished run (no results.json); continue it with --resume")):
        load(broken)


def test_texts_without_a_model_are_read_by_their_letters(tmp_path: Path) -> None:
    """As the target and as an auxiliary modality, from a table to an exported student."""
    colours, forms = ["red", "blue"], ["square", "circle", "line"]
    rows = [
        f"{n},{'train' if n < 24 else 'test'},{colours[n % 2]},{colours[n % 2]} {forms[n % 3]},{n % 2}"
        for n in range(32)
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,split,label,said,x", *rows]) + "\n")
    own = replace(crossdistill.own(("said",), ("x",)), method="amid_u", epochs=8, batch_size=8)
    run(with_data(own, source=str(tmp_path)), tmp_path / "run")
    student = load(tmp_path / "run")
    assert student.inputs["said"].shape == (1024,)
    assert student.predict(["a red circle", "the blue line"]).tolist() == ["red", "blue"]
    assert student.predict(pd.Series(["square: blue"])).tolist() == ["blue"]
    (tmp_path / "new.txt").write_text("the blue line\n")
    for file in (tmp_path / "new.txt", str(tmp_path / "new.txt"), [tmp_path / "new.txt"]):
        assert np.array_equal(student.predict_proba(file), student.predict_proba("the blue line"))
    spaced = tmp_path / "two words.txt"
    spaced.write_text("the blue line\n")
    assert np.array_equal(student.predict_proba(str(spaced)), student.predict_proba("the blue line"))
    for sentence in ("all of it stands in notes.txt", "and/or in other notes.txt"):
        assert np.array_equal(student.predict_proba(sentence), student.predict_proba([sentence]))
    (tmp_path / "empty.txt").write_text(" \n")
    for wrong, message in (
        ("  ", "said: text 0: expected a text, found an empty one"),
        ("\ud800", "half a surrogate"),
        ("gone.txt", "said: cannot read gone.txt"),
        (f"{tmp_path}/gone too.txt", "cannot read .*gone too.txt"),
        (tmp_path / "empty.txt", "said: expected a text, found nothing in .*empty.txt"),
    ):
        with pytest.raises(InputError, match=message):
            student.predict(wrong)
    lost = replace(student.spec.inputs["said"], shape=(-1, 1), dtype="int64")
    with pytest.raises(InputError, match="said: expected the tokenizer by which training read its texts, found none"):
        column_of(lost, "said", "red")
    expected = student.predict_proba(["a red circle", "the blue line"])
    again = load(student.save(tmp_path / "saved"))
    assert np.array_equal(again.predict_proba(["a red circle", "the blue line"]), expected)
    assert "crossdistill[train]" in (tmp_path / "saved" / "README.md").read_text()
    assert student.arrays("a red circle")["said"].shape == (1, 1024)
    exported = crossdistill.export(tmp_path / "run", tmp_path / "program.pt2")
    assert exported.inputs == {"said": ("batch", 1024)}
    assert exported.difference < 1e-5
    assert crossdistill.evaluate(tmp_path / "run").scores["student"].headline == 1.0
    swapped = replace(own, data=replace(own.data, source=str(tmp_path), target=("x",), auxiliary=("said",)))
    results = run(swapped, tmp_path / "swapped")
    assert results.scores["teacher"].headline == 1.0
    assert load(tmp_path / "swapped").predict([0.0, 1.0]).tolist() == ["red", "blue"]


def test_texts_need_neither_the_model_s_folder_nor_the_tokenizer_s(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
    words = ["red", "blue", "green", "square", "circle"]
    save_tokenizer(tmp_path / "bert", {word: n for n, word in enumerate(["[CLS]", "[UNK]", *words])})
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    rows = ["id,split,label,said:text"]
    rows += [f"{n},{'train' if n < 16 else 'test'},{words[n % 2]},{words[n % 2]} {words[3 + n % 2]}" for n in range(20)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.csv").write_text("\n".join(rows) + "\n")
    source = str(tmp_path / "bert")
    made = with_data(
        recipe(tmp_path / "data", method="baseline", epochs=2, batch_size=8),
        target=("said",),
        auxiliary=(),
        readers={"said": ReaderSettings(tokenizer=source)},
    )
    made = replace(made, model=ModelSettings(width=8, encoders={"said": EncoderSettings("pretrained", weights=source)}))
    run(made, tmp_path / "run")
    expected = load(tmp_path / "run").predict_proba({"said": ["red square", "blue"]})
    (tmp_path / "bert").rename(tmp_path / "gone")
    (tmp_path / "data").rename(tmp_path / "gone too")
    student = load((tmp_path / "run").rename(tmp_path / "moved"))
    assert np.array_equal(student.predict_proba({"said": ["red square", "blue"]}), expected)
    assert student.predict("red circle").shape == (1,)
    with pytest.raises(InputError, match="said: expected texts, found ndarray of shape"):
        student.predict(np.zeros(3))
    again = load(student.save(tmp_path / "saved"))
    assert np.array_equal(again.predict_proba({"said": ["red square", "blue"]}), expected)


@pytest.mark.parametrize("wrong", [{"label_mean": math.nan}, {"label_deviation": 0.0}, {"label_deviation": math.inf}])
def test_a_unit_of_numbers_that_is_none_is_one_line(wrong: dict[str, float], student: Student, tmp_path: Path) -> None:
    right = {"label_mean": (0.0,) * len(student.classes), "label_deviation": (1.0,) * len(student.classes)}
    for given in (right, right | {key: (value, *right[key][1:]) for key, value in wrong.items()}):
        write_config(tmp_path, replace(student.spec, task="regression", **given), {})
        if given is right:
            assert read_config(tmp_path)[0].label_deviation == right["label_deviation"]
    with pytest.raises(
        InputError, match=r"config\.json: model: expected finite label_mean, and label_deviation above 0"
    ):
        read_config(tmp_path)


@pytest.mark.parametrize("path", ["model.classes", "model.width", "data.licence", "method", "student"])
def test_nothing_in_config_json_can_be_edited_without_notice(path: str, folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "run")
    config = broken / "config.json"
    config.write_text(json.dumps(changed(json.loads(config.read_text()), *path.split("."), value=["x", "y", "z"])))
    with pytest.raises(InputError, match=r"config\.json: damaged or edited: its digest is not that of its content"):
        load(broken)


def test_what_is_beyond_float32_is_refused_where_inputs_are_not_bounded(student: Student, tmp_path: Path) -> None:
    huge = [np.full((2, 3), 3e38)]
    assert np.isfinite(student.predict_proba(huge)).all()
    made = with_model(recipe(method="baseline", epochs=1), input_bound=0.0)
    run(made, tmp_path / "run", dataset=gestures())
    with pytest.raises(InputError, match="predictions are not finite: the inputs are too large"):
        load(tmp_path / "run").predict(huge)


class Sound:
    """A student of sounds, without a run: what its inputs may be is decided before its network."""

    spec = InputSpec("audio", (-1, 1), reader=ReaderSettings(rate=16000))
    cut = InputSpec("audio", (-1, 1), reader=ReaderSettings(rate=16000, seconds=0.5))


WAVE = np.sin(np.arange(8000) / 10).astype(np.float32)
SOUNDS: dict[str, tuple[Any, int]] = {
    "one": (WAVE, 1),
    "one of one channel": (WAVE[:, None], 1),
    "channel first": (WAVE[None], 1),
    "with its rate": ((WAVE, 16000), 1),
    "several": ([WAVE, WAVE[:4000]], 2),
    "several with their rates": ([(WAVE, 16000), (WAVE[:100], 16000)], 2),
    "a batch": (np.stack([WAVE, WAVE])[:, :, None], 2),
    "a tensor": (torch.from_numpy(WAVE), 1),
}


@pytest.mark.parametrize("case", SOUNDS)
def test_sounds_in_many_clothes(case: str) -> None:
    values, count = SOUNDS[case]
    column = column_of(Sound.spec, "voice", values)
    assert (len(column), column.shape) == (count, (-1, 1))


WRONG_SOUNDS: dict[str, tuple[InputSpec, Any, str]] = {
    "another rate": (Sound.spec, (WAVE, 8000), "voice: expected sound at 16000 Hz, found 8000 Hz; resample it"),
    "rate first": (Sound.spec, (16000, WAVE), "voice: expected sound at 16000 Hz, found tuple"),
    "stereo": (Sound.spec, np.zeros((8000, 2), np.float32), "which may be several or one in stereo"),
    "stereo, channels first": (Sound.spec, np.zeros((2, 8000), np.float32), "which may be several or one in stereo"),
    "stereo in a list": (Sound.spec, [np.zeros((8000, 2), np.float32)], "of one channel, found an array of shape"),
    "16 bits": (Sound.spec, (WAVE * 32767).astype(np.int16), r"as fractions in \[-1, 1\], found int16"),
    "16 bits as fractions": (Sound.spec, WAVE * 32767, r"as fractions in \[-1, 1\], found float32 up to 3276"),
    "another length than training cut": (Sound.cut, WAVE[:100], "8000 samples as training cut them, found 100"),
    "no such file": (Sound.spec, "no.wav", "voice: no.wav: no such file"),
    "a name too long": (Sound.spec, "a" * 5000, "no such file"),
    "nothing": (Sound.spec, np.zeros(0, np.float32), "voice: expected sound"),
}


@pytest.mark.parametrize("case", WRONG_SOUNDS)
def test_sounds_that_would_be_misread_are_one_line(case: str) -> None:
    spec, values, message = WRONG_SOUNDS[case]
    with pytest.raises(InputError, match=message) as caught:
        column_of(spec, "voice", values)
    assert "\n" not in str(caught.value)


class Hostile:
    """An object that raises whatever it is asked."""

    def __array__(self, *arguments: object, **options: object) -> np.ndarray:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


ODD: dict[str, Any] = {
    "masked numbers": np.ma.masked_array(np.zeros((2, 3)), mask=[[True, False, False], [False] * 3]),
    "an object that raises": Hostile(),
    "a meta tensor": torch.zeros(2, 3, device="meta"),
    "a sparse tensor": torch.zeros(2, 3).to_sparse(),
    "a NumPy number": np.float32(1),
    "ragged in ragged": [[[1, 2], [1, 2, 3]], [[1, 2, 3]]],
    "bytes": b"wave",
    "a set": {1, 2},
    "a generator": (value for value in range(3)),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_objects_are_one_line(case: str, student: Student) -> None:
    with pytest.raises(InputError, match="wrist: expected float64") as caught:
        student.predict({"wrist": ODD[case]})
    assert "\n" not in str(caught.value)


def test_tensors_with_gradients_in_a_list(both: Student) -> None:
    picture = np.zeros((2, 4, 4), np.uint8)
    given = [torch.zeros(5, requires_grad=True), torch.zeros(5)]
    expected = both.predict_proba({"numbers": np.zeros((2, 5)), "picture": picture})
    assert np.array_equal(both.predict_proba({"numbers": given, "picture": picture}), expected)


def test_whole_numbers_beyond_training_s_are_refused(both: Student) -> None:
    for value in (3000, -1):
        with pytest.raises(InputError, match=r"picture: expected uint8 .*found numbers from"):
            both.predict({"numbers": np.zeros((1, 5)), "picture": np.full((1, 4, 4), value)})


def test_folders_that_cannot_be(student: Student, folder: Path, tmp_path: Path) -> None:
    for place in ("a" * 5000, folder / "config.json", folder / "config.json" / "deeper"):
        with pytest.raises(InputError):
            load(place)
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("a" * 5000)):
        with pytest.raises(InputError):
            student.save(place)


def test_a_table_s_columns_may_come_in_another_order(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(SAMPLES) % CLASSES
    table = pd.DataFrame(random.normal(size=(SAMPLES, 3)) + labels[:, None] * [3, 0, -3], columns=["x", "y", "z"])
    made = replace(recipe(method="baseline", epochs=2), model=ModelSettings(width=8))
    dataset = from_arrays({"wrist": table}, labels, splits=np.arange(SAMPLES) >= 40)
    run(with_data(made, auxiliary=()), tmp_path / "run", dataset=dataset)
    student = load(tmp_path / "run")
    assert student.inputs["wrist"].features == ("x", "y", "z")
    expected = student.predict_proba(table)
    assert np.array_equal(student.predict_proba(table[["z", "x", "y"]]), expected)
    assert np.array_equal(student.predict_proba(table.assign(more=0.0)), expected), "and others beside them"
    assert np.array_equal(student.predict_proba(table.to_numpy()), expected)
    with pytest.raises(InputError, match="wrist: expected the column 'y' that training had, found x, z"):
        student.predict(table[["x", "z"]])
    row = table.iloc[3]
    assert np.array_equal(student.predict_proba(row[["z", "y", "x"]]), student.predict_proba(table.iloc[[3]])), "a row"
    with pytest.raises(InputError, match="wrist: expected one column 'x', found 2 of that name"):
        student.predict(table[["x", "z", "x", "y"]])
    own_types = [table.convert_dtypes(), table.astype("double[pyarrow]")]
    assert all(np.array_equal(student.predict_proba(frame), expected) for frame in own_types), "pandas' own types"
    own_types[0].iloc[2, 1] = pd.NA
    with pytest.raises(InputError, match="wrist: row 2: NaN"):
        student.predict(own_types[0])


def test_sequences_that_are_tables_are_known_by_their_columns_names(tmp_path: Path) -> None:
    tables = [pd.DataFrame(steps, columns=["x", "y", "z"]) for steps in sequences(SAMPLES)]
    dataset = from_arrays({"wrist": tables}, np.arange(SAMPLES) % CLASSES, splits=np.arange(SAMPLES) >= 40)
    made = replace(recipe(method="baseline", epochs=1), model=ModelSettings(width=8))
    run(with_data(made, auxiliary=()), tmp_path / "run", dataset=dataset)
    student = load(load(tmp_path / "run").save(tmp_path / "saved"))
    assert student.inputs["wrist"].features == ("x", "y", "z")
    expected, other = student.predict_proba(tables), [table[["z", "x", "y"]] for table in tables]
    forms = (
        other,
        {"wrist": other},
        pd.Series(other),
        [table.to_numpy() for table in tables],
        [*other[:9], *tables[9:]],
    )
    assert all(np.array_equal(student.predict_proba(form), expected) for form in forms)
    assert np.array_equal(student.predict_proba(other[3]), student.predict_proba(tables[3]))
    arrays = student.arrays(other)
    assert all(np.array_equal(values, student.arrays(tables)[name]) for name, values in arrays.items())
    moved = from_arrays({"wrist": other}, dataset.labels)
    assert np.array_equal(student.predictions(moved).probabilities, expected)
    with pytest.raises(InputError, match="wrist: row 1: expected the column 'y' that training had, found x, z"):
        student.predict([tables[0], tables[1][["x", "z"]]])


@pytest.mark.parametrize("form", [pa.Table.from_pandas, pa.RecordBatch.from_pandas])
def test_rows_and_tables_of_arrow_are_known_by_their_columns_names(form: Any, tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(SAMPLES, 3)), columns=["x", "y", "z"])
    dataset = from_arrays({"wrist": form(table)}, np.arange(SAMPLES) % CLASSES, splits=np.arange(SAMPLES) >= 40)
    made = replace(recipe(method="baseline", epochs=1), model=ModelSettings(width=8))
    run(with_data(made, auxiliary=()), tmp_path / "run", dataset=dataset)
    student, other = load(tmp_path / "run"), table[["z", "x", "y"]]
    expected = student.predict_proba(table)
    rows = [row for _, row in other.iterrows()]
    for given in (form(other), {"wrist": form(other)}, rows, tuple(rows)):
        assert np.array_equal(student.predict_proba(given), expected)
    for row in (rows[0].rename({"x": "w"}), rows[0].set_axis(list("abc"))):
        with pytest.raises(InputError, match="wrist: expected the column 'x' that training had, found"):
            student.predict(row)


def test_sequences_in_an_array_or_a_table_s_column(student: Student) -> None:
    listed = sequences()
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    for given in (array, pd.Series(listed)):
        assert np.array_equal(student.predict_proba(given), student.predict_proba(listed))


def test_truth_values_are_not_other_numbers() -> None:
    spec = InputSpec("array", (2,), "bool")
    assert len(column_of(spec, "worn", [[0.0, 1.0], [1, 1]])) == 2
    with pytest.raises(InputError, match=r"worn: expected bool .*, found numbers other than 0 and 1, such as 12"):
        column_of(spec, "worn", [[0.0, 12.0]])


def test_a_single_sample_s_error_has_no_row_number(both: Student) -> None:
    with pytest.raises(InputError, match=r"^numbers: NaN or infinity"):
        both.predict({"numbers": np.full(5, np.nan), "picture": np.zeros((4, 4), np.uint8)})


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_precision(dtype: torch.dtype, both: Student) -> None:
    given = {"numbers": np.ones((5, 5)), "picture": np.full((5, 4, 4), 9, np.uint8)}
    other = copy.deepcopy(both).to(dtype)
    np.testing.assert_allclose(other.predict_proba(given), both.predict_proba(given), atol=0.05)


@pytest.mark.parametrize("named", [True, False])
def test_a_table_whose_column_is_called_as_its_modality_is_one_of_features(tmp_path: Path, named: bool) -> None:
    labels = np.arange(SAMPLES) % CLASSES
    values = np.random.default_rng(0).normal(size=(SAMPLES, 3)) + labels[:, None] * [3, 0, -3]
    table = pd.DataFrame(values, columns=["X", "Y", "Z"])
    data = from_arrays({"X": table if named else values}, labels)
    settings = DataSettings(target=("X",), auxiliary=(), evaluate_on="none")
    small = replace(recipe(), method="baseline", data=settings, model=ModelSettings(width=8))
    run(small, tmp_path / "run", dataset=data)
    student = load(tmp_path / "run")
    expected = student.predict_proba(values)
    assert np.array_equal(student.predict_proba(table), expected)
    assert np.array_equal(student.predict_proba(table[:3]), student.predict_proba(values[:3]))
    assert np.array_equal(student.arrays(table)["X"], values.astype(np.float32))
    cells = pd.DataFrame({"X": list(values), "other": 0})  # a column a modality: its cells are samples
    assert np.array_equal(student.predict_proba(cells), expected)
    if named:
        assert np.array_equal(student.predict_proba(table[["Z", "X", "Y"]].assign(other=0)), expected)
        with pytest.raises(InputError, match="X: expected the column 'Z' that training had"):
            student.predict(table[["X", "Y"]][:3])


def test_a_data_set_of_other_shapes_is_one_line(student: Student, both: Student) -> None:
    pictures = np.zeros((SAMPLES, 4, 4), np.uint8)
    of_lengths = [np.zeros((length, 5)) for length in (1, 2, 3)]
    for modalities, message in (
        ({"numbers": np.zeros((SAMPLES, 3)), "picture": pictures}, r"numbers: expected .*\(5\), found .*\(3\)$"),
        ({"numbers": of_lengths, "picture": pictures[:3]}, r"numbers: expected .*\(5\), found .*\(any length, 5\)$"),
        ({"numbers": np.zeros((SAMPLES, 5))}, "arrays: expected the modality picture, found numbers"),
    ):
        with pytest.raises(InputError, match=message):
            both.predictions(from_arrays(modalities, np.arange(len(modalities["numbers"])) % 3))
    with pytest.raises(
        InputError, match=r"wrist: expected .*\(any length, 3\), found samples of shape \(any length, 5\)"
    ):
        student.predictions(from_arrays({"wrist": of_lengths}, [0, 1, 2]))


def test_sequences_of_any_length_may_all_have_one(student: Student, tmp_path: Path) -> None:
    values = np.random.default_rng(4).normal(size=(6, 7, 3))
    dataset = from_arrays({"wrist": values}, np.arange(6) % CLASSES)
    np.testing.assert_allclose(student.predictions(dataset).probabilities, student.predict_proba(values), rtol=1e-5)
    assert crossdistill.export(student, tmp_path / "x.pt2", "torch", dataset=dataset).described.startswith("6 train")


def test_the_container_that_scikit_learn_slices_is_a_dict(both: Student) -> None:
    random = np.random.default_rng(3)
    given = {"numbers": random.normal(size=(9, 5)), "picture": random.integers(0, 256, (9, 4, 4)).astype(np.uint8)}
    samples = crossdistill.Modalities(given)
    assert np.array_equal(both.predict_proba(samples), both.predict_proba(given))
    assert np.array_equal(both.predict_proba(samples[2:5]), both.predict_proba(given)[2:5])
    with pytest.raises(InputError, match="'eye' is no input of this student; expected numbers, picture"):
        both.predict(crossdistill.Modalities(given, eye=np.zeros((9, 2))))


def test_calls_in_several_threads_never_train(student: Student, both: Student) -> None:
    """One call begins while the other reads, and ends last: whoever is in between is in evaluation mode."""
    network = copy.deepcopy(student).train().network
    dataset = from_arrays({"wrist": sequences(4)}, [0, 1, 2, 0])
    batches = [dataset.__getitems__([row]) for row in range(4)]
    begun, ended = threading.Event(), threading.Event()
    modes: list[bool] = []

    def slowly() -> Iterator[Batch]:
        for batch in batches:
            yield batch
            begun.set()
            assert ended.wait(60)
            modes.append(any(module.training for module in network.modules()))

    call = threading.Thread(target=lambda: collect(network, slowly(), ("target",), torch.device("cpu")))
    call.start()
    assert begun.wait(60)
    collect(network, iter(batches), ("target",), torch.device("cpu"))
    ended.set()
    call.join()
    assert modes == [False] * 4
    assert network.training, "as it came"


def test_a_model_is_left_as_it_came_where_reading_fails(student: Student) -> None:
    def broken() -> Iterator[Batch]:
        raise InputError("cannot be read")
        yield

    network = copy.deepcopy(student).train().network
    with pytest.raises(InputError):
        collect(network, broken(), ("target",), torch.device("cpu"))
    assert network.training
