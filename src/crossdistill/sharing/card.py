"""The model card: what a student predicts from what, how it was made, what was measured, what nobody knows of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossdistill.data.inputs import InputSpec
from crossdistill.evaluation import wilson_interval
from crossdistill.models.spec import ModelSpec
from crossdistill.tasks import measures_of
from crossdistill.types import TaskKind

CARD = "README.md"

_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "mpl-2.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nd-4.0", "cc-by-nc-nd-4.0", "odc-by", "odbl", "pddl", "unlicense", "openrail", "artistic-2.0", "zlib"),
)
"""What the Hub calls licences; any other is `other`, with its name beside it."""

_CLASSIFICATION = {
    "video": "video-classification",
    "audio": "audio-classification",
    "picture": "image-classification",
    "text": "text-classification",
}
_SAMPLES = {
    "video": '["new.mp4", "other.mp4"]',
    "audio": '["new.wav", "other.wav"]',
    "picture": '["new.jpg", "other.jpg"]',
    "text": '["a text", "another one"]',
}
_METRICS = {
    "top1": "accuracy",
    "map": "mean_average_precision",
    "micro_f1": "f1",
    "r2": "r_squared",
    "rmse": "rmse",
    "mae": "mae",
}
"""Measure -> what the Hub calls it."""

_MOST_NAMES = 50
"""Of classes, labels or numbers, that the card names; config.json has them all."""

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Origin:
    """What the card says that no run knows.

    repository: `owner/name` on the Hub, "" for a folder; licence: of the student, "" for its data's
    datasets: names of data sets on the Hub that it was trained on
    """

    repository: str = ""
    licence: str = ""
    datasets: Sequence[str] = ()


def card(spec: ModelSpec, about: Mapping[str, Any], origin: Origin) -> str:
    """The text of the card: what the Hub sorts by, as YAML, and what people read, as Markdown.

    about: what config.json says beside the model. Numbers are those that the run measured, and none where it measured
    nothing.
    """
    import yaml  # what predicts does without

    head = yaml.safe_dump(_metadata(spec, about, origin), sort_keys=False, allow_unicode=True)
    measured = _measured(spec, about)
    parts = (_what(spec, about), _training(about), measured, _use(spec, origin), _limits(spec.task, about, origin))
    return f"---\n{head}---\n\n" + "\n\n".join(parts) + "\n"


def _metadata(spec: ModelSpec, about: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    found: dict[str, Any] = {"library_name": "crossdistill"}
    licence = origin.licence or _text(about, "data", "licence")
    if licence.lower() in _LICENCES:
        found["license"] = licence.lower()
    elif licence and licence != NOT_STATED:
        found |= {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")}
    if task := _task(spec):
        found["pipeline_tag"] = task
    if origin.datasets:
        found["datasets"] = list(origin.datasets)
    found["tags"] = ["knowledge-distillation", "cross-modal", *([method] if (method := _text(about, "method")) else [])]
    values = _values(spec, about, "student")
    metrics = [{"type": _METRICS[key], "value": round(values[key], 4)} for key in _METRICS if key in values]
    if metrics:
        data = _text(about, "data", "name") or "unknown"
        measured = {
            "task": {"type": task or "other"},
            "dataset": {"name": data, "type": data, "split": _text(about, "measured", "split")},
            "metrics": metrics,
        }
        found["metrics"] = [metric["type"] for metric in metrics]
        found["model-index"] = [{"name": _name(about), "results": [measured]}]
    return found


def _task(spec: ModelSpec) -> str:
    """The Hub's name of the task, where it has one for what is predicted from."""
    kinds = {spec.inputs[name].kind for name in spec.target}
    if len(kinds) > 1:
        return ""
    if kinds == {"array"}:
        is_table = all(len(spec.inputs[name].shape) == 1 for name in spec.target)
        numbers_or_classes = "regression" if spec.task == "regression" else "classification"
        return f"tabular-{numbers_or_classes}" if is_table else ""
    return "" if spec.task == "regression" else _CLASSIFICATION[kinds.pop()]


def _what(spec: ModelSpec, about: Mapping[str, Any]) -> str:
    named = ", ".join(_inline(name) for name in spec.classes[:_MOST_NAMES])
    if len(spec.classes) > _MOST_NAMES:
        named += f" and {len(spec.classes) - _MOST_NAMES:,} more, which config.json names"
    count = f"{len(spec.classes):,}"
    said = {
        "classification": f"Tells {count} classes apart",
        "multilabel": f"Says which of {count} labels a sample has, any number of them",
        "regression": f"Predicts {count} numbers" if len(spec.classes) > 1 else "Predicts a number",
    }
    lines = [f"| {_inline(name)} | {spec.inputs[name]} |" for name in spec.target]
    return "\n".join(
        [
            f"# {_inline(_name(about))}",
            "",
            f"{said[spec.task]}: {named}.",
            "",
            "| input | what a sample is |",
            "|---|---|",
            *lines,
        ]
    )


