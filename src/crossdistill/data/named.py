"""Tables, rows of them and lists of either: their numbers are known by the columns' names, not by their places."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdistill.data.arrays import has_method
from crossdistill.types import InputError


def in_one_order(
    name: str, values: Any, features: Sequence[str] = (), rows: Sequence[int] | npt.NDArray[np.int64] | None = None
) -> tuple[Any, tuple[str, ...]]:
    """What was given, with the columns of tables and the entries of their rows in one order, and the columns' names.

    values: a table, a row of one, or a list of these; what has no names, such as an array, stays as it is
    features: the names in training's order; without any, those of the first table or row, which all others must have
    rows: how errors number the items of a list, where these are some of more; else by their places
    Raises InputError, naming the modality, for other names.
    """
    if not isinstance(values, list | tuple):
        table = as_frame(values)
        if not features:
            return table, () if _is_row(table) else names_of(table)
        return _ordered(name, table, features), tuple(features)
    items = [as_frame(item) for item in values]
    given = [names_of(item) for item in items]
    first = next((row for row, names in enumerate(given) if names), None)
    if first is None and (not features or not any(map(_is_row, items))):
        return values, ()
    wanted = tuple(features) or given[first or 0]
    numbers = range(len(items)) if rows is None else rows
    ordered = []
    for row, item, names in zip(numbers, items, given, strict=True):
        place = f"{name}: row {row}" if len(items) > 1 else name
        if names and not features and set(names) != set(wanted):
            raise InputError(
                f"{place}: expected the columns {', '.join(wanted)[:200]} as in row {numbers[first or 0]}, found "
                f"{', '.join(names)[:200]}; name them alike, or give arrays, .to_numpy(), that are read by place"
            )
        ordered.append(_ordered(place, item, wanted))
    return ordered, wanted


def table_of_rows(name: str, values: Any) -> Any:
    """A list of a table's rows as a table, with the columns of the first; anything else as it is. Raises InputError,
    naming the modality, for rows of other columns."""
    if not isinstance(values, list | tuple):
        return as_frame(values)
    items = [as_frame(item) for item in values]
    if not any(map(_is_row, items)):
        return items
    ordered, names = in_one_order(name, items)
    if not names or any(np.shape(row) != (len(names),) for row in ordered):
        return ordered
    import pandas as pd

    called = [getattr(row, "name", None) for row in ordered]
    return pd.DataFrame(np.stack([np.asarray(row) for row in ordered]), columns=list(names), index=called)


def as_frame(values: Any) -> Any:
    """A table of Arrow's, whose `columns` are its data, as one of pandas', and a column of texts or lists that is none
    of pandas' (Polars', Arrow's) as the list of them; anything else as it is."""
    is_arrow = hasattr(type(values), "column_names") and has_method(values, "to_pandas")
    return values.to_pandas() if is_arrow else _items(values)


def _items(values: Any) -> Any:
    """What a column holds, where that is no numbers and NumPy would make one array of it or none."""
    as_list = next((name for name in ("to_list", "to_pylist") if has_method(values, name)), "")
    if not as_list or hasattr(values, "iloc"):
        return values
    kind = str(getattr(values, "dtype", getattr(values, "type", ""))).lower()
    if not kind.startswith(("str", "utf8", "large_str", "list", "large_list", "categorical", "enum", "object")):
        return values
    items: list[Any] = getattr(values, as_list)()
    return items


def warn_of_indices(inputs: Mapping[str, Any], stacklevel: int) -> None:
    """Warn of a table whose rows have the index of the first table's in another order: rows belong together by their
    place. inputs: what each is called -> a table, one of its columns or anything else, which is not looked at."""
    tables = {name: value for name, value in inputs.items() if hasattr(value, "iloc") and hasattr(value, "index")}
    (first, reference), *others = [(name, value.index) for name, value in tables.items()] or [("", None)]
    for name, index in others:
        if len(index) != len(reference) or index.equals(reference) or not reference.is_unique:
            continue
        if index.is_unique and index.nlevels == reference.nlevels and index.isin(reference).all():
            warnings.warn(
                f"{name} has the index of {first} in another order, and rows belong together by their place, not by "
                f"their index; if they should by it, give {name}.loc[{first}.index]",
                stacklevel=stacklevel,
            )


def names_of(values: Any) -> tuple[str, ...]:
    """The names of a table's columns, or of a row's entries; none of what is no table, and of a numbered row."""
    if _is_row(values):
        return tuple(map(str, values.index)) if any(isinstance(key, str | tuple) for key in values.index) else ()
    return tuple(map(str, getattr(values, "columns", ())))


def places_of(name: str, features: Sequence[str], given: Sequence[str]) -> list[int]:
    """The places of training's features among the columns of a table. Raises InputError unless each is there, once."""
    if missing := [feature for feature in features if feature not in given]:
        raise InputError(
            f"{name}: expected the column {missing[0]!r} that training had, found {', '.join(given)[:200]}"
        )
    if twice := [feature for feature in features if given.count(feature) > 1]:
        raise InputError(f"{name}: expected one column {twice[0]!r}, found {given.count(twice[0])} of that name")
    return [given.index(feature) for feature in features]


def _ordered(name: str, values: Any, features: Sequence[str]) -> Any:
    """The table or row with these features, in this order; as it is where it has no names, or these."""
    if _is_column(values, features):
        if isinstance(values.name, str) and names_of(values):  # a column of a table whose samples have names
            places_of(name, features, [values.name])
        return values
    names = names_of(values)
    if not names and _is_row(values):  # numbers may be the names of a table's columns, too
        numbered = tuple(map(str, values.index))
        names = numbered if set(features) & set(numbered) else ()
    if not names or tuple(names) == tuple(features):
        return values
    places = places_of(name, features, names)
    if not hasattr(values, "iloc"):
        return np.asarray(values)[:, places]
    return values.iloc[places] if _is_row(values) else values.iloc[:, places]


def _is_row(values: Any) -> bool:
    """Whether this may be a row of a table of pandas'."""
    return hasattr(values, "iloc") and np.ndim(values) == 1


def _is_column(values: Any, features: Sequence[str]) -> bool:
    """Whether this is the one column of training, whose index are samples or steps, and no row of one number."""
    if not _is_row(values) or len(features) != 1:
        return False
    return len(values) != 1 or (str(values.name) == features[0] and features[0] not in names_of(values))


def require_distinct(name: str, names: Sequence[str]) -> None:
    """Raise InputError for two columns of one name."""
    if len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        raise InputError(f"{name}: expected distinct column names, found {twice!r} more than once")
