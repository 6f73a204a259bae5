"""Whole runs on real media: repeatable whatever the number of processes, and not ended by a broken file."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill.data import training_batches
from crossdistill.data.controls import Control
from crossdistill.data.inspection import CacheSettings, check_manifest, fill_cache
from crossdistill.data.readers import ReaderSettings
from crossdistill.data.reading import Parts
from crossdistill.encoders import Cnn14, R2Plus1D
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.evaluation import confusion_matrix, top1
from crossdistill.evaluation.collect import outputs_of
from crossdistill.recipes.files import load_recipe
from crossdistill.recipes.recipe import DataSettings, ModelSettings, Recipe
from crossdistill.runs.build import build
from crossdistill.runs.data import load_dataset
from crossdistill.runs.measure import epoch_measures
from crossdistill.runs.run import load_trained, run
from crossdistill.runs.train import train
from crossdistill.runs.training_log import MemoryLog
from crossdistill.training import Machine
from crossdistill.types import InputError
from tests.data.clips import halved, tone, write_sound, write_video
from tests.listening import Heard
from tests.saved import model_bytes, model_state

SAMPLES = 16


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright and dark clips, with a high or a low tone; a fourth has none."""
    folder = tmp_path_factory.mktemp("media")
    lines = ["id,split,label,face,voice:audio"]
    random = np.random.default_rng(0)
    for number in range(SAMPLES):
        label = number % 2
        frames = [np.uint8(random.integers(0, 156, (32, 32, 3)) + 100 * label) for _ in range(12)]
        sound = None if number % 4 == 3 else tone(0.5, 300 * (1 + label))
        write_video(folder / f"{number}.mp4", frames=frames, sound=sound)
        split = "test" if number >= 10 else "train"
        lines.append(f"{number},{split},{('dark', 'bright')[label]},{number}.mp4,{number}.mp4")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def recipe(folder: Path, **changes: Any) -> Recipe:
    readers = {
        "face": ReaderSettings(frames=4, size=8, resize=8),
        "voice": ReaderSettings(rate=8000, seconds=0.05),
    }
    base = Recipe(
        name="media",
        method="mi",
        epochs=2,
        evaluate_every=2,
        batch_size=8,
        checkpoint_every=1,
        data=DataSettings(str(folder), ("face",), ("voice",), readers=readers),
        model=ModelSettings(
            width=8,
            auxiliary_encoders="trained",
            encoders={
                "face": EncoderSettings("mlp", {"width": 8, "hidden": 8}),
                "voice": EncoderSettings("mlp", {"width": 8, "hidden": 8}),
            },
        ),
        machine=Machine(accelerator="cpu"),
        options={"mi": {"warmup_epochs": 1, "reduction": "mean"}},
    )
    return replace(base, **changes)


