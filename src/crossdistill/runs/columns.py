"""What a column's samples are, for the encoder that `auto` stands for."""

from __future__ import annotations

from torch import nn

from crossdistill.data.columns import Column
from crossdistill.data.readers import AudioReader, MediaColumn, TextColumn
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError


def automatic(column: Column) -> str:
    """The kind that `auto` stands for: by what the column's cells hold, or the shape of its arrays."""
    shape = column.shape
    if isinstance(content_of(column), TextColumn):
        return "pretrained"
    if sound_reader(column) is not None:
        return "cnn14"
    if len(shape) == 4 and shape[0] == 3:
        return "r2plus1d"
    return "mlp" if len(shape) == 1 else "conv"


def sound_reader(column: Column) -> AudioReader | None:
    """What reads a column of sound files; None for any other column."""
    inner = content_of(column)
    return inner.reader if isinstance(inner, MediaColumn) and isinstance(inner.reader, AudioReader) else None


def require_rate(name: str, column: Column, encoder: nn.Module) -> None:
    """Raise InputError when sound is read at another rate than the encoder takes it for."""
    reader, expected = sound_reader(column), getattr(encoder, "sample_rate", None)
    if reader is not None and expected is not None and reader.settings.rate != expected:
        found = reader.settings.rate
        raise InputError(f"data.readers.{name}.rate: the encoder takes sound at {expected} Hz, found {found}")