def _training(about: Mapping[str, Any]) -> str:
    helped = "Which modalities training had beside these is not known here."
    if isinstance(about.get("auxiliary"), list | tuple):
        auxiliary = _listed(about["auxiliary"])
        helped = f"In training it had the help of {auxiliary}, which it does not need to predict."
        if not auxiliary:
            helped = "It was trained without the help of other modalities."
    method, data = _inline(_text(about, "method") or NOT_STATED), _inline(_text(about, "data", "name") or NOT_STATED)
    licence = _inline(_text(about, "data", "licence") or NOT_STATED)
    version = _inline(_text(about, "versions", "crossdistill") or NOT_STATED)
    counts = {key: _whole(_at(about, "data", "samples", key)) for key in ("train", "labelled")}
    samples = f", {counts['train']:,} training samples" if counts["train"] else ""
    samples += f", of which {counts['labelled']:,} had a label" if counts["labelled"] else ""
    return (
        f"## How it was trained\n\n{helped}\n\n- data: {data}{samples}; licence: {licence}\n"
        f"- method: {method}, by crossdistill {version}"
    )


def _measured(spec: ModelSpec, about: Mapping[str, Any]) -> str:
    task = spec.task
    result = "accuracy" if task == "classification" else "result"
    views = [name for name in ("student", "teacher") if _values(spec, about, name)]
    if "student" not in views:
        return f"## What was measured\n\nNothing: no {result} of this student is known here."
    split, seed = _inline(_text(about, "measured", "split")), _whole(_at(about, "measured", "seed"))
    of_seed = "" if seed is None else f", seed {seed}"
    if task == "classification":
        rows = _accuracies(about, views, split)
        says = (
            f"Of one run{of_seed}. The interval is Wilson's, of a share of so many samples that are taken as "
            "independent;\nwhat another seed, or samples of another origin, would give may lie outside."
        )
    else:
        rows = [*_measures(spec, about, views, split), *_numbers(spec, about)]
        says = f"Of one run{of_seed}; another seed, or samples of another origin, would give other numbers."
    lines = ["## What was measured", "", *rows, "", says]
    if "teacher" in views:
        lines.append("The teacher saw the auxiliary modalities as well; it is not in these files.")
    return "\n".join(lines)


def _accuracies(about: Mapping[str, Any], views: Sequence[str], split: str) -> list[str]:
    head = [f"| | accuracy | right of the {split} samples | 95 % interval |", "|---|---|---|---|"]
    shares = {name: view for name in views if (view := _view(about, name)) is not None}
    return [*head, *(_row(name, right, samples) for name, (right, samples) in shares.items())]


def _measures(spec: ModelSpec, about: Mapping[str, Any], views: Sequence[str], split: str) -> list[str]:
    """Of labels or numbers: every measure of theirs, which have no interval by themselves."""
    student = _values(spec, about, "student")
    measures = [measure for measure in measures_of(spec.task, len(spec.classes)) if measure.key in student]
    rows = [
        f"| | {' | '.join(measure.name for measure in measures)} | {split} samples |",
        f"|---|{'---|' * len(measures)}---|",
    ]
    for name in views:
        values = _values(spec, about, name)
        shown = [measure.shown(values[measure.key]) if measure.key in values else "–" for measure in measures]
        rows.append(f"| {name} | {' | '.join(shown)} | {_whole(_at(about, 'measured', name, 'samples')):,} |")
    return rows


def _numbers(spec: ModelSpec, about: Mapping[str, Any]) -> list[str]:
    """Of several numbers the student's errors on each, in its own unit; nothing where the run does not say them."""
    columns = [_at(about, "measured", "student", key) for key in ("per_number_rmse", "per_number_mae")]
    names = spec.classes
    if spec.task != "regression" or len(names) == 1:
        return []
    if not all(isinstance(column, list | tuple) and len(column) == len(names) for column in columns):
        return []
    rows = [
        f"| {_inline(name)} | {' | '.join(f'{value:.3g}' if _is_number(value) else '–' for value in values)} |"
        for name, *values in list(zip(names, *columns, strict=True))[:_MOST_NAMES]
    ]
    return ["", "| number, in its own unit | RMSE | MAE |", "|---|---|---|", *rows]


