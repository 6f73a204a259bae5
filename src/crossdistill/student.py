"""What ships: a trained student with all that it needs to predict, and nothing else."""

from __future__ import annotations

import re
import tempfile
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

from crossdistill.atomic import write_atomically
from crossdistill.data.arrays import has_method
from crossdistill.data.dataset import CALLED, MultimodalDataset, without_labels
from crossdistill.data.feature_order import as_trained
from crossdistill.data.folders import filled, is_file
from crossdistill.data.inputs import InputSpec, column_of
from crossdistill.data.named import as_frame
from crossdistill.data.readers.text import load_tokenizer
from crossdistill.evaluation.collect import raw_outputs_of
from crossdistill.models.cross_modal import CrossModalModel
from crossdistill.models.far_inputs import far_inputs
from crossdistill.models.flat import flattened
from crossdistill.models.spec import ModelSpec, loadable, model_to_load, outline
from crossdistill.models.storage import (
    CONFIG,
    RESULTS,
    STUDENT,
    digests_of,
    load_state,
    measured_of,
    most_bytes,
    read_config,
    read_tensors,
    require_fitting,
    write_config,
    write_tensors,
)
from crossdistill.plain_text import MOST_BYTES
from crossdistill.sharing import CARD, Origin, card, fetched, is_repository, pushed
from crossdistill.types import InputError, ModalityTensors, Note

_TOKENIZERS = "tokenizers"
_TOKENIZER_FILES = (".json", ".txt", ".model", ".jinja")
Array = npt.NDArray[Any]


def load(folder: Path | str) -> Student:
    """The student of a finished run, or one that `Student.save` wrote, on the CPU in evaluation mode.

    For predicting, in another program or on another machine. Neither the data nor the packages that read them are
    needed; only those that its own encoders use.

    Args:
        folder: of the run, or of the saved student

    Raises:
        InputError: the folder holds no such thing, its files are damaged or do not fit together, or the run trained no
            student (methods `teacher` and `auxiliary`).

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
    if is_repository(folder) and not folder.exists():
        call = f"crossdistill.Student.from_pretrained({str(folder)!r})"
        raise InputError(f"{folder}: no such folder; `{call}` reads a student from the Hugging Face Hub")
    spec, about = _read(folder)
    network = model_to_load(spec)
    tensors = read_tensors(folder / STUDENT, digests_of(folder, about), most_bytes(network.student_state()))
    return _student(folder, spec, about, network, tensors)


def _read(folder: Path) -> tuple[ModelSpec, dict[str, Any]]:
    """The specification of a folder's student, and what else is said of it. Raises InputError where it has none."""
    spec, about = read_config(folder)
    if not about.get("student", True):
        raise InputError(
            f"{folder}: method {about.get('method')} trains no student, so there is nothing that predicts from "
            f"{', '.join(spec.target)} alone; load a run of another method"
        )
    return spec.of_student(), about


def _student(
    folder: Path, spec: ModelSpec, about: Mapping[str, Any], network: CrossModalModel, tensors: Mapping[str, Tensor]
) -> Student:
    """The student of that specification, with the weights that its folder has, and the folder's tokenizers."""
    load_state(network, tensors, folder / STUDENT)
    kept = {key: value for key, value in about.items() if key != "files"}
    if measured := measured_of(folder, about):
        kept["measured"] = measured
    return Student(_with_tokenizers(spec, folder), network, kept)


_SHOWN = 8
"""Classes that a student's `repr` names."""
NOT_FINITE = "predictions are not finite: the inputs are too large, or the student is"


