"""A multimodal data set: columns by modality name, labels, splits; a batch of rows becomes a `Batch`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from crossdistill.data.arrays import array_of, has_method, is_gap, listed, objects_of, unmasked, without_tensors
from crossdistill.data.cells import MODALITY_NAME, are_lists, are_times, file_named, shortened
from crossdistill.data.columns import ArrayColumn, Column, FileColumn, KeptColumn, RowColumn, Rows, SequenceColumn
from crossdistill.data.labels import (
    SPLITS,
    Strings,
    doubt_of_wrapped,
    doubts_of_groups,
    groups_of,
    require_no_zero_characters,
    split_names,
)
from crossdistill.data.named import as_frame, warn_of_indices
from crossdistill.data.number_groups import beginnings
from crossdistill.data.odd_numbers import number_written
from crossdistill.data.readers import ReaderSettings, TextColumn
from crossdistill.data.reading import (
    Mask,
    PartialColumn,
    Parts,
    Reader,
    known_present,
    middle,
    places_in,
    read,
    windows,
)
from crossdistill.data.targets import Labels, encode, is_labelled, no_labels
from crossdistill.data.wrappers import content_of
from crossdistill.types import Batch, InputError, Pixels, TaskKind

NO_PICTURES: npt.NDArray[np.uint8] = np.zeros((0, 0, 0, 3), dtype=np.uint8)
CALLED: Mapping[TaskKind, str] = {"classification": "classes", "multilabel": "labels", "regression": "numbers"}
"""What the things are that a task names."""
_SHOWN = 8
"""Modalities that a data set's `repr` names; of more it says how many there are."""
NO_WEIGHTS: npt.NDArray[np.float64] = np.zeros(0)


