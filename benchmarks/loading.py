"""Clips a second of 16 frames of 112 x 112, beside the decoder library alone and the ffmpeg program.

python benchmarks/loading.py [--videos DIR] [--clips 48] [--rounds 5]

All alternatives take the same clips of the same files, in turns, in the same run, with one thread for each process.
Beside clips a second by the clock stands CPU time a clip, of the workers and of this process, which other work on the
machine changes less:
  decoder   PyAV alone: open, seek, decode up to the clip's last frame, its frames as one RGB array of full size
  decoding  the same without the RGB array: frames are decoded and thrown away
  loader    what training does: decode, random crop, scale, mirror, batches through worker processes, normalise here
  ffmpeg    the program, started for each clip: seek, decode, scale, raw bytes through a pipe
  cache     the loader again, after `prepare manifest --cache raw` and `--cache jpeg`
Without --videos it makes 320 x 240 videos of its own: H.264 with a key frame every 250 frames, and MPEG-4 (xvid).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import torch

from crossdistill.data import MultimodalDataset, from_arrays
from crossdistill.data.loading import drawn_parts, training_batches
from crossdistill.data.readers import CacheFolder, Clip, MediaColumn, ReaderSettings, VideoReader
from crossdistill.data.readers.cache_writer import fill
from crossdistill.data.readers.frames import clip_times
from crossdistill.data.readers.video import open_frames

SETTINGS = ReaderSettings()
NOWHERE = CacheFolder(Path("nowhere"))
Wanted = tuple[str, float, float]  # file, first and last time
SECONDS, FPS = 10, 25


def make_videos(folder: Path, codec: str, suffix: str, count: int = 4) -> list[Path]:
    """Textures that drift, as hard to encode as a hand-held camera's."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        texture = random.integers(0, 256, (30, 40, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
        path = folder / f"{number}{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=FPS)
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            stream.gop_size, stream.bit_rate = (250, 400_000) if codec == "h264" else (12, 1_000_000)
            for step in range(SECONDS * FPS):
                y, x = int(100 + 90 * np.sin(step / 40)), int(100 + 90 * np.cos(step / 31))
                noise = random.integers(-6, 7, (240, 320, 1))
                frame = np.uint8(np.clip(texture[y : y + 240, x : x + 320] + noise, 0, 255))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        paths.append(path)
    return paths


def dataset_of(paths: list[Path], clips: int, cache: CacheFolder) -> MultimodalDataset:
    chosen = [Clip(paths[row % len(paths)], str(row)) for row in range(clips)]
    dataset = from_arrays({"none": np.zeros((clips, 1))}, np.zeros(clips, int), splits=np.zeros(clips, bool))
    dataset.columns["video"] = MediaColumn(chosen, VideoReader(SETTINGS, cache), strict=True)
    return dataset.only(["video"])


def wanted_of(dataset: MultimodalDataset) -> list[Wanted]:
    """The clips that epoch 0 of seed 0 takes."""
    column = dataset.columns["video"]
    assert isinstance(column, MediaColumn)
    found = []
    parts = drawn_parts(0, 0, np.arange(len(column)))
    for clip, position in zip(column.clips, parts.positions, strict=True):
        with open_frames(clip, NOWHERE) as source:
            times = clip_times(source.extent, SETTINGS, position)
        found.append((str(clip.path), times[0], times[-1]))
    return found


