"""Frames from a video file by PyAV: random access by time, without decoding the whole file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crossdistill.data.readers.frames import ChooseBox, EndsEarlyError, Extent, Pixels, turned
from crossdistill.data.readers.media import NoStreamError, UnreadableError, pyav

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

TICK = 0.0015
"""Seconds by which a time may miss its frame: Matroska rounds to milliseconds."""

_FASTEST = 240
"""Frames a second that a header is believed: browsers' WebM says none, for which FFmpeg puts the clock's 1000."""
_PROBED = 100
"""Packets whose times tell how long a frame is shown where the header does not."""


@contextmanager
def opened(path: Path, kind: Literal["video", "audio"]) -> Iterator[tuple[Any, Any]]:
    """The container and its first stream of a kind, decoded by one thread: the loader's processes are the parallelism.

    Raises UnreadableError where the file is no media file, NoStreamError where it has no such stream.
    """
    av = pyav()
    try:
        container = av.open(str(path.absolute()))  # FFmpeg takes the name 12:30.mp4 alone for a protocol
    except (av.FFmpegError, OSError, UnicodeDecodeError) as error:  # the last for names of tags
        raise UnreadableError(f"cannot read it as a media file ({reason(error)})") from None
    with container:
        streams = container.streams.video if kind == "video" else container.streams.audio
        if not streams:
            raise NoStreamError(f"has no {kind} stream")
        if streams[0].codec_context is None:
            raise UnreadableError(f"cannot decode it (its {kind} is of an unknown codec, or its header is cut)")
        streams[0].codec_context.thread_count = 1
        try:
            yield container, streams[0]
        except (av.FFmpegError, UnicodeDecodeError) as error:
            raise UnreadableError(f"cannot decode it ({reason(error)})") from None


def reason(error: Exception) -> str:
    """What went wrong in FFmpeg's words, without number and path."""
    return str(getattr(error, "strerror", None) or error)


def declared_end(container: Any, stream: Any) -> float:
    """The end in seconds that the header declares: of the stream, else of the file; 0 where it says nothing."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):  # Matroska
        return 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
    return float((container.duration or 0) / 1e6)


def is_early(end: float, declared: float) -> bool:
    """Whether a stream's end is damage: containers may declare their longest stream's, so a little less is none."""
    return end + max(0.5, 0.05 * declared) < declared


class FileFrames:
    """A `FrameSource` that decodes: it seeks to the key frame before the first time and decodes on to the last."""

    def __init__(self, container: InputContainer, stream: VideoStream, warning: str = "") -> None:
        self._container, self._stream, self.warning = container, stream, warning
        self._base = float(stream.time_base or 1)
        self._zero = (stream.start_time or 0) * self._base
        rate = stream.average_rate or stream.guessed_rate
        frame = 1 / float(rate) if rate and rate <= _FASTEST else self._mean_interval()
        self.extent = Extent(0.0, declared_end(container, stream) or self.readable_end(frame), frame)
        self._reformatter = pyav().video.reformatter.VideoReformatter()

    def readable_end(self, frame: float) -> float:
        """The second at which the stream really ends, found without decoding; 0 where it holds nothing."""
        return max(self._packet_times(), default=-frame) + frame

    def _mean_interval(self) -> float:
        """Mean seconds from one frame to the next among the file's first frames."""
        times = list(islice(self._packet_times(), _PROBED))
        return (max(times) - min(times)) / (len(times) - 1) if len(set(times)) > 1 else 0.04

    def _packet_times(self) -> Iterator[float]:
        """When each packet is shown, in the file's order, as far as it can be read; nothing is decoded."""
        self._seek(0.0)
        try:
            for packet in self._container.demux(self._stream):
                if packet.pts is not None and not packet.is_corrupt:
                    yield self.time(packet.pts)
        except pyav().FFmpegError:
            return  # what comes after is not readable

    def take(self, times: Sequence[float], box: ChooseBox, size: int) -> Pixels:
        wanted = sorted(set(times))
        shown: dict[float, Pixels] = {}
        previous: VideoFrame | None = None
        for frame in self._from(wanted[0]):
            while wanted and previous is not None and self.time(frame.pts) > wanted[0] + TICK:
                shown[wanted.pop(0)] = self._part(previous, box, size)
            if not wanted:
                break
            previous = frame
        if wanted:
            last = self._require_near(previous, wanted[-1])
            shown |= {time: self._part(last, box, size) for time in wanted}  # the last frame stays
        pixels = np.empty((3, len(times), size, size), dtype=np.uint8)
        for number, time in enumerate(times):
            pixels[:, number] = shown[time]
        return pixels

    def all(self) -> Iterator[tuple[float, VideoFrame, int]]:
        """Every frame from the beginning: its time, the frame, and by how many quarters it is shown turned."""
        for frame in self._decoded(0.0):
            yield self.time(frame.pts), frame, quarters(frame)

    def time(self, pts: int | None) -> float:
        return (pts or 0) * self._base - self._zero

    def _require_near(self, last: VideoFrame | None, wanted: float) -> VideoFrame:
        """The last frame that could be decoded, unless what is wanted comes after it."""
        end = self.readable_end(self.extent.frame) if last is None else self.time(last.pts) + self.extent.frame
        if end <= 0:
            raise UnreadableError("no video frame can be decoded")
        if last is None or end + TICK < wanted:
            raise EndsEarlyError(end)
        return last

    def _part(self, frame: VideoFrame, choose: ChooseBox, size: int) -> Pixels:
        """(3, size, size): scales the whole frame so that the box has the size that is wanted, and cuts it out."""
        turn = quarters(frame)
        box = choose(*((frame.height, frame.width) if turn % 2 else (frame.width, frame.height)))
        left, top, width, height = turned(box, turn)
        w, h = max(size, round(size / width)), max(size, round(size / height))
        # planes, as the colours are apart in the end: half the time of rgb24
        scaled = self._reformatter.reformat(frame, w, h, "gbrp", interpolation="BILINEAR", threads=1)
        x, y = min(round(left * w), w - size), min(round(top * h), h - size)
        part = np.empty((3, size, size), dtype=np.uint8)
        for colour, plane in zip(part, (scaled.planes[2], scaled.planes[0], scaled.planes[1]), strict=True):
            colour[:] = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[y : y + size, x : x + size]
        return np.rot90(part, turn, (1, 2)) if turn else part

    def _from(self, time: float) -> Iterator[VideoFrame]:
        """Decoded frames from the last key frame before a time; from the beginning where the file has no good index."""
        frames = self._decoded(time)
        first = next(frames, None)
        if first is None or self.time(first.pts) > time + TICK:
            frames = self._decoded(0.0)
            first = next(frames, None)
        if first is not None:
            yield first
            yield from frames

    def _decoded(self, time: float) -> Iterator[VideoFrame]:
        av = pyav()
        self._seek(time)
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    continue  # one damaged packet
                for frame in frames:
                    if frame.pts is None:
                        frame.pts = frame.dts  # AVI has no other times
                    if frame.pts is not None:
                        yield frame
        except (av.FFmpegError, EOFError):
            return  # the end of what can be read

    def _seek(self, time: float) -> None:
        self._container.seek(math.floor((time + self._zero + TICK) / self._base), stream=self._stream)


def quarters(frame: VideoFrame) -> int:
    """By how many quarters counter-clockwise a stored frame is shown turned."""
    return round(frame.rotation / 90) % 4