@dataclass(frozen=True, eq=False)
class MultimodalDataset:
    """N samples seen by several modalities. `torch.utils.data.DataLoader` takes it with a batch sampler.

    columns: modality name -> column of length N
    labels: (N,) int64 in [0, C), or -1 for a training sample without a label; classes: their C names. Of multi-label
        data (N, C) float32, 0 or 1 for each of the C labels; of regression (N, K) float64; NaN in a row without a label
    ids: N distinct names of the samples
    splits: (N,) "train" | "validation" | "test" (| "held_out" while tuning)
    groups: (N,) what must not be on both sides of a split, e.g. the subject; the sample's id where there are no groups
    folds: (N,) int64, -1 where there are none
    pictures: (N, H, W, 3) uint8 for reports, (0, 0, 0, 3) where there are none
    captions: N texts for reports, empty where there are none
    licence: of the data, empty where it is not known
    weights: (N,) above 0, in proportion to which training draws the samples; empty where all count alike
    task: what is to be predicted
    doubts: a sentence for each thing that is read in another way than its writer may have meant
    file: the manifest that it was read from, empty where it was made otherwise
    What every run trains on; `from_arrays` and `read_manifest` make one.

    >>> import numpy as np
    >>> from crossdistill import from_arrays
    >>> data = from_arrays({"wrist": np.eye(4), "camera": np.ones((4, 2))}, list("abab"), splits=[False] * 3 + [True])
    >>> len(data), data.classes, data.shapes, data.rows("test").tolist()
    (4, ('a', 'b'), {'wrist': (4,), 'camera': (2,)}, [3])
    >>> batch = data.only(["wrist"]).__getitems__([2, 0])
    >>> list(batch.modalities), batch.labels.tolist(), batch.rows.tolist()
    (['wrist'], [0, 0], [2, 0])
    """

    name: str
    columns: dict[str, Column]
    labels: Labels
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    splits: Strings
    groups: Strings
    folds: Rows
    pictures: npt.NDArray[np.uint8] = field(default_factory=lambda: NO_PICTURES)
    captions: tuple[str, ...] = ()
    licence: str = ""
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: NO_WEIGHTS)
    task: TaskKind = "classification"
    doubts: tuple[str, ...] = ()
    file: str = ""

    @property
    def place(self) -> str:
        """How errors call it: by the file to mend where there is one."""
        return self.file or self.name

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        """Name, samples by split, modalities with the shape of a sample, and what is predicted: no values."""
        counts = Counter(map(str, self.splits))
        splits = ", ".join(f"{counts[split]:,} {split}" for split in (*SPLITS, "held_out") if counts[split])
        shapes = [f"{name} {shape}" for name, shape in list(self.shapes.items())[:_SHOWN]]
        shapes += [f"{len(self.columns) - _SHOWN:,} more"] * (len(self.columns) > _SHOWN)
        labelled = int(is_labelled(self.labels).sum())
        return (
            f"MultimodalDataset({self.name!r}: {splits or f'{len(self):,}'} samples; {', '.join(shapes)}; "
            f"{len(self.classes):,} {CALLED[self.task]}, {labelled:,} samples labelled)"
        )

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """The rows as one `Batch`, in this order; of samples longer than a model takes at once, the middle."""
        return self.batch(np.asarray(rows, dtype=np.int64), middle(len(rows))).to("cpu")

    def batch(self, rows: Rows, parts: Parts) -> Batch:
        """The rows (B,) as one `Batch`, in this order, pixels as bytes.

        Args:
            rows: (B,) int64
            parts: which part in time of each, and its seeds in training
        """
        readings = {name: read(column, rows, parts) for name, column in self.columns.items()}
        found = {name: reading.modality for name, reading in readings.items()}
        return Batch(
            {name: modality for name, modality in found.items() if not isinstance(modality, Pixels)},
            torch.from_numpy(self.labels[rows]),
            torch.from_numpy(rows.copy()),
            {name: reading.present for name, reading in readings.items()},
            tuple(note for reading in readings.values() for note in places_in(rows, reading.notes)),
            pixels={name: modality for name, modality in found.items() if isinstance(modality, Pixels)},
        )

    def present(self, modalities: Sequence[str]) -> Mask:
        """(N,) bool, False for samples that are known to lack one of these modalities.

        Args:
            modalities: names
        """
        present: Mask = np.ones(len(self), dtype=np.bool_)
        for name in modalities:
            present &= known_present(self.columns[name])
        return present

    def windows(self, rows: Rows, modalities: Sequence[str]) -> Rows:
        """(B,) how many windows that do not overlap each sample has, in that of these modalities that has most.

        Args:
            rows: (B,) int64
            modalities: names
        """
        counts: Rows = np.stack([windows(self.columns[name], rows) for name in modalities]).max(0)
        return counts

    @property
    def may_fail(self) -> bool:
        """Whether samples are read from media files, any of which may turn out unreadable."""
        return any(isinstance(content_of(column), Reader) for column in self.columns.values())

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Modality name -> shape of one sample; a first entry of -1 marks sequences of different length."""
        return {name: column.shape for name, column in self.columns.items()}

    def labelled_rows(self, split: str) -> Rows:
        """(n,) the row numbers of a split's samples that have a label, ascending.

        Args:
            split: "train", "validation", "test" or "held_out"

        Raises:
            InputError: another word.
        """
        rows = self.rows(split)
        labelled: Rows = rows[is_labelled(self.labels[rows])]
        return labelled

    @property
    def strata(self) -> Rows:
        """(N,) what splits are to be in proportion to: the classes, -1 for none; where there are none, all alike."""
        return self.labels if self.task == "classification" else is_labelled(self.labels) - 1

    def rows(self, split: str) -> Rows:
        """(n,) the row numbers of a split, ascending.

        Args:
            split: "train", "validation", "test" or "held_out"

        Raises:
            InputError: another word.
        """
        if split not in (*SPLITS, "held_out"):
            raise InputError(f"unknown split '{split}': expected one of {', '.join(SPLITS)}")
        return np.flatnonzero(self.splits == split).astype(np.int64)

    def only(self, modalities: Sequence[str]) -> MultimodalDataset:
        """The same samples with these modalities alone.

        Args:
            modalities: names

        Raises:
            InputError: no name, or an unknown one.
        """
        for name in modalities:
            if name not in self.columns:
                joint = any(name == common for column in self.columns for common, _ in beginnings(column))
                hint = f"; read_manifest(path, only=['{name}', ...]) makes one of columns of numbers" if joint else ""
                raise InputError(f"{self.place} has no modality '{name}'; it has {', '.join(self.columns)[:200]}{hint}")
        if not modalities:
            raise InputError(f"no modality chosen; {self.place} has {', '.join(self.columns)}")
        return replace(self, columns={name: self.columns[name] for name in modalities})


def from_arrays(
    modalities: Mapping[str, npt.ArrayLike | Sequence[npt.ArrayLike] | Column],
    labels: npt.ArrayLike,
    *,
    splits: npt.ArrayLike | None = None,
    ids: Sequence[str] = (),
    groups: Sequence[Any] | npt.NDArray[Any] = (),
    folds: Sequence[int] | Rows = (),
    classes: Sequence[str] = (),
    pictures: npt.NDArray[np.uint8] = NO_PICTURES,
    captions: Sequence[str] = (),
    present: Mapping[str, npt.ArrayLike] = MappingProxyType({}),
    name: str = "arrays",
    licence: str = "",
    weights: npt.ArrayLike = (),
    task: TaskKind = "classification",
) -> MultimodalDataset:
    """A data set from arrays in memory.

    For data that are in memory, or memory-mapped, already.

    Args:
        modalities: name -> (N, ...) array, or N arrays: stacked where their shapes are equal, else sequences (T_i, F);
            of DataFrames, which may be such sequences, too, columns are known by their names; N texts, which are read
            as counts of their letters; or any `Column`, as it is
        labels: (N,) whole numbers or strings; -1, "" or spaces alone, None or NaN for a training sample without a
            label. Of task multilabel (N, C), 0 or 1, and of task regression (N,) or (N, K) numbers; a row of NaN for
            one without a label
        splits: (N,) "train" | "validation" | "test", or (N,) bool, True for test; None: all are for training
        ids: N distinct names, or empty where there are none
        groups: N entries, what must not be on both sides of a split; None, NaN or "" for a sample that is a group of
            its own; empty where there are none
        folds: N numbers, or empty where there are none
        classes: the class names; integer labels count into it. Empty: the distinct labels in natural order. Of other
            tasks the names of the C labels or K numbers
        pictures: (N, H, W, 3) uint8 for reports, empty where there are none
        captions: N texts for reports, or empty where there are none
        present: name -> (N,) bool, for a modality that some samples lack; what stands in their place is not looked at
        name: of the data set
        licence: of the data, which runs keep beside what was trained on them
        weights: (N,) above 0: training draws a sample with twice the weight twice as often, whatever the method
        task: what is to be predicted: one of several classes, any number of labels (multilabel), or numbers
            (regression)

    Raises:
        InputError: lengths, values or names do not fit.

    >>> import numpy as np
    >>> from crossdistill import from_arrays
    >>> wrist = [np.zeros((5, 3)), np.zeros((8, 3)), np.zeros((2, 3)), np.zeros((4, 3))]  # of different length
    >>> camera, seen = np.ones((4, 6)), [True, True, False, True]
    >>> data = from_arrays(
    ...     {"wrist": wrist, "camera": camera}, ["wave", "push", "wave", "push"], present={"camera": seen}
    ... )
    >>> data.shapes
    {'wrist': (-1, 3), 'camera': (6,)}
    >>> data.present(["camera"]).tolist()
    [True, True, False, True]
    """
    others = {"labels": labels, "splits": splits, "groups": groups, "weights": weights}
    warn_of_indices({**modalities, **{key: value for key, value in others.items() if key not in modalities}}, 3)
    label_numbers, class_names = encode(cast(Any, labels), tuple(map(str, classes)), task)
    count = len(label_numbers)
    texts = tuple(map(str, ids)) if len(ids) else tuple(map(str, range(count)))
    named = _named_groups(groups) if len(groups) else [""] * count
    dataset = MultimodalDataset(
        name=name,
        columns={
            key: _partial(key, value, np.asarray(present[key])) if key in present else _column(key, value)
            for key, value in modalities.items()
        },
        labels=label_numbers,
        classes=class_names,
        ids=texts,
        splits=split_names(np.zeros(count, dtype=np.bool_) if splits is None else np.asarray(splits)),
        groups=groups_of(named, texts) if len(named) == len(texts) else np.array(named, dtype=np.str_),
        folds=_whole_numbers(folds) if len(folds) else np.full(count, -1, dtype=np.int64),
        pictures=pictures,
        captions=tuple(map(str, captions)),
        licence=licence,
        weights=np.asarray(unmasked(without_tensors(weights)), dtype=np.float64),
        task=task,
        doubts=(
            *filter(None, [doubt_of_wrapped(labels) if task == "classification" else ""]),
            *(doubts_of_groups(named, texts) if len(named) == len(texts) else ()),
        ),
    )
    for key in present:
        if key not in modalities:
            raise InputError(f"present: no modality '{key}'; there are {', '.join(modalities)}")
    check_consistency(dataset)
    return dataset


def _named_groups(groups: Sequence[Any] | npt.NDArray[Any]) -> list[str]:
    """Each sample's group as a text; empty where there is none, as in a manifest."""
    given = objects_of(groups) if isinstance(groups, np.ma.MaskedArray) else without_tensors(groups)
    texts = ["" if is_gap(group) else str(group).strip() for group in given]
    require_no_zero_characters("groups", texts)
    return texts


