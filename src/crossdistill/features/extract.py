"""`crossdistill extract`: what an encoder with published weights makes of a modality, computed once, as arrays that a
new manifest names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from crossdistill.atomic import write_atomically
from crossdistill.data import read_manifest
from crossdistill.data.cells import PARTS, has_media
from crossdistill.data.columns import Rows
from crossdistill.data.folders import csv_text
from crossdistill.data.label_cells import LABEL
from crossdistill.data.reading import known_present
from crossdistill.data.table import Table, read_table
from crossdistill.features.encode import ChunkShare, Work, encode, writing
from crossdistill.features.settings import (
    Extraction,
    build,
    fingerprint,
    name_of,
    require_numbers,
    with_tokenizer,
)
from crossdistill.features.shards import CHUNK, FeatureFolder
from crossdistill.listening import Listener, Values
from crossdistill.runs.build import BuildDataset
from crossdistill.runs.jobs import Executor, require_done
from crossdistill.runs.lock import locked
from crossdistill.training.distributed import gather_notes, on_first_rank
from crossdistill.training.engine import launched, on_threads
from crossdistill.types import InputError, Note

FOLDER, NOTES = "features", "notes.json"


@dataclass(frozen=True)
class Extracted:
    """manifest: the new one; samples: how many it has, `encoded` of them now as features; unreadable: how many of the
    others had a file; notes: what went wrong."""

    manifest: Path
    samples: int
    encoded: int
    unreadable: int
    notes: tuple[Note, ...]


def extract(
    path: Path,
    settings: Extraction,
    out: Path | None = None,
    listener: Listener = Listener(),
    executor: Executor | None = None,
    jobs: int = 1,
) -> Extracted:
    """Encode the modality of every sample that has it, and write a manifest in which it is arrays.

    out: the new manifest, in the folder of the old one; STEM-NAME.csv unless given. The features go to features/NAME
    beside it. What is done already is not done again: after a kill, the same command goes on.
    executor: what does it in so many jobs, each a share of the samples; this process, and the ranks beside it, unless
    given.
    Raises InputError when files, weights and settings do not fit together, when other features are there, when another
    process is making them, or when a job fails.
    """
    settings = with_tokenizer(settings)
    require_numbers(settings, name_of(settings))
    table = read_table(path)
    if others := [name for name in table.nested if name.partition(":")[0] != settings.modality]:
        fix = f"save them as {others[0]}.npy and name its rows ({others[0]}.npy#0)"
        if others[0] == LABEL:
            fix = "write labels as texts with ; between them"
        raise InputError(
            f"{table.path}: column '{others[0]}': its {table.nested[others[0]].type} has no place in the new manifest, "
            f"which is a .csv; {fix}"
        )
    new = out or table.path.with_name(f"{table.path.stem}-{name_of(settings)}.csv")
    if new.parent.resolve() != table.path.parent.resolve() or new.suffix != ".csv":
        raise InputError(f"--out {new}: expected a .csv in {table.path.parent}, where the manifest's paths begin")
    if executor is not None and settings.machine.devices * settings.machine.nodes > 1:
        raise InputError("machine.devices, machine.nodes: each job is one process; use --jobs")
    here = settings if executor is None else replace(settings, machine=replace(settings.machine, accelerator="cpu"))
    with ExitStack() as held:
        work = held.enter_context(_opened(table, path, here))
        engine, features = work.engine, work.features
        on_first_rank(engine, lambda: held.enter_context(_locked(features, listener)))
        described = features.described()
        _require_free(features, described, new, settings.sequence)
        notes: list[Note] = []
        if described is None:
            if executor is None:
                notes += encode(work, ChunkShare(engine.global_rank, engine.world_size, CHUNK), listener)
            else:
                notes += _encode_in_jobs(path, settings, work, executor, jobs, listener)
            _finish(work, notes)
        return finished(table, features, settings, work.rows, new, notes, engine.is_global_zero)


@contextmanager
def _opened(table: Table, path: Path, settings: Extraction) -> Iterator[Work]:
    """What any process needs for its share, on as many threads as the settings say. Raises InputError.

    table: of the manifest at `path`
    """
    dataset = read_manifest(
        path,
        only=(settings.modality,),
        readers={settings.modality: settings.reader},
        allow_outside=settings.allow_outside,
        strict=settings.strict,
        task=settings.task,
    )
    engine = launched(settings.machine)
    with on_threads(settings.machine.threads):
        encoder = build(settings, dataset).to(engine.device).eval()
        key = fingerprint(settings, dataset, table)
        features = FeatureFolder(table.path.parent / FOLDER, name_of(settings), key)
        rows = np.flatnonzero(known_present(dataset.columns[settings.modality]))
        yield Work(engine, encoder, settings, dataset, rows, features)


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


def _encode_in_jobs(
    path: Path, settings: Extraction, work: Work, executor: Executor, count: int, listener: Listener
) -> list[Note]:
    """Let the executor write all chunks. Raises InputError where a job failed; what is written is kept."""
    shares = [ChunkShare(number, count, CHUNK) for number in range(min(count, -(-len(work.rows) // CHUNK)))]
    jobs = [EncodingJob(path, settings, work.features, share, len(work.rows)) for share in shares]
    with closing(executor.run_all((job for job in jobs if not job.is_done()), listener)) as outcomes:
        require_done({folder: failure for folder, failure in outcomes if failure is not None}, work.features.folder)
    return [note for job in jobs for note in job.notes()]


@dataclass(frozen=True)
class EncodingJob:
    """A share of the samples, encoded by whichever process sees the manifest's folder; samples: of all shares."""

    path: Path
    settings: Extraction
    features: FeatureFolder
    share: ChunkShare
    samples: int

    @property
    def folder(self) -> Path:
        return self.features.scratch / f"share-{self.share.number:04d}-of-{self.share.count:04d}"

    @property
    def name(self) -> str:
        return f"share {self.share.number + 1} of {self.share.count}"

    @property
    def steps(self) -> int:
        return sum(len(self._rows(number)) for number in self.share.chunks(self.samples))

    def _rows(self, chunk: int) -> range:
        return range(self.samples)[self.share.at(chunk)]

    def write(self) -> None:
        """What is to be done is the extraction, which the same command does again."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def perform(self, listener: Listener, build_data: BuildDataset, interruptible: bool) -> None:
        """Raises InputError where the files are others here than where the work was shared out."""
        with _opened(read_table(self.path), self.path, self.settings) as work:
            if work.features.key != self.features.key:
                raise InputError(f"{self.path}: files or weights are others here than where the work was shared out")
            notes = encode(work, self.share, listener)
        self.write()
        write_atomically(self.folder / NOTES, json.dumps(notes))

    def is_done(self) -> bool:
        return (self.folder / NOTES).is_file()

    def notes(self) -> list[Note]:
        """What went wrong in reading, of a share that is done."""
        return [Note(*note) for note in json.loads((self.folder / NOTES).read_text(encoding="utf-8"))]

    def log(self, told: int = 0) -> list[Values]:
        there = [number for number in self.share.chunks(self.samples) if self.features.chunk(number).is_file()]
        return [{}] * (sum(len(self._rows(number)) for number in there) - told)


def _finish(work: Work, notes: list[Note]) -> None:
    """From all ranks' chunks to the arrays, on the first rank; notes: this rank's, and then those of all."""
    engine, features = work.engine, work.features
    with writing(features):
        notes[:] = gather_notes(engine, notes)
        engine.barrier()
        if engine.is_global_zero:
            count = -(-len(work.rows) // CHUNK)
            features.finish(count, work.rows, int(cast(int, work.encoder.width)), work.settings.sequence)
        engine.barrier()


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
    """The table with the modality's column replaced, and without its segments and crops, as CSV; those of all media go
    with the last one."""
    columns: dict[str, list[str]] = {}
    for name, values in table.columns.items():
        if name in [f"{modality}:{part}" for part in PARTS]:
            continue
        encoded_column = name.partition(":")[0] == modality
        features = [cells.get(row, "") for row in range(len(values))]
        columns[modality if encoded_column else name] = features if encoded_column else values
    if not has_media(replace(table, columns=columns)):
        columns = {name: values for name, values in columns.items() if name not in PARTS}
    return csv_text(columns)
