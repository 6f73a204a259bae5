"""Clips for a whole experiment: moving shapes, hard to see, each with a tone that tells its class at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.data.clips import RATE, halved, write_video

CLASSES = ("bar", "disc", "pole", "ring")
HEIGHT, WIDTH, FRAMES, SECONDS = 48, 64, 24, 0.96
RECIPE = """
name: shapes
epochs: 18
batch_size: 16
data:
  source: clips/manifest.csv
  target: [video]
  auxiliary: [audio]
  readers:
    video: {frames: 8, size: 32, resize: 36, least_area: 0.5}
    audio: {seconds: 0.5}
model:
  width: 32
  auxiliary_encoders: trained
  encoders:
    video: {kind: r2plus1d, settings: {blocks: [1, 1, 1, 1], channels: 8}}
    audio: {kind: cnn14, settings: {width: 32, channels: 4}}
optimization: {learning_rate: 3.0e-3}
machine: {accelerator: cpu, threads: 1}
amid: {warmup_epochs: 3, reduction: mean, discriminator_width: 32}
"""
"""A narrow R(2+1)D as the student and a narrow Cnn14, both from scratch."""


def write_clips(folder: Path, train: int, test: int) -> Path:
    """So many clips of each class, H.264 with AAC in .mp4 and MPEG-4 with AAC in .avi by turns, and their manifest.

    The last training clip of the first class is an .mp4 that is cut in half.
    """
    random = np.random.default_rng(0)
    lines = ["id,split,label,video,audio:audio"]
    for number in range(train + test):
        for kind, label in enumerate(CLASSES):
            suffix, codec = ((".avi", "mpeg4"), (".mp4", "h264"))[number % 2]
            path = write_video(folder / f"{label}{number}{suffix}", codec, pictures(random, kind), tone(random, kind))
            split = "train" if number < train else "test"
            lines.append(f"{label}{number},{split},{label},{path.name},{path.name}")
    halved(folder / f"{CLASSES[0]}{train - 1}.mp4")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def pictures(random: np.random.Generator, kind: int) -> list[np.ndarray]:
    """A shape that drifts, brighter or darker than its background, in noise."""
    place, speed = random.uniform([16, 20], [32, 44]), random.uniform(-0.6, 0.6, 2)
    size, background, contrast = random.uniform(8, 12), random.uniform(90, 160), random.choice([-80, 80])
    down, right = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    frames = []
    for step in range(FRAMES):
        y, x = np.abs(down - place[0] - speed[0] * step), np.abs(right - place[1] - speed[1] * step)
        inside = (
            (y < size / 3) & (x < 1.5 * size),
            np.hypot(y, x) < size,
            (x < size / 3) & (y < 1.5 * size),
            np.abs(np.hypot(y, x) - 1.4 * size) < 2.5,
        )[kind]
        picture = background + contrast * inside + random.normal(0, 20, inside.shape)
        frames.append(np.uint8(np.clip(picture, 0, 255))[..., None].repeat(3, -1))
    return frames


def tone(random: np.random.Generator, kind: int) -> np.ndarray:
    """An octave higher in each class."""
    hertz = 300 * 2**kind * random.uniform(0.95, 1.05)
    time = np.arange(round(SECONDS * RATE)) / RATE
    noise = 0.03 * random.normal(size=len(time))
    return np.float32(0.3 * np.sin(2 * np.pi * hertz * time) + noise)
