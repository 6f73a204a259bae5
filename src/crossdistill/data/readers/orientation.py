"""How a stored picture is to be shown: the matrix of its file, which turns and mirrors by right angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from crossdistill.data.readers.media import Box

if TYPE_CHECKING:
    from av import VideoFrame

Array = TypeVar("Array", bound=npt.NDArray[np.generic])


class Orientation(NamedTuple):
    """A stored picture is shown mirrored left to right, where `mirrored`, and then turned counter-clockwise by so many
    quarters."""

    quarters: int = 0
    mirrored: bool = False

    def turned(self, width: int, height: int) -> tuple[int, int]:
        """The width and height as shown of a picture that is stored so, and the other way round."""
        return (height, width) if self.quarters % 2 else (width, height)

    def shown(self, stored: Array, rows: int = 0) -> Array:
        """Stored pixels as they are shown; rows: the axis of the picture's rows, its columns' is the next."""
        if self.mirrored:
            stored = np.flip(stored, rows + 1)
        return np.rot90(stored, self.quarters, (rows, rows + 1)) if self.quarters else stored

    def stored(self, box: Box) -> Box:
        """Where a box of the picture as it is shown lies in the picture as it is stored."""
        for _ in range(self.quarters % 4):
            left, top, width, height = box
            box = (1 - top - height, left, height, width)
        left, top, width, height = box
        return (1 - left - width, top, width, height) if self.mirrored else box


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a frame is to be shown: as it is stored, where its file has no matrix.

    The matrix sends a stored point (x, y), y downwards, to (a x + c y, b x + d y). Any other angle or scale counts as
    the nearest of the eight cases.
    """
    kept: Any = frame.side_data
    matrix = next((bytes(data) for data in kept if data.type.name == "DISPLAYMATRIX"), b"")
    if len(matrix) < 36:
        return Orientation()
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(0 if d >= 0 else 2, mirrored=(a < 0) != (d < 0))
    # rows become columns: (x, y) -> (c y, b x)
    return Orientation(1 if c > 0 else 3, mirrored=(b < 0) == (c < 0))