def _row(name: str, right: int, samples: int) -> str:
    low, high = (100 * end for end in wilson_interval(right, samples))
    return f"| {name} | {100 * right / samples:.1f} % | {right:,} of {samples:,} | {low:.1f} to {high:.1f} % |"


def _use(spec: ModelSpec, origin: Origin) -> str:
    inputs = ", ".join(f"{name!r}: {_sample(spec.inputs[name])}" for name in spec.target)
    numpy = ["import numpy as np", ""] if any(spec.inputs[name].kind == "array" for name in spec.target) else []
    kinds = {spec.inputs[name].kind for name in spec.target}
    extras = [*(["hub"] if origin.repository else []), *(["media"] if kinds & {"video", "audio", "picture"} else [])]
    published = any(spec.encoders[name].kind == "pretrained" for name in spec.target)
    extras += ["pretrained"] if published or any(spec.inputs[name].is_tokens for name in spec.target) else []
    extras += ["train"] if any(spec.inputs[name].is_counts for name in spec.target) else []
    where = f'"{origin.repository}"' if origin.repository else '"."'
    beside = "" if origin.repository else ", in the folder of this file"
    return "\n".join(
        [
            "## How to use it",
            "",
            f"    pip install {_command(extras)}",
            "",
            f"Then{beside}, for two samples:",
            "",
            "```python",
            *numpy,
            "import crossdistill",
            "",
            f"student = crossdistill.Student.from_pretrained({where})",
            f"inputs = {{{inputs}}}",
            "print(student.predict(inputs))",
            *([] if spec.task == "regression" else ["print(student.predict_proba(inputs))"]),
            "```",
        ]
    )


def _command(extras: Sequence[str]) -> str:
    return f"'crossdistill[{','.join(extras)}]'" if extras else "crossdistill"


def _sample(given: InputSpec) -> str:
    """Two samples, as Python."""
    if given.kind != "array":
        return _SAMPLES[given.kind]
    shapes = [(length, *given.shape[1:]) for length in (7, 4)] if given.is_sequence else [(2, *given.shape)]
    arrays = [f"np.zeros({shape}, {given.dtype!r})" for shape in shapes]
    return f"[{', '.join(arrays)}]" if given.is_sequence else arrays[0]


def _limits(task: TaskKind, about: Mapping[str, Any], origin: Origin) -> str:
    licence = _inline(_text(about, "data", "licence") or NOT_STATED)
    answers = {
        "classification": "It names one of its classes whatever it is given, things of no class included.",
        "multilabel": "It knows no other labels than these, and none of them is sure to be found.",
        "regression": "It answers a number whatever it is given, far from all that it was trained on included.",
    }
    lines = [
        answers[task],
        *([] if task == "regression" else ["Its probabilities were not calibrated."]),
        "Whether it serves samples of another origin than its data, nobody has measured here.",
    ]
    if not origin.licence:
        lines.append(f"No licence was chosen for it. That of its data: {licence}.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _name(about: Mapping[str, Any]) -> str:
    return _text(about, "name") or "student"


def _view(about: Mapping[str, Any], name: str) -> tuple[int, int] | None:
    """How many samples a view was right on, and of how many; None where that was not measured."""
    share, samples = _at(about, "measured", name, "top1"), _whole(_at(about, "measured", name, "samples"))
    if not isinstance(share, int | float) or not 0 <= share <= 1 or not samples:
        return None
    return round(share * samples), samples


def _values(spec: ModelSpec, about: Mapping[str, Any], name: str) -> dict[str, float]:
    """What was measured of a view, by key; of classes only the accuracy."""
    if spec.task == "classification":
        view = _view(about, name)
        return {} if view is None else {"top1": view[0] / view[1]}
    measures = measures_of(spec.task, len(spec.classes))
    found = {measure.key: _at(about, "measured", name, measure.key) for measure in measures}
    if not _whole(_at(about, "measured", name, "samples")):
        return {}
    return {key: float(value) for key, value in found.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _at(about: Any, *keys: str) -> Any:
    for key in keys:
        about = about.get(key) if isinstance(about, Mapping) else None
    return about


def _text(about: Mapping[str, Any], *keys: str) -> str:
    value = _at(about, *keys)
    return " ".join(value.split()) if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _listed(names: Any) -> str:
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list | tuple) else []
    return ", ".join(map(_inline, texts))


def _inline(text: str) -> str:
    """A name as one line of Markdown that shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