def _whole_numbers(folds: Sequence[int] | Rows) -> Rows:
    values = np.asarray(folds)
    if values.dtype.kind not in "iu":
        raise InputError(f"folds: expected whole numbers, found dtype {values.dtype}")
    return values.astype(np.int64)


def without_labels(
    name: str,
    columns: Mapping[str, Column],
    ids: Sequence[str],
    classes: Sequence[str] = (),
    task: TaskKind = "classification",
) -> MultimodalDataset:
    """Samples of no known label and no split, such as are given to be predicted."""
    names, folds = np.array(ids, dtype=object), np.full(len(ids), -1, dtype=np.int64)
    unknown = no_labels(len(ids), len(classes), task)
    return MultimodalDataset(name, dict(columns), unknown, tuple(classes), tuple(ids), names, names, folds, task=task)


def check_consistency(dataset: MultimodalDataset) -> None:
    """Raise InputError unless lengths agree, ids are distinct, splits are known and training sees every test class."""
    count = len(dataset)
    if not count or not dataset.columns:
        raise InputError(f"{dataset.place}: no {'modalities' if count else 'samples'}")
    for name in dataset.columns:
        if not isinstance(name, str) or not MODALITY_NAME.fullmatch(name):
            raise InputError(f"modality name {name!r}: expected ASCII letters, digits, _ and - only")
    pictures = dataset.pictures
    if len(pictures) and (pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3):
        raise InputError(f"pictures: expected (N, H, W, 3) uint8, found {pictures.shape} {pictures.dtype}")
    lengths: dict[str, int] = {name: len(column) for name, column in dataset.columns.items()}
    lengths |= {key: len(getattr(dataset, key)) for key in ("ids", "splits", "groups", "folds")}
    lengths |= {key: len(getattr(dataset, key)) for key in ("pictures", "captions") if len(getattr(dataset, key))}
    lengths |= {"weights": dataset.weights.size} if dataset.weights.size else {}
    for key, length in lengths.items():
        if length != count:
            raise InputError(f"{key}: expected one entry for each of the {count} labels, found {length}")
    require_no_zero_characters("classes", dataset.classes)
    require_no_zero_characters("ids", dataset.ids)
    if not (np.isfinite(dataset.weights) & (dataset.weights > 0)).all() or dataset.weights.ndim != 1:
        raise InputError("weights: expected numbers above 0; leave out samples that are not to count")
    duplicates = [text for text, times in Counter(dataset.ids).items() if times > 1]
    if duplicates:
        raise InputError(f"ids must be distinct: '{duplicates[0]}' occurs more than once")
    require_splits(dataset)


