"""`prepare iemocap`: from the release's tree to a manifest of turns, each with its half of the picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossdistill.data import read_manifest, with_fold
from crossdistill.data.readers import MediaColumn, ReaderSettings, TextColumn
from crossdistill.data.reading import PartialColumn
from crossdistill.datasets import iemocap
from crossdistill.datasets.iemocap_files import read_transcripts, read_turns
from crossdistill.types import InputError
from tests.datasets.media_trees import EVALUATION, copies, written
from tests.datasets.media_trees import iemocap as release

HEADER = "id,split,fold,group,label,video,video:start,video:end,video:crop,audio,text:text,caption"
LEFT, RIGHT = "0 0 0.5 1", "0.5 0 0.5 1"


def row(n: int, turn: str, speaker: str, label: str, start: str, end: str, crop: str, words: str) -> str:
    dialog, session = turn.rpartition("_")[0], f"../IEMOCAP_full_release/Session{n}"
    split = f"{'test' if n == 5 else 'train'},{n - 1}"
    media = f"{session}/dialog/avi/DivX/Ses0{n}{dialog}.avi,{start},{end},{crop}"
    wav = f"{session}/sentences/wav/Ses0{n}{dialog}/Ses0{n}{turn}.wav"
    return f"Ses0{n}{turn},{split},Ses0{n}{speaker},{label},{media},{wav},{words},{words}"


def manifest(*sessions: int) -> str:
    lines = [HEADER]
    for n in sessions:
        lines += [
            row(n, "F_impro01_F000", "F", "neutral", "0.1", "0.7", LEFT, '"Excuse me, ""sir""."'),
            row(n, "F_impro01_M000", "M", "happy", "0.8", "1.2", RIGHT, '"[LAUGHTER] Yeah, I’m so glad."'),
            row(n, "F_impro01_F002", "F", "angry", "1.3", "1.5", LEFT, "No."),
            row(n, "M_script01_1b_M000", "M", "sad", "0.0", "0.5", LEFT, "It was the wind."),
            row(n, "M_script01_1b_F000", "F", "happy", "0.5", "1.0", RIGHT, ""),
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return release(tmp_path)


@pytest.fixture
def session(root: Path) -> Path:
    return root / "IEMOCAP_full_release/Session1"


def written_manifest(root: Path) -> str:
    iemocap.prepare(root, root / "set")
    return (root / "set/manifest.csv").read_text(encoding="utf-8")


def test_the_release_has_5531_turns() -> None:
    """Sums over sessions and classes that publications on the four classes print."""
    sessions = [sum(classes.values()) for classes in iemocap.RELEASE.values()]
    assert sessions == [1085, 1023, 1151, 1031, 1241]
    assert sum(sessions) == 5531
    totals = {label: sum(classes[label] for classes in iemocap.RELEASE.values()) for label in iemocap.RELEASE[1]}
    assert totals == {"angry": 1103, "happy": 1636, "sad": 1084, "neutral": 1708}


def test_the_manifest(root: Path) -> None:
    assert written_manifest(root) == manifest(1, 5)


def test_the_root_may_be_the_release_or_the_folder_around_it(root: Path) -> None:
    iemocap.prepare(root / "IEMOCAP_full_release", root / "set")
    assert (root / "set/manifest.csv").read_text(encoding="utf-8") == manifest(1, 5)


def test_videos_may_lie_beside_divx(tmp_path: Path) -> None:
    assert written_manifest(release(tmp_path, divx=False)) == manifest(1, 5).replace("/DivX", "")


def test_the_speaker_s_half_of_the_picture_and_the_turn_s_sound(root: Path) -> None:
    """The dialogs' pictures are black on the left, where the actor with the markers sits, and white on the right."""
    written_manifest(root)
    video = ReaderSettings(frames=2, size=16, resize=16, mean=(0.0,) * 3, std=(1.0,) * 3)
    readers = {"video": video, "audio": ReaderSettings(rate=8000)}
    dataset = read_manifest(root / "set", ("video", "audio"), readers=readers, allow_outside=True, strict=True)
    batch = dataset.__getitems__(range(5))
    pictures = batch.modalities["video"].flatten(1)  # type: ignore[union-attr]
    assert [float(picture.mean()) > 0.5 for picture in pictures] == [False, True, False, False, True]
    assert (pictures.amax(1) - pictures.amin(1)).max() < 0.3, "nothing of the other half"
    lengths = (batch.modalities["audio"].lengths / 8000).tolist()  # type: ignore[union-attr]
    assert lengths == pytest.approx([0.4] * 5, abs=0.02)
    column = dataset.columns["video"]
    assert isinstance(column, MediaColumn)
    assert [(clip.start, clip.end) for clip in column.clips[:3]] == [(0.1, 0.7), (0.8, 1.2), (1.3, 1.5)]


