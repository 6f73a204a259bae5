"""UTD-MHAD (Chen, Jafari and Kehtarnavaz, ICIP 2015): eight subjects perform 27 actions four times. Not bundled.

Modalities: `inertial` (T, 6), acceleration in g and angular velocity in degrees per second of the wrist (or thigh) at
50 Hz, as recorded; `skeleton` (T', 60), x, y, z of 20 Kinect joints in metres at 30 Hz, from the first frame's hip
centre; where Depth.zip or utd_mhad.npz lies beside the other files, `depth_motion` (1200,): how much the depth of each
place changes from frame to frame, added up over the clip, means of 8×8 pixels, 30 rows of 40.
Test: the even subjects, training: the odd ones (the authors' cross-subject protocol).
Group: the subject; fold: one per subject.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.labels import natural_order
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.matlab import matlab_array
from crossdistill.datasets.releases import release_arrays, release_files
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

_ARCHIVES = ("utd_mhad_inertial_skeleton.tar.xz", "Inertial.zip", "Skeleton.zip", "Depth.zip")
_DEPTH = "utd_mhad.npz"
_HEIGHT, _WIDTH, _BLOCK = 240, 320, 8  # of the depth videos, in pixels
_HIP = 3  # joint 4 of the release's Skeleton_joint_order.txt

Clip = tuple[int, int, int]  # action, subject, trial, each from 1


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from the release, packed or extracted; returns `output`.

    Raises InputError where files are missing, damaged, or without their counterpart in another modality.
    """
    return write_manifest(output, from_release(source))


def from_release(source: Path) -> MultimodalDataset:
    """The data set from the files `a1_s1_t1_inertial.mat`, `a1_s1_t1_skeleton.mat` and, where they are there,
    `a1_s1_t1_depth.mat`. Raises InputError."""
    pattern = rf"a([0-9]{{1,9}})_s([0-9]{{1,9}})_t([0-9]{{1,9}})_({'|'.join(_READERS)})\.mat"
    clips: dict[str, dict[Clip, npt.NDArray[np.float32]]] = {"inertial": {}, "skeleton": {}}
    for match, content in release_files(source, _ARCHIVES, pattern, "a1_s1_t1_inertial.mat"):
        clip = (int(match[1]), int(match[2]), int(match[3]))
        if not 1 <= clip[0] <= len(_ACTIONS):
            raise InputError(f"{match[0]}: expected an action from a1 to a{len(_ACTIONS)}")
        modality, read = _READERS[match[4]]
        clips.setdefault(modality, {})[clip] = read(content, match[0])
    depth = (source if source.is_dir() else source.parent) / _DEPTH
    if "depth_motion" not in clips and depth.is_file():
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


def _motion(content: bytes, file: str) -> npt.NDArray[np.float32]:
    """(240, 320, T) depths -> (1200,), row by row: absolute differences of successive frames, added up, block means."""
    array: npt.NDArray[Any] = matlab_array(content, "d_depth", 3, file)
    if array.shape[:2] != (_HEIGHT, _WIDTH):
        raise InputError(f"{file}: expected 'd_depth' of shape ({_HEIGHT}, {_WIDTH}, time), found {array.shape}")
    motion = np.zeros((_HEIGHT, _WIDTH))
    for t in range(1, array.shape[2]):
        motion += np.abs(array[:, :, t].astype(np.float64) - array[:, :, t - 1])
    blocks = motion.reshape(_HEIGHT // _BLOCK, _BLOCK, _WIDTH // _BLOCK, _BLOCK)
    means: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means.ravel().astype(np.float32)


_READERS: dict[str, tuple[str, Callable[[bytes, str], npt.NDArray[np.float32]]]] = {
    "inertial": ("inertial", _inertial),
    "skeleton": ("skeleton", _skeleton),
    "depth": ("depth_motion", _motion),
}
"""End of a file's name -> its modality, and what reads it."""


def _depth_motion(path: Path) -> dict[Clip, npt.NDArray[np.float32]]:
    arrays = release_arrays(path, _DEPTH, ("depth_motion", "y", "subject", "trial"))
    keys = zip((arrays["y"] + 1).tolist(), arrays["subject"].tolist(), arrays["trial"].tolist(), strict=True)
    return dict(zip(keys, arrays["depth_motion"], strict=True))
