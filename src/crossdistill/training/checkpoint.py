"""One file from which a run continues as if it had never stopped."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from crossdistill.atomic import written_whole
from crossdistill.types import InputError, one_line

_MARK = b"\ncrossdistill checkpoint, sha256 "
_END = len(_MARK) + 2 * hashlib.sha256().digest_size
"""A file ends with the mark and the digest of all before it, which tells a flipped bit from a trained weight."""
_BLOCK = 1 << 20


INSIDE = ("steps", "asked", "seconds", "notes", "means", "randoms")
"""What is stored of an epoch that is not finished; see `EpochSoFar`."""

BEST = ("epoch", "score", "model")
"""What is stored of the best epoch so far; see `BestEpoch`."""


class UnreadableCheckpointError(InputError):
    """A file that is no checkpoint, or no longer the one that was written."""


@dataclass(frozen=True)
class Checkpoint:
    """The state after `epoch` finished epochs of the `stage`-th stage, or inside the one that follows.

    log: the lines of the run's log up to there, which are restored with it
    inside: what `EpochSoFar` stores of an epoch that is not finished, with its place in it and the random states;
        empty between epochs, for each starts from a seed of its own
    best: what `BestEpoch` stores of the epoch that was best so far; empty where none is chosen
    """

    stage: int
    epoch: int
    model: dict[str, Any]
    method: dict[str, Any]
    optimizers: dict[str, dict[str, Any]]
    log: tuple[str, ...] = ()
    inside: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        stage: int,
        epoch: int,
        model: nn.Module,
        method: nn.Module,
        optimizers: dict[str, dict[str, Any]],
        inside: Mapping[str, Any] = MappingProxyType({}),
    ) -> Checkpoint:
        """optimizers: their states by name, as of one process."""
        return Checkpoint(stage, epoch, model.state_dict(), method.state_dict(), optimizers, inside=dict(inside))

    @property
    def place(self) -> tuple[int, int, int]:
        """Stage, finished epochs of it, and steps of the next one."""
        return self.stage, self.epoch, int(self.inside.get("steps", 0))

    def restore(
        self,
        model: nn.Module,
        method: nn.Module,
        optimizers: Mapping[str, Optimizer],
        part_of: Callable[[Optimizer, dict[str, Any]], dict[str, Any]] = lambda optimizer, state: state,
    ) -> None:
        """Put the state into them. Raises InputError where its keys or shapes are not theirs.

        part_of: what of an optimiser's state this rank keeps
        """
        try:
            model.load_state_dict(self.model)
            method.load_state_dict(self.method)
            if self.optimizers.keys() != optimizers.keys():
                raise ValueError(f"optimizers of {', '.join(self.optimizers)}, not of {', '.join(optimizers)}")
            for name, optimizer in optimizers.items():
                _require_state(name, optimizer, self.optimizers[name])
                optimizer.load_state_dict(part_of(optimizer, self.optimizers[name]))
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = one_line(error)[:200]
            raise InputError(f"the checkpoint is of another model ({reason}); delete it to start over") from error

    def save(self, path: Path, previous: Path | None = None) -> None:
        """A kill at any moment leaves the old file or the new one.

        previous: the name under which the old file is kept when the new one takes its place. Raises InputError where
        the file cannot be written, on a full disk say; what was there stays.
        """
        try:
            with written_whole(path) as file:
                digest = hashlib.sha256()
                torch.save(vars(self), cast(BinaryIO, _Hashed(file, digest)))
                file.write(_MARK + digest.hexdigest().encode())
                if previous is not None:
                    _keep(path, previous)
        except (OSError, RuntimeError) as error:  # the second is torch.save's on a full disk
            reason = getattr(error, "strerror", None) or f"the disk may be full ({one_line(error)[:120]})"
            raise InputError(f"{path}: cannot write the checkpoint: {reason}; the run goes on with --resume") from error

    @staticmethod
    def load(path: Path) -> Checkpoint:
        """Raises UnreadableCheckpointError when the file is not a checkpoint, or not as it was written."""
        try:
            with path.open("rb") as file:
                _require_whole(file, path)
                file.seek(0)
                return _checked(torch.load(file, map_location="cpu", weights_only=True))  # what follows it is no matter
        except UnreadableCheckpointError:
            raise
        except OSError as error:
            raise UnreadableCheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
        except Exception as error:
            reason = one_line(error)[:120]
            raise UnreadableCheckpointError(
                f"{path}: not a readable checkpoint ({type(error).__name__}: {reason})"
            ) from error


def _require_whole(file: BinaryIO, path: Path) -> None:
    """Raise UnreadableCheckpointError unless the file ends with the digest of all before it."""
    left = max(0, file.seek(0, io.SEEK_END) - _END)
    file.seek(0)
    digest = hashlib.sha256()
    while left and (block := file.read(min(left, _BLOCK))):
        digest.update(block)
        left -= len(block)
    end = file.read()
    if not end.startswith(_MARK) or len(end) != _END:
        raise UnreadableCheckpointError(f"{path}: not a readable checkpoint (it does not end with its digest)")
    if end[len(_MARK) :] != digest.hexdigest().encode():
        raise UnreadableCheckpointError(f"{path}: damaged: its digest is not that of its content")


class _Hashed(io.RawIOBase):
    """A file to write to, whose content is hashed on its way."""

    def __init__(self, file: BinaryIO, digest: Any) -> None:
        self._file, self._digest = file, digest

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._digest.update(content)
        return self._file.write(content)

    def close(self) -> None:
        """Nothing: the file is its opener's to close."""