def log_of(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def weights_of(folder: Path) -> bytes:
    return model_bytes(folder)


@pytest.fixture(scope="module")
def finished(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(recipe(media), folder)
    return folder


def test_clips_without_sound_still_train_the_student(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert results["student"]["measured"] == 6
    assert results["teacher"]["measured"] == 4, "two of the tested clips have no sound"
    assert "complete" in results["student"], "what it is on these four"
    assert [record["skipped"] for record in log_of(finished)] == [0, 0], "no sound is no damage"
    notes = (finished / "notes.txt").read_text().splitlines()
    assert len(notes) == len(set(notes)) == 4
    assert all("has no audio stream" in note for note in notes)
    assert any("training/loss/classification_incomplete" in record for record in log_of(finished))


def with_html(media: Path, folder: Path, numbers: range) -> Path:
    """The data set with pages of a failed download in the place of these clips."""
    shutil.copytree(media, folder)
    for number in numbers:
        (folder / f"{number}.mp4").write_text("<html>404</html>")
    return folder


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (range(SAMPLES), "no training sample could be read"),
        (range(10), "no training sample could be read"),
        (range(10, SAMPLES), "no test sample could be read; the first: .*row 12, column 'face': .*10.mp4"),
    ],
    ids=["all", "training", "test"],
)
@pytest.mark.parametrize("method", ["mi", "baseline"])
def test_clips_of_which_none_can_be_read_are_an_error(
    method: str, numbers: range, message: str, media: Path, tmp_path: Path
) -> None:
    folder, listener = with_html(media, tmp_path / "media", numbers), Heard()
    with pytest.raises(InputError, match=message):
        run(recipe(folder, method=method), tmp_path / "run", listener=listener)
    split = "test" if numbers.start else "training"
    count = 6 if numbers.start else 8
    assert [line.partition(";")[0] for line in listener.lines] == [
        f"WARNING: {count} of {count} {split} samples cannot be read"
    ]
    assert "html" not in (tmp_path / "run" / "notes.txt").read_text()
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_tenth_of_the_clips_may_be_skipped_in_silence_and_no_more(media: Path, tmp_path: Path) -> None:
    """A clip is counted once, though both its picture and its sound are missing."""
    for count, warnings in ((1, 0), (2, 1)):
        folder, listener = with_html(media, tmp_path / f"media{count}", range(count)), Heard()
        run(recipe(folder, batch_size=5), tmp_path / f"run{count}", listener=listener)
        assert len(listener.lines) == warnings
        assert all(line.startswith("WARNING: 2 of 10 training samples cannot be read; the") for line in listener.lines)


def test_a_target_clip_without_a_picture_cannot_be_read(media: Path, tmp_path: Path) -> None:
    """A sound in a video's column: of an auxiliary modality that is a sample without it, of the target's a mistake."""
    shutil.copytree(media, tmp_path / "media")
    write_sound(tmp_path / "sound.wav", tone(0.5, 300)).replace(tmp_path / "media" / "0.mp4")
    run(recipe(tmp_path / "media", batch_size=5), tmp_path / "run")
    assert [record["skipped"] for record in log_of(tmp_path / "run")] == [1, 1]
    strict = recipe(tmp_path / "media", batch_size=5)
    with pytest.raises(InputError, match=r"row 2, column 'face': .*0\.mp4: has no video stream"):
        run(replace(strict, data=replace(strict.data, strict=True)), tmp_path / "strict")


def test_a_run_repeats_bit_for_bit_with_worker_processes(media: Path, finished: Path, tmp_path: Path) -> None:
    run(recipe(media, machine=Machine(accelerator="cpu", workers=2)), tmp_path / "run")
    assert weights_of(tmp_path / "run") == weights_of(finished)
    assert log_of(tmp_path / "run") == log_of(finished)


def test_the_saved_recipe_reads_the_same(finished: Path, tmp_path: Path) -> None:
    again = load_recipe(str(finished / "recipe.yaml"))
    assert again.data.readers["voice"] == ReaderSettings(rate=8000, seconds=0.05)
    run(again, tmp_path / "run")
    assert weights_of(tmp_path / "run") == weights_of(finished)


def test_another_seed_draws_other_clips(media: Path, finished: Path, tmp_path: Path) -> None:
    run(recipe(media, seed=1), tmp_path / "run")
    assert weights_of(tmp_path / "run") != weights_of(finished)


def copied(media: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in media.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_broken_file_is_skipped_counted_and_named_once(media: Path, tmp_path: Path) -> None:
    """As if the sample were not there; also among those that are tested."""
    folder = copied(media, tmp_path / "broken")
    (folder / "2.mp4").write_bytes(b"")
    halved(folder / "12.mp4")
    made = recipe(folder, batch_size=10)
    results = run(made, tmp_path / "run")
    assert results["student"]["measured"] == 5
    records = log_of(tmp_path / "run")
    assert [record["skipped"] for record in records] == [2, 2], "its pictures and its sound"
    notes = (tmp_path / "run" / "notes.txt").read_text().splitlines()
    assert len([note for note in notes if "2.mp4: cannot read it" in note and "/2.mp4" in note]) == 2
    assert len([note for note in notes if "/12.mp4: cannot read it" in note]) == 2
    assert all(np.isfinite(values).all() for values in map(np.asarray, model_state(tmp_path / "run").values()))


def test_what_the_last_measurement_alone_reads_is_noted_too(media: Path, tmp_path: Path) -> None:
    """Of 10 training clips 8 make a batch; one that was left out is read for the gallery."""
    folder = copied(media, tmp_path / "broken")
    made = replace(recipe(folder), method="baseline", epochs=1)
    taken: list[int] = []
    for batch in training_batches(load_dataset(made.data), np.arange(10), 8, seed=0, epoch=0):
        taken += batch.rows.tolist()
    (left_out, *_) = sorted(set(range(10)) - set(taken))
    (folder / f"{left_out}.mp4").write_bytes(b"")
    run(made, tmp_path / "run")
    assert log_of(tmp_path / "run")[-1]["skipped"] == 0
    notes = (tmp_path / "run" / "notes.txt").read_text().splitlines()
    assert [f"/{left_out}.mp4: cannot read it" in note for note in notes] == [True]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_strict_run_ends_with_one_line(workers: int, media: Path, tmp_path: Path) -> None:
    folder = copied(media, tmp_path / "broken")
    (folder / "2.mp4").write_bytes(b"")
    made = recipe(folder, machine=Machine(accelerator="cpu", workers=workers), batch_size=10)
    made = replace(made, data=replace(made.data, strict=True))
    with pytest.raises(InputError, match=r"row 4, column 'face': .*2\.mp4: cannot read it as a media file") as caught:
        run(made, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_a_run_reads_the_cache(media: Path, finished: Path, tmp_path: Path) -> None:
    """Sound is the same bit for bit, pictures nearly: they were scaled before."""
    folder = copied(media, tmp_path / "cached")
    settings = CacheSettings("raw", 0, 8000)
    made = check_manifest(folder, settings)
    assert fill_cache(made, folder, settings) == SAMPLES + 12
    for path in folder.glob("*.mp4"):
        stamp = path.stat()
        path.write_bytes(b"\0" * stamp.st_size)  # so that it is not the file that is read
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    results = run(recipe(folder), tmp_path / "run")
    assert results["student"]["measured"] == 6
    for record, expected in zip(log_of(tmp_path / "run"), log_of(finished), strict=True):
        assert record["training/loss/classification_student"] == pytest.approx(
            expected["training/loss/classification_student"], rel=0.2
        )


def test_the_finished_run_is_measured_on_all_windows_and_its_curves_on_the_middle(media: Path, tmp_path: Path) -> None:
    """Every student of a comparison on the same windows: those of the target modality. 12 frames are 3 windows of 4."""
    made = recipe(media, evaluate_every=1)
    results = run(made, tmp_path / "run")
    loaded = load_trained(tmp_path / "run")
    trained, dataset, method = loaded.recipe, loaded.dataset, loaded.method
    test = dataset.rows("test")
    shares, vectors, middles = [], [], []
    with torch.no_grad():
        for row in test:
            batch = dataset.batch(np.array([row] * 3), Parts(np.array([0, 0.5, 1]))).to("cpu")
            found = method.model({"face": batch.modalities["face"]}, ("target",))
            shares.append(found.target_logits.double().softmax(1).mean(0))
            vectors.append(found.target.mean(0))
            middles.append(found.target_logits[1].argmax())
    expected = torch.stack(shares).argmax(1).numpy()
    assert results["student"]["confusion"] == confusion_matrix(expected, dataset.labels[test], 2).tolist()
    last = log_of(tmp_path / "run")[-1]
    assert last["evaluation/student/top1"] == top1(torch.stack(middles), dataset.labels[test])
    made = outputs_of(dataset, dataset.rows("test"), method.model, ("target", "full"), torch.device("cpu"), windows=0)
    assert made.rows.tolist() == test.tolist()
    assert torch.allclose(made.made.target, torch.stack(vectors), atol=1e-6)
    alone = outputs_of(dataset, dataset.rows("test"), method.model, ("target",), torch.device("cpu"), windows=0)
    assert torch.allclose(alone.made.target_logits, made.made.target_logits, atol=1e-6)
    assert trained.data.windows == 0


def test_an_epoch_is_chosen_by_all_windows(media: Path) -> None:
    """As the chosen model is measured, and used: a clip's middle may say otherwise."""
    made = recipe(media, epochs=1, auxiliary_epochs=0)
    made = replace(made, data=replace(made.data, choose_epoch_on="validation"))
    built, log = build(made), MemoryLog()
    method = train(built, log)
    rows, views = built.dataset.rows("validation"), method.predicts
    of_all, of_middle = (
        epoch_measures(
            outputs_of(built.dataset, rows, method.model, views, torch.device("cpu"), windows=most), views, method.model
        )
        for most in (0, 1)
    )
    found = {name: value for name, value in log.records[-1].items() if name in of_all}
    assert found == pytest.approx(of_all)
    assert of_all != pytest.approx(of_middle)


@pytest.mark.parametrize("control", ["none", "shuffled", "noise"])
def test_encoders_of_media_are_found_by_what_the_cells_hold(control: Control, media: Path) -> None:
    made = recipe(media)
    encoders = {
        "face": EncoderSettings(settings={"channels": 2}),
        "voice": EncoderSettings(settings={"channels": 2, "width": 8}),
    }
    readers = made.data.readers | {"voice": ReaderSettings(seconds=0.05)}
    made = replace(made, data=replace(made.data, readers=readers, control=control))
    made = replace(made, model=replace(made.model, encoders=encoders))
    found = build(made).model.encoders
    assert {name: type(encoder) for name, encoder in found.items()} == {"face": R2Plus1D, "voice": Cnn14}


def test_sound_at_another_rate_than_the_encoder_s_is_refused(media: Path) -> None:
    made = recipe(media)
    made = replace(made, model=replace(made.model, encoders={"voice": EncoderSettings("cnn14", {"channels": 2})}))
    with pytest.raises(
        InputError, match=r"^data\.readers\.voice\.rate: the encoder takes sound at 32000 Hz, found 8000$"
    ):
        build(made)


def test_a_model_that_reads_text_wants_its_tokenizer(tmp_path: Path) -> None:
    lines = ["id,split,label,pose,words", "1,train,a,p.npy#0,hello", "2,test,a,p.npy#1,again"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "p.npy", np.zeros((2, 3)))
    made = Recipe(data=DataSettings(str(tmp_path), ("pose",), ("words",), in_memory=False))
    made = replace(made, model=replace(made.model, encoders={"words": EncoderSettings("pretrained", weights="bert")}))
    with pytest.raises(InputError, match=r"^data\.readers\.words\.tokenizer: choose the tokenizer of the model that"):
        build(made)
    for kind in ("cnn14", "log_mel"):
        sounds = replace(made, model=replace(made.model, encoders={"words": EncoderSettings(kind)}))
        with pytest.raises(InputError, match=f"model.encoders.words: {kind} reads no texts"):
            build(sounds)
    words = replace(made.data, readers={"words": ReaderSettings(tokenizer="bert")})
    with pytest.raises(InputError, match=r"model\.encoders\.words: weights: pretrained needs a model's folder or its"):
        build(replace(made, data=words, model=replace(made.model, encoders={})))


def test_settings_that_no_clip_can_have(media: Path) -> None:
    made = recipe(media)
    for change in ({"frames": 0}, {"least_area": 1.5}, {"resize": 4, "size": 8}, {"seconds": -1.0}, {"std": (1, 0, 1)}):
        readers = {"face": replace(made.data.readers["face"], **change)}
        with pytest.raises(InputError, match=r"^data\.readers\.face\."):
            run(replace(made, data=replace(made.data, readers=readers)), "unused")
    readers = {"fase": made.data.readers["face"]}
    with pytest.raises(InputError, match=r"^data\.readers: no modality fase; there are face, voice$"):
        run(replace(made, data=replace(made.data, readers=readers)), "unused")
