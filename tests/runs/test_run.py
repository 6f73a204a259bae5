"""Whole runs on data of one's own: what they read, what they leave, what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill import load
from crossdistill.data import MultimodalDataset
from crossdistill.data.columns import Rows
from crossdistill.data.reading import Parts
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.recipes.recipe import Recipe
from crossdistill.reports import load_runs
from crossdistill.runs.data import build_dataset, epochs_between_measurements
from crossdistill.runs.results import read_results, to_json
from crossdistill.runs.run import load_trained, run
from crossdistill.types import Batch, InputError
from tests.listening import Heard
from tests.runs.small import SAMPLES, folder_of, gestures, recipe, with_data, with_model
from tests.saved import model_bytes, model_state

TEST_ROWS = set(range(SAMPLES * 2 // 3, SAMPLES))


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of AMID on a manifest with sequences of different length."""
    root = tmp_path_factory.mktemp("own")
    run(recipe(folder_of(gestures(), root)), root / "run")
    return root / "run"


def test_what_a_finished_run_leaves(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "recipe.yaml",
        "rest.safetensors",
        "results.json",
        "student.safetensors",
    ]


def test_results(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert {"name", "method", "seed", "split", "classes", "samples", "target", "auxiliary", "seconds"} <= set(results)
    assert {"peak_memory_mb", "parameters", "versions", "student", "teacher", "evaluation/cosine_pair"} <= set(results)
    assert results["samples"] == {"train": 32, "test": 16}
    assert results["classes"] == ["gesture 0", "gesture 1", "gesture 2"]
    assert (results["target"], results["auxiliary"]) == (["wrist"], ["eye"])
    for view in ("student", "teacher"):
        assert {"top1", "wa", "ua", "r1", "r5", "confusion"} <= set(results[view])
        assert 0 <= results[view]["top1"] <= 1
        assert np.sum(results[view]["confusion"]) == 16
        assert np.trace(results[view]["confusion"]) == round(16 * results[view]["top1"])
    state = model_state(finished)
    assert results["parameters"]["total"] == sum(
        value.numel() for name, value in state.items() if not name.endswith((".mean", ".inverse_std"))
    )
    assert results["parameters"]["student"] < results["parameters"]["total"]


def test_the_log_has_a_line_an_epoch(finished: Path) -> None:
    log = log_of(finished)
    assert [(line["stage"], line["epoch"]) for line in log] == [
        ("auxiliary", 0), ("auxiliary", 1), ("amid", 0), ("amid", 1), ("amid", 2)
    ]  # fmt: skip
    assert all({"learning_rate", "seconds"} <= set(line) for line in log)
    assert {"training/loss/classification", "evaluation/auxiliary_alone/top1"} <= set(log[0])
    measured = {"student/top1", "teacher/top1", "gap", "cosine_pair", "cosine_same_class"}
    trained = {"cosine_pair", "cosine_same_class", "mi_bound", "lambda_1", "lambda_2", "loss/jsd"}
    main = {f"evaluation/{name}" for name in measured} | {f"training/{name}" for name in trained}
    assert main <= set(log[2])
    unprefixed = {"stage", "epoch", "learning_rate", "seconds"}
    for line in log:
        assert {name for name in line if not name.startswith(("training/", "evaluation/"))} == unprefixed
    assert "training/loss/adversarial" not in log[2]
    assert {
        "training/loss/mi_student",
        "training/loss/mi_auxiliary",
        "training/loss/adversarial",
        "training/loss/discriminators",
    } <= set(log[3])
    assert log[3]["evaluation/gap"] == pytest.approx(
        log[3]["evaluation/teacher/top1"] - log[3]["evaluation/student/top1"]
    )


def test_evaluate_every_leaves_epochs_out_but_never_the_last(tmp_path: Path) -> None:
    run(recipe(method="baseline", epochs=5, evaluate_every=2), tmp_path / "run", dataset=gestures())
    assert ["evaluation/student/top1" in line for line in log_of(tmp_path / "run")] == [False, True, False, True, True]


def test_by_itself_a_twentieth_of_the_training_is_for_measuring_and_every_epoch_where_one_is_chosen() -> None:
    made, data = recipe(method="baseline", evaluate_every="auto"), gestures()
    assert Recipe().evaluate_every == "auto"
    assert epochs_between_measurements(made, data) == 6  # 16 samples beside 32, each 0.6 of a trained one at most
    few = replace(made, data=replace(made.data, evaluate_on="none"))
    chosen = replace(made, data=replace(made.data, choose_epoch_on="validation"))
    asked = replace(made, evaluate_every=2)
    assert [epochs_between_measurements(each, data) for each in (few, chosen, asked)] == [1, 1, 2]


def test_how_often_is_measured_changes_nothing_else(tmp_path: Path) -> None:
    often, rarely = (tmp_path / name for name in ("often", "rarely"))
    for folder, every in ((often, 1), (rarely, "auto")):
        run(recipe(method="baseline", evaluate_every=every), folder, dataset=gestures())
    assert ["evaluation/student/top1" in line for line in log_of(rarely)] == [False, False, True]
    states = model_state(often), model_state(rarely)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_saved_model_gives_the_results_again(finished: Path) -> None:
    built = load_trained(finished)
    made, dataset, method = built.recipe, built.dataset, built.method
    assert made.name == "gestures"
    assert not method.model.training
    given = dataset.__getitems__(dataset.rows("test").tolist())
    with torch.no_grad():
        predicted = method.model.predict({"wrist": given.modalities["wrist"]}).argmax(1)
    results = json.loads((finished / "results.json").read_text())
    assert float((predicted == given.labels).double().mean()) == pytest.approx(results["student"]["top1"])


def test_arrays_and_manifest_give_the_same_model(finished: Path, tmp_path: Path) -> None:
    run(recipe(), tmp_path / "run", dataset=gestures())
    a, b = (model_state(folder) for folder in (finished, tmp_path / "run"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", ["auto", "mlp", "conv", "rnn"])
def test_sequences_of_different_length_train_with_every_encoder(kind: str, tmp_path: Path) -> None:
    encoders = {"wrist": EncoderSettings(kind, {"width": 8, "hidden": 8}, center=kind == "mlp")}  # type: ignore[arg-type]
    made = with_model(recipe(epochs=2, auxiliary_epochs=1), encoders=encoders)
    results = run(made, tmp_path / "run", dataset=gestures())
    assert results["student"]["top1"] >= 0


def rows_read(made: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    seen: set[int] = set()
    original = MultimodalDataset.batch

    def watched(dataset: MultimodalDataset, rows: Rows, parts: Parts) -> Batch:
        seen.update(int(row) for row in rows)
        return original(dataset, rows, parts)

    monkeypatch.setattr(MultimodalDataset, "batch", watched)
    run(made, folder, dataset=gestures())
    return seen


def test_validation_never_makes_a_batch_of_test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_data(recipe(), evaluate_on="validation")
    assert rows_read(made, tmp_path / "run", monkeypatch) == set(range(SAMPLES)) - TEST_ROWS
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["split"] == "validation"
    assert results["samples"] == {"train": 24, "validation": 8}


@pytest.mark.parametrize("in_memory", [True, False])
def test_validation_does_not_so_much_as_open_a_test_sample(in_memory: bool, tmp_path: Path) -> None:
    folder = folder_of(gestures(), tmp_path)
    for row in TEST_ROWS:
        path = folder / "wrist" / f"s{row}.npy"
        np.save(path, np.full_like(np.load(path), np.nan))
    made = with_data(recipe(folder, method="baseline"), evaluate_on="validation", in_memory=in_memory)
    run(made, tmp_path / "run")
    with pytest.raises(InputError, match="NaN or infinity"):  # the poison works
        run(with_data(made, evaluate_on="test"), tmp_path / "other")


@pytest.mark.parametrize("method", ["amid", "baseline"])
@pytest.mark.parametrize("evaluate_on", ["test", "validation"])
def test_what_test_samples_hold_changes_no_weight(evaluate_on: str, method: str, tmp_path: Path) -> None:
    """Neither by training nor by standardisation nor by anything that is measured."""
    made = with_data(recipe(method=method), evaluate_on=evaluate_on)
    run(made, tmp_path / "a", dataset=gestures())
    run(made, tmp_path / "b", dataset=gestures(lambda values: 1000 - 50 * values))
    assert model_bytes(tmp_path / "a") == model_bytes(tmp_path / "b")


def test_a_fold_is_tested_and_the_rest_trained(tmp_path: Path) -> None:
    made, dataset = with_data(recipe(), fold=1), gestures()
    results = run(made, tmp_path / "run", dataset=dataset)
    assert results["samples"] == {"train": 24, "test": 24}
    built = build_dataset(with_data(recipe(folder_of(dataset, tmp_path)), fold=1).data)
    assert set(built.rows("test").tolist()) == set(range(1, SAMPLES, 2))
    assert not set(built.rows("train").tolist()) & set(built.rows("test").tolist())


def test_tensorboard_events_when_asked(tmp_path: Path) -> None:
    run(recipe(tensorboard=True, epochs=1, auxiliary_epochs=1), tmp_path / "run", dataset=gestures())
    events = [path for path in (tmp_path / "run/tensorboard").rglob("events.out.tfevents.*") if path.stat().st_size]
    assert {path.parent.name for path in events} == {"auxiliary", "amid"}
    assert any(b"training/loss/jsd" in path.read_bytes() for path in events)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_with_a_run_is_left_alone(tmp_path: Path) -> None:
    made, folder = recipe(method="baseline", epochs=1), tmp_path / "run"
    run(made, folder, dataset=gestures())
    before = snapshot(folder)
    for attempt in (made, replace(made, seed=5)):
        with pytest.raises(InputError, match="already holds a run; continue it with --resume"):
            run(attempt, folder, dataset=gestures())
    with pytest.raises(InputError, match=r"another recipe \(first difference: seed: the folder's run has 0, found 5\)"):
        run(replace(made, seed=5), folder, resume=True, dataset=gestures())
    assert snapshot(folder) == before
    assert to_json(run(made, folder, resume=True, dataset=gestures())).encode() == before["results.json"]
    assert snapshot(folder) == before
    text = (folder / "recipe.yaml").read_text()
    earlier = text.replace("tracker: none\n", "").replace("  windows: 0\n", "")
    (folder / "recipe.yaml").write_text(earlier)
    run(made, folder, resume=True, dataset=gestures())  # of a version that did not have these fields yet
    (folder / "recipe.yaml").write_text(earlier.replace("epochs: 1\n", "epochs: 2\n", 1))
    with pytest.raises(
        InputError, match=r"another recipe \(first difference: epochs: the folder's run has 2, found 1\)"
    ):
        run(made, folder, resume=True, dataset=gestures())


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for resume in (False, True):
        with pytest.raises(InputError, match="expected a new or empty folder"):
            run(recipe(), tmp_path, resume=resume, dataset=gestures())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_folder_s_place(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="run"):
        run(recipe(), tmp_path / "run", dataset=gestures())


def test_an_empty_folder_will_do_and_resume_will_start_a_run(tmp_path: Path) -> None:
    run(recipe(method="baseline", epochs=1), tmp_path, resume=True, dataset=gestures())


def test_a_kill_while_the_folder_is_claimed_loses_nothing(tmp_path: Path) -> None:
    """The recipe is written beside its place and renamed; a kill in between leaves only the scratch file."""
    (tmp_path / "recipe.yaml.partial").write_text("name: gest")
    run(recipe(method="baseline", epochs=1), tmp_path, resume=True, dataset=gestures())
    assert (tmp_path / "results.json").is_file()


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(task: str, count: int) -> None:
        if len(log_of(tmp_path / "run")) == 2:
            raise StopError

    with pytest.raises(StopError):
        run(recipe(), tmp_path / "run", listener=Heard(stop), dataset=gestures())
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a readable checkpoint"):
        run(recipe(), tmp_path / "run", resume=True, dataset=gestures())


IMPOSSIBLE = {
    "target equals auxiliary": (lambda r: with_data(r, auxiliary=("wrist",)), "wrist"),
    "no auxiliary modality": (lambda r: with_model(with_data(r, auxiliary=()), encoders={}), "auxiliary"),
    "no target modality": (lambda r: with_model(with_data(r, target=()), encoders={}), "target"),
    "unknown modality": (lambda r: with_data(r, target=("smell",)), "smell.*wrist, eye"),
    "encoder of an unknown modality": (lambda r: with_model(r, encoders={"smell": EncoderSettings()}), "smell"),
    "no such fold": (lambda r: with_data(r, fold=7), "no fold 7; it has 0, 1"),
    "no validation fraction": (lambda r: with_data(r, evaluate_on="validation", validation_fraction=0.0), "fraction"),
    "a conv for vectors": (lambda r: with_model(r, encoders={"eye": EncoderSettings("conv")}), "encoders.eye: conv"),
    "an rnn for vectors": (lambda r: with_model(r, encoders={"eye": EncoderSettings("rnn")}), "encoders.eye: rnn"),
    "features of sequences": (
        lambda r: with_model(r, encoders={"wrist": EncoderSettings("features")}),
        "encoders.wrist: features needs vectors",
    ),
    "centred vectors": (
        lambda r: with_model(r, encoders={"eye": EncoderSettings(center=True)}),
        "encoders.eye: center",
    ),
    "a negative weight": (
        lambda r: replace(r, options={"amid": {"alpha_1": -1.0}}),
        "amid: alpha_1: expected 0 or more, found -1",
    ),
    "no temperature": (
        lambda r: replace(r, options={"amid": {"temperature": 0.0}}),
        "amid: temperature: expected above 0, found 0",
    ),
    "no epochs": (lambda r: replace(r, epochs=0), "epochs"),
    "batches of nothing": (lambda r: replace(r, batch_size=0), "batch_size"),
    "a negative seed": (lambda r: replace(r, seed=-1), "seed"),
    "never evaluating": (lambda r: replace(r, evaluate_every=0), "evaluate_every"),
    "never saving": (lambda r: replace(r, checkpoint_every=0), "checkpoint_every"),
    "no width": (lambda r: with_model(r, width=0), "model.width"),
    "certain dropout": (lambda r: with_model(r, dropout=1.5), "model.dropout"),
    "no layers": (
        lambda r: with_model(r, encoders={"wrist": EncoderSettings("conv", {"layers": 0})}),
        "wrist.settings.layers",
    ),
    "a negative learning rate": (
        lambda r: replace(r, optimization=replace(r.optimization, learning_rate=-1.0)),
        "optimization.learning_rate",
    ),
    "a negative weight decay": (
        lambda r: replace(r, optimization=replace(r.optimization, weight_decay=-1.0)),
        "optimization.weight_decay",
    ),
    "a negative momentum": (
        lambda r: replace(r, optimization=replace(r.optimization, name="sgd", momentum=-0.5)),
        "optimization.momentum",
    ),
    "a negative ramp": (
        lambda r: replace(r, optimization=replace(r.optimization, ramp_epochs=-3)),
        "optimization.ramp_epochs",
    ),
    "chunks of less than nothing": (
        lambda r: replace(r, optimization=replace(r.optimization, chunk_size=-1)),
        "optimization.chunk_size",
    ),
    "fewer than no workers": (lambda r: replace(r, machine=replace(r.machine, workers=-1)), "machine.workers"),
    "a diverging learning rate": (
        lambda r: replace(r, optimization=replace(r.optimization, name="sgd", learning_rate=1e30)),
        r"step \d: loss \w+ became (nan|inf), of a batch with samples (s\d+, ){7}s\d+ and 8 more; lower",
    ),
    "diverging in the last step": (
        lambda r: replace(
            with_data(r, fold=1), method="baseline", epochs=1,
            optimization=replace(r.optimization, name="sgd", learning_rate=1e30),
        ),
        "student: its predictions are no longer finite.*learning_rate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_recipe_is_one_line(case: str, tmp_path: Path) -> None:
    change, message = IMPOSSIBLE[case]
    with pytest.raises(InputError, match=message) as caught:
        run(change(recipe()), tmp_path / "run", dataset=gestures())
    assert "\n" not in str(caught.value)
    if "diverging" not in case:
        assert not (tmp_path / "run").exists(), "a refused recipe claims no folder"


def test_files_that_do_not_fit_together(finished: Path, tmp_path: Path) -> None:
    for name in ("recipe.yaml", "results.json", "metrics.jsonl", "config.json"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    with pytest.raises(InputError, match=r"student\.safetensors: cannot read it: No such file"):
        load_trained(tmp_path)
    (tmp_path / "student.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match=r"student\.safetensors: damaged or exchanged"):
        load_trained(tmp_path)
    (tmp_path / "results.json").unlink()
    with pytest.raises(InputError, match=r"not a finished run \(no results\.json\)"):
        load_trained(tmp_path)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_trained(tmp_path / "nowhere")


def test_the_caller_s_random_state_and_settings_come_back(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(recipe(method="baseline", epochs=1), tmp_path / "run", dataset=gestures())
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_seed_is_another_run_and_the_same_seed_the_same(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((0, 0, 1)):
        run(recipe(seed=seed), tmp_path / str(number), dataset=gestures())
        found.append(model_bytes(tmp_path / str(number)))
    assert found[0] == found[1] != found[2]


def test_results_of_another_run_are_not_taken_for_its_own(tmp_path: Path) -> None:
    """Folders that were copied into one another: by the run, and by what reads many."""
    made = [recipe(method="baseline", epochs=1, seed=seed) for seed in (0, 1)]
    folders = [tmp_path / f"baseline-seed{each.seed}" for each in made]
    for each, folder in zip(made, folders, strict=True):
        run(each, folder, dataset=gestures())
    (folders[0] / "results.json").write_bytes((folders[1] / "results.json").read_bytes())
    said = (
        r"results\.json: expected the results of method baseline, seed 0, as recipe.yaml says, found .* seed 1, anoth"
    )
    with pytest.raises(InputError, match=said):
        run(made[0], folders[0], resume=True, dataset=gestures())
    with pytest.raises(InputError, match=said):
        load_runs(folders)


def test_what_stands_for_a_run_its_results_and_its_student_is_one_short_line(finished: Path) -> None:
    built, results, student = load_trained(finished), read_results(finished), load(finished)
    made = [
        repr(each) for each in (built, results, student, student.predictions(built.dataset), *load_runs([finished]))
    ]
    assert [text.partition("(")[0] for text in made] == ["Built", "RunResults", "Student", "Predictions", "Run"]
    assert all(len(text) < 300 and "\n" not in text for text in made)
    assert f"student top-1 {100 * results['student']['top1']:.1f} %" in made[1]
    assert f"teacher top-1 {100 * results['teacher']['top1']:.1f} % on 16 test samples" in made[1]
    assert "wrist: float" in made[2]
    assert "3 classes (gesture 0, gesture 1, gesture 2)" in made[2]
