"""A model's files: config.json, which says what it is, and safetensors, whose digests tell that they are whole."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from crossdistill.atomic import written_whole
from crossdistill.data.folders import is_file, is_folder
from crossdistill.models.spec import ModelSpec
from crossdistill.plain import from_plain, to_plain
from crossdistill.plain_text import read_text
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.tasks import MEASURES
from crossdistill.types import InputError, cause, one_line

CONFIG, STUDENT, REST, RESULTS = "config.json", "student.safetensors", "rest.safetensors", "results.json"
_FORMAT = 1
"""Of config.json; a later version of the library that cannot read an earlier format says so."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write the tensors whole or not at all, readable by whom the umask lets, and return the file's digest."""
    # cloned: an encoder's tied weights share their memory, which a file cannot
    content = save(
        {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
    )
    with written_whole(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, digests: Mapping[str, str], most: int | None = None) -> dict[str, Tensor]:
    """The tensors in a file. Raises InputError where it is missing, damaged, or not the one that `digests` names.

    most: bytes that it may have, where the model is known
    """
    try:
        if most is not None and (size := path.stat().st_size) > most:
            raise InputError(f"{path}: does not fit {CONFIG}: expected at most {most:,} bytes, found {size:,}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from error
    if path.name not in digests:
        raise InputError(f"{path}: {RESULTS} and {CONFIG} have no digest of it, so it may be of another run")
    if hashlib.sha256(content).hexdigest() != digests[path.name]:
        raise InputError(f"{path}: damaged or exchanged: its digest is not the one that was kept; copy it again")
    try:
        return load(content)
    except Exception as error:  # what a damaged file raises depends on the damage
        raise InputError(f"{path}: not a file of tensors ({one_line(error)[:160]})") from error


def load_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy the state into the module. Raises InputError, naming the file, unless keys and shapes are the module's."""
    require_fitting(module, state, path)
    module.load_state_dict(state)


def require_fitting(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Raise InputError, naming the file, unless keys and shapes are the module's, which may have no memory yet."""
    own = module.state_dict()
    for key in [*own, *state]:
        before = tuple(own[key].shape) if key in own else "nothing"
        stored = tuple(state[key].shape) if key in state else "nothing"
        if before != stored:
            raise InputError(f"{path}: does not fit {CONFIG}: {key}: expected {before}, found {stored}")


def write_config(folder: Path, spec: ModelSpec, about: Mapping[str, Any]) -> None:
    """Write config.json: the format's version, the model, and whatever else `about` says of it, as plain values."""
    content = {"format": _FORMAT, "model": to_plain(spec), **to_plain(about)}
    text = json.dumps({**content, "digest": digest_of(content)}, indent=1, ensure_ascii=False)
    with written_whole(folder / CONFIG) as file:
        file.write(text.encode(errors="backslashreplace"))  # which is JSON's own escape of half a surrogate pair


def digest_of(content: Mapping[str, Any]) -> str:
    """What config.json keeps of itself, so that a change of anything in it is noticed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_config(folder: Path) -> tuple[ModelSpec, dict[str, Any]]:
    """The model's specification, and what else config.json says. Raises InputError where the folder has none."""
    path = folder / CONFIG
    if not is_file(path):
        raise InputError(_without_config(folder))
    content = read_json(path)
    if content.get("format") != _FORMAT:
        version = content.get("format")
        if version is None and "model" not in content:
            raise InputError(f"{path}: not of crossdistill: it has no format and no model")
        newer = "; update crossdistill" if isinstance(version, int) and version > _FORMAT else ", so it is damaged"
        raise InputError(f"{path}: expected format {_FORMAT}, found {version!r}{newer}")
    if content.pop("digest", None) != digest_of(content):
        raise InputError(f"{path}: damaged or edited: its digest is not that of its content; copy it again")
    spec = from_plain(ModelSpec, content.pop("model", None), f"{path}: model")
    for name in (*spec.target, *spec.auxiliary):
        if name not in spec.inputs or name not in spec.encoders:
            raise InputError(f"{path}: model: expected inputs and encoders to have {name}")
        spec.inputs[name].check(f"{path}: model.inputs.{name}")
    require_above_zero({"width": spec.width, "classes": len(spec.classes)}, f"{path}: model.")
    require_at_least_zero({"windows": spec.windows}, f"{path}: model.")
    numbers = len(spec.classes) if spec.task == "regression" else 0
    if not len(spec.label_mean) == len(spec.label_deviation) == numbers:
        raise InputError(f"{path}: model: expected {numbers} label_mean and label_deviation")
    if not all(map(math.isfinite, spec.label_mean)) or not all(0 < d < math.inf for d in spec.label_deviation):
        raise InputError(f"{path}: model: expected finite label_mean, and label_deviation above 0")
    require_probability({"dropout": spec.dropout}, f"{path}: model.")
    return spec, content


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises InputError, naming the file."""
    try:
        content = json.loads(read_text(path))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {cause(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({one_line(error)[:160]})") from error
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
    digests = {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}
    kept = digests.pop(CONFIG, None)
    if kept is not None and kept != read_json(folder / CONFIG).get("digest"):
        raise InputError(f"{folder / CONFIG}: of another run than {RESULTS} and the weights; copy this run's own")
    return digests


def measured_of(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run measured of its student and teacher, as the config.json of a saved student keeps it: split, seed, and
    for each view that was measured its task's measures (`MEASURES`), those of each number, and `samples`; nothing
    where nothing was."""
    if "files" in config or not (folder / RESULTS).is_file():
        return dict(config["measured"]) if isinstance(config.get("measured"), Mapping) else {}
    results = read_json(folder / RESULTS)
    scores = {view: results[view] for view in ("student", "teacher") if isinstance(results.get(view), Mapping)}
    keys = [measure.key for measures in MEASURES.values() for measure in measures]
    keys += ["per_number", "per_number_rmse", "per_number_mae"]
    views = {
        view: {**{key: found[key] for key in keys if found.get(key) is not None}, "samples": found["measured"]}
        for view, found in scores.items()
        if found.get("measured")
    }
    return {"split": results.get("split"), "seed": results.get("seed"), **views} if views else {}


def most_bytes(tensors: Mapping[str, Tensor]) -> int:
    """How large a file of such tensors can be, its header included."""
    return sum(tensor.numel() * tensor.element_size() + 1024 for tensor in tensors.values()) + (1 << 16)


def _without_config(folder: Path) -> str:
    if is_file(folder):
        return f"{folder}: expected the folder of a run or of a saved student, found a file"
    if not is_folder(folder):
        return f"{str(folder)[:200]}: no such folder"
    if (folder / "model.safetensors").is_file() and (folder / "recipe.yaml").is_file():
        return (
            f"{folder}: a run of crossdistill 0.1, whose folder does not say what its inputs are; "
            f"`crossdistill train {folder / 'recipe.yaml'} --out NEW` repeats it in the present format, and `run` does "
            "from Python where its data were arrays"
        )
    return f"{folder}: neither a run nor a saved student (no {CONFIG})"
