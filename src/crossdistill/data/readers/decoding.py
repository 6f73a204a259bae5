"""Frames from a video file by PyAV: random access by time, without decoding the whole file."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdistill.data.readers.clock import timing_of
from crossdistill.data.readers.frames import ChooseBox, EndsEarlyError, Extent, PixelArray
from crossdistill.data.readers.media import UnreadableError, pyav
from crossdistill.data.readers.opening import TICK, MediaFile
from crossdistill.data.readers.orientation import Orientation, orientation_of

if TYPE_CHECKING:
    from av import Packet, VideoFrame

BACK = (0.0, 1.0, 4.0, 16.0, 64.0, 256.0)
"""Seconds before a wanted time to which is gone, one after the other, until what is found there is not after it."""

TimedFrame = tuple[float, "VideoFrame"]


class FileFrames:
    """A `FrameSource` that decodes: it goes to a key frame before the first time and decodes on to the last."""

    def __init__(self, file: MediaFile, warning: str = "") -> None:
        timing = timing_of(file)
        if timing.end <= 0:
            raise UnreadableError("no video frame can be decoded")
        self._file, self._last, self.warning = file, timing.last, warning
        self.extent = Extent(0.0, timing.end, timing.frame, timing.first, timing.promised)
        self.in_one_pass = file.one_way
        self._orientations: dict[int, Orientation] = {}
        self._reformatter = pyav().video.reformatter.VideoReformatter()

    def take(self, times: Sequence[float], box: ChooseBox, size: int) -> PixelArray:
        wanted = sorted(set(times))
        shown: dict[float, PixelArray] = {}
        previous: TimedFrame | None = None
        for time, frame in self._from(wanted[0]):
            while wanted and previous is not None and time > wanted[0] + TICK:
                shown[wanted.pop(0)] = self._part(previous[1], box, size)
            if not wanted:
                break
            previous = time, frame
        if wanted:
            last = self._part(self._require_near(previous, wanted[-1]), box, size)
            shown |= dict.fromkeys(wanted, last)  # the last frame stays
        pixels = np.empty((3, len(times), size, size), dtype=np.uint8)
        for number, time in enumerate(times):
            pixels[:, number] = shown[time]
        return pixels

    def all(self) -> Iterator[TimedFrame]:
        """Every frame from the beginning, and its time."""
        self._file.restart()
        yield from self._decoded(self._file.packets())

    def orientation(self, frame: VideoFrame) -> Orientation:
        """How a frame is to be shown. A matrix that has been looked at holds while frames are turned by as much: PyAV
        keeps a frame whose matrix was asked for until the garbage is collected."""
        if frame.rotation not in self._orientations:
            self._orientations[frame.rotation] = orientation_of(frame)
        return self._orientations[frame.rotation]

    def _require_near(self, last: TimedFrame | None, wanted: float) -> VideoFrame:
        """The last frame that could be decoded, unless others that cannot come between it and what is wanted."""
        if last is None:
            raise EndsEarlyError(self.extent.end)
        end = last[0] + self.extent.frame
        if end + TICK < wanted and end + self.extent.frame < self._last:
            raise EndsEarlyError(end)
        return last[1]

    def _part(self, frame: VideoFrame, choose: ChooseBox, size: int) -> PixelArray:
        """(3, size, size): scales the whole frame so that the box has the size that is wanted, and cuts it out."""
        orientation = self.orientation(frame)
        box = choose(*orientation.turned(frame.width, frame.height))
        left, top, width, height = orientation.stored(box)
        w, h = max(size, round(size / width)), max(size, round(size / height))
        # planes, as the colours are apart in the end: half the time of rgb24
        scaled = self._reformatter.reformat(frame, w, h, "gbrp", interpolation="BILINEAR", threads=1)
        x, y = min(round(left * w), w - size), min(round(top * h), h - size)
        part = np.empty((3, size, size), dtype=np.uint8)
        for colour, plane in zip(part, (scaled.planes[2], scaled.planes[0], scaled.planes[1]), strict=True):
            colour[:] = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[y : y + size, x : x + size]
        return orientation.shown(part, rows=1)

    def _from(self, wanted: float) -> Iterator[TimedFrame]:
        """Decoded frames, the first of them shown at a time or before it, if the file has such a one.

        A container without a good index leads somewhere near: what is found there is looked at, and if it comes after
        what is wanted, the search goes on further back, in the end from the file's beginning.
        """
        wanted = max(wanted, self.extent.first)
        for back in () if self.in_one_pass else BACK:
            if back and wanted - back <= self.extent.first:
                break
            frames = self._after(wanted - back, wanted)
            first = next(frames, None)
            if first is not None and first[0] <= wanted + TICK:
                yield first
                yield from frames
                return
        yield from self.all()

    def _after(self, place: float, wanted: float) -> Iterator[TimedFrame]:
        """Frames from the first key frame that is found at a place; none where it is shown after `wanted`."""
        packets = self._file.packets() if self._file.seek(place) else iter(())
        for packet in packets:
            time = self._file.time(packet)
            if packet.size == 0 or (packet.dts is not None and self._file.seconds(packet.dts) > wanted + TICK):
                return
            if packet.is_keyframe and time is not None:
                if time <= wanted + TICK:
                    # pictures before a key frame may need others before it: what is made of them is not theirs
                    yield from self._decoded(chain((packet,), packets), least=time - TICK)
                return

    def _decoded(self, packets: Iterator[Packet[Any]], least: float = -math.inf) -> Iterator[TimedFrame]:
        """The frames in these packets and when they are shown, but for those before `least`."""
        file = self._file
        base, zero, by_order = file.base, file.zero, file.by_order
        times: list[float] = []  # of packets whose frames are still to come, where only their order is known
        for packet, frames in file.decoded(packets):
            if by_order and packet.dts is not None:
                heapq.heappush(times, packet.dts * base - zero)
            for frame in frames:
                if times:
                    time = heapq.heappop(times)
                else:
                    stamp = frame.pts
                    if stamp is None and (stamp := frame.dts) is None:
                        continue
                    time = stamp * base - zero
                if time >= least:
                    yield time, frame
