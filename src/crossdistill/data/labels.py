"""Class numbers, class names and splits from what the user gave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import holds_objects, is_gap, objects_of, without_tensors
from crossdistill.data.columns import Rows
from crossdistill.types import UNLABELLED, InputError

Strings = npt.NDArray[np.str_]

_HALF = 0.5
"""The share of samples up to which -1 beside 0 and 1 seems to be a class."""

SPLITS = ("train", "validation", "test")
"""What a row is for. `with_validation` adds a fourth, "held_out": a test row that tuning must not see."""


def natural_order(texts: Sequence[str]) -> list[str]:
    """The distinct texts, sorted with whole numbers by value: "2" before "10", "a2" before "a10"."""
    distinct = sorted(set(texts))
    if all(re.fullmatch(r"-?[0-9]+", text) for text in distinct):
        return sorted(distinct, key=Decimal)  # which, unlike int, takes any number of digits
    return sorted(
        distinct,
        key=lambda text: [Decimal(p) if p.isascii() and p.isdecimal() else p for p in re.split(r"([0-9]+)", text)],
    )


def encode_labels(labels: Sequence[Any] | npt.NDArray[Any], classes: tuple[str, ...]) -> tuple[Rows, tuple[str, ...]]:
    """Class numbers (N,), `UNLABELLED` where there is no label, and class names.

    labels: whole numbers, or strings; -1, an empty string, one of spaces alone unless a class is called so, None, NaN
    and pandas' NA stand for no label. True and False are called so, as in a table, unless there are other names of
    classes, of which they are numbers 1 and 0.
    """
    labels = without_tensors(labels)
    values = _with_gaps(labels)
    if values.dtype.kind == "i" and set(classes) <= {"False", "True"} and _are_true_or_false(labels):
        values = np.array(["" if number == UNLABELLED else str(bool(number)) for number in values.tolist()])
    if len(set(classes)) < len(classes):
        raise InputError("classes: names must be distinct")
    if values.dtype.kind == "U":  # which a table's cell would not keep, either
        values = np.array(["" if is_blank(text) and text not in classes else text for text in values.tolist()], np.str_)
    labelled = values != UNLABELLED if values.dtype.kind == "i" else values != ""
    if values.dtype.kind == "i" and classes:
        outside = values[labelled & ((values < 0) | (values >= len(classes)))]
        if len(outside):
            raise InputError(f"labels: expected 0 to {len(classes) - 1} for {len(classes)} classes, found {outside[0]}")
        return values, classes
    texts = [str(label) for label in values[labelled].tolist()]
    if not texts and len(values):
        raise InputError("labels: expected some, found none: every sample is unlabelled")
    names = classes or tuple(natural_order(texts))
    numbers = {text: number for number, text in enumerate(names)}
    missing = [text for text in texts if text not in numbers]
    if missing:
        raise InputError(f"labels: '{missing[0]}' is not one of the classes {', '.join(names)}")
    encoded = np.full(len(values), UNLABELLED, dtype=np.int64)
    encoded[labelled] = [numbers[text] for text in texts]
    if len(names) == 1 and not classes and not labelled.all() and values.dtype.kind == "i":
        raise InputError(
            f"labels: -1 stands for no label, which leaves the one class {names[0]}; if it is a class, give names"
        )
    return encoded, names


def groups_of(named: Sequence[str], ids: Sequence[str]) -> Strings:
    """(N,) each sample's group; where none is named, one of its own: its id, with a mark where a group is called so."""
    taken = set(named)

    def own(key: str) -> str:
        while key in taken:
            key += "'"
        return key

    return np.array([group or own(key) for group, key in zip(named, ids, strict=True)], dtype=np.str_)


