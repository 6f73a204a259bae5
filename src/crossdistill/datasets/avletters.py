"""AVLetters (Matthews et al., IEEE TPAMI 24, 2002): ten speakers say each letter three times. Not bundled.

Modalities, both sequences: `lips` (T, 300), greyscale frames of the mouth, 60×80 pixels averaged over 4×4 blocks to
15×20, in [0, 1]; `audio` (T', 26), HTK's 13 mel-cepstral coefficients and their differences, as released.
Test: repetition 3 of every speaker, or all of three speakers whom training never hears ("speakers").
Group: the speaker; fold: one per speaker, to leave one out.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.labels import natural_order
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.matlab import matlab_array
from crossdistill.datasets.releases import release_files
from crossdistill.types import InputError

HEIGHT, WIDTH, BLOCK = 60, 80, 4

Protocol = Literal["repetitions", "speakers"]
"""What is tested: a repetition of each letter by speakers who are also trained on, or speakers of their own."""

_TEST_REPETITION = "3"
_TEST_SPEAKERS = 3


def prepare(source: Path, output: Path, protocol: Protocol = "repetitions") -> Path:
    """Write the folder `output` from the release, packed (avletters.tar.xz) or extracted; returns `output`.

    protocol: the manifest's split. "repetitions": each letter's third, 520 clips train and 260 test. "speakers": the
    last three speakers by name (Steve, Verity, Yi), 546 and 234; there is no published choice.
    Raises InputError where files are missing, damaged, or without their counterpart in the other modality.
    """
    return write_manifest(output, from_release(source, protocol))


def from_release(source: Path, protocol: Protocol = "repetitions") -> MultimodalDataset:
    """The data set from the files `Lips/A1_Anya-lips.mat` and `Audio/mfcc/Clean/A1_Anya.mfcc`. Raises InputError."""
    pattern = r"(([A-Z])([0-9])_([A-Za-z]+))(-lips\.mat|\.mfcc)"
    clips: dict[str, dict[str, npt.NDArray[Any]]] = {"lips": {}, "audio": {}}
    for match, content in release_files(source, ("avletters.tar.xz", "avletters.zip"), pattern, "A1_Anya-lips.mat"):
        if match[5] == ".mfcc":
            clips["audio"][match[1]] = htk_features(content, match[0])
        else:
            clips["lips"][match[1]] = _block_means(matlab_array(content, "vid", 2, match[0]), match[0])
    for name in clips["lips"].keys() ^ clips["audio"].keys():
        has, lacks = ("lips", "audio") if name in clips["lips"] else ("audio", "lips")
        raise InputError(f"{source}: {name} has {has} but no {lacks}")
    ids = natural_order(list(clips["lips"]))
    speakers = [name.partition("_")[2] for name in ids]
    return from_arrays(
        {modality: [by_name[name] for name in ids] for modality, by_name in clips.items()},
        [name[0] for name in ids],
        splits=_tested(source, ids, speakers, protocol),
        ids=ids,
        groups=speakers,
        folds=np.unique(speakers, return_inverse=True)[1],
        name="avletters",
    )


def _tested(source: Path, ids: list[str], speakers: list[str], protocol: Protocol) -> npt.NDArray[np.bool_]:
    if protocol == "speakers":
        names = sorted(set(speakers))
        if len(names) <= _TEST_SPEAKERS:
            raise InputError(f"{source}: expected more than {_TEST_SPEAKERS} speakers, found {', '.join(names)}")
        return np.isin(speakers, names[-_TEST_SPEAKERS:])
    return np.array([name[1] == _TEST_REPETITION for name in ids])


def htk_features(content: bytes, file: str) -> npt.NDArray[np.float32]:
    """(T, F) from an HTK parameter file: frames, period, bytes per frame, kind; then big-endian float32.

    Raises InputError where the header does not fit the length, or the values are compressed.
    """
    if len(content) < 12:
        raise InputError(f"{file}: expected an HTK header of 12 bytes, found {len(content)}")
    frames, _, size, kind = struct.unpack(">iihh", content[:12])
    if frames < 1 or size < 4 or len(content) != 12 + frames * size or size % 4 or kind & 0o2000:
        actual = f"{len(content) - 12} bytes of kind {kind:#o}"
        raise InputError(f"{file}: expected {frames} uncompressed HTK frames of {size} bytes, found {actual}")
    return np.frombuffer(content, dtype=">f4", offset=12).reshape(frames, size // 4).astype(np.float32)


def _block_means(video: npt.NDArray[Any], file: str) -> npt.NDArray[np.float16]:
    """(4800, T) grey levels 0 to 255, each frame 60×80 column by column -> (T, 300) in [0, 1], row by row."""
    if video.shape[0] != HEIGHT * WIDTH or not video.shape[1]:
        raise InputError(f"{file}: expected 'vid' of shape ({HEIGHT * WIDTH}, frames), found {video.shape}")
    frames = video.reshape(HEIGHT, WIDTH, -1, order="F")
    blocks: npt.NDArray[np.float64] = frames.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK, -1).mean(
        axis=(1, 3)
    )
    return (blocks.reshape(-1, video.shape[1]).T / 255).astype(np.float16)
