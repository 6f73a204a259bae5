"""CMU-MOSI (Zadeh et al., 2016): opinions on films, cut into utterances of online videos. Not bundled.

Modalities: `text` (384,), MiniLM sentence embedding of the transcript; `audio` (73,) and `video` (100,), utterance
features. Classes: negative, positive. Split: the official one; group: the video.
"""

from __future__ import annotations

from pathlib import Path

from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.datasets.releases import flags, named, release_arrays, texts

_POLARITIES = ("negative", "positive")


def prepare(source: Path, output: Path) -> Path:
    """Write the folder `output` from mosi.npz, or the folder that holds it; returns `output`. Raises InputError."""
    return write_manifest(output, from_release(source))


def from_release(source: Path) -> MultimodalDataset:
    """The data set from mosi.npz, or the folder that holds it. Raises InputError."""
    keys = ("text_minilm", "audio", "video", "y", "train", "video_id", "transcript")
    arrays = release_arrays(source, "mosi.npz", keys)
    videos = texts(arrays["video_id"], "mosi.npz: video_id")
    numbers = [videos[:row].count(video) for row, video in enumerate(videos)]
    return from_arrays(
        {"text": arrays["text_minilm"], "audio": arrays["audio"], "video": arrays["video"]},
        named(arrays["y"], _POLARITIES, "mosi.npz: y"),
        splits=~flags(arrays["train"], "mosi.npz: train"),
        ids=[f"{video}_{number}" for video, number in zip(videos, numbers, strict=True)],
        groups=videos,
        captions=texts(arrays["transcript"], "mosi.npz: transcript"),
        name="mosi",
    )
