"""A table's features in the order that training had: they are known by their columns' names, not by their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crossdistill.data.columns import ArrayColumn, Column, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.inputs import InputSpec, input_spec
from crossdistill.data.named import places_of
from crossdistill.data.reading import PartialColumn
from crossdistill.data.wrappers import ReorderedColumn, StandInColumn


def in_order(dataset: MultimodalDataset, specs: Mapping[str, InputSpec]) -> MultimodalDataset:
    """The data set with the features of its modalities, where they have names, in the order of `specs`; no others.

    Raises InputError where it lacks one.
    """
    columns = dict(dataset.columns)
    for name, spec in specs.items():
        given = input_spec(columns[name]).features if name in columns else ()
        if spec.features and given and given != spec.features:
            columns[name] = _chosen(columns[name], places_of(f"{dataset.name}: {name}", spec.features, given))
    return replace(dataset, columns=columns)


def _chosen(column: Column, places: Sequence[int]) -> Column:
    """A column's samples with the features at these places; numbers that are made up anew belong to places."""
    if isinstance(column, PartialColumn):
        return PartialColumn(_chosen(column.column, places), column.present)
    if isinstance(column, ReorderedColumn):
        return ReorderedColumn(_chosen(column.column, places), column.source)
    if isinstance(column, StandInColumn):
        return StandInColumn(_chosen(column.column, places), column.fill)
    if isinstance(column, ArrayColumn):
        return ArrayColumn(column.array[..., places], column.name, [column.features[place] for place in places])
    if isinstance(column, SequenceColumn):
        sequences = [sequence[:, places] for sequence in column.sequences]
        return SequenceColumn(sequences, column.name, [column.features[place] for place in places])
    return column
