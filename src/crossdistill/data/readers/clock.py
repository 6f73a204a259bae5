"""When a stream begins and really ends, on its file's clock: what headers say is compared with the last packets."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from crossdistill.data.readers.opening import COUNTED, TICK, Kind, MediaFile, opened

_FASTEST = 240
"""Frames a second that a header is believed: browsers' WebM says none, for which FFmpeg puts the clock's 1000."""
_LEAP = 3600.0
"""Seconds beyond twice what the header declares that no end is believed."""
_PROBED = 100
"""Packets whose times tell how long a frame is shown where the header does not."""
_TAIL = 17
"""Packets at the end, one of which is shown last: codecs reorder at most 16."""

_WITHOUT_LENGTH = frozenset(COUNTED) - {"flac", "wav"} | {"mpeg", "mpegts"}
"""Formats whose files do not say how long they are: FFmpeg guesses from size and bit rate, or from some packets."""
_ABSOLUTE = ("matroska", "flv")
"""Formats whose length is the time of the end, from the 0 of their time stamps, which need not be where they begin."""


class Timing(NamedTuple):
    """When a stream is shown or heard, in seconds on its file's clock (see `MediaFile`).

    first: where it begins; last: where its last packet begins; end: where it really ends; frame: how long a frame is
    shown, on average, 0 of sound
    promised: the end that the header declares, where it is later than everything in the file, else 0
    declared: the end that the header declares of this stream, where it is earlier than its packets', else 0
    """

    first: float
    last: float
    end: float
    frame: float
    promised: float
    declared: float


_known: dict[tuple[Path, int, int, Kind], Timing] = {}
_KEPT = 200_000


def timing_at(path: Path, kind: Kind) -> Timing:
    """The timing of a file that need not be opened if it is known. Raises UnreadableError or NoStreamError."""
    if path.exists() and (key := _key(path, kind)) in _known:
        return _known[key]
    with opened(path, kind) as file:
        return timing_of(file)


def _key(path: Path, kind: Kind) -> tuple[Path, int, int, Kind]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns, kind


def timing_of(file: MediaFile) -> Timing:
    """A file's timing, measured once by each process while the file stays as it is. It may leave the file's place."""
    key = _key(file.path, file.kind)
    if key not in _known:
        if len(_known) >= _KEPT:
            _known.clear()
        _known[key] = _measured(file)
    return _known[key]


def is_early(end: float, declared: float) -> bool:
    """Whether a stream's end is damage: containers may declare their longest stream's, so a little less is none."""
    return end + max(0.5, 0.05 * declared) < declared


def early(end: float, promised: float) -> str:
    """How it is said that a file ends early."""
    return f"ends after {end:.2f} of {promised:.2f} seconds"


def declared_seconds(file: MediaFile) -> float:
    """How long the header says that the stream, or else the file, is; 0 where it says nothing."""
    return _declared(file)[0]


def _measured(file: MediaFile) -> Timing:
    frame = _frame(file) if file.kind == "video" else 0.0
    declared, of_stream = _declared(file)
    first = file.first
    if file.by_order and len(file.stream.index_entries):  # AVI says 0 whatever comes first
        first = max(0.0, file.seconds(file.stream.index_entries[0].timestamp))
    ends = _ends(file, declared, frame)
    own = ends.get(file.stream.index)
    if own is None:
        return Timing(first, first, 0.0, frame, declared, 0.0)
    last, end = own
    if 0 < (said := declared or (file.container.duration or 0) / 1e6) < end / 2 - _LEAP:  # a time stamp is damaged
        last = end = said
    shorter = declared if of_stream and is_early(declared, end) else 0.0
    count = max(file.stream.frames, len(file.stream.index_entries))
    if shorter and file.kind == "video" and count > 1:  # then so is the mean that was computed from it
        frame = max((last - first) / (count - 1), 1 / _FASTEST)
        end = max(end, last + frame)
    off = first + round((last - first) / frame) * frame - last if frame else 0.0
    if abs(off) <= TICK:  # time stamps in milliseconds: a whole number of frames is one
        last, end = last + off, end + off
    there = end if of_stream else max(end for _, end in ends.values())
    return Timing(first, last, end, frame, declared if is_early(there, declared) else 0.0, shorter)


def _declared(file: MediaFile) -> tuple[float, bool]:
    """The end in seconds that the header declares, 0 for nothing; and whether it is this stream's or the file's."""
    stream, container = file.stream, file.container
    name = container.format.name.split(",")[0]
    if name in _WITHOUT_LENGTH and not (name == "mp3" and _counts_frames(file.path)):
        return 0.0, False
    if stream.duration and stream.time_base:
        return file.first + float(stream.duration * stream.time_base), True
    zero = max(0.0, file.zero) if name in _ABSOLUTE else 0.0
    if tag := re.fullmatch(r"(\d{1,6}):(\d{1,6}):(\d{1,6}(?:\.\d+)?)", stream.metadata.get("DURATION", "")):  # Matroska
        return max(0.0, 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3]) - zero), True
    return max(0.0, (container.duration or 0) / 1e6 - zero), False


def _counts_frames(path: Path) -> bool:
    """Whether an MP3 file has the header that counts its frames."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:  # its size has seven bits in each byte
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 127
            file.seek(10 + size)
        else:
            file.seek(0)
        start = file.read(4096)
    return any(word in start for word in (b"Xing", b"Info", b"VBRI"))


