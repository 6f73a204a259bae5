"""`crossdistill extract`: what an encoder with published weights makes of a modality, computed once, as arrays that a
new manifest names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from crossdistill.atomic import write_atomically
from crossdistill.data import MultimodalDataset, read_manifest
from crossdistill.data.cells import PARTS
from crossdistill.data.columns import Rows
from crossdistill.data.folders import csv_text
from crossdistill.data.loading import Workers, evaluation_batches, windows_of
from crossdistill.data.reading import known_present
from crossdistill.data.table import Table, read_table
from crossdistill.features.settings import Extraction, build, fingerprint, require_numbers, with_tokenizer
from crossdistill.features.shards import CHUNK, FeatureFolder, Features
from crossdistill.models.grouped import select
from crossdistill.runs.lock import locked
from crossdistill.training.distributed import gather_notes, on_first_rank
from crossdistill.training.engine import Engine, launched, on_threads
from crossdistill.types import Batch, InputError, Listener, Modality, Note, Padded, tracked

FOLDER = "features"


@dataclass(frozen=True)
class Extracted:
    """manifest: the new one; samples: how many it has, `encoded` of them now as features; unreadable: how many of the
    others had a file; notes: what went wrong."""

    manifest: Path
    samples: int
    encoded: int
    unreadable: int
    notes: tuple[Note, ...]


def extract(path: Path, settings: Extraction, out: Path | None = None, listener: Listener = Listener()) -> Extracted:
    """Encode the modality of every sample that has it, and write a manifest in which it is arrays.

    out: the new manifest, in the folder of the old one; STEM-NAME.csv unless given. The features go to features/NAME
    beside it. What is done already is not done again: after a kill, the same command goes on.
    Raises InputError when files, weights and settings do not fit together, when other features are there, or when
    another process is making them.
    """
    name = settings.name or f"{settings.modality}-{settings.encoder}"
    settings = with_tokenizer(settings)
    require_numbers(settings, name)
    table = read_table(path)
    new = out or table.path.with_name(f"{table.path.stem}-{name}.csv")
    if new.parent.resolve() != table.path.parent.resolve() or new.suffix != ".csv":
        raise InputError(f"--out {new}: expected a .csv in {table.path.parent}, where the manifest's paths begin")
    dataset = read_manifest(
        *(path, (settings.modality,), (), {settings.modality: settings.reader}),
        allow_outside=settings.allow_outside,
        strict=settings.strict,
        task=settings.task,
    )
    engine = launched(settings.machine)
    with on_threads(settings.machine.threads), ExitStack() as held:
        encoder = build(settings, dataset).to(engine.device).eval()
        features = FeatureFolder(table.path.parent / FOLDER, name, fingerprint(settings, dataset, table))
        on_first_rank(engine, lambda: held.enter_context(_locked(features, listener)))
        described = features.described()
        _require_free(features, described, new, settings.sequence)
        rows = np.flatnonzero(known_present(dataset.columns[settings.modality]))
        notes: list[Note] = []
        if described is None:
            _encode_all(engine, encoder, settings, dataset, rows, features, notes, listener)
        return finished(table, features, settings, rows, new, notes, engine.is_global_zero)


def _locked(features: FeatureFolder, listener: Listener) -> AbstractContextManager[None]:
    """Of features of this name; others may be made in the same folder meanwhile."""
    return locked(features.folder, "set of features", listener.say, f".{features.name}.lock", "--name")


def _require_free(features: FeatureFolder, described: Mapping[str, object] | None, new: Path, sequence: bool) -> None:
    """Raise InputError where other features, or another manifest, are in the place of these."""
    if described is not None and described.get("key") != features.key:
        raise InputError(
            f"{features.description}: features of that name were made from other files or with other settings; "
            "remove them, or choose another --name"
        )
    if described is None and new.exists():
        raise InputError(f"{new}: already there; remove it, or choose another --out")
    if described is None and features.target(sequence).exists() and not features.scratch.is_dir():
        raise InputError(f"{features.target(sequence)}: already there; remove it, or choose another --name")


def _encode_all(
    engine: Engine,
    encoder: nn.Module,
    settings: Extraction,
    dataset: MultimodalDataset,
    rows: Rows,
    features: FeatureFolder,
    notes: list[Note],
    listener: Listener,
) -> None:
    """This rank's chunks, then, on the first rank, the arrays of all."""
    count = -(-len(rows) // CHUNK)
    mine = [n for n in range(engine.global_rank, count, engine.world_size) if not features.chunk(n).is_file()]

    def work() -> Iterator[int]:
        with Workers(dataset, settings.machine.workers) as workers:
            for number in mine:
                chunk = rows[number * CHUNK : (number + 1) * CHUNK]
                made: dict[int, Features] = {}
                for row, value in encoded(engine, encoder, settings, workers, chunk, notes):
                    made |= {row: value} if value is not None else {}
                    yield row
                features.write_chunk(number, made)

    total = sum(len(rows[n * CHUNK : (n + 1) * CHUNK]) for n in mine)
    try:
        for _ in tracked(listener, work(), total, "samples"):
            pass
        notes[:] = gather_notes(engine, notes)
        engine.barrier()
        if engine.is_global_zero:
            features.finish(count, rows, int(cast(int, encoder.width)), settings.sequence)
        engine.barrier()
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


def finished(
    table: Table,
    features: FeatureFolder,
    settings: Extraction,
    rows: Rows,
    new: Path,
    notes: Sequence[Note],
    first: bool,
) -> Extracted:
    """Write the new manifest, on the first rank. Raises InputError where another one is there."""
    described = features.described() or {}
    unreadable = cast(Sequence[int], described.get("unreadable", []))
    readable = np.setdiff1d(rows, np.array(unreadable, dtype=np.int64)).tolist()
    text = _manifest_text(table, settings.modality, features.cells(readable, settings.sequence))
    if new.exists() and new.read_text(encoding="utf-8") != text:
        raise InputError(f"{new}: another manifest is there; remove it, or choose another --out")
    if first:
        write_atomically(new, text)
    return Extracted(new, len(table.numbers), len(readable), len(unreadable), tuple(dict.fromkeys(notes)))


def _manifest_text(table: Table, modality: str, cells: Mapping[int, str]) -> str:
    """The table with the modality's column replaced, and without its segments and crops, as CSV."""
    columns: dict[str, Sequence[str]] = {}
    for name, values in table.columns.items():
        if name in [f"{modality}:{part}" for part in PARTS]:
            continue
        encoded_column = name.partition(":")[0] == modality
        features = [cells.get(row, "") for row in range(len(values))]
        columns[modality if encoded_column else name] = features if encoded_column else values
    return csv_text(columns)