def frames_of(wanted: Wanted) -> Iterator[av.VideoFrame]:
    path, first, last = wanted
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        container.seek(int(first / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time >= first - 1e-3:
                yield frame
            if frame.time >= last - 1e-3:
                break


def decoder(wanted: Wanted) -> int:
    return len(np.stack([frame.to_ndarray(format="rgb24") for frame in frames_of(wanted)]))


def decoding(wanted: Wanted) -> int:
    return sum(1 for _ in frames_of(wanted))


def ffmpeg(wanted: Wanted) -> int:
    path, first, _ = wanted
    size = SETTINGS.size
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-ss", f"{first:.4f}", "-i", path, "-frames:v", "16"]
    command += ["-vf", f"scale={size}:{size}", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout) // (size * size * 3)


def pooled(function: Callable[[Wanted], int], wanted: list[Wanted], workers: int) -> None:
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        frames = sum(pool.imap_unordered(function, wanted))
    assert frames >= 15 * len(wanted), "rounding may cost a clip its first frame"


def loaded(dataset: MultimodalDataset, workers: int) -> None:
    batches = training_batches(dataset, np.arange(len(dataset)), 8, seed=0, epoch=0, workers=workers)
    assert sum(len(batch.to("cpu").labels) for batch in batches) == len(dataset) // 8 * 8


def cpu_seconds() -> tuple[float, float]:
    """Of the processes that this one has started and that have ended, and its own."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return used[0].ru_utime + used[0].ru_stime, used[1].ru_utime + used[1].ru_stime


def alternatives(paths: list[Path], clips: int, folder: Path) -> Iterator[tuple[str, Callable[[int], None]]]:
    plain = dataset_of(paths, clips, NOWHERE)
    wanted = wanted_of(plain)
    yield "decoder", lambda workers: pooled(decoder, wanted, workers)
    yield "decoding", lambda workers: pooled(decoding, wanted, workers)
    yield "loader", lambda workers: loaded(plain, workers)
    if shutil.which("ffmpeg"):
        yield "ffmpeg", lambda workers: pooled(ffmpeg, wanted, workers)
    for form in ("raw", "jpeg"):
        cache = CacheFolder(folder / form)
        for path in paths:
            fill(cache, path, "video", form, 128, 32000)
        cached = dataset_of(paths, clips, cache)
        yield f"cache, {form}", lambda workers, cached=cached: loaded(cached, workers)


def measure(title: str, paths: list[Path], clips: int, rounds: int, folder: Path) -> None:
    print(f"\n{title}: {clips} clips, {rounds} rounds in turns, medians")
    ways = dict(alternatives(paths, clips, folder))
    if "ffmpeg" not in ways:
        print("  the ffmpeg program is missing: its line is left out (Debian: apt-get install ffmpeg)")
    rates: dict[tuple[str, int], list[float]] = {(name, n): [] for n in (1, 2) for name in ways}
    costs: dict[tuple[str, int], list[list[float]]] = {way: [[], []] for way in rates}
    for _ in range(rounds):
        for name, workers in rates:
            started, used = time.perf_counter(), cpu_seconds()
            ways[name](workers)
            rates[name, workers].append(clips / (time.perf_counter() - started))
            for cost, before, after in zip(costs[name, workers], used, cpu_seconds(), strict=True):
                cost.append(1000 * (after - before) / clips)
    for (name, workers), found in rates.items():
        beside = statistics.median(a / b for a, b in zip(found, rates["decoder", workers], strict=True))
        others, own = costs[name, workers]
        scaling = statistics.median(a / b for a, b in zip(found, rates[name, 1], strict=True))
        print(
            f"  {name:12s} {workers} worker{'s' * (workers > 1):1s} {statistics.median(found):8.1f} clips/s"
            f"   x {beside:5.2f} of the decoder   x {scaling:4.2f} of one worker"
            f"   CPU ms a clip: {statistics.median(others):5.2f} in workers, {statistics.median(own):4.2f} here"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, help="a folder of videos of your own")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        if arguments.videos:
            sets = {"own": sorted(path for path in arguments.videos.iterdir() if path.is_file())}
        else:
            sets = {"H.264 mp4": make_videos(home, "h264", ".mp4"), "xvid avi": make_videos(home, "mpeg4", ".avi")}
        for number, (title, paths) in enumerate(sets.items()):
            measure(title, paths, arguments.clips, arguments.rounds, home / str(number))