def _keep(path: Path, previous: Path) -> None:
    """Give the file a second name, under which it stays when another takes its place.

    At no moment is there none under the first name, unless the disk knows no second names.
    """
    if path.is_file():
        previous.unlink(missing_ok=True)
        try:
            previous.hardlink_to(path)
        except OSError:
            with suppress(FileNotFoundError):
                path.replace(previous)


def _checked(content: Any) -> Checkpoint:
    """The checkpoint of what a file holds. Raises ValueError where a part is missing or of another type."""
    expected = [each.name for each in fields(Checkpoint)]
    if isinstance(content, dict):
        content = {"inside": {}, "best": {}, **content}  # earlier ones have neither
    if not isinstance(content, dict) or content.keys() != set(expected):
        raise ValueError(f"expected {', '.join(expected)}")
    checkpoint = Checkpoint(**content)
    for name, kind in (("stage", int), ("epoch", int), ("log", tuple), ("inside", dict), ("best", dict)):
        if type(content[name]) is not kind:
            raise ValueError(f"{name}: expected {kind.__name__}, found {content[name]!r:.40}")
    inside = checkpoint.inside
    if checkpoint.stage < 0 or checkpoint.epoch < (0 if inside else 1):
        raise ValueError(f"expected a stage from 0 and an epoch from 1, found {checkpoint.stage}, {checkpoint.epoch}")
    if inside and (set(inside) != set(INSIDE) or type(inside["steps"]) is not int or inside["steps"] < 1):
        raise ValueError(f"inside: expected {', '.join(INSIDE)}, with a step from 1")
    if checkpoint.best and set(checkpoint.best) != set(BEST):
        raise ValueError(f"best: expected {', '.join(BEST)}, found {', '.join(map(str, checkpoint.best))}")
    if not all(isinstance(line, str) for line in checkpoint.log):
        raise ValueError("log: expected lines of text")
    return checkpoint


def _require_state(name: str, optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Raise ValueError where a state is not of this optimiser's parameters; `load_state_dict` only counts them."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for own, stored in zip(optimizer.param_groups, state["param_groups"], strict=True):
        if own.keys() != stored.keys():
            raise ValueError(f"{name}: expected the settings {', '.join(own)}, found {', '.join(stored)}")
    keys: set[str] = set()
    for number, values in state["state"].items():
        keys = keys or set(values)
        if set(values) != keys:
            raise ValueError(f"{name}: expected {', '.join(sorted(keys))}, found {', '.join(sorted(values))}")
        for key, value in values.items():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameters[number].shape:
                raise ValueError(
                    f"{name}: {key}: expected {tuple(parameters[number].shape)}, found {tuple(value.shape)}"
                )
