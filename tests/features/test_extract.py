"""`crossdistill extract`: the same numbers as one sample after another, whatever is killed, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
import signal
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossdistill.cli.main import main
from crossdistill.data import read_manifest
from crossdistill.data.readers import AudioReader, CacheFolder, Clip, MediaColumn, ReaderSettings, VideoReader
from crossdistill.data.reading import Parts
from crossdistill.encoders import Cnn14, DenseNet, R2Plus1D
from crossdistill.encoders.log_mel import LogMel
from crossdistill.features import encode as module
from crossdistill.features.extract import extract
from crossdistill.features.settings import Extraction, default_reader
from crossdistill.listening import Listener
from crossdistill.runs import lock
from crossdistill.runs.jobs import Failure, InProcess, Job
from crossdistill.training import Machine
from crossdistill.types import InputError
from tests.data.clips import tone, write_video
from tests.listening import Heard
from tests.processes import command, start_command, start_ranks
from tests.tokenizer import save_tokenizer

READER = ReaderSettings(frames=4, size=16, resize=16)
HEADER = "id,split,fold,label,face,voice:audio,face:end"
CPU = Machine(accelerator="cpu")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven clips of different length, some without sound, one broken, one empty cell; weights of small networks."""
    folder = tmp_path_factory.mktemp("media")
    random = np.random.default_rng(0)
    lines = [HEADER]
    for number in range(7):
        frames = [random.integers(0, 255, (16, 16, 3), dtype=np.uint8) for _ in range(4 + 4 * number)]
        write_video(folder / f"{number}.mp4", frames=frames, sound=tone(0.4 + 0.1 * number) if number % 3 else None)
        end = "0.3" if number == 5 else ""
        lines.append(f"s{number},{'test' if number > 4 else 'train'},{number % 2},a,{number}.mp4,{number}.mp4,{end}")
    (folder / "broken.mp4").write_bytes(b"nothing")
    lines += ["s7,train,0,a,broken.mp4,,", "s8,train,1,a,,1.mp4,"]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    torch.manual_seed(0)
    networks = {
        "r2plus1d": R2Plus1D((1, 1, 1, 1), 4, activation="relu"),
        "cnn14": Cnn14(width=6, channels=2, activation="relu"),
        "densenet": DenseNet(activation="relu"),
    }
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder


def video(media: Path, **changes: object) -> Extraction:
    base = {
        "modality": "face",
        "encoder": "r2plus1d",
        "weights": str(media / "r2plus1d.pth"),
        "reader": READER,
        "channels": 4,
        "blocks": (1, 1, 1, 1),
        "batch_size": 3,
        "machine": CPU,
    }
    return Extraction(**{**base, **changes})  # type: ignore[arg-type]


def sound(media: Path, **changes: object) -> Extraction:
    base = {"modality": "voice", "encoder": "cnn14", "weights": str(media / "cnn14.pth"), "machine": CPU}
    return Extraction(**{**base, "channels": 2, "width": 6, **changes})  # type: ignore[arg-type]