def test_folds_are_sessions_and_groups_speakers(tmp_path: Path) -> None:
    root = release(tmp_path, sessions=(1, 2, 3, 4, 5))
    written_manifest(root)
    dataset = read_manifest(root / "set", allow_outside=True)
    assert dataset.classes == ("angry", "happy", "neutral", "sad")
    assert sorted(set(dataset.folds.tolist())) == [0, 1, 2, 3, 4]
    assert set(dataset.groups[dataset.rows("test")]) == {"Ses05F", "Ses05M"}
    tested = with_fold(dataset, 1)
    assert {dataset.ids[row][:5] for row in tested.rows("test")} == {"Ses02"}
    assert not set(dataset.groups[tested.rows("train")]) & set(dataset.groups[tested.rows("test")])
    words = dataset.columns["text"]
    assert isinstance(words, PartialColumn)
    assert isinstance(words.column, TextColumn)
    assert words.column.text(1) == "[LAUGHTER] Yeah, I’m so glad."
    assert dataset.captions[0] == 'Excuse me, "sir".'


def test_what_is_missing_is_listed_and_counted(tmp_path: Path) -> None:
    root = release(tmp_path, sessions=(1, 2, 5))
    session = root / "IEMOCAP_full_release/Session1"
    (session / "dialog/avi/DivX/Ses01M_script01_1b.avi").unlink()
    (session / "sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav").unlink()
    found = iemocap.prepare(root, root / "set")
    assert [line.split("\t") for line in (root / "set/missing.txt").read_text(encoding="utf-8").splitlines()] == [
        ["Ses01F_impro01_M000", "audio", "not found"],
        ["Ses01M_script01_1b_M000", "video", "not found"],
        ["Ses01M_script01_1b_F000", "video", "not found"],
        ["Ses02M_script01_1b_F000", "text", "not found"],
        ["Ses05M_script01_1b_F000", "text", "not found"],
    ]
    assert found.notes == [
        "Not there: Session3, Session4",
        "The evaluation files have 15 turns of the four classes, expected 5,531",
        "Without a video, left out: 2 turns (missing.txt)",
        "Without a sound: 1 turns (missing.txt)",
        "Without words: 2 turns (missing.txt)",
    ]
    assert ["1", "happy", "1", "2", "278"] in found.counts
    assert ["3", "angry", "0", "0", "240"] in found.counts
    assert len(found.counts) == 1 + 5 * 4
    dataset = read_manifest(root / "set", allow_outside=True)
    assert dataset.present(["audio"]).tolist() == [True, False, True, *[True] * 10]


def test_nothing_to_complain_about(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"angry": 1, "happy": 2, "sad": 1, "neutral": 1}
    monkeypatch.setattr(iemocap, "RELEASE", {1: counts, 5: counts})
    for n in (1, 5):
        path = root / f"IEMOCAP_full_release/Session{n}/dialog/transcriptions/Ses0{n}M_script01_1b.txt"
        path.write_text(f"{path.read_text()}Ses0{n}M_script01_1b_F000 [000.5000-001.0000]: I know.\n")
    found = iemocap.prepare(root, root / "set")
    assert (found.notes, found.counts) == (["All 10 turns are there."], [])
    assert [path.name for path in (root / "set").iterdir()] == ["manifest.csv"]


def test_without_session_5_nothing_is_tested(tmp_path: Path) -> None:
    root = release(tmp_path, sessions=(1, 2))
    found = iemocap.prepare(root, root / "set")
    assert "Without Session5 there is no test split; name a fold instead (--data.fold)" in found.notes
    assert {row["split"] for row in found.rows} == {"train"}


