"""An open media file: one stream of it, its packets and their times, read from any place or from the beginning."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crossdistill.data.readers.media import NoStreamError, UnreadableError, pyav
from crossdistill.data.unpacking import FREE
from crossdistill.types import InputError

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer

Kind = Literal["video", "audio"]

COUNTED = (
    *("aac", "ac3", "amr", "amrnb", "amrwb", "dts", "dtshd", "eac3", "flac", "h264", "hevc", "loas", "m4v", "mlp"),
    *("mp3", "mpegvideo", "truehd", "vc1", "wav"),
)
"""Formats without time stamps: times are counted on from packet to packet."""

TICK = 0.0015
"""Seconds by which a time may miss its frame: Matroska rounds to milliseconds."""


class MediaFile:
    """A file and its first stream of a kind, decoded by one thread: the loader's processes are the parallelism.

    Seconds are those of the file's clock, whose 0 is where the first of its streams, of whatever kind, begins.
    Raises UnreadableError where the file is no media file, NoStreamError where it has no such stream.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path, self.kind = path, kind
        self.container: InputContainer
        self._open()
        self.counted = self.container.format.name in COUNTED
        """Whether times are counted on from packet to packet, so that they tell of no gaps."""
        starts = {s.index: start for s in self.heard_or_seen() if (start := self._start(s)) is not None}
        self.zero = min(starts.values(), default=0.0)
        self.first = starts.get(self.stream.index, self.zero) - self.zero
        """Where the stream begins, in seconds."""

    def _open(self) -> None:
        av = pyav()
        try:  # FFmpeg takes the name 12:30.mp4 alone for a protocol; tags may be in any encoding
            self.container = av.open(str(self.path.absolute()), metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UnreadableError(f"cannot read it as a media file ({reason(error)})") from None
        self._moved = False
        try:
            stream = self._stream()
        except UnreadableError:
            self.container.close()
            raise
        stream.codec_context.thread_count = 1
        self.stream = stream
        self.base = float(stream.time_base or 1)
        form, reordered = self.container.format.name, bool(getattr(stream.codec_context, "has_b_frames", 0))
        self.by_order = form == "avi"
        """Whether frames have no times but those of their packets, in another order: the n-th shown has the n-th."""
        self.one_way = (self.by_order and reordered) or form == "mpeg"
        """Whether times hold only where all is read from the beginning: some are counted on from others."""

    def _stream(self) -> Any:
        """The stream to be read."""
        streams = self.heard_or_seen()
        if not streams:
            raise UnreadableError("cannot decode it (it holds neither video nor sound, or its header is cut)")
        stream = next((stream for stream in streams if stream.type == self.kind), None)
        if stream is None:
            raise NoStreamError(f"has no {self.kind} stream")
        if stream.codec_context is None:
            raise UnreadableError(f"cannot decode it (its {self.kind} is of an unknown codec, or its header is cut)")
        context = stream.codec_context
        if stream.type == "video" and 3 * context.width * context.height > FREE:
            raise UnreadableError(f"cannot decode it (its frames are of {context.width} x {context.height} pixels)")
        return stream

    def _start(self, stream: Any) -> float | None:
        """When a stream begins, by its own time stamps; None where nothing is known of it."""
        if stream.start_time is None or not stream.time_base:
            return None
        if len(self.heard_or_seen()) == 1 and stream.type == "audio" and self.container.format.name.startswith("mat"):
            # FFmpeg is a packet late where samples at the beginning are to be skipped
            packet = next(self.packets(), None)
            if packet is not None and packet.pts is not None and packet.has_sidedata("skip_samples"):
                skipped = int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")
                return float(packet.pts * stream.time_base + Fraction(skipped, stream.codec_context.sample_rate or 1))
        return float(stream.start_time * stream.time_base)

    def heard_or_seen(self) -> list[Any]:
        """The video and audio streams, without the pictures of covers."""
        cover = pyav().stream.Disposition.attached_pic
        return [s for s in self.container.streams if s.type in ("video", "audio") and not s.disposition & cover]

    def restart(self) -> None:
        """Go back to the very beginning: opened anew, as without an index no seek leads there for sure."""
        if self._moved:
            self.container.close()
            self._open()

    def seek(self, seconds: float) -> bool:
        """Go to the last key frame before a time, as well as the container knows; whether it could."""
        return not self.one_way and self.seek_stamp(math.floor((seconds + self.zero + TICK) / self.base))

    def seek_stamp(self, stamp: int, any_frame: bool = False) -> bool:
        """`seek` by the stream's own clock; any_frame: to the last packet before it."""
        self._moved = True
        try:
            self.container.seek(stamp, any_frame=any_frame, stream=self.stream)
        except (pyav().FFmpegError, OverflowError):
            return False
        return True

    def packets(self, *streams: Any) -> Iterator[Packet[Any]]:
        """The packets from here on, of this stream unless others are named, as far as the file can be read; the last
        is empty, and decoding it gives what the decoder holds back."""
        self._moved, av = True, pyav()
        while True:
            try:
                yield from self.container.demux(*(streams or (self.stream,)))
            except IndexError:
                continue  # PyAV does not know a stream that begins on the way: its packet is left out
            except (av.FFmpegError, EOFError):
                pass  # what comes after is not readable
            return

    def decoded(self, packets: Iterable[Packet[Any]]) -> Iterator[tuple[Packet[Any], list[Any]]]:
        """The packets with what is decoded of each, nothing of a damaged one, to the end of what can be read."""
        av: Any = pyav()
        for packet in packets:
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                frames = []
            except (av.FFmpegError, EOFError):
                return
            yield packet, frames

    def time(self, packet: Any) -> float | None:
        """When a packet of this stream is shown or heard, in seconds."""
        stamp = packet.dts if self.by_order or packet.pts is None else packet.pts
        return None if stamp is None else self.seconds(stamp)

    def seconds(self, stamp: int) -> float:
        return stamp * self.base - self.zero


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[MediaFile]:
    """A file and its first stream of a kind. Whatever goes wrong inside is an UnreadableError."""
    file = MediaFile(path, kind)
    av = pyav()
    try:
        yield file
    except (InputError, UnreadableError, NoStreamError):
        raise
    except (av.FFmpegError, OSError, ValueError) as error:  # the last of names and side data that PyAV does not know
        raise UnreadableError(f"cannot decode it ({reason(error)})") from None
    finally:
        file.container.close()


def reason(error: Exception) -> str:
    """What went wrong in FFmpeg's words, without number and path."""
    return str(getattr(error, "strerror", None) or error)
