"""What a finished run's folder holds of its model."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


def model_state(folder: Path) -> dict[str, Tensor]:
    """The whole model's state, of both files."""
    student = folder / "student.safetensors"
    rest = load_file(folder / "rest.safetensors")
    state = load_file(student) if student.is_file() else {}
    return state | {key.removeprefix("model."): value for key, value in rest.items() if key.startswith("model.")}


def model_bytes(folder: Path) -> bytes:
    """Both files, one after the other."""
    files = [folder / "student.safetensors", folder / "rest.safetensors"]
    return b"".join(path.read_bytes() for path in files if path.is_file())