def turns(path: Path, *lines: str) -> Path:
    return written(path, "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ("-0.5000 - 0.5000", "0.0,0.5"),
        ("0.5000 - 99.0000", "0.5,99.0"),  # the reader stops where the file does
        ("0.5000 - 0.5000", "the turn ends at 0.5 s, before it begins"),
        ("0.9000 - 0.5000", "the turn ends at 0.5 s, before it begins"),
        ("7.0000 - 8.0000", "the turn begins at 7 s, the file ends at 1.60 s"),
    ],
)
def test_irregular_times(root: Path, session: Path, times: str, kept: str) -> None:
    turns(
        session / "dialog/EmoEvaluation/Ses01F_impro01.txt",
        f"[{times}]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]",
        "[0.1000 - 0.5000]\tSes01F_impro01_F001\tneu\t[2.5000, 2.5000, 2.5000]",
        "[0.1000 - 0.5000]\tSes01F_impro01_F002\tang\t[2.5000, 2.5000, 2.5000]",
    )
    written_manifest(root)
    file = "manifest.csv" if "," in kept and "turn" not in kept else "missing.txt"
    (line,) = [
        line for line in (root / "set" / file).read_text().splitlines() if line.startswith("Ses01F_impro01_F000")
    ]
    assert kept in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (EVALUATION.replace("\tneu\t", "\t"), "Ses01F_impro01.txt line 3: expected a turn such as .*, found '.0.1000"),
        (EVALUATION.replace("0.7000]", "0.7x00]"), "Ses01F_impro01.txt line 3: expected a turn"),
        (EVALUATION.replace("Ses0NF_impro01_F000", "F000"), "Ses01F_impro01.txt line 3: expected a turn"),
        ("", "Ses01F_impro01.txt: expected turns such as .*, found none"),
        (EVALUATION.replace("F002", "F000"), "Ses01F_impro01.txt: turn Ses01F_impro01_F000 is there twice"),
    ],
)
def test_damaged_evaluation_files(root: Path, session: Path, content: str, message: str) -> None:
    written(session / "dialog/EmoEvaluation/Ses01F_impro01.txt", content.replace("0N", "01"))
    with pytest.raises(InputError, match=message) as caught:
        iemocap.prepare(root, root / "set")
    assert "\n" not in str(caught.value)
    assert not (root / "set").exists()


def test_what_is_not_there(root: Path, session: Path) -> None:
    with pytest.raises(InputError, match="nowhere: folder not found"):
        iemocap.prepare(root / "nowhere", root / "set")
    with pytest.raises(InputError, match="sentences: expected IEMOCAP's folders Session1 to Session5"):
        iemocap.prepare(session / "sentences", root / "set")
    written(root / "set/notes.txt", "mine")
    with pytest.raises(InputError, match="set: already there"):
        iemocap.prepare(root, root / "set")
    evaluation = session / "dialog/EmoEvaluation"
    for path in evaluation.glob("Ses*.txt"):
        path.unlink()
    with pytest.raises(InputError, match="EmoEvaluation: expected evaluation files such as Ses01F_impro01"):
        iemocap.prepare(root, root / "other")
    shutil.rmtree(evaluation)
    with pytest.raises(InputError, match="EmoEvaluation: folder not found"):
        iemocap.prepare(root, root / "other")


def test_the_release_without_videos(root: Path) -> None:
    for path in root.rglob("dialog/avi"):
        shutil.rmtree(path)
    with pytest.raises(
        InputError, match="none of 10 turns has a video in dialog/avi; is it the release without videos"
    ):
        iemocap.prepare(root, root / "set")


def test_videos_that_cannot_be_read(tmp_path: Path) -> None:
    root = release(tmp_path, sessions=(1, 2, 5))
    videos = root / "IEMOCAP_full_release/Session1/dialog/avi/DivX"
    copies(root / "turn.wav", videos, "Ses01F_impro01.avi")  # a sound, whatever its name
    written(videos / "Ses01M_script01_1b.avi", "")
    assert written_manifest(root) == manifest(2, 5)
    lines = (root / "set/missing.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Ses01F_impro01_F000\tvideo\thas no video stream"
    assert lines[3].startswith("Ses01M_script01_1b_M000\tvideo\tcannot read it as a media file")


def test_turns_and_transcripts_line_by_line(root: Path, session: Path) -> None:
    found = read_turns(session / "dialog/EmoEvaluation/Ses01M_script01_1b.txt")
    assert found[1] == ("Ses01M_script01_1b_F000", "Ses01M_script01_1b", "M", "F", 0.5, 1.0, "hap")
    words = read_transcripts(session / "dialog/transcriptions/Ses01F_impro01.txt")
    assert list(words) == [f"Ses01F_impro01_{turn}" for turn in ("F000", "MXX0", "M000", "F001", "F002")]
