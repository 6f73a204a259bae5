"""What ships: a trained student with all that it needs to predict, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from crossdistill.data.dataset import MultimodalDataset, without_labels
from crossdistill.data.inputs import InputSpec, column_of
from crossdistill.data.readers.text import load_tokenizer
from crossdistill.evaluation.collect import raw_outputs_of
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.flat import flattened
from crossdistill.models.spec import ModelSpec, loadable, model_to_load
from crossdistill.models.storage import (
    CONFIG,
    STUDENT,
    digests_of,
    load_state,
    read_config,
    read_tensors,
    write_config,
    write_tensors,
)
from crossdistill.types import InputError, ModalityTensors, Note

_TOKENIZERS = "tokenizers"
Array = npt.NDArray[Any]


def load(folder: Path | str) -> Student:
    """The student of a finished run, or one that `Student.save` wrote, on the CPU in evaluation mode.

    Neither the data nor the packages that read them are needed; only those that its own encoders use.
    Raises InputError where the folder holds no such thing, its files are damaged or do not fit together, or the run
    trained no student (methods `teacher` and `auxiliary`). For predicting, in another program or on another machine.

    >>> import tempfile, numpy as np, crossdistill
    >>> x = np.random.default_rng(0).normal(size=(40, 3)); y = np.arange(40) % 2
    >>> data = crossdistill.from_arrays({"wrist": x + y[:, None]}, y, splits=np.arange(40) >= 30)
    >>> recipe = crossdistill.own(("wrist",), ()); folder = tempfile.mkdtemp()
    >>> from dataclasses import replace
    >>> results = crossdistill.run(replace(recipe, method="baseline", epochs=1), folder, dataset=data)
    >>> crossdistill.load(folder).classes
    ('0', '1')
    """
    folder = Path(folder)
    spec, about = read_config(folder)
    if not about.get("student", True):
        raise InputError(
            f"{folder}: method {about.get('method')} trains no student, so there is nothing that predicts from "
            f"{', '.join(spec.target)} alone; load a run of another method"
        )
    digests = digests_of(folder, about)
    spec = _with_tokenizers(spec.of_student(), folder)
    network = model_to_load(spec)
    load_state(network, read_tensors(folder / STUDENT, digests), folder / STUDENT)
    return Student(spec, network, {key: value for key, value in about.items() if key != "files"})


NOT_FINITE = "predictions are not finite: the inputs are too large, or the student is"


@dataclass(frozen=True)
class Predictions:
    """What a student makes of N samples.

    ids: N names; classes: C names, of classes, labels or numbers; probabilities: (N, C), of regression (N, 0), and
    values, the predicted numbers in their own units, (N, C), of any other task (N, 0); representations: (N, width)
    problems: N texts, why a sample has no prediction, "" for one that has; its numbers then mean nothing
    notes: what else went wrong in reading, such as a file that ends early
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    representations: npt.NDArray[np.float32]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))