def doubts_of_groups(named: Sequence[str], ids: Sequence[str]) -> list[str]:
    """A sentence where some samples name a group and others none, which then are of no person that others are of.

    >>> [line[:34] for line in doubts_of_groups(["Ann", "", "Bob"], ["1", "2", "3"])]
    ["1 of 3 samples has no group, as '2'"]
    >>> doubts_of_groups(["", ""], ["1", "2"]) + doubts_of_groups(["Ann", "Bob"], ["1", "2"])
    []
    """
    alone = [key for group, key in zip(named, ids, strict=True) if not group]
    if len(alone) in (0, len(ids)):
        return []
    have, each = ("has", "it counts") if len(alone) == 1 else ("have", "each counts")
    return [
        f"{len(alone)} of {len(ids)} samples {have} no group, as '{alone[0]}', and {each} as one of its own, which "
        "nothing keeps on one side of a split with others of the same group; fill them all, or give no groups"
    ]


def require_no_zero_characters(what: str, items: Iterable[Any]) -> None:
    """Raise InputError for a text with one: at a text's end NumPy drops it, and two texts would become one."""
    if odd := [item for item in items if isinstance(item, str) and "\0" in item]:
        raise InputError(f"{what}: expected text without zero characters, found {odd[0]!r}")


def _with_gaps(labels: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(N,) int64 with -1, or strings with "", where there is no label."""
    if isinstance(labels, np.ma.MaskedArray):
        labels = objects_of(labels)
    if isinstance(labels, list | tuple) or holds_objects(labels):
        require_no_zero_characters("labels", labels)
    is_listed = isinstance(labels, list | tuple) and (any(map(is_gap, labels)) or is_mixed(labels))
    values = objects_in(labels) if is_listed else np.asarray(labels)  # else NumPy would write "nan" and "-1"
    if values.ndim != 1:
        raise InputError(
            f"labels: expected one per sample, shape (N,), found {values.shape}; 0 or 1 for each of several labels "
            "need task='multilabel', several numbers task='regression'"
        )
    if values.dtype.kind in "iub":
        return _int64(values)
    items = list(values) if values.dtype.kind in "mM" else values.tolist()  # of nanoseconds that would make numbers
    of_texts = any(isinstance(label, str) for label in items)  # beside which -1 is no class
    gaps = np.array([is_gap(label) or (of_texts and is_minus_one(label)) for label in items], dtype=np.bool_)
    rest = [label for label, gap in zip(items, gaps, strict=True) if not gap]
    whole = all(map(_is_whole, rest))
    if whole and rest and (gaps.any() or values.dtype.kind != "f"):
        numbers = [UNLABELLED if gap else int(label) for label, gap in zip(items, gaps, strict=True)]
        return _int64(objects_in(numbers))
    if of_texts and (others := [label for label in rest if not isinstance(label, str)]):
        text = next(label for label in rest if isinstance(label, str))
        raise InputError(
            f"labels: expected labels of one kind, found texts beside others: {str(text)!r} and {others[0]}"
        )
    if not all(isinstance(label, str) for label in rest):
        as_texts = "give their texts, such as labels.astype(str)"
        as_numbers = "numbers that are to be predicted need task='regression'"
        fix = as_texts if values.dtype.kind in "mMS" else as_numbers
        if whole and values.dtype.kind == "f":
            fix = f"give classes as labels.astype(int), of which -1 is none; {as_numbers}"
        raise InputError(f"labels: expected whole numbers or strings, found dtype {values.dtype}; {fix}")
    return np.array(["" if gap else label for label, gap in zip(items, gaps, strict=True)], dtype=np.str_)


def _is_whole(label: Any) -> bool:
    """Whether this is a whole number; spans of time are numbers of NumPy's, too."""
    is_number = isinstance(label, int | float | np.number | np.bool_) and not isinstance(label, np.timedelta64)
    return is_number and float(label).is_integer()


def _int64(numbers: npt.NDArray[Any]) -> Rows:
    """Whole numbers as int64. Raises InputError for larger ones, of which it would make others."""
    limits, ends = np.iinfo(np.int64), (numbers.min(initial=0), numbers.max(initial=0))
    if outside := [end for end in ends if not limits.min <= end <= limits.max]:
        raise InputError(f"labels: expected whole numbers that int64 holds, found {outside[0]}; give their texts")
    return numbers.astype(np.int64)


def is_mixed(labels: Sequence[Any]) -> bool:
    """Whether there are texts among the labels in a list, beside others, of which NumPy would make texts, too."""
    texts = sum(isinstance(label, str) for label in labels)
    return 0 < texts < len(labels)


def objects_in(labels: Any) -> npt.NDArray[Any]:
    """The labels as an array of objects, each as it is."""
    return np.array(labels, dtype=object)


def is_blank(label: Any) -> bool:
    """Whether this is a text without anything to be seen in it."""
    return isinstance(label, str) and not label.strip()


def doubt_of_wrapped(labels: Any) -> str:
    """A sentence where labels of an unsigned type are what -1 becomes in it, far above all others; else empty.

    >>> [doubt_of_wrapped(np.array(labels, np.uint8))[:24] for labels in ([0, 1, 255], [254, 255])]
    ['255 is taken for a class', '']
    """
    values = np.asarray(without_tensors(labels)) if hasattr(labels, "dtype") else np.empty(0)
    if values.dtype.kind != "u" or not values.size:
        return ""
    most = np.iinfo(values.dtype).max
    others = values[values != most]
    if len(others) in (0, values.size) or others.max() >= most // 2:
        return ""
    return (
        f"{most} is taken for a class, far above the others; -1 becomes {most} in {values.dtype}: where it stands for "
        "no label, give labels of a type with signs, such as int64"
    )


def is_minus_one(label: Any) -> bool:
    """Whether this is the number that stands for no label."""
    return isinstance(label, int | float | np.number) and bool(label == UNLABELLED)


def _are_true_or_false(labels: Sequence[Any] | npt.NDArray[Any]) -> bool:
    values = np.array(labels, dtype=object) if isinstance(labels, list | tuple) else np.asarray(labels)
    if values.dtype != object:
        return values.dtype == np.bool_
    given = (label for label in values.tolist() if not is_gap(label))  # which ends at the first that is neither
    return all(isinstance(label, bool | np.bool_) or label == UNLABELLED for label in given)


_TEXTS_OF_GAPS = {
    *("-1", "-1.0", "nan", "NaN", "NAN", "None", "<NA>", "NaT"),
    *("NA", "N/A", "n/a", "#N/A", "#NA", "null", "Null", "NULL", "?"),
}


def seems_no_label(name: object) -> bool:
    """Whether a class is called what becomes of a sample without a label where labels are made texts, or what tables
    write in its cell."""
    return isinstance(name, str) and (name in _TEXTS_OF_GAPS or is_blank(name))


def few_of(names: Sequence[str], most: int, more: str = "more") -> str:
    """The first of these names and how many more there are, for a line of bounded length.

    >>> few_of(["'a'", "'b'", "'c'"], 2)
    "'a', 'b' and 1 more"
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} {more}" if len(names) > most else "")


def seems_a_class(others: npt.NDArray[Any] | Sequence[int], share: float) -> bool:
    """Whether -1 beside these other classes, which this share of samples has, may be one more and not the lack of a
    label: below 0 there are others, or it is one of three grades around 0 and not what most samples have."""
    numbers = [number for number in np.asarray(others).tolist() if isinstance(number, int | float)]
    return bool(numbers) and (min(numbers) < UNLABELLED or (set(numbers) == {0, 1} and share <= _HALF))


def split_names(splits: npt.NDArray[Any]) -> Strings:
    if splits.dtype == np.bool_:
        return np.where(splits, "test", "train")
    if not all(isinstance(split, str) for split in splits.tolist()):
        raise InputError(f"splits: expected {', '.join(SPLITS)}, or True for test; found dtype {splits.dtype}")
    return splits.astype(np.str_)
