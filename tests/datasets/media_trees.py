"""Small trees of real media in the layouts of UCF101, ActivityNet and IEMOCAP, with what is irregular in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.clips import tone, write_sound, write_video


def copies(source: Path, folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)


def written(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


TRAIN = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n"
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g09_c01.avi 1 \r\n"
    "BaseballPitch/v_BaseballPitch_g08_c01.avi 7\r\n"  # not one of the 51
    "HandstandPushups/v_HandStandPushups_g08_c01.avi 37\r\n"
    "Typing/v_Typing_g10_c01.avi 95\r\n"
    "Typing/v_Typing_g10_c02.avi 95\r\n"
    "\r\n"
)
TEST = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\n"
    "BaseballPitch/v_BaseballPitch_g01_c01.avi\n"
    "HandstandPushups/v_HandStandPushups_g01_c01.avi\n"
    "Typing/v_Typing_g01_c01.avi\n"
)
CLASS_NUMBERS = "1 ApplyEyeMakeup\r\n7 BaseballPitch\r\n37 HandstandPushups\r\n95 Typing\r\n"


def ucf(folder: Path, flat: bool = False) -> Path:
    """`videos` and `splits`. Of the clips, g09_c01 of ApplyEyeMakeup is not there, c02 of Typing is empty, and the test
    clip of Typing has no sound; the rest is Xvid with sound."""
    write_video(folder / "loud.avi", "mpeg4", 8, sound=tone(0.32))
    write_video(folder / "silent.avi", "mpeg4", 8)
    clips = [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi",  # not in these lists
        "BaseballPitch/v_BaseballPitch_g08_c01.avi",
        "HandstandPushups/v_HandStandPushups_g08_c01.avi",
        "HandstandPushups/v_HandstandPushups_g01_c01.avi",
        "Typing/v_Typing_g10_c01.avi",
    ]
    name = (lambda clip: Path(clip).name) if flat else str
    copies(folder / "loud.avi", folder / "videos", *map(name, clips))
    copies(folder / "silent.avi", folder / "videos", name("Typing/v_Typing_g01_c01.avi"))
    written(folder / "videos" / name("Typing/v_Typing_g10_c02.avi"), "")
    written(folder / "videos" / name("Typing/._v_Typing_g10_c01.avi"), "left by macOS")
    written(folder / "splits/trainlist01.txt", TRAIN)
    written(folder / "splits/testlist01.txt", TEST)
    written(folder / "splits/classInd.txt", CLASS_NUMBERS)
    return folder


def annotation(label: str, start: float, end: float) -> dict[str, Any]:
    return {"label": label, "segment": [start, end]}


def video(subset: str, *annotations: dict[str, Any], duration: float = 1.6) -> dict[str, Any]:
    """An entry of the database; `key` is replaced in its URL."""
    return {
        "annotations": list(annotations),
        "duration": duration,
        "resolution": "64x48",
        "subset": subset,
        "url": "https://www.youtube.com/watch?v=key",
    }


DATABASE = {
    "--a_training": video("training", annotation("Skiing", 0.0, 0.4), annotation("Baking cookies", 1.5, 0.5)),
    "bTraining01": video("training", annotation("Skiing", -0.5, 9.0)),
    "cNotThere01": video("training", annotation("Skiing", 0.1, 0.9)),
    "dZeroBytes1": video("training", annotation("Baking cookies", 0.1, 0.9)),
    "eSilent0001": video("training", annotation("Baking cookies", 0.5, 1.25)),
    "fNoLabels01": video("training"),
    "gValidation": video("validation", annotation("Skiing", 0.0, 0.0), annotation("Skiing", 0.2, 1.2)),
    "hValidation": video("validation", annotation("Baking cookies", 0.0, 1.0), duration=0),
    "iTesting001": {"duration": 1.6, "subset": "testing", "url": "https://www.youtube.com/watch?v=key"},
}


def activitynet(folder: Path) -> Path:
    """`videos`, some in folders for their subset, and activity_net.v1-3.min.json."""
    write_video(folder / "loud.mp4", sound=tone())
    write_video(folder / "loud.mkv", sound=tone())
    write_video(folder / "silent.mp4")
    copies(
        folder / "loud.mp4", folder / "videos", "train/v_--a_training.mp4", "val/gValidation.mp4", "v_iTesting001.mp4"
    )
    copies(folder / "loud.mkv", folder / "videos", "train/bTraining01.mkv", "val/v_hValidation.mkv")
    copies(folder / "silent.mp4", folder / "videos", "train/v_eSilent0001.mp4")
    written(folder / "videos/train/v_dZeroBytes1.mp4", "")
    written(folder / "videos/train/v_cNotThere01.mp4.part", "half of it")
    content = {"version": "VERSION 1.3", "taxonomy": [], "database": DATABASE}
    written(folder / "activity_net.v1-3.min.json", json.dumps(content))
    return folder


EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[0.1000 - 0.7000]\tSes0NF_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
C-F1:\tNeutral;\t([curious])
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act 2; dom  1;\t()

[0.8000 - 1.2000]\tSes0NF_impro01_M000\texc\t[4.0000, 4.0000, 2.5000]
C-E2:\tExcited;\t()

[1.0000 - 1.3000]\tSes0NF_impro01_F001\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral; Anger;\t()

[1.3000 - 1.5000]\tSes0NF_impro01_F002\tang\t[1.5000, 4.0000, 4.5000]
C-E2:\tAnger;\t()

[1.4000 - 1.6000]\tSes0NF_impro01_M001\tfru\t[2.0000, 3.0000, 3.0000]

"""
SCRIPT = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[0.0000 - 0.5000]\tSes0NM_script01_1b_M000\tsad\t[2.0000, 2.0000, 2.0000]
C-E1:\tSadness;\t()