@dataclass(frozen=True)
class Predictions:
    """What a student makes of N samples.

    ids: N names; classes: C names, of classes, labels or numbers; probabilities: (N, C), of regression (N, 0), and
    values, the predicted numbers in their own units, (N, C), of any other task (N, 0); representations: (N, width);
    logits: (N, C), of numbers in deviations from their mean
    predicted: what `Student.predict` answers of each sample
    problems: N texts, why a sample has no prediction, "" for one that has; its numbers then mean nothing
    notes: what else is odd, such as a file that ends early, or samples that are far from all of training
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    representations: npt.NDArray[np.float32]
    predicted: Array
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    logits: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __repr__(self) -> str:
        """How many samples, and of how many there is no prediction: no values."""
        failed = sum(map(bool, self.problems))
        unread = f", {failed:,} without a prediction" if failed else ""
        return f"Predictions({len(self.ids):,} samples{unread}, {len(self.classes):,} outputs)"


class Student(nn.Module):
    """Predicts classes, labels or numbers from the target modalities alone. `load` makes one from a run's folder.

    Inputs are given by modality name; of a student with one modality its values will do. Of each modality: an array or
    tensor of one sample or of a batch; for sequences of different length a list of arrays (T, F); a DataFrame with a
    column for each feature, by their names; paths of videos and sounds, or texts, or lists of these, which are read as
    in training.
    A sample's result does not depend on the others that are given with it, up to the rounding of float32.

    Args:
        spec: what the network is built from
        network: built from it, with its trained weights
        about: where it comes from: method, data, versions

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
    >>> crossdistill.Student.from_pretrained(student.save(folder + "/alone")).classes
    ('0', '1')
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

    def __repr__(self) -> str:
        """What it takes and answers, and its size; `student.network` shows its layers."""
        inputs = ", ".join(f"{name}: {spec}" for name, spec in self.inputs.items())
        named = ", ".join(self.classes[:_SHOWN]) + (", ..." if len(self.classes) > _SHOWN else "")
        size = sum(parameter.numel() for parameter in self.parameters())
        return f"Student({inputs} -> {len(self.classes):,} {CALLED[self.spec.task]} ({named}); {size:,} parameters)"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes or labels, in the order of the probabilities' columns; or of the numbers."""
        return self.spec.classes

    @property
    def inputs(self) -> Mapping[str, InputSpec]:
        """Modality -> what its samples are: kind, shape, dtype, and how files are read."""
        return self.spec.inputs

    def forward(self, modalities: ModalityTensors) -> Tensor:
        """Logits (B, C), of numbers in deviations from their mean.

        Args:
            modalities: name -> (B, ...) tensor or `Padded` sequences, on the student's own device
        """
        return self.network.predict(modalities)

    def predict(self, inputs: Any) -> Array:
        """The class names (N,) of N samples; of several labels (N, C), 1 for those with a probability above 1/2, else
        0; of regression the numbers (N,), or (N, K) of several.

        Args:
            inputs: modality name -> samples, or of one modality its samples alone

        Raises:
            InputError: inputs that are not as in training.
        """
        return self._predicted(inputs).predicted

    def predict_proba(self, inputs: Any) -> npt.NDArray[np.float32]:
        """The classes' probabilities (N, C), in the order of `classes`; of several labels each has its own.

        Args:
            inputs: as of `predict`

        Raises:
            InputError: like `predict`, and for a student of numbers, which have none.
        """
        if self.spec.task == "regression":
            raise InputError("predict_proba: this student predicts numbers, which have no probabilities; see predict")
        return self._predicted(inputs).probabilities

    def transform(self, inputs: Any) -> npt.NDArray[np.float32]:
        """The representations (N, width), for retrieval or a classifier of your own.

        Args:
            inputs: as of `predict`

        Raises:
            InputError: like `predict`.
        """
        return self._predicted(inputs).representations

    def arrays(self, inputs: Any) -> dict[str, Array]:
        """The named arrays that an exported student takes, of N samples of whatever `predict` takes.

        Of each modality the values (N, ...), as its reader makes them, and of sequences of different length, which are
        zero-padded to the longest, `NAME_lengths` (N,) too; float32, token ids and lengths int64. Of samples longer
        than what the student takes at once, the middle.

        Args:
            inputs: as of `predict`

        Raises:
            InputError: like `predict`.
        """
        samples = self._samples(inputs)
        batch = samples.__getitems__(range(len(samples)))
        problems, _ = _of_each_sample(batch.notes, batch.has(self.spec.target))
        _require_read(problems)
        return flattened(self.spec, batch.modalities)

    @classmethod
    def from_pretrained(cls, source: Path | str, revision: str | None = None, token: str | None = None) -> Student:
        """The student in a folder, as `load`, or in a repository of the Hugging Face Hub, `owner/name`.

        A folder takes neither a connection nor huggingface_hub. Of a repository, nothing but config.json, tensors in
        safetensors and the files of tokenizers is fetched, each no larger than it can be, and nothing is run that it
        brings.

        Args:
            source: the folder, or `owner/name`
            revision: a branch, tag or commit
            token: of the Hub, unless its client has one

        Raises:
            InputError: like `load`, and where there is no such repository or one of its encoders is a class of
                somebody's own.
        """
        if not is_repository(source) or Path(source).exists():
            return load(source)
        repository = str(source)
        folder = fetched(repository, {CONFIG: MOST_BYTES}, revision, token)
        if not is_file(folder / CONFIG):
            raise InputError(f"{repository}: no student of crossdistill: it has no {CONFIG}")
        try:
            spec, about = _read(folder)
            for name in spec.target:
                if ":" in (kind := spec.encoders[name].kind):
                    raise InputError(
                        f"the encoder of {name} is code of somebody's own, {kind}; where you trust it, fetch the "
                        "repository by huggingface_hub.snapshot_download and load its folder"
                    )
            shapes = outline(spec)
            most = {STUDENT: most_bytes(shapes.student_state()), RESULTS: MOST_BYTES}
            most |= {f"{_TOKENIZERS}/*{ending}": MOST_BYTES for ending in _TOKENIZER_FILES}
            folder = fetched(repository, most, folder.name, token)  # of the same commit, whatever is pushed meanwhile
            tensors = read_tensors(folder / STUDENT, digests_of(folder, about))
            require_fitting(shapes, tensors, folder / STUDENT)  # before there is memory for what a config promises
            return _student(folder, spec, about, model_to_load(spec), tensors)
        except InputError as error:
            raise InputError(f"{repository}: {str(error).removeprefix(f'{repository}: ')}") from error

    def save(self, folder: Path | str, licence: str = "", datasets: Sequence[str] = ()) -> Path:
        """Write what `load` needs, and a model card, into a folder that is new or empty, and return it.

        The card, README.md, says what is known of the student: its data and their licence, its method, what its run
        measured, how to use it. It may be edited; nothing reads it.

        Args:
            folder: new or empty
            licence: the student's own, for the card, such as cc-by-4.0
            datasets: names of data sets on the Hub

        Raises:
            InputError: there is something in the folder, or it cannot be written, and is left as it was.
        """
        return self._written(Path(folder), Origin("", licence, datasets))

    save_pretrained = save
    """`save`, by the name that the Hub's libraries use."""

    def push_to_hub(
        self,
        repository: str,
        licence: str = "",
        datasets: Sequence[str] = (),
        private: bool | None = None,
        token: str | None = None,
        message: str = "Student",
    ) -> str:
        """Put what `save` writes into a repository of the Hugging Face Hub, and return the commit's address.

        In one commit, which replaces files of the same names, README.md included.

        Args:
            repository: `owner/name`, made where there is none
            licence: as of `save`
            datasets: as of `save`
            private: of a new repository, as its owner's are unless given
            token: of the Hub, unless its client has one
            message: the commit's

        Raises:
            InputError: without huggingface_hub (`pip install 'crossdistill[hub]'`), and where the Hub refuses.
        """
        with tempfile.TemporaryDirectory() as root:
            folder = self._written(Path(root) / "student", Origin(repository, licence, datasets))
            return pushed(folder, repository, message, private, token)

    def _written(self, folder: Path, origin: Origin) -> Path:
        with filled(folder):
            digest = write_tensors(folder / STUDENT, self.network.student_state())
            spec = keep_tokenizers(loadable(self.spec, self.network), folder)
            write_config(folder, spec, {**self.about, "files": {STUDENT: digest}})
            write_atomically(folder / CARD, card(spec, self.about, origin))
        return folder

    def predictions(self, samples: MultimodalDataset, batch_size: int = 0, workers: int = 0) -> Predictions:
        """What the student makes of samples, windows of long ones averaged as in evaluation, on its own device.

        Those that cannot be read, or of which it makes nothing finite, have a problem in words instead of a prediction:
        the way by which `crossdistill predict` goes on.

        Args:
            samples: modality name -> column of N samples
            batch_size: 0 for as many as fit
            workers: reading processes

        Raises:
            InputError: a modality is not there, or its samples have another shape or other features than in training.
        """
        return self._made_of(as_trained(samples, self.inputs), batch_size, workers)

    def _made_of(self, samples: MultimodalDataset, batch_size: int = 0, workers: int = 0) -> Predictions:
        """The predictions of samples that are as in training."""
        device = next(self.parameters()).device
        rows, windows = np.arange(len(samples)), self.spec.windows
        made = raw_outputs_of(samples, rows, self.network, ("target",), device, workers, windows, batch_size)
        problems, warned = _of_each_sample(made.notes, made.present["target"])
        finite = made.made.target_logits.isfinite().all(1)
        problems = [text or ("" if is_finite else NOT_FINITE) for text, is_finite in zip(problems, finite, strict=True)]
        logits, task, nothing = made.made.target_logits, self.network.task, torch.zeros(len(samples), 0)
        shares, values = (task.outputs(logits).get(name, nothing) for name in ("probabilities", "values"))
        return Predictions(
            ids=samples.ids,
            classes=self.classes,
            probabilities=shares.numpy(),
            representations=made.made.target.numpy(),
            predicted=task.predicted(logits),
            problems=tuple(problems),
            notes=(*warned, *far_inputs(self.network, samples)),
            values=values.double().numpy(),
            logits=logits.numpy(),
        )

    def _predicted(self, inputs: Any) -> Predictions:
        """The predictions of samples that all can be read. Raises InputError for the first one that cannot."""
        made = self._made_of(self._samples(inputs))
        _require_read(made.problems)
        for text in made.notes:
            warnings.warn(text, stacklevel=3)
        return made

    def _samples(self, inputs: Any) -> MultimodalDataset:
        inputs = inputs.by_name() if has_method(inputs, "by_name") else inputs  # the container that can be sliced
        columns = {name: column_of(self.inputs[name], name, value) for name, value in self._by_modality(inputs).items()}
        counts = {name: len(column) for name, column in columns.items()}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise InputError(f"expected as many samples of each modality, found {found}")
        ids = [str(row) for row in range(next(iter(counts.values())))]
        return without_labels("inputs", columns, ids, self.classes, self.spec.task)

    def _by_modality(self, inputs: Any) -> dict[str, Any]:
        names, inputs = self.spec.target, as_frame(inputs)
        alone = self.inputs[names[0]] if len(names) == 1 else None
        if _has_columns(inputs, names) and not _is_of_features(inputs, names[0], alone):  # a column a modality
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


def _is_of_features(table: Any, name: str, spec: InputSpec | None) -> bool:
    """Whether the columns of a table are the features of its one modality, one of which is called as that is."""
    if spec is None or getattr(getattr(table[name], "dtype", None), "kind", "O") not in "biuf":
        return False
    return bool(spec.features) or len(table.columns) == spec.shape[-1]


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
    """The specification with the tokenizers that lie in the folder under their whole path.

    Raises InputError for one that is elsewhere, or is not there.
    """
    inputs = dict(spec.inputs)
    for name, given in spec.inputs.items():
        if not (kept := given.reading.tokenizer):
            continue
        if kept != f"{_TOKENIZERS}/{name}" or ".." in re.split(r"[\\/]", kept):
            place = f"{folder / CONFIG}: model.inputs.{name}"
            raise InputError(f"{place}: expected the tokenizer {_TOKENIZERS}/{name}, found {kept}")
        if not (folder / kept).is_dir():
            raise InputError(f"{folder / kept}: no such folder, with the tokenizer of {name}; copy it again")
        inputs[name] = replace(given, reader=replace(given.reading, tokenizer=str(folder / kept)))
    return replace(spec, inputs=inputs)


__all__ = ["CONFIG", "STUDENT", "Student", "load"]
