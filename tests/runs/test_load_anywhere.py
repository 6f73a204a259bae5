"""A finished run's student predicts in another process, in an empty folder, without its data and optional packages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from crossdistill.data import MultimodalDataset
from crossdistill.data.readers import ReaderSettings
from crossdistill.datasets import BUNDLED
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.evaluation.collect import outputs_of
from crossdistill.recipes.files import load_recipe
from crossdistill.recipes.library.bundled import emoji
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.data import build_dataset
from crossdistill.runs.run import load_trained, run
from crossdistill.student import load
from crossdistill.types import InputError
from tests.data.clips import write_video
from tests.runs.small import folder_of, gestures, recipe, with_data, with_model
from tests.saved import model_state

HERE = Path(__file__).parent
OPTIONAL = (
    "pandas",
    "matplotlib",
    "sklearn",
    "optuna",
    "av",
    "PIL",
    "pyarrow",
    "scipy",
    "transformers",
    "jsonargparse",
    "yaml",
    "rich",
)

SCRIPT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")
BLOCKED = set(sys.argv[3].split(","))
sys.meta_path.insert(0, Blocked())
import numpy as np, crossdistill
student = crossdistill.load(sys.argv[1])
given = np.load(sys.argv[2], allow_pickle=True).item()
np.savez(sys.argv[2] + ".npz", labels=student.predict(given), probabilities=student.predict_proba(given))
"""


def predicted_elsewhere(
    folder: Path, inputs: Mapping[str, Any], empty: Path, blocked: tuple[str, ...] = OPTIONAL
) -> Mapping[str, np.ndarray]:
    """`labels` and `probabilities` of another process that works in the empty folder."""
    empty.mkdir()
    np.save(empty / "inputs.npy", np.array(dict(inputs), dtype=object), allow_pickle=True)
    command = [sys.executable, "-c", SCRIPT, str(folder), str(empty / "inputs.npy"), ",".join(blocked)]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(np.load(empty / "inputs.npy.npz"))


def require_as_measured(folder: Path, dataset: MultimodalDataset, predictions: Mapping[str, np.ndarray]) -> None:
    """The confusion counts of the predictions are those in results.json."""
    confusion = np.zeros((len(dataset.classes),) * 2, dtype=int)
    rows = dataset.rows("test")
    for label, predicted in zip(dataset.labels[rows], predictions["labels"], strict=True):
        confusion[label, dataset.classes.index(predicted)] += 1
    stored = json.loads((folder / "results.json").read_text())["student"]["confusion"]
    np.testing.assert_array_equal(confusion, stored)


def samples_of(dataset: MultimodalDataset, name: str) -> list[np.ndarray]:
    column: Any = dataset.columns[name]
    values = column.sequences if hasattr(column, "sequences") else column.array
    return [np.asarray(values[row]) for row in dataset.rows("test")]


def quick(made: Recipe) -> Recipe:
    return replace(made, epochs=2, evaluate_every=2, machine=replace(made.machine, accelerator="cpu"))


def test_a_run_on_bundled_data(tmp_path: Path) -> None:
    made = replace(quick(emoji()), method="amid", options={"amid": {"warmup_epochs": 1, "reduction": "mean"}})
    run(made, tmp_path / "run")
    dataset = BUNDLED["emoji"]()
    inputs = {"picture": np.stack(samples_of(dataset, "picture"))}
    predictions = predicted_elsewhere(tmp_path / "run", inputs, tmp_path / "empty")
    require_as_measured(tmp_path / "run", dataset, predictions)
    built = load_trained(tmp_path / "run")
    rows, views = built.dataset.rows("test"), built.method.predicts
    measured = outputs_of(built.dataset, rows, built.model, views, torch.device("cpu")).made.target_logits
    assert np.array_equal(predictions["probabilities"], measured.softmax(1).numpy()), "bit for bit"


def test_a_run_on_arrays_whose_sequences_differ_in_length(tmp_path: Path) -> None:
    dataset = gestures()
    run(recipe(), tmp_path / "run", dataset=dataset)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    predictions = predicted_elsewhere(tmp_path / "moved", {"wrist": samples_of(dataset, "wrist")}, tmp_path / "empty")
    require_as_measured(tmp_path / "moved", dataset, predictions)