[0.5000 - 1.0000]\tSes0NM_script01_1b_F000\thap\t[4.0000, 3.0000, 2.0000]
C-E1:\tHappiness;\t()

"""
TRANSCRIPT = """Ses0NF_impro01_F000 [000.1000-000.7000]: Excuse  me, "sir".
Ses0NF_impro01_MXX0 [000.7000-000.8000]: Mmhmm.
M: [BREATHING]
Ses0NF_impro01_M000 [000.8000-001.2000]: [LAUGHTER] Yeah, I\x92m so glad.
Ses0NF_impro01_F001 [001.0000-001.3000]: What?
Ses0NF_impro01_F002 [001.3000-001.5000]: No.
"""
SCRIPT_WORDS = """Ses0NM_script01_1b_M000 [000.0000-000.5000]: It was the wind.
F: I know.
"""


def iemocap(folder: Path, sessions: tuple[int, ...] = (1, 5), divx: bool = True) -> Path:
    """IEMOCAP_full_release with two dialogs in each session, of 1.6 seconds, whose picture is black on its left half
    and white on its right one."""
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:, 32:] = 255
    write_video(folder / "dialog.avi", "mpeg4", [halves] * 40)
    write_sound(folder / "turn.wav", tone(0.4))
    for number in sessions:
        session, n = folder / "IEMOCAP_full_release" / f"Session{number}", str(number)
        for dialog, evaluation, words in (
            (f"Ses0{n}F_impro01", EVALUATION, TRANSCRIPT),
            (f"Ses0{n}M_script01_1b", SCRIPT, SCRIPT_WORDS),
        ):
            written(session / f"dialog/EmoEvaluation/{dialog}.txt", evaluation.replace("0N", "0" + n))
            written(session / f"dialog/EmoEvaluation/._{dialog}.txt", "\0\5\x16\7Mac OS X")
            path = session / f"dialog/transcriptions/{dialog}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(words.replace("0N", "0" + n).encode("latin-1"))  # \x92 is Windows' apostrophe
            copies(folder / "dialog.avi", session / "dialog/avi", f"{'DivX/' if divx else ''}{dialog}.avi")
            written(session / f"dialog/avi/{'DivX/' if divx else ''}._{dialog}.avi", "\0\5\x16\7Mac OS X")
            turns = [line.split("\t")[1] for line in evaluation.replace("0N", "0" + n).splitlines() if line[:1] == "["]
            wav = session / "sentences/wav" / dialog
            copies(folder / "turn.wav", wav, *(f"{turn}.wav" for turn in turns))
            written(wav / f"._{turns[0]}.wav", "\0\5\x16\7Mac OS X")
        votes = "[0.1000 - 0.7000]\tSes0NF_impro01_F000\tang\t[0, 0, 0]\n"
        for name in ("Attribute", "Categorical", "Self-evaluation"):
            written(session / f"dialog/EmoEvaluation/{name}/Ses0{n}F_impro01_e1.txt", votes.replace("0N", "0" + n))
    return folder
