"""A model's files: config.json, which says what it is, and safetensors, whose digests tell that they are whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from crossdistill.atomic import written_whole
from crossdistill.models.spec import ModelSpec
from crossdistill.plain import from_plain, to_plain
from crossdistill.types import InputError

CONFIG, STUDENT, REST, RESULTS = "config.json", "student.safetensors", "rest.safetensors", "results.json"
_FORMAT = 1
"""Of config.json; a later version of the library that cannot read an earlier format says so."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write the tensors whole or not at all, readable by whom the umask lets, and return the file's digest."""
    content = save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
    with written_whole(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, digests: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors in a file. Raises InputError where it is missing, damaged, or not the one that `digests` names."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from error
    if path.name not in digests:
        raise InputError(f"{path}: {RESULTS} and {CONFIG} have no digest of it, so it may be of another run")
    if hashlib.sha256(content).hexdigest() != digests[path.name]:
        raise InputError(f"{path}: damaged or exchanged: its digest is not the one that was kept; copy it again")
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a file of tensors ({' '.join(str(error).split())[:160]})") from error


def load_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy the state into the module. Raises InputError, naming the file, unless keys and shapes are the module's."""
    own = module.state_dict()
    for key in [*own, *state]:
        before = tuple(own[key].shape) if key in own else "nothing"
        stored = tuple(state[key].shape) if key in state else "nothing"
        if before != stored:
            raise InputError(f"{path}: does not fit {CONFIG}: {key}: expected {before}, found {stored}")
    module.load_state_dict(state)


def write_config(folder: Path, spec: ModelSpec, about: Mapping[str, Any]) -> None:
    """Write config.json: the format's version, the model, and whatever else `about` says of it, as plain values."""
    content = {"format": _FORMAT, "model": to_plain(spec), **to_plain(about)}
    with written_whole(folder / CONFIG) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())


def read_config(folder: Path) -> tuple[ModelSpec, dict[str, Any]]:
    """The model's specification, and what else config.json says. Raises InputError where the folder has none."""
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(_without_config(folder))
    content = read_json(path)
    if content.get("format") != _FORMAT:
        raise InputError(f"{path}: expected format {_FORMAT}, found {content.get('format')!r}; update crossdistill")
    spec = from_plain(ModelSpec, content.pop("model", None), f"{path}: model")
    for name in (*spec.target, *spec.auxiliary):
        if name not in spec.inputs or name not in spec.encoders:
            raise InputError(f"{path}: model: expected inputs and encoders to have {name}")
    return spec, content


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises InputError, naming the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({' '.join(str(error).split())[:160]})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def digests_of(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """File name -> digest: from results.json of a finished run, or from config.json of a student that was saved alone.

    Raises InputError where the folder holds a run that is not finished.
    """
    holder = config if "files" in config else read_json(folder / RESULTS) if (folder / RESULTS).is_file() else None
    if holder is None:
        raise InputError(f"{folder}: not a finished run (no {RESULTS}); continue it with --resume")
    files = holder.get("files")
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def _without_config(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: no such folder"
    if (folder / "model.safetensors").is_file() and (folder / "recipe.yaml").is_file():
        return (
            f"{folder}: a run of crossdistill 0.1, whose folder does not say what its inputs are; "
            f"`crossdistill train {folder / 'recipe.yaml'} --out NEW` repeats it in the present format, and `run` does "
            "from Python where its data were arrays"
        )
    return f"{folder}: neither a run nor a saved student (no {CONFIG})"