def test_a_run_on_a_manifest_whose_data_are_gone(tmp_path: Path) -> None:
    dataset = gestures()
    made = recipe(folder_of(dataset, tmp_path))
    run(made, tmp_path / "run")
    inputs = {"wrist": samples_of(dataset, "wrist")}
    shutil.rmtree(tmp_path / "gestures")
    require_as_measured(tmp_path / "run", dataset, predicted_elsewhere(tmp_path / "run", inputs, tmp_path / "empty"))


def clips_recipe(tmp_path: Path) -> Recipe:
    """Clips of two grey levels, and vectors that tell them apart."""
    home = tmp_path / "clips"
    home.mkdir()
    random = np.random.default_rng(0)
    np.save(home / "hint.npy", np.eye(2)[np.arange(16) % 2] + 0.1 * random.normal(size=(16, 2)))
    rows = ["id,split,label,face,hint"]
    for number in range(16):
        write_video(home / f"{number}.mp4", frames=10)
        split = "train" if number < 10 else "test"
        rows.append(f"c{number},{split},{'ab'[number % 2]},{number}.mp4,hint.npy#{number}")
    (home / "manifest.csv").write_text("\n".join(rows) + "\n")
    made = with_data(recipe(home), target=("face",), auxiliary=("hint",), windows=0)
    made = with_data(made, readers={"face": ReaderSettings(frames=4, size=16, resize=16)})
    tiny = EncoderSettings("r2plus1d", {"blocks": [1, 1, 1, 1], "channels": 2})
    made = with_model(made, encoders={"face": tiny, "hint": EncoderSettings("mlp", {"width": 8})}, width=16)
    return replace(made, batch_size=4, auxiliary_epochs=1, epochs=2)


def test_clips_read_by_path_are_read_and_averaged_as_in_evaluation(tmp_path: Path) -> None:
    made = clips_recipe(tmp_path)
    run(made, tmp_path / "run")
    dataset = build_dataset(made.data)
    paths = [str(tmp_path / "clips" / f"{number}.mp4") for number in range(10, 16)]
    unneeded = tuple(name for name in OPTIONAL if name != "av")
    predictions = predicted_elsewhere(tmp_path / "run", {"face": paths}, tmp_path / "empty", unneeded)
    require_as_measured(tmp_path / "run", dataset, predictions)
    assert load(tmp_path / "run").inputs["face"].kind == "video"


def test_reading_clips_without_pyav_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = clips_recipe(tmp_path)
    run(made, tmp_path / "run")
    student = load(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'crossdistill\[media\]'"):
        student.predict({"face": tmp_path / "clips/10.mp4"})


def test_a_run_of_version_0_1_says_what_to_do(tmp_path: Path) -> None:
    old = HERE / "data" / "run-0.1.0"
    for read in (load, load_trained):
        with pytest.raises(InputError, match=r"a run of crossdistill 0\.1, .*`crossdistill train .*recipe\.yaml --out"):
            read(old)


@pytest.mark.parametrize(("method", "teacher"), [("amid", "by_method"), ("ccl", "online"), ("c2kd", "online")])
def test_teachers_that_0_1_did_not_train_before(method: str, teacher: str, tmp_path: Path) -> None:
    written = (HERE / "data" / "run-0.1.0" / "recipe.yaml").read_text(encoding="utf-8")
    assert "method: amid\n" in written
    (tmp_path / "old.yaml").write_text(written.replace("method: amid\n", f"method: {method}\n"), encoding="utf-8")
    assert load_recipe(str(tmp_path / "old.yaml")).model.teacher == teacher


def test_what_it_says_to_do_repeats_the_run(tmp_path: Path) -> None:
    old = HERE / "data" / "run-0.1.0"
    made = load_recipe(str(old / "recipe.yaml"))
    assert made.model.encoders["eye"] == EncoderSettings(
        "mlp", {"width": 8, "layers": 2, "hidden": 8, "dropout": 0.0, "steps": 16}
    )
    run(made, tmp_path / "run", dataset=gestures())
    before, now = load_file(old / "model.safetensors"), model_state(tmp_path / "run")
    assert before.keys() == now.keys()
    for key in before:  # bit for bit on the machine and threads that it was made with
        np.testing.assert_allclose(before[key], now[key].numpy(), rtol=1e-3, atol=1e-5, err_msg=key)
