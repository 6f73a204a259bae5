"""Each cell of the table encoder x format in docs/shipping.md: other batch sizes and lengths than the traced ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill.data.inputs import InputSpec
from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.exports import export
from crossdistill.exports.formats import Answer, onnx_answer, onnx_bytes, torch_answer, torch_bytes
from crossdistill.exports.graph import StudentGraph, output_sizes, traced
from crossdistill.models.flat import flat_inputs
from crossdistill.student import Student
from tests.encoders.tiny_models import PICTURE, WAVES
from tests.exports.students import KINDS, PICTURES, SOUND, VIDEO, drawn, logits_of, student_of

pytest.importorskip("onnxscript", reason="needs the extra 'export'")
pytestmark = pytest.mark.filterwarnings("ignore:.*half of a feature's numbers:UserWarning")  # of students of no data

BATCHES = {"sound": ((1, 300), (3, 40_000)), "sequence": ((1, 1), (2, 33), (3, 2), (7, 9), (300, 20))}
"""(batch size, longest sequence) that are tried; the traced batch has 5 samples."""


OFTEN = ("rnn", "r2plus1d")
"""Beside those that are in the student of several modalities."""
OFTEN_OF_TRANSFORMERS = ("bert",)


def each(kinds: Iterable[str], often: Sequence[str]) -> list[Any]:
    """All kinds, those that are not in every run's part marked."""
    return [pytest.param(kind, marks=() if kind in often else pytest.mark.long) for kind in kinds]


@pytest.mark.parametrize("kind", each(KINDS, OFTEN))
def test_every_encoder_answers_alike_for_any_batch_and_length(kind: str) -> None:
    assert_alike(student_of({"x": KINDS[kind]}, width={"features": 6, "log_mel": 64}.get(kind, 5)))


@pytest.mark.long
def test_densenet() -> None:
    student = student_of({"x": (PICTURES, EncoderSettings("densenet121", {"activation": "relu"}))}, width=1024)
    assert_alike(student, batches=((1, 1), (3, 1)))


def test_several_modalities_whatever_they_are_called() -> None:
    names = {"eye-left": "mlp", "eye": "conv", "eye_lengths": "mlp on sequences", "left eye": "features"}
    assert_alike(student_of({name: KINDS[kind] for name, kind in names.items()}))


@pytest.mark.parametrize("kind", each(("fused", "hallucinating"), ("hallucinating",)))
def test_students_of_another_kind(kind: Any) -> None:
    assert_alike(student_of({"eye": KINDS["mlp"], "pen": KINDS["mlp on sequences"]}, kind=kind))


def both_answers(student: Student) -> dict[str, Answer]:
    """Format -> what its file answers, of one trace."""
    program, inputs = traced(StudentGraph(student)), flat_inputs(student.spec)
    outputs = list(output_sizes(student.spec))
    contents = {"onnx": onnx_bytes(program, inputs, outputs, {}), "torch": torch_bytes(program, {})}
    return {"onnx": onnx_answer(contents["onnx"]), "torch": torch_answer(contents["torch"])}


def assert_alike(student: Student, batches: Sequence[tuple[int, int]] = ()) -> None:
    answers = both_answers(student)
    sounds = any(spec.kind == "audio" for spec in student.inputs.values())
    for count, longest in batches or BATCHES["sound" if sounds else "sequence"]:
        given = drawn(student, count, longest, seed=count)
        few = {name: values[:7] for name, values in given.items()}
        expected, arrays = logits_of(student, few), student.arrays(given)
        with torch.no_grad():
            all_of_them = student.predict_proba(given)
        for name, answer in answers.items():
            made = answer(arrays)
            difference = np.abs(made["logits"][:7] - expected).max()
            assert difference < 1e-5 * max(1.0, np.abs(expected).max()), (name, count, longest)
            np.testing.assert_allclose(made["probabilities"], all_of_them, atol=1e-5)
            np.testing.assert_allclose(made["representation"], student.transform(given), rtol=1e-4, atol=1e-4)


SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def saved(name: str, folder: Path) -> tuple[InputSpec, EncoderSettings]:
    """A tiny model of transformers in a folder: what it takes, and the encoder that is it."""
    t = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    words = InputSpec("text", (-1, 1), "int64", ReaderSettings(tokenizer=""))
    models = {
        "bert": lambda: (words, t.BertModel(t.BertConfig(vocab_size=40, max_position_embeddings=32, **SIZE))),
        "vit": lambda: (InputSpec("array", (3, 16, 16)), t.ViTModel(t.ViTConfig(**SIZE, **PICTURE))),
        "vit on files": lambda: (
            InputSpec("picture", (3, 16, 16), reader=ReaderSettings(size=16, resize=16)),
            t.ViTModel(t.ViTConfig(**SIZE, **PICTURE)),
        ),
        "dinov2": lambda: (InputSpec("array", (3, 16, 16)), t.Dinov2Model(t.Dinov2Config(**SIZE, **PICTURE))),
        "convnext": lambda: (
            InputSpec("array", (3, 32, 32)),
            t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)),
        ),
        "vit on video": lambda: (VIDEO, t.ViTModel(t.ViTConfig(**SIZE, **PICTURE))),
        "videomae": lambda: (VIDEO, t.VideoMAEModel(t.VideoMAEConfig(**SIZE, **PICTURE, num_frames=4))),
        "wav2vec2 large": lambda: (SOUND, t.Wav2Vec2Model(t.Wav2Vec2Config(**SIZE, **WAVES, **large))),
        "wav2vec2 base": lambda: (SOUND, t.Wav2Vec2Model(t.Wav2Vec2Config(**SIZE, **WAVES))),
        "wav2vec2 base, cut": lambda: (
            InputSpec("audio", (400, 1), reader=ReaderSettings(rate=16000, seconds=0.025)),
            t.Wav2Vec2Model(t.Wav2Vec2Config(**SIZE, **WAVES)),
        ),
    }
    spec, model = models[name]()
    model.save_pretrained(folder)
    if spec is SOUND:
        spec = InputSpec("audio", (-1, 1), reader=ReaderSettings(rate=16000))
    return spec, EncoderSettings("pretrained", weights=str(folder))


MODELS = ("bert", "vit", "vit on files", "dinov2", "convnext", "vit on video", "videomae", "wav2vec2 large")


@pytest.mark.parametrize("name", each((*MODELS, "wav2vec2 base, cut"), OFTEN_OF_TRANSFORMERS))
def test_models_of_transformers(name: str, tmp_path: Path) -> None:
    student = student_of({"x": saved(name, tmp_path / "model")}, width=16)
    answers = both_answers(student)
    random = np.random.default_rng(0)
    for count, longest in ((1, 1), (2, 32), (7, 9)):
        if name == "bert":
            tokens = [random.integers(3, 40, size=(n, 1)) for n in random.integers(1, longest + 1, size=count)]
            given = {"x": [token.astype(np.float32) for token in tokens]}
            width = max(map(len, tokens))
            ids = np.stack([np.pad(token[:, 0], (0, width - len(token))) for token in tokens])
            arrays = {"x": ids, "x_lengths": np.array([len(token) for token in tokens])}
        else:
            given = drawn(student, count, 50 * longest, seed=count)
            arrays = student.arrays(given) if name != "wav2vec2 base, cut" else {"x": given["x"]}
        expected = logits_of(student, given)
        for answer in answers.values():
            assert np.abs(answer(arrays)["logits"] - expected).max() < 1e-5 * max(1.0, np.abs(expected).max())


def test_a_model_that_cannot_be_exported_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    student = student_of({"voice": saved("wav2vec2 base", tmp_path / "model")}, width=16)
    with pytest.raises(ValueError, match=r"cannot be exported \(voice by pretrained\): .*fixed length"):
        export(student, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
