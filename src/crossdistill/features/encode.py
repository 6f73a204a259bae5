"""Samples through an encoder: a share of them, chunk by chunk into files, so that a kill loses no more than a chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from crossdistill.data import MultimodalDataset
from crossdistill.data.columns import Rows
from crossdistill.data.loading import Workers, evaluation_batches, windows_of
from crossdistill.features.settings import Extraction
from crossdistill.features.shards import FeatureFolder, Features
from crossdistill.listening import Listener, tracked
from crossdistill.models.grouped import select
from crossdistill.training.engine import Engine
from crossdistill.types import Batch, InputError, Modality, Note, Padded


@dataclass(frozen=True)
class Work:
    """What features are made with, and of what: rows, of the samples that have the modality."""

    engine: Engine
    encoder: nn.Module
    settings: Extraction
    dataset: MultimodalDataset
    rows: Rows
    features: FeatureFolder


@dataclass(frozen=True)
class ChunkShare:
    """Every `count`-th chunk of `size` samples, from the `number`-th on."""

    number: int
    count: int
    size: int

    def chunks(self, samples: int) -> range:
        return range(self.number, -(-samples // self.size), self.count)

    def at(self, chunk: int) -> slice:
        return slice(chunk * self.size, (chunk + 1) * self.size)


def encode(work: Work, share: ChunkShare, listener: Listener) -> list[Note]:
    """Write the share's chunks that are not there yet. Returns what went wrong in reading."""
    rows, features, notes = work.rows, work.features, list[Note]()
    mine = [number for number in share.chunks(len(rows)) if not features.chunk(number).is_file()]

    def made() -> Iterator[int]:
        with Workers(work.dataset, work.settings.machine.workers, work.engine.device) as workers:
            for number in mine:
                found: dict[int, Features] = {}
                for row, value in encoded(
                    work.engine, work.encoder, work.settings, workers, rows[share.at(number)], notes
                ):
                    found |= {row: value} if value is not None else {}
                    yield row
                features.write_chunk(number, found)

    total = sum(len(rows[share.at(number)]) for number in mine)
    with writing(features):
        for _ in tracked(listener, made(), total, "samples"):
            pass
    return notes


@contextmanager
def writing(features: FeatureFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{features.folder}: cannot write: {error.strerror or error}") from None


@torch.inference_mode()
def encoded(
    engine: Engine, encoder: nn.Module, settings: Extraction, workers: Workers, rows: Rows, notes: list[Note]
) -> Iterator[tuple[int, Features | None]]:
    """(row, features (T, D)), T = 1 for a vector; None for a sample of which nothing can be read."""
    dataset = workers.dataset
    chosen, positions = windows_of(dataset, rows, [settings.modality], settings.windows)
    batches = evaluation_batches(dataset, chosen, positions, settings.batch_size, workers)
    for row, parts in groupby(windows(engine, encoder, settings, batches, notes), key=lambda window: window[0]):
        readable = [part for _, part in parts if part is not None]
        joined = np.concatenate(readable) if readable else None
        if joined is not None and not settings.sequence:
            joined = joined.mean(0, keepdims=True, dtype=np.float64).astype(np.float32)
        yield row, joined


def windows(
    engine: Engine, encoder: nn.Module, settings: Extraction, batches: Iterable[Batch], notes: list[Note]
) -> Iterator[tuple[int, Features | None]]:
    """(row, (T, D)) of each window, None for one that cannot be read."""
    for batch in batches:
        notes += batch.notes
        there = batch.has([settings.modality])
        features: Iterator[Features] = iter(())
        if there.any():
            inputs = select(batch.to(engine.device).modalities[settings.modality], there.nonzero().squeeze(1))
            with engine.autocast():
                features = iter(made_by(encoder, inputs, settings.sequence))
        for row, readable in zip(batch.rows.tolist(), there.tolist(), strict=True):
            yield row, next(features) if readable else None


def made_by(encoder: nn.Module, inputs: Modality, sequence: bool) -> list[Features]:
    """(T, D) of each sample: the encoder's steps where a sequence is asked for and it has some, else its output."""
    if sequence and hasattr(encoder, "sequence"):
        values, lengths = cast(Callable[[Modality], Padded], encoder.sequence)(inputs)
        steps = values.float().cpu().numpy()
        return [step[:length].copy() for step, length in zip(steps, lengths.tolist(), strict=True)]
    return list(cast(Tensor, encoder(inputs)).float().cpu().numpy()[:, None])
