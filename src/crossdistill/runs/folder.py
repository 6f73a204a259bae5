"""What a run's folder holds, and how it is written so that a kill at any moment loses nothing that was done."""

from __future__ import annotations

from pathlib import Path

from crossdistill.atomic import write_atomically
from crossdistill.data.folders import require_place
from crossdistill.models.storage import RESULTS as RESULTS
from crossdistill.plain_text import read_text
from crossdistill.plain_yaml import read_yaml
from crossdistill.recipes.files import leaves, load_recipe, to_yaml
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.lock import LOCK
from crossdistill.types import InputError, cause

RECIPE, METRICS = "recipe.yaml", "metrics.jsonl"
NOTES, WARNINGS = "notes.txt", "warnings.txt"
"""A line for each thing that went wrong in reading; for each that the run's numbers hide."""
CHECKPOINT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
"""From which a run goes on: the newest, and the one before it, for when the newest is damaged."""
TEACHERS = "teachers"
"""The folder, in a run's own, of its cross-fitted teachers' runs and of what they say."""


def require_usable(recipe: Recipe, folder: Path, resume: bool) -> None:
    """Raise InputError when the folder holds a run that this one would overwrite, or anything else."""
    stored = folder / RECIPE
    if not stored.exists():
        require_place(folder, expected="a folder for the run")
        if folder.exists() and any(path.name != LOCK and path.suffix != ".partial" for path in folder.iterdir()):
            raise InputError(f"{folder}: expected a new or empty folder, or a run to --resume; it holds other files")
        return
    if not resume:
        raise InputError(f"{folder}: already holds a run; continue it with --resume or choose another --out")
    _require_same(recipe, folder)


def _require_same(recipe: Recipe, folder: Path) -> None:
    """Raise InputError where the folder's run has another recipe; fields that came since then have their defaults."""
    now = to_yaml(recipe)
    if _read_text(folder / RECIPE) == now or (earlier := to_yaml(read_recipe(folder))) == now:
        return
    raise InputError(
        f"{folder / RECIPE}: the run to resume has another recipe (first difference: {_difference(earlier, now)}); ask "
        "for the same, or choose another --out"
    )


def _difference(earlier: str, now: str) -> str:
    """What the folder's recipe has and what was asked for instead, of the first field that differs."""
    there, asked = (dict(leaves(read_yaml(text))) for text in (earlier, now))
    for name in {**there, **asked}:
        has, found = (repr(values[name]) if name in values else "nothing" for values in (there, asked))
        if has != found:
            return f"{name}: the folder's run has {has}, found {found}"
    return "the order of its fields"


def _read_text(path: Path) -> str:
    """Raise InputError where the file cannot be read as text."""
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({cause(error)[:160]})") from error


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Make the folder this recipe's."""
    if not (folder / RECIPE).exists():
        write_atomically(folder / RECIPE, to_yaml(recipe))


def is_finished(folder: Path) -> bool:
    return (folder / RESULTS).is_file()


def read_recipe(folder: Path) -> Recipe:
    if not (folder / RECIPE).is_file():
        raise InputError(f"{folder}: not a run folder (no {RECIPE})")
    return load_recipe(str(folder / RECIPE))
