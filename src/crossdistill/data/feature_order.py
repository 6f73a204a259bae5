"""A data set's samples as training had them: of the same shapes, and a table's features in the same order, by their
columns' names and not by their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crossdistill.data.columns import ArrayColumn, Column, SequenceColumn
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.inputs import InputSpec, input_spec, sizes_of
from crossdistill.data.named import places_of
from crossdistill.data.reading import PartialColumn
from crossdistill.data.wrappers import ReorderedColumn, StandInColumn
from crossdistill.types import InputError


def in_order(dataset: MultimodalDataset, specs: Mapping[str, InputSpec]) -> MultimodalDataset:
    """The data set with the features of its modalities, where they have names, in the order of `specs`; no others.

    Raises InputError where it lacks one.
    """
    columns = dict(dataset.columns)
    for name, spec in specs.items():
        given = input_spec(columns[name]).features if name in columns else ()
        if spec.features and given and given != spec.features:
            columns[name] = _chosen(columns[name], places_of(f"{dataset.place}: {name}", spec.features, given))
    return replace(dataset, columns=columns)


def as_trained(dataset: MultimodalDataset, specs: Mapping[str, InputSpec]) -> MultimodalDataset:
    """The data set `in_order`. Raises InputError unless it has all modalities of `specs`, with samples of their shapes;
    where lengths may differ they may also be all alike."""
    dataset = in_order(dataset, specs)
    for name, spec in specs.items():
        found = dataset.shapes.get(name)
        if found is None:
            raise InputError(f"{dataset.place}: expected the modality {name}, found {', '.join(dataset.columns)}")
        if found != spec.shape and not (spec.is_sequence and len(found) == 2 and found[1:] == spec.shape[1:]):
            raise InputError(f"{dataset.place}: {name}: expected {spec}, found samples of shape ({sizes_of(found)})")
    return dataset


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
