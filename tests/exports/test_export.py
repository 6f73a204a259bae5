"""Exported files as others will use them: by ONNX Runtime or PyTorch alone, from a real run; what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill.cli.main import main
from crossdistill.data import from_arrays
from crossdistill.encoders import RNN
from crossdistill.encoders.recurrence import unpacked
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.exports import export
from crossdistill.exports.formats import onnx_answer
from crossdistill.exports.quantize import Cost
from crossdistill.runs.run import run
from crossdistill.student import Student, load
from crossdistill.tasks import headline
from crossdistill.types import InputError
from tests.encoders.batches import padded, sequences
from tests.exports.students import KINDS, WINDOWS, drawn, student_of
from tests.runs.small import folder_of, gestures, recipe

pytest.importorskip("onnxscript", reason="needs the extra 'export'")

ONNX = """
import json, sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["crossdistill"])
logits, = session.run(["logits"], dict(np.load(sys.argv[2])))
"""
TORCH = """
import json, sys, numpy as np, torch
extra = {"crossdistill.json": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
about = json.loads(extra["crossdistill.json"])
logits = program({k: torch.from_numpy(v) for k, v in np.load(sys.argv[2]).items()})["logits"].detach().numpy()
"""
END = """
np.save(sys.argv[3], logits)
print(json.dumps([about["classes"], about["inputs"], about["about"]["method"], about["model"]["target"]]))
assert not any(name.startswith("crossdistill") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of AMID on a manifest, whose data can be read again."""
    root = tmp_path_factory.mktemp("export")
    run(recipe(folder_of(gestures(), root)), root / "run")
    return root / "run"


@pytest.mark.parametrize(("format", "ending", "script"), [("onnx", ".onnx", ONNX), ("torch", ".pt2", TORCH)])
def test_the_command_s_file_runs_in_a_process_without_crossdistill(
    format: str, ending: str, script: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(trained), "--format", format]) == 0
    said = capsys.readouterr().out
    assert "largest difference to the student" in said
    assert "16 test samples of gestures" in said
    student, random = load(trained), np.random.default_rng(0)
    given = [random.normal(size=(n, 3)) for n in (4, 1, 40)]
    np.savez("inputs.npz", **student.arrays(given))
    command = [sys.executable, "-c", script + END, f"run{ending}", "inputs.npz", "logits.npy"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    logits = torch.from_numpy(np.load("logits.npy"))
    np.testing.assert_allclose(logits.softmax(1), student.predict_proba(given), atol=1e-6)
    classes, inputs, method, target = json.loads(done.stdout)
    assert (tuple(classes), method, target) == (student.classes, "amid", ["wrist"])
    assert inputs == {
        "wrist": {"shape": ["batch", "time", 3], "dtype": "float32"},
        "wrist_lengths": {"shape": ["batch"], "dtype": "int64"},
    }
    assert str(Path(__file__).parents[2]).encode() not in Path(f"run{ending}").read_bytes()


def test_safetensors_is_the_saved_student(trained: Path, tmp_path: Path) -> None:
    assert main(["export", str(trained), "--format", "safetensors", "--out", str(tmp_path / "alone")]) == 0
    given = sequences((4, 2))
    assert np.array_equal(load(tmp_path / "alone").predict_proba(given), load(trained).predict_proba(given))


def test_int8_is_measured_on_the_run_s_own_samples(trained: Path, tmp_path: Path) -> None:
    exported = export(trained, tmp_path / "int8.onnx", int8=True, force=True)
    assert exported.cost is not None
    assert exported.cost.samples == 16
    assert exported.cost.before == load_results(trained)["student"]["top1"]


def load_results(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "results.json").read_text()))


def test_int8_that_costs_accuracy_is_refused_unless_forced(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["crossdistill.exports.export"]
    monkeypatch.setattr(module, "cost_of", lambda *_: Cost(0.9, 0.88, 100, headline("classification")))
    with pytest.raises(InputError, match=r"top-1 90.0 % of 100 .* before, 88.0 % after: 2.0 points are lost; --force"):
        export(trained, tmp_path / "x.onnx", int8=True)
    assert list(tmp_path.iterdir()) == []
    assert export(trained, tmp_path / "x.onnx", int8=True, force=True).cost is not None
    assert Cost(0.9, 0.89, 100, headline("classification")).lost == 1, "which is not more than one"


def test_int8_needs_labelled_samples(tmp_path: Path) -> None:
    student = student_of({"x": KINDS["mlp"]})
    with pytest.raises(InputError, match=r"cannot be measured \(a student that was saved alone has none"):
        export(student, tmp_path / "x.onnx", int8=True)
    assert list(tmp_path.iterdir()) == []
    assert export(student, tmp_path / "x.onnx", int8=True, force=True).cost is None


@pytest.mark.parametrize("labels", ["no column", "empty cells"])
def test_samples_to_check_on_need_no_label_but_int8_does(
    labels: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named, and so is what takes it all the same."""
    monkeypatch.chdir(tmp_path)
    for row, values in enumerate(sequences((4, 2))):
        np.save(f"{row}.npy", values)
    lines = ["wrist", "0.npy", "1.npy"]
    if labels == "empty cells":
        lines = ["id,split,label,wrist", "a,train,,0.npy", "b,train, ,1.npy"]
    Path("new.csv").write_text("\n".join(lines))
    arguments = ["export", str(trained), "--data", "new.csv", "--out", "x.onnx"]
    assert main(arguments) == 0
    assert "on 2 unlabelled samples of new.csv" in capsys.readouterr().out
    assert main([*arguments, "--int8"]) == 2
    error = capsys.readouterr().err
    assert "the unlabelled samples of new.csv have no labels" in error
    assert "name labelled data by --data, or take it so by --force" in error
    assert main([*arguments, "--int8", "--force"]) == 0
    assert "int8: what it costs was not measured" in capsys.readouterr().out


def test_int8_of_convolutions_over_time(tmp_path: Path) -> None:
    """As wide as those that are taken where nothing is chosen: the converter folds what is made of small weights."""
    settings = EncoderSettings("conv", {"width": 5, "layers": 2, "hidden": 64})
    student = student_of({"x": (WINDOWS, settings)})
    sizes = {}
    for int8 in (False, True):
        file = tmp_path / f"{int8}.onnx"
        export(student, file, int8=int8, force=int8)
        sizes[int8] = file.stat().st_size
        given = drawn(student, 7, 20)
        made = onnx_answer(file.read_bytes())(student.arrays(given))["probabilities"]
        np.testing.assert_allclose(made, student.predict_proba(given), atol=0.1 if int8 else 1e-5)
    assert sizes[True] < sizes[False]


def test_another_answer_than_the_student_s_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = student_of({"x": KINDS["mlp on sequences"]})
    (tmp_path / "x.pt2").write_bytes(b"before")

    class Wrong(torch.nn.Module):
        def forward(self, representation: torch.Tensor) -> torch.Tensor:
            shift = 0.01 if torch.compiler.is_exporting() else 0.0
            return classifier(representation) + shift

    classifier = student.network.classifier
    monkeypatch.setattr(student.network, "classifier", Wrong())
    student.network.classifier.weight = classifier.weight
    with pytest.raises(InputError, match=r"not written: its answers differ from the student's by 1\.0e-02"):
        export(student, tmp_path / "x.pt2", "torch")
    assert (tmp_path / "x.pt2").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_student_in_half_precision_is_exported_in_single(tmp_path: Path) -> None:
    student = student_of({"x": KINDS["conv"]})
    exported = export(student.bfloat16(), tmp_path / "x.pt2", "torch")
    assert exported.difference < 1e-5
    assert next(student.parameters()).dtype == torch.bfloat16, "the student stays as it is"


def test_samples_that_are_given_are_used_or_refused_never_random_ones(trained: Path, tmp_path: Path) -> None:
    """Also for a run's folder: of whatever split they are, without what only training needs, of other classes."""
    wrist = [np.random.default_rng(row).normal(size=(4 + row, 3)) for row in range(6)]
    data = from_arrays({"wrist": wrist}, ["a", "b"] * 3, classes=("a", "b"), splits=["train"] * 6)
    assert export(trained, tmp_path / "x.pt2", "torch", dataset=data).described == "6 train samples of arrays"
    with pytest.raises(
        InputError, match=r"cannot be measured \(the train samples of arrays have no labels that the student knows"
    ):
        export(trained, tmp_path / "int8.onnx", int8=True, dataset=data)
    for wrong in (from_arrays({"wrist": np.zeros((4, 3))}, [0, 1] * 2), gestures().only(["eye"])):
        with pytest.raises(InputError, match=r"expected the modality wrist|wrist: expected"):
            export(trained, tmp_path / "wrong.pt2", "torch", dataset=wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt2"]


def test_a_name_that_no_file_can_have_is_one_line(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        export(trained, tmp_path / f"{'x' * 5000}.onnx")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"format": "tflite"}, "expected one of onnx, torch, safetensors"),
        ({"format": "torch", "int8": True}, "only ONNX files"),
        ({"dataset": gestures().only(["eye"])}, "expected the modality wrist, found eye"),
    ],
)
def test_mistakes(options: dict[str, Any], problem: str, trained: Path, tmp_path: Path) -> None:
    student: Student = load(trained)
    with pytest.raises(InputError, match=problem):
        export(student, tmp_path / f"x{'.pt2' if 'format' in options else '.onnx'}", **options)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file: expected a folder, found a file; choose another path"):
        export(student, tmp_path / "file/new/x.onnx")


