"""What a run's folder holds, and how it is written so that a kill at any moment loses nothing that was done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crossdistill.atomic import write_atomically
from crossdistill.models.storage import RESULTS as RESULTS
from crossdistill.plain import without_nan
from crossdistill.recipes.files import load_recipe, to_yaml
from crossdistill.recipes.recipe import Recipe
from crossdistill.training import Checkpoint, Record
from crossdistill.types import InputError, Note

RECIPE, METRICS, CHECKPOINT = "recipe.yaml", "metrics.jsonl", "checkpoint.pt"
NOTES = "notes.txt"


def require_usable(recipe: Recipe, folder: Path, resume: bool) -> None:
    """Raise InputError when the folder holds a run that this one would overwrite, or anything else."""
    stored = folder / RECIPE
    if not stored.exists():
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: expected a folder for the run, found a file; choose another --out")
        if folder.exists() and any(not path.name.endswith(".partial") for path in folder.iterdir()):
            raise InputError(f"{folder}: expected a new or empty folder, or a run to --resume; it holds other files")
        return
    if not resume:
        raise InputError(f"{folder}: already holds a run; continue it with --resume or choose another --out")
    text = _read_text(stored)
    if text != to_yaml(recipe):
        earlier, now = text.splitlines(), to_yaml(recipe).splitlines()
        changed = next((b for a, b in zip(earlier, now, strict=False) if a != b), now[-1])
        raise InputError(
            f"{stored}: the run to resume has another recipe (first difference: {changed.strip()!r}); "
            "choose another --out"
        )


def _read_text(path: Path) -> str:
    """Raise InputError where the file cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({' '.join(str(error).split())[:160]})") from error


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Make the folder this recipe's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / RECIPE).exists():
            write_atomically(folder / RECIPE, to_yaml(recipe))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def is_finished(folder: Path) -> bool:
    return (folder / RESULTS).is_file()


def read_recipe(folder: Path) -> Recipe:
    if not (folder / RECIPE).is_file():
        raise InputError(f"{folder}: not a run folder (no {RECIPE})")
    return load_recipe(str(folder / RECIPE))


class RunLog:
    """A training's log in its folder: metrics.jsonl, a line an epoch, and what listens to it; notes.txt, a line for
    each thing that went wrong in reading; the checkpoint.

    writes: whether this process is the one of several that writes.
    """

    def __init__(self, folder: Path, recipe: Recipe, observe: Any, writes: bool = True) -> None:
        self.folder, self.observe = folder, observe
        self._writes = writes
        self._tensorboard = recipe.tensorboard

    def checkpoint(self) -> Checkpoint | None:
        path = self.folder / CHECKPOINT
        return Checkpoint.load(path) if path.is_file() else None

    def save(self, take: Callable[[], Checkpoint]) -> None:
        take().save(self.folder / CHECKPOINT)

    def keep(self, epochs: int) -> None:
        """Drop the lines after the first `epochs`: epochs that a resumed run does again."""
        path = self.folder / METRICS
        if path.is_file():
            lines = _read_text(path).splitlines(keepends=True)
            write_atomically(path, "".join(lines[:epochs]))

    def write(self, record: Record) -> None:
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(without_nan(record), allow_nan=False) + "\n")
        if self._tensorboard:
            _write_events(self.folder, record)
        self.observe(record)

    def note(self, notes: Sequence[Note]) -> None:
        """Write what is not there yet; a file that goes wrong in every epoch is one line."""
        if not self._writes or not notes:
            return
        path = self.folder / NOTES
        known = set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()
        new = [text for text in dict.fromkeys(note.text for note in notes) if text not in known]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{text}\n" for text in new)

    def seconds(self) -> float:
        """Training time of all epochs, measuring and saving left out."""
        path = self.folder / METRICS
        try:
            return float(sum(json.loads(line)["seconds"] for line in _read_text(path).splitlines()))
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: expected a JSON object with `seconds` in each line ({error})") from error


def _write_events(folder: Path, record: Record) -> None:
    """The same numbers as TensorBoard events, one series of runs a stage."""
    from torch.utils.tensorboard import SummaryWriter  # slow to import, so only when it is asked for

    with SummaryWriter(str(folder / "tensorboard" / str(record["stage"]))) as writer:
        for name, value in record.items():
            if name not in ("stage", "epoch"):
                writer.add_scalar(name, float(value), int(record["epoch"]))