def require_splits(dataset: MultimodalDataset, because: str = "") -> None:
    """Raise InputError for an unknown split, for a measured sample without a label, and for a class that is measured
    but never trained. Of several labels a rare one may be in no labelled training sample: see `unlearnt_labels`.

    because: why samples are of these splits, where the data do not say it themselves
    """
    unknown = sorted(set(dataset.splits.tolist()) - {*SPLITS, "held_out"})
    if unknown:
        raise InputError(f"unknown split '{unknown[0]}': expected one of {', '.join(SPLITS)}")
    learnt = dataset.labelled_rows("train")
    for split in ("validation", "test"):
        rows = dataset.rows(split)
        if len(without := rows[~is_labelled(dataset.labels[rows])]):
            raise InputError(
                f"{dataset.place}: sample '{dataset.ids[without[0]]}' of split {split} has no label; "
                "only training samples may lack one"
            )
        if dataset.task == "classification" and len(learnt):
            unseen = np.setdiff1d(dataset.labels[rows], dataset.labels[learnt])
            if len(unseen):
                where = f"{dataset.place}: class '{dataset.classes[unseen[0]]}' is in {split} but never in train"
                raise InputError(where + because)


def _column(name: str, values: npt.ArrayLike | Sequence[npt.ArrayLike] | Column, numbers: Rows | None = None) -> Column:
    """The samples as a column; numbers: (N,) how errors number them, where these are some of more."""
    if has_method(values, "fetch"):
        return cast(Column, values)
    values = listed(values)
    if texts := texts_in(values):
        return column_of_texts(name, texts, numbers)
    if isinstance(values, (list, tuple)) and (missing := [row for row, value in enumerate(values) if value is None]):
        number = missing[0] if numbers is None else numbers[missing[0]]
        raise InputError(f"{name}: row {number}: expected a sample, found None; `present` says which samples lack one")
    try:
        if isinstance(values, (list, tuple)) and len({np.shape(value) for value in values}) > 1:
            return SequenceColumn(values, name, rows=numbers)
        return ArrayColumn(cast(npt.ArrayLike, values), name, rows=numbers)
    except InputError:
        _require_declared(name, values, numbers)
        raise


