"""UTD-MHAD (Chen, Jafari and Kehtarnavaz, ICIP 2015): eight subjects perform 27 actions four times. Not bundled.

Modalities: `inertial` (T, 6), acceleration in g and angular velocity in degrees per second of the wrist (or thigh) at
50 Hz, as recorded; `skeleton` (T', 60), x, y, z of 20 Kinect joints in metres at 30 Hz, from the first frame's hip
centre; `depth_motion` (1200,), a map of the motion in the depth video, where utd_mhad.npz lies beside the recordings.
Test: the even subjects, training: the odd ones (the authors' cross-subject protocol).
Group: the subject; fold: one per subject.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.labels import natural_order
from crossdistill.data.manifest import write_manifest
from crossdistill.datasets.releases import matlab_array, release_arrays, release_files
from crossdistill.types import InputError

_ACTIONS = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "cross arms",
    "basketball shot",
    "draw x",
    "draw circle clockwise",
    "draw circle counter-clockwise",
    "draw triangle",
    "bowling",
    "boxing",
    "baseball swing",
    "tennis swing",
    "arm curl",
    "tennis serve",
    "push",
    "knock",
    "catch",
    "pick up and throw",
    "jog",
    "walk",
    "sit to stand",
    "stand to sit",
    "lunge",
    "squat",
)
"""Names of the actions a1 to a27, in order."""

_ARCHIVES = ("utd_mhad_inertial_skeleton.tar.xz", "Inertial.zip", "Skeleton.zip")
_DEPTH = "utd_mhad.npz"
_HIP = 3  # joint 4 of the release's Skeleton_joint_order.txt

Clip = tuple[int, int, int]  # action, subject, trial, each from 1


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from the release, packed or extracted; returns `output`.

    Raises InputError where files are missing, damaged, or without their counterpart in another modality.
    """
    return write_manifest(output, from_release(source))


def from_release(source: Path) -> MultimodalDataset:
    """The data set from the files `a1_s1_t1_inertial.mat` and `a1_s1_t1_skeleton.mat`. Raises InputError."""
    pattern = r"a([0-9]+)_s([0-9]+)_t([0-9]+)_(inertial|skeleton)\.mat"
    clips: dict[str, dict[Clip, npt.NDArray[np.float32]]] = {"inertial": {}, "skeleton": {}}
    for match, content in release_files(source, _ARCHIVES, pattern, "a1_s1_t1_inertial.mat"):
        clip = (int(match[1]), int(match[2]), int(match[3]))
        if not 1 <= clip[0] <= len(_ACTIONS):
            raise InputError(f"{match[0]}: expected an action from a1 to a{len(_ACTIONS)}")
        clips[match[4]][clip] = _inertial(content, match[0]) if match[4] == "inertial" else _skeleton(content, match[0])
    depth = (source if source.is_dir() else source.parent) / _DEPTH
    if depth.is_file():
        clips["depth_motion"] = _depth_motion(depth)
    return _dataset(source, clips)


def _dataset(source: Path, clips: dict[str, dict[Clip, npt.NDArray[np.float32]]]) -> MultimodalDataset:
    names = {"a{}_s{}_t{}".format(*clip): clip for by_clip in clips.values() for clip in by_clip}
    ids = natural_order(list(names))
    order = [names[name] for name in ids]
    for modality, by_clip in clips.items():
        lacking = [name for name in ids if names[name] not in by_clip]
        if lacking:
            raise InputError(f"{source}: {lacking[0]} has no {modality}")
    subjects = np.array([subject for _, subject, _ in order])
    return from_arrays(
        {modality: [by_clip[clip] for clip in order] for modality, by_clip in clips.items()},
        [_ACTIONS[action - 1] for action, _, _ in order],
        splits=subjects % 2 == 0,
        ids=ids,
        groups=subjects,
        folds=np.unique(subjects, return_inverse=True)[1],
        name="utd_mhad",
    )


def _inertial(content: bytes, file: str) -> npt.NDArray[np.float32]:
    array = matlab_array(content, "d_iner", 2, file)
    if array.shape[1] != 6:
        raise InputError(f"{file}: expected 'd_iner' of shape (time, 6), found {array.shape}")
    return array.astype(np.float32)


def _skeleton(content: bytes, file: str) -> npt.NDArray[np.float32]:
    """(20, 3, T) -> (T, 60), joint by joint, from the hip centre of the first frame: where one stands says nothing."""
    array: npt.NDArray[Any] = matlab_array(content, "d_skel", 3, file)
    if array.shape[:2] != (20, 3):
        raise InputError(f"{file}: expected 'd_skel' of shape (20, 3, time), found {array.shape}")
    moved: npt.NDArray[np.float64] = array - array[_HIP, :, :1]
    return moved.transpose(2, 0, 1).reshape(-1, 60).astype(np.float32)


def _depth_motion(path: Path) -> dict[Clip, npt.NDArray[np.float32]]:
    arrays = release_arrays(path, _DEPTH, ("depth_motion", "y", "subject", "trial"))
    keys = zip((arrays["y"] + 1).tolist(), arrays["subject"].tolist(), arrays["trial"].tolist(), strict=True)
    return dict(zip(keys, arrays["depth_motion"], strict=True))