def test_the_folder_of_a_file_is_made(trained: Path, tmp_path: Path) -> None:
    assert main(["export", str(trained), "--out", str(tmp_path / "new/one/x.pt2")]) == 0
    assert [path.name for path in (tmp_path / "new/one").iterdir()] == ["x.pt2"]


def test_the_ending_says_the_format(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "student.pt2"
    assert export(trained, file).format == "torch"
    assert torch.export.load(file) is not None
    for format, name in (("onnx", "x.pt2"), ("torch", "x.onnx"), ("safetensors", "x.onnx")):
        assert main(["export", str(trained), "--format", format, "--out", str(tmp_path / name)]) == 2
        assert f"{name}: ends as format" in capsys.readouterr().err.replace("\n", "")
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["x.h5", "x.pt", "x", "onnx"])
@pytest.mark.parametrize("options", [[], ["--format", "onnx"], ["--format", "torch"]], ids=" ".join)
def test_an_ending_of_no_format_is_refused(
    options: list[str], name: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(trained), *options, "--out", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert "expected a name that ends in .onnx (format onnx), .pt2 (format torch), or format safetensors" in error
    assert error.endswith(f"found {'the ending .' + name[2:] if '.' in name else 'no ending'}\n")
    assert not (tmp_path / name).exists()


def test_the_last_lines_say_the_format(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(trained), "--out", str(tmp_path / "X.ONNX")]) == 0
    assert "X.ONNX: format onnx, 0." in capsys.readouterr().out


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_recurrence_without_packing_is_the_packed_one(cell: Any, bidirectional: bool) -> None:
    encoder = RNN(3, 5, layers=2, hidden=6, cell=cell, bidirectional=bidirectional).eval()
    x = padded(sequences((9, 1, 4, 7, 2)), more=3, garbage=50.0)
    with torch.no_grad():
        packed = encoder._states(x)
        states = unpacked(encoder.recurrent, x)
    for row, length in enumerate(x.lengths.tolist()):
        assert torch.allclose(states[row, :length], packed[row, :length], rtol=0, atol=1e-6)
