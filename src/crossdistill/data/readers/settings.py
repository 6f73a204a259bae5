"""What is taken from a media file: the typed settings of a recipe that the readers read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from crossdistill.requirements import require_above_zero, require_at_least_zero
from crossdistill.types import InputError

_OF_PICTURES = ("size", "resize", "least_area", "mirror", "mean", "std")
OF_16_BITS = (0, 65535)
"""The levels of pictures that use all of their 16 bits."""
_READ = {
    "video": ("frames", "stride", "fps", "last_window", *_OF_PICTURES),
    "picture": (*_OF_PICTURES, "levels"),
    "audio": ("rate", "seconds", "last_window"),
    "text": ("tokenizer", "max_tokens"),
    "array": (),
}
"""Kind of samples -> the settings that reading them looks at."""


@dataclass(frozen=True)
class ReaderSettings:
    """How a modality's files are read; each kind of file has its own part of these. Kinetics-400's mean and std.

    Args:
        frames: of a video clip, T
        stride: from one frame of a clip to the next, in frames of the file, where fps is 0
        fps: frames a second of a clip, whatever the file has; 0 takes the file's own and the stride
        size: height and width of the frames that come out
        resize: short side to which a frame is scaled in evaluation, before its centre of `size` is taken
        least_area: of the random crop in training, as a part of the frame, up to all of it
        mirror: turn half of the training clips left to right
        mean: of red, green and blue in [0, 1], subtracted
        std: of red, green and blue in [0, 1], divided by
        last_window: of what is longer than a clip, in evaluation: `inside` spreads as many windows as fit evenly from
            the first frame to the last; `looped` puts one right after the other and loops what is left over at the end
        rate: samples a second of sound; 32000 for Cnn14, 16000 for wav2vec 2.0
        seconds: of sound, drawn at random in training and from the middle in evaluation; 0 takes all, of any length
        tokenizer: folder or hub id of a Hugging Face tokenizer, for text; without one a text is 1,024 counts of letters
        max_tokens: of a text; what is longer is cut
        levels: of grey pictures of 16 bits, such as depths, the numbers that are black and white; what is beyond is cut
            off. Other levels than all of the range are read from the files, not from a cache
    """

    frames: int = 16
    stride: int = 1
    fps: float = 0.0
    size: int = 112
    resize: int = 128
    least_area: float = 0.25
    mirror: bool = True
    mean: tuple[float, float, float] = (0.43216, 0.394666, 0.37645)
    std: tuple[float, float, float] = (0.22803, 0.22145, 0.216989)
    last_window: Literal["inside", "looped"] = "inside"
    rate: int = 32000
    seconds: float = 0.0
    tokenizer: str = ""
    max_tokens: int = 512
    levels: tuple[int, int] = OF_16_BITS

    def unread(self, kind: Literal["array", "video", "audio", "picture", "text"]) -> list[str]:
        """The settings that are not the defaults, and have no effect on samples of this kind."""
        chosen = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        return [name for name in chosen if name not in _READ[kind]]

    def check(self, place: str) -> None:
        """Raise InputError, naming `place` and the field, for a number that no clip can have."""
        sizes: dict[str, float] = {
            "frames": self.frames,
            "stride": self.stride,
            "size": self.size,
            "resize": self.resize,
            "least_area": self.least_area,
            "std": min(self.std),
            "rate": self.rate,
            "max_tokens": self.max_tokens,
        }
        require_above_zero(sizes, place)
        require_at_least_zero({"fps": self.fps, "seconds": self.seconds}, place)
        if self.least_area > 1:
            raise InputError(f"{place}least_area: expected at most 1, found {self.least_area}")
        black, white = self.levels
        if not 0 <= black < white <= OF_16_BITS[1]:
            raise InputError(
                f"{place}levels: expected two numbers from 0 to 65535, black below white, found {black}, {white}"
            )
        if self.resize < self.size:
            raise InputError(f"{place}resize: expected at least size {self.size}, found {self.resize}")