def _require_declared(name: str, values: Any, numbers: Rows | None) -> None:
    """Raise InputError for a sample that is NaN, or masked, throughout: how it is said that it lacks the modality."""
    samples = values if isinstance(values, (list, tuple)) else np.ma.atleast_1d(array_of(values))
    for row, sample in enumerate(map(unmasked, map(array_of, samples))):
        if sample.dtype.kind == "f" and sample.ndim and sample.size and np.isnan(sample).all():
            raise InputError(
                f"{name}: row {row if numbers is None else numbers[row]}: NaN or masked throughout; where samples lack "
                f"the modality, present={{'{name}': ...}} is a truth value for each sample, whether it has one; else "
                "fill them in"
            )


def texts_in(values: Any) -> list[str]:
    """The texts in a list, an array or a column of a table; none where it holds anything else."""
    items = values if isinstance(values, list | tuple) else values.tolist() if getattr(values, "ndim", 0) == 1 else []
    return list(items) if all(isinstance(item, str) for item in items) else []


def column_of_texts(name: str, texts: Sequence[str], numbers: Rows | None = None) -> Column:
    """The texts as a column; numbers: (N,) how errors number them, where these are some of more. Raises InputError
    where one is empty or names a file, and where most surely are numbers, times or lists of numbers. What may be
    either, as 3 people and the score 3 - 1 are, is text here, since nothing could say so as a manifest's header can."""
    places = [f"{name}: row {row}" for row in (range(len(texts)) if numbers is None else numbers)]
    column = TextColumn(texts, places, ReaderSettings(), name)
    for row in range(len(texts)):
        column.require_readable(row)
    if file := file_named(texts):
        found = f"the name of a file, '{shortened(file)}'; files are read from a manifest (read_manifest)"
        raise InputError(f"{name}: expected numbers or texts, found {found}")
    for found, example in (
        ("lists as texts", texts[0] if are_lists(texts) else ""),
        ("times", texts[0] if are_times(texts) else ""),
        ("numbers as texts", number_written(texts)),
    ):
        if example:
            raise InputError(
                f"{name}: expected numbers or texts, found {found}, such as '{shortened(example)}'; make numbers of "
                f"them, or a manifest whose header says {name}:text"
            )
    return column


def _partial(name: str, values: npt.ArrayLike | Sequence[npt.ArrayLike] | Column, present: npt.NDArray[Any]) -> Column:
    if has_method(values, "fetch"):
        raise InputError(f"present['{name}']: a column says itself who lacks it; see PartialColumn")
    values = as_frame(values)
    if present.dtype != np.bool_ or present.shape != (len(values),) or not present.any():  # type: ignore[arg-type]
        raise InputError(f"present['{name}']: expected a truth value for each sample, and not all of them False")
    numbers = np.flatnonzero(present)
    if isinstance(values, (list, tuple)):
        return PartialColumn(_column(name, [values[row] for row in numbers], numbers), present)
    kept = values.iloc[present] if hasattr(values, "iloc") else array_of(values)[present]  # a table keeps its names
    return PartialColumn(_column(name, kept, numbers), present)


def in_memory(dataset: MultimodalDataset, rows: Rows) -> MultimodalDataset:
    """The same data set with these rows of every column on disk read once and kept; no other row can be fetched."""
    return replace(dataset, columns={name: _kept(name, column, rows) for name, column in dataset.columns.items()})


def _kept(name: str, column: Column, rows: Rows) -> Column:
    if isinstance(column, PartialColumn):
        return PartialColumn(_kept(name, column.column, column.positions(rows)), column.present)
    # clips are drawn anew in each epoch; of no rows there is nothing to keep
    if isinstance(column, FileColumn | RowColumn) and len(rows):
        return KeptColumn(column, rows, name)
    return column