def _frame(file: MediaFile) -> float:
    """Mean seconds from one frame to the next: of the header, else of the file's first frames."""
    rate = file.stream.average_rate
    if rate and rate <= _FASTEST:
        return 1 / float(rate)
    file.restart()
    shown = (file.time(packet) for packet in islice(file.packets(), _PROBED) if not packet.is_corrupt)
    times = sorted({time for time in shown if time is not None})
    if len(times) > _PROBED // 2:
        times = times[:-_TAIL]  # between the last ones there may be others, further on in the file
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.04


Ends = dict[int, tuple[float, float]]
"""By number of the stream: where its last packet begins and ends."""


def _ends(file: MediaFile, declared: float, frame: float) -> Ends:
    """Where this stream ends, and others that are met beside it near the file's end."""
    entries = file.stream.index_entries
    if 0 < file.stream.frames == len(entries):  # every packet's place is known
        if file.seek_stamp(entries[max(0, len(entries) - _TAIL)].timestamp, any_frame=True):
            ends, count = _read_on(file, frame)
            if count:
                return ends
    elif declared or file.container.format.name == "mpegts":
        guess = max(declared, (file.container.duration or 0) / 1e6)
        for back in (_TAIL * max(frame, 0.04), 10.0):
            if guess > back and file.seek(file.first + guess - back):
                ends, count = _read_on(file, frame)
                if count >= _TAIL:
                    return ends
    file.restart()
    return _read_on(file, frame)[0]


def _read_on(file: MediaFile, frame: float) -> tuple[Ends, int]:
    """Where the streams of the packets from here on end; and how many packets of this stream there are."""
    ends: Ends = {}
    count = 0
    streams = [file.stream] if file.stream.duration else file.heard_or_seen()
    reordered = bool(getattr(file.stream.codec_context, "has_b_frames", 0))
    for packet in file.packets(*streams):
        cut = packet.is_corrupt and file.kind == "video"  # of sound, what there is can be heard
        if cut or packet.is_discard or packet.size == 0:
            continue
        own = packet.stream_index == file.stream.index
        time = file.time(packet) if own else _time(packet, file.zero)
        if time is None:
            continue
        length = float((packet.duration or 0) * (packet.time_base or 0))
        if own and file.kind == "video":  # a packet's length is the time to the next one in the file
            length = frame if reordered else max(length, frame)
        last, end = ends.get(packet.stream_index, (time, time))
        ends[packet.stream_index] = max(last, time), max(end, time + length)
        count += own
    return ends, count


def _time(packet: Any, zero: float) -> float | None:
    stamp = packet.dts if packet.pts is None else packet.pts
    return None if stamp is None else float(stamp * packet.time_base) - zero