def copied(media: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in media.iterdir():
        if path.is_file():
            os.link(path, folder / path.name)
    return folder


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_segments_of_all_media_go_with_the_last(media: Path, tmp_path: Path) -> None:
    folder = copied(media, tmp_path / "data")
    (folder / "m.csv").write_text("id,split,label,face,voice:audio,end\n1,train,a,1.mp4,1.mp4,0.3\n")
    made = extract(folder / "m.csv", video(folder)).manifest
    assert lines_of(made)[0] == "id,split,label,face,voice:audio,end"
    assert lines_of(extract(made, sound(folder)).manifest)[0] == "id,split,label,face,voice"


def test_a_sample_s_vector_is_the_mean_over_its_windows(media: Path, tmp_path: Path) -> None:
    """In slow loops: each window read and encoded by itself."""
    folder = copied(media, tmp_path / "data")
    made = extract(folder / "manifest.csv", video(folder))
    assert (made.samples, made.encoded, made.unreadable) == (9, 7, 1)
    assert [note.text.rpartition(": ")[0] for note in made.notes] == [
        f"{folder}/manifest.csv row 9, column 'face': {folder}/broken.mp4"
    ]
    network = R2Plus1D((1, 1, 1, 1), 4, activation="relu").eval()
    network.load_state_dict(torch.load(folder / "r2plus1d.pth"))
    reader = VideoReader(READER, CacheFolder(folder))
    found = np.load(folder / "features" / "face-r2plus1d.npy", mmap_mode="r")
    assert found.shape == (7, 32)
    assert found.dtype == np.float32
    for number in range(7):
        clip = Clip(folder / f"{number}.mp4", "", end=0.3 if number == 5 else float("inf"))
        count = 1 if number == 5 else number + 1
        assert reader.windows(clip) == count
        positions = np.linspace(0, 1, count) if count > 1 else [0.5]
        with torch.no_grad():
            column = MediaColumn([clip], reader)
            once = np.zeros(1, dtype=np.int64)
            parts = [column.read(once, Parts(np.array([position]))).numbers for position in positions]
            vectors = [network(part)[0].numpy() for part in parts]
        assert np.allclose(found[number], np.mean(vectors, axis=0), rtol=1e-4, atol=1e-5)
    assert lines_of(made.manifest) == [
        "id,split,fold,label,face,voice:audio",
        *(f"s{n},{'test' if n > 4 else 'train'},{n % 2},a,features/face-r2plus1d.npy#{n},{n}.mp4" for n in range(7)),
        "s7,train,0,a,,",
        "s8,train,1,a,,1.mp4",
    ]
    assert not list((folder / "features").glob(".*")), "the chunks are gone"
    again = read_manifest(made.manifest, readers={"voice": ReaderSettings(seconds=0.2)})
    assert again.shapes["face"] == (32,)


def test_two_modalities_one_after_the_other_and_sequences_of_windows(media: Path, tmp_path: Path) -> None:
    folder = copied(media, tmp_path / "data")
    first = extract(folder, video(folder, sequence=True, windows=3))
    made = extract(first.manifest, sound(folder), folder / "features.csv")
    assert (made.encoded, made.unreadable) == (5, 3), "silent videos hold nothing to encode"
    dataset = read_manifest(folder / "features.csv")
    assert dataset.shapes == {"face": (-1, 32), "voice": (6,)}
    batch = dataset.__getitems__(range(9))
    assert batch.present["face"].tolist() == [True] * 7 + [False] * 2
    assert batch.modalities["face"].lengths[:7].tolist() == [1, 2, 3, 3, 3, 1, 3]  # type: ignore[union-attr]
    assert batch.present["voice"].tolist() == [False, True, True, False, True, True, False, False, True]
    network = Cnn14(width=6, channels=2, activation="relu").eval()
    network.load_weights(folder / "cnn14.pth")
    whole = AudioReader(ReaderSettings(), CacheFolder(folder)).take(Clip(folder / "4.mp4", ""), [0.5], None).samples
    with torch.no_grad():
        expected = network(torch.from_numpy(whole))[0]
    assert torch.allclose(batch.modalities["voice"][4], expected, rtol=1e-4, atol=1e-5)  # type: ignore[index]


def test_densenet_gives_a_sequence_of_frames(media: Path, tmp_path: Path) -> None:
    """One frame to a window, or several: the same sequence of the same frames."""
    folder = copied(media, tmp_path / "data")
    lines = lines_of(folder / "manifest.csv")
    (folder / "two.csv").write_text("\n".join([lines[0], lines[1], lines[3]]) + "\n")
    single = ReaderSettings(frames=1, size=32, resize=32)
    settings = Extraction("face", "densenet121", str(folder / "densenet.pth"), True, reader=single, machine=CPU)
    made = read_manifest(extract(folder / "two.csv", settings).manifest, only=("face",))
    found = made.__getitems__(range(2)).modalities["face"]
    assert found.lengths.tolist() == [4, 12]  # type: ignore[union-attr]
    assert found.values.shape[2] == 1024  # type: ignore[union-attr]
    fours = Extraction(**{**vars(settings), "reader": ReaderSettings(frames=4, size=32, resize=32), "name": "fours"})
    made = read_manifest(extract(folder / "two.csv", fours).manifest, only=("face",))
    other = made.__getitems__(range(2)).modalities["face"]
    assert torch.allclose(found.values, other.values, rtol=1e-3, atol=1e-4)  # type: ignore[union-attr]


def test_spectrograms_are_made_once_without_any_weights(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(media, tmp_path / "data")
    settings = Extraction("voice", "log_mel", sequence=True, reader=ReaderSettings(rate=32000), machine=CPU)
    made = extract(folder / "manifest.csv", settings, folder / "mel.csv")
    assert (made.encoded, made.unreadable) == (5, 3), "silent videos hold nothing to encode"
    column = read_manifest(folder / "mel.csv", only=("voice",)).columns["voice"]
    assert column.shape == (-1, 64)
    clip = Clip(folder / "4.mp4", "here")
    sample = AudioReader(ReaderSettings(rate=32000), CacheFolder(folder)).take(clip, [0.5], None).samples
    row = [line.split(",")[0] for line in lines_of(folder / "mel.csv")[1:]].index("s4")
    found = column.fetch(np.array([row]))
    np.testing.assert_allclose(found.values, LogMel()(torch.from_numpy(sample)).values, atol=1e-3)  # type: ignore[union-attr]
    monkeypatch.chdir(folder)  # no file of the working folder is taken for weights
    again = extract(Path("manifest.csv"), settings, Path("mel.csv"))
    assert again.encoded == 5


def test_words_through_a_model_of_transformers_with_its_own_tokenizer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    vocabulary = {"[PAD]": 0, "[CLS]": 1, "[UNK]": 2, "good": 3, "bad": 4}
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    folder = tmp_path / "bert"
    save_tokenizer(folder, vocabulary)
    model = transformers.BertModel(transformers.BertConfig(vocab_size=5, **size)).eval()
    model.save_pretrained(folder)
    (tmp_path / "manifest.csv").write_text(
        "id,split,label,words:text\n1,train,a,good bad bad\n2,train,a,\n3,test,a,bad\n"
    )
    result = extract(tmp_path / "manifest.csv", Extraction("words", "pretrained", str(folder), machine=CPU))
    assert lines_of(result.manifest)[1:] == [
        "1,train,a,features/words-pretrained.npy#0",
        "2,train,a,",
        "3,test,a,features/words-pretrained.npy#1",
    ]
    with torch.no_grad():
        states = [model(torch.tensor([ids])).last_hidden_state[0].mean(0) for ids in ([1, 3, 4, 4], [1, 4])]
    found = np.load(tmp_path / "features" / "words-pretrained.npy")
    assert np.allclose(found, torch.stack(states), rtol=1e-4, atol=1e-5)


def test_a_second_process_is_refused_and_other_features_are_not(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT", 0.2)
    folder = copied(media, tmp_path / "data")
    said: list[str] = []

    def second(task: str, count: int) -> None:
        if count == 1:
            with pytest.raises(InputError) as caught:
                extract(folder, video(folder, batch_size=1))
            said.append(str(caught.value))
            extract(folder, video(folder, name="other"))

    extract(folder, video(folder), listener=Heard(second))
    (line,) = said
    assert f"process {os.getpid()} on " in line
    assert line.endswith("is writing this set of features; wait until it has ended, or choose another --name")
    names = ("face-r2plus1d", "other")
    arrays = [(folder / "features" / f"{name}.npy").read_bytes() for name in names]
    assert arrays[0] == arrays[1]
    assert not list((folder / "features").glob(".*")), "no lock and no chunk is left"


class Killed(Exception):
    pass


def test_after_a_kill_only_the_rest_is_done_and_nothing_differs(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossdistill.features.extract.CHUNK", 2)
    whole, broken = copied(media, tmp_path / "whole"), copied(media, tmp_path / "broken")
    extract(whole, video(whole))

    def kill(task: str, count: int) -> None:
        if count == 6:  # two chunks are whole, the third has one sample
            raise Killed

    with pytest.raises(Killed):
        extract(broken, video(broken), listener=Heard(kill))
    assert not (broken / "features" / "face-r2plus1d.npy").exists()
    assert not (broken / "manifest-face-r2plus1d.csv").exists()
    done: list[int] = []
    encoded = module.encoded

    def counting(*arguments: Any) -> Iterator[tuple[int, Any]]:
        for row, value in encoded(*arguments):
            done.append(row)
            yield row, value

    monkeypatch.setattr(module, "encoded", counting)
    heard = Heard()
    extract(broken, video(broken), listener=heard)
    assert done == [4, 5, 6, 7]
    assert heard.totals == {"samples": 4}
    assert heard.events == [("begin", "samples"), *[("step", "samples")] * 4, ("end", "samples")]
    for name in ("features/face-r2plus1d.npy", "manifest-face-r2plus1d.csv"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    (broken / "manifest-face-r2plus1d.csv").unlink()  # as if it had been killed just before
    made = extract(broken, video(broken, batch_size=5), listener=(nothing := Heard()))
    assert nothing.events == [], "all is there"
    assert (made.encoded, made.unreadable) == (7, 1)
    assert made.manifest.read_bytes() == (whole / "manifest-face-r2plus1d.csv").read_bytes()


@dataclass
class Elsewhere:
    """An executor to which jobs come as bytes; the one of this name fails."""

    fails: str = ""
    done: list[str] = field(default_factory=list)

    def run_all(
        self, jobs: Iterable[Job], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        for job in jobs:
            there: Job = pickle.loads(pickle.dumps(job))
            if there.name == self.fails:
                yield there.folder, Failure("its machine died", mistake=False)
                continue
            for folder, failure in InProcess().run_all([there]):
                yield folder, failure
                if failure is None:
                    assert len(there.log()) == there.steps
                    self.done.append(there.name)


def test_shares_of_other_processes_make_what_one_process_makes(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one of them fails, the next time does its share alone."""
    monkeypatch.setattr("crossdistill.features.extract.CHUNK", 2)
    whole, shared = copied(media, tmp_path / "whole"), copied(media, tmp_path / "shared")
    expected = extract(whole, video(whole))
    failing = Elsewhere("share 2 of 3")
    with pytest.raises(InputError, match=r"share-0001-of-0003: its machine died"):
        extract(shared, video(shared), executor=failing, jobs=3)
    assert failing.done == ["share 1 of 3", "share 3 of 3"]
    made = extract(shared, video(shared), executor=(rest := Elsewhere()), jobs=3)
    assert rest.done == ["share 2 of 3"]
    assert (made.samples, made.encoded, made.unreadable) == (expected.samples, expected.encoded, expected.unreadable)
    assert {note.text.rpartition("/")[2] for note in made.notes} == {
        note.text.rpartition("/")[2] for note in expected.notes
    }
    for name in ("features/face-r2plus1d.npy", "manifest-face-r2plus1d.csv"):
        assert (shared / name).read_bytes() == (whole / name).read_bytes()
    assert not list((shared / "features").glob(".*"))


def test_a_machine_that_sees_other_files_says_so(media: Path, tmp_path: Path) -> None:
    class Changing(Elsewhere):
        def run_all(
            self, jobs: Iterable[Job], listener: Listener = Listener()
        ) -> Generator[tuple[Path, Failure | None], None, None]:
            (folder / "0.mp4").write_bytes((folder / "1.mp4").read_bytes())
            yield from super().run_all(jobs, listener)

    folder = copied(media, tmp_path / "changing")
    with pytest.raises(InputError, match="files or weights are others here than where the work was shared out"):
        extract(folder, video(folder), executor=Changing(), jobs=2)
    with pytest.raises(InputError, match=r"machine\.devices, machine\.nodes: each job is one process"):
        extract(folder, video(folder, machine=Machine(devices=2)), executor=Elsewhere(), jobs=2)


def test_features_of_other_files_or_settings_are_not_taken_for_these(media: Path, tmp_path: Path) -> None:
    folder = copied(media, tmp_path / "data")
    extract(folder, video(folder))
    for changed in (video(folder, windows=1), video(folder, activation="leaky_relu"), video(folder, sequence=True)):
        with pytest.raises(InputError, match=r"face-r2plus1d\.json: features of that name were made from other files"):
            extract(folder, changed)
    path = folder / "3.mp4"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(InputError, match="other files or with other settings; remove them, or choose another --name"):
        extract(folder, video(folder))
    with pytest.raises(InputError, match=r"manifest-face-r2plus1d\.csv: already there; remove it, or choose another"):
        extract(folder, video(folder, name="more"), folder / "manifest-face-r2plus1d.csv")
    (folder / "features" / "own.npy").write_bytes(b"something of the user's")
    with pytest.raises(InputError, match=r"own\.npy: already there; remove it, or choose another --name"):
        extract(folder, video(folder, name="own"))
    assert (folder / "features" / "own.npy").read_bytes() == b"something of the user's"


def test_every_file_broken_is_an_empty_array_that_says_so(tmp_path: Path, media: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "manifest.csv").write_text("id,split,label,face\n1,train,a,a.mp4\n")
    settings = video(media)
    with pytest.raises(InputError, match=r"a\.mp4: cannot read it as a media file"):
        extract(tmp_path, Extraction(**{**vars(settings), "strict": True}))
    made = extract(tmp_path, settings)
    assert (made.encoded, made.unreadable) == (0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality": "smell"}, "no modality 'smell'; found face, voice"),
        ({"weights": "nowhere.pth"}, "nowhere.pth: no such file of weights"),
        ({"weights": ""}, "--weights: expected a file of published weights"),
        ({"channels": 8}, "expected shape"),
        ({"encoder": "cnn14"}, "cnn14 needs waveforms"),
        ({"name": "../x"}, "letters, digits, _ and - only"),
        ({"windows": -1}, "windows: expected 0 or more"),
        ({"batch_size": 0}, "batch_size.* expected at least 1"),
        ({"reader": ReaderSettings(frames=0)}, "--reader.frames: expected above 0"),
    ],
)
def test_a_mistake_is_an_error_before_anything_is_written(
    change: dict[str, object], message: str, media: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        extract(media, video(media, **change))
    for place in (tmp_path / "other.csv", media / "other.parquet"):
        with pytest.raises(InputError, match=r"expected a \.csv in .*media.*, where the manifest's paths begin"):
            extract(media, video(media), place)
    assert not (media / "features").exists()


def test_a_manifest_that_is_a_link_has_its_paths_where_the_link_is(media: Path, tmp_path: Path) -> None:
    folder = copied(media, tmp_path / "data")
    (folder / "manifest.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "manifest.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert extract(folder, video(folder)).manifest == folder / "manifest-face-r2plus1d.csv"


def test_the_command(media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(media, tmp_path / "data")
    arguments = ["extract", str(folder), "--modality", "face", "--encoder", "r2plus1d", "--weights"]
    options = ["--channels", "4", "--blocks", "[1,1,1,1]", "--reader.frames", "4", "--machine.accelerator", "cpu"]
    options += ["--reader.size", "16", "--reader.resize", "16"]
    assert main([*arguments, str(folder / "r2plus1d.pth"), *options]) == 0
    out = capsys.readouterr().out
    assert "broken.mp4: cannot read it as a media file" in out
    assert "manifest-face-r2plus1d.csv: 7 of 9 samples encoded, 1 files hold nothing to encode" in out
    assert main([*arguments, str(folder / "nowhere.pth"), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nowhere.pth: no such file of weights" in error


def test_files_are_read_as_the_encoder_s_weights_want_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert default_reader("pretrained").rate == 16000
    assert default_reader("cnn14").rate == 32000
    for arguments in (["--encoder", "densenet121"], ["--encoder=densenet121"]):
        with pytest.raises(SystemExit, match="0"):
            main(["extract", *arguments, "--help"])
        assert "default: 224" in " ".join(capsys.readouterr().out.split())


def sounds(folder: Path, count: int = 300) -> list[str | Path]:
    """Many short sounds in an array, and the command's arguments: something that takes a second or two."""
    folder.mkdir()
    waves = 0.1 * np.random.default_rng(0).standard_normal((count, 16000, 1)).astype(np.float32)
    np.save(folder / "waves.npy", waves)
    lines = [f"{n},train,a,waves.npy#{n}" for n in range(count)]
    (folder / "manifest.csv").write_text("\n".join(["id,split,label,voice", *lines]) + "\n")
    torch.manual_seed(0)
    torch.save(Cnn14(width=6, channels=4, activation="relu").state_dict(), folder / "cnn14.pth")
    os.utime(folder / "waves.npy", ns=(0, 0))
    os.utime(folder / "cnn14.pth", ns=(0, 0))
    options = ["--modality", "voice", "--encoder", "cnn14", "--weights", folder / "cnn14.pth", "--width", "6"]
    return ["extract", folder, *options, "--channels", "4", "--machine.accelerator", "cpu", "--machine.threads", "1"]


def test_killed_processes_and_two_ranks_make_what_one_process_makes(tmp_path: Path) -> None:
    arguments = sounds(tmp_path / "one")
    assert main([str(argument) for argument in arguments]) == 0
    expected = (tmp_path / "one" / "features" / "voice-cnn14.npy").read_bytes()
    assert json.loads((tmp_path / "one" / "features" / "voice-cnn14.json").read_text())["unreadable"] == []

    ranks = start_ranks(command, *map(str, sounds(tmp_path / "two")))
    killed = sounds(tmp_path / "killed")
    process = start_command(*killed)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("features/.*/*.npz")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed" / "features" / "voice-cnn14.npy").exists()
    assert main([str(argument) for argument in killed]) == 0
    first, second = (rank.result() for rank in ranks)
    assert (first[0], second[0]) == (0, 0), (first, second)
    assert (first[1] + second[1]).count("300 of 300 samples encoded") == 1, "one rank speaks"
    for name in ("killed", "two"):
        assert (tmp_path / name / "features" / "voice-cnn14.npy").read_bytes() == expected