class Student(nn.Module):
    """Predicts classes, labels or numbers from the target modalities alone. `load` makes one from a run's folder.

    Inputs are given by modality name; of a student with one modality its values will do. Of each modality: an array or
    tensor of one sample or of a batch; for sequences of different length a list of arrays (T, F); a DataFrame with a
    column for each feature; paths of videos and sounds, or texts, or lists of these, which are read as in training.
    A sample's result does not depend on the others that are given with it, up to the rounding of float32.

    spec: what the network is built from; about: where it comes from: method, data, versions

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> y = np.arange(60) % 2
    >>> strokes = [np.full((3 + row % 4, 2), float(label)) for row, label in enumerate(y)]
    >>> data = crossdistill.from_arrays({"pen": strokes}, y, splits=np.arange(60) >= 40)
    >>> recipe = replace(crossdistill.own(("pen",), ()), method="baseline", epochs=3, batch_size=8)
    >>> folder = tempfile.mkdtemp()
    >>> _ = crossdistill.run(recipe, folder, dataset=data)
    >>> student = crossdistill.load(folder)
    >>> print(student.inputs["pen"])
    float64 of shape (any length, 2)
    >>> student.predict([np.zeros((9, 2)), np.ones((2, 2))]).tolist()
    ['0', '1']
    >>> student.predict_proba(np.ones((4, 2))).shape, student.transform(np.ones((4, 2))).shape
    ((1, 2), (1, 128))
    >>> student.predict(np.ones((4, 3)))
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: pen: expected float64 of shape (any length, 2), one or a list of them, found ...
    """

    def __init__(
        self, spec: ModelSpec, network: CrossModalModel, about: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        super().__init__()
        self.spec, self.about = spec, dict(about)
        self.network = network
        self.eval()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes or labels, in the order of the probabilities' columns; or of the numbers."""
        return self.spec.classes

    @property
    def inputs(self) -> Mapping[str, InputSpec]:
        """Modality -> what its samples are: kind, shape, dtype, and how files are read."""
        return self.spec.inputs

    def forward(self, modalities: ModalityTensors) -> Tensor:
        """Logits (B, C), of numbers in deviations from their mean, of tensors (B, ...) or `Padded` sequences by
        modality name, on the student's own device."""
        return self.network.predict(modalities)

    def predict(self, inputs: Any) -> Array:
        """The class names (N,) of N samples; of several labels (N, C), 1 for those with a probability above 1/2, else
        0; of regression the numbers (N,), or (N, K) of several. Raises InputError for inputs that are not as in
        training."""
        made = self._predicted(inputs)
        if self.spec.task == "regression":
            return made.values[:, 0] if len(self.classes) == 1 else made.values
        if self.spec.task == "multilabel":
            return (made.probabilities > 0.5).astype(np.int64)
        names: Array = np.array(self.classes)[made.probabilities.argmax(1)]
        return names

    def predict_proba(self, inputs: Any) -> npt.NDArray[np.float32]:
        """The classes' probabilities (N, C), in the order of `classes`; of several labels each has its own. Raises
        InputError like `predict`, and for a student of numbers, which have none."""
        if self.spec.task == "regression":
            raise InputError("predict_proba: this student predicts numbers, which have no probabilities; see predict")
        return self._predicted(inputs).probabilities

    def transform(self, inputs: Any) -> npt.NDArray[np.float32]:
        """The representations (N, width), for retrieval or a classifier of your own. Raises like `predict`."""
        return self._predicted(inputs).representations

    def arrays(self, inputs: Any) -> dict[str, Array]:
        """The named arrays that an exported student takes, of N samples of whatever `predict` takes.

        Of each modality the values (N, ...), as its reader makes them, and of sequences of different length, which are
        zero-padded to the longest, `NAME_lengths` (N,) too; float32, token ids and lengths int64. Of samples longer
        than what the student takes at once, the middle. Raises InputError like `predict`.
        """
        samples = self._samples(inputs)
        batch = samples.__getitems__(range(len(samples)))
        problems, _ = _of_each_sample(batch.notes, batch.has(self.spec.target))
        _require_read(problems)
        return flattened(self.spec, batch.modalities)

    def save(self, folder: Path | str) -> Path:
        """Write what `load` needs, and no more, into a folder that is new or empty, and return it.

        Raises InputError where there is something in it.
        """
        folder = Path(folder)
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise InputError(f"{folder}: expected a new or empty folder, found something in it")
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{folder}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
        digest = write_tensors(folder / STUDENT, self.network.student_state())
        spec = keep_tokenizers(loadable(self.spec, self.network), folder)
        write_config(folder, spec, {**self.about, "files": {STUDENT: digest}})
        return folder

    def predictions(self, samples: MultimodalDataset, batch_size: int = 0, workers: int = 0) -> Predictions:
        """What the student makes of samples, windows of long ones averaged as in evaluation, on its own device.

        Those that cannot be read, or of which it makes nothing finite, have a problem in words instead of a prediction:
        the way by which `crossdistill predict` goes on. batch_size: 0 for as many as fit; workers: reading processes.
        """
        device = next(self.parameters()).device
        rows, windows = np.arange(len(samples)), self.spec.windows
        made = raw_outputs_of(samples, rows, self.network, ("target",), device, workers, windows, batch_size)
        problems, warned = _of_each_sample(made.notes, made.present["target"])
        finite = made.made.target_logits.isfinite().all(1)
        problems = [text or ("" if is_finite else NOT_FINITE) for text, is_finite in zip(problems, finite, strict=True)]
        logits, outputs, nothing = made.made.target_logits, self.network.task.outputs, torch.zeros(len(samples), 0)
        shares = outputs(logits).get("probabilities", nothing)
        values = outputs(logits.double()).get("values", nothing)  # whatever their unit, no digit is lost
        representations = made.made.target.numpy()
        return Predictions(
            *(samples.ids, self.classes, shares.numpy(), representations),
            *(tuple(problems), tuple(warned), values.double().numpy()),
        )

    def _predicted(self, inputs: Any) -> Predictions:
        """The predictions of samples that all can be read. Raises InputError for the first one that cannot."""
        made = self.predictions(self._samples(inputs))
        _require_read(made.problems)
        for text in made.notes:
            warnings.warn(text, stacklevel=3)
        return made

    def _samples(self, inputs: Any) -> MultimodalDataset:
        columns = {name: column_of(self.inputs[name], name, value) for name, value in self._by_modality(inputs).items()}
        counts = {name: len(column) for name, column in columns.items()}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise InputError(f"expected as many samples of each modality, found {found}")
        ids = [str(row) for row in range(next(iter(counts.values())))]
        return without_labels("inputs", columns, ids, self.classes, self.spec.task)

    def _by_modality(self, inputs: Any) -> dict[str, Any]:
        names = self.spec.target
        if _has_columns(inputs, names):  # a table with a column a modality
            return {name: list(inputs[name]) for name in names}
        if not isinstance(inputs, Mapping):
            if len(names) > 1:
                raise InputError(f"expected inputs by name, {{{', '.join(map(repr, names))}: ...}}")
            return {names[0]: inputs}
        for name in inputs:
            if name not in names:
                raise InputError(f"{name!r} is no input of this student; expected {', '.join(names)}")
        if missing := [name for name in names if name not in inputs]:
            raise InputError(f"expected inputs for {', '.join(names)}, found none for {missing[0]}")
        return {name: inputs[name] for name in names}


def _of_each_sample(notes: Sequence[Note], present: Tensor) -> tuple[list[str], list[str]]:
    """Why each of the samples is absent, "" for one that is there; and what else the notes say. present: (N,) bool."""
    problems = ["" if there else "it lacks a modality" for there in present.tolist()]
    others = []
    for note in reversed(notes):  # so that a sample's first one stays
        if note.place < 0 or present[note.place]:
            others.append(note.text)
        else:
            problems[note.place] = note.text
    return problems, others[::-1]


def _require_read(problems: Sequence[str]) -> None:
    """Raise InputError for the first sample that has a problem."""
    for row, problem in enumerate(problems):
        if problem:
            raise InputError(problem if problem == NOT_FINITE else f"sample {row}: cannot be read: {problem}")


def _has_columns(inputs: Any, names: tuple[str, ...]) -> bool:
    try:
        return set(names) <= set(getattr(inputs, "columns", ()))
    except TypeError:  # columns that are not names
        return False


def keep_tokenizers(spec: ModelSpec, folder: Path) -> ModelSpec:
    """Copy the tokenizers of a model's texts into its folder: the specification that names them there."""
    inputs = dict(spec.inputs)
    for name, given in spec.inputs.items():
        if given.kind == "text" and given.reading.tokenizer:
            kept = f"{_TOKENIZERS}/{name}"
            load_tokenizer(given.reading.tokenizer, f"data.readers.{name}.tokenizer").save_pretrained(folder / kept)
            inputs[name] = replace(given, reader=replace(given.reading, tokenizer=kept))
    return replace(spec, inputs=inputs)


def without_tokenizers(spec: ModelSpec) -> ModelSpec:
    """The specification as it is wherever its tokenizers lie."""
    inputs = {
        name: replace(given, reader=replace(given.reader, tokenizer="")) if given.reader is not None else given
        for name, given in spec.inputs.items()
    }
    return replace(spec, inputs=inputs)


def _with_tokenizers(spec: ModelSpec, folder: Path) -> ModelSpec:
    """The specification with the tokenizers that lie in the folder under their whole path."""
    inputs = {
        name: replace(given, reader=replace(given.reading, tokenizer=str(folder / given.reading.tokenizer)))
        if given.reading.tokenizer and (folder / given.reading.tokenizer).is_dir()
        else given
        for name, given in spec.inputs.items()
    }
    return replace(spec, inputs=inputs)


__all__ = ["CONFIG", "STUDENT", "Student", "load"]
