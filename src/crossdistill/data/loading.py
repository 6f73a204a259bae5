"""Which rows make a batch: seeded and the same whatever the number of processes; and the loaders that fetch them."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Sampler

from crossdistill.data.columns import Rows
from crossdistill.data.dataset import NO_WEIGHTS, MultimodalDataset
from crossdistill.data.reading import Parts
from crossdistill.types import CPU, Batch, InputError

Positions = npt.NDArray[np.float64]

Weights = npt.NDArray[np.float64]

NO_ROWS: Rows = np.zeros(0, dtype=np.int64)

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Those by which terminals and schedulers ask a job to end."""


class EpochBatches(Sampler[list[int]]):
    """One epoch's batches of row numbers for one process.

    The rows are permuted by (seed, epoch) and cut into global batches of `batch_size`; the trailing partial batch is
    dropped. Of each, rank r gets the r-th contiguous slice: joined in rank order, the ranks' slices are the batch of a
    single process. Fewer rows than `batch_size` make one batch, trimmed to a multiple of `world_size`.
    Neither reads nor changes the global random state. Raises InputError where the sizes do not fit.

    unlabelled: rows of which each batch holds the share `share`, beside `rows`, which have labels; of fewer, the share
    that they are of all rows, rounded, so that they come no more often than labelled ones. An epoch then has as many
    batches as all rows together would fill, so that few labels do not mean few steps: rows with labels come round
    several times, but never twice in a batch: of fewer than their part of a batch each holds all, and is that much
    smaller. A share of 0 leaves the unlabelled out and keeps that number of batches.
    weights: how often each row of the data set comes, in proportion to the others of its kind, labelled or not; a row
    with twice the weight of all others comes twice in a round, and may then be twice in a batch. Empty: all alike.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        seed: int,
        epoch: int,
        rank: int = 0,
        world_size: int = 1,
        unlabelled: Rows = NO_ROWS,
        share: float = 0.0,
        weights: Weights = NO_WEIGHTS,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise InputError(f"batch size: expected a multiple of the {world_size} processes, found {batch_size}")
        if seed < 0 or epoch < 0:
            raise InputError(f"seed and epoch: expected 0 or more, found {seed} and {epoch}")
        if len(rows) < world_size:
            raise InputError(f"no batch to train on: {len(rows)} rows for {world_size} processes")
        self.rows, self.seed, self.epoch, self.rank, self.world_size = rows, seed, epoch, rank, world_size
        self.unlabelled, self.weights = unlabelled, weights
        everyone = len(rows) + len(unlabelled)
        self.count = max(1, everyone // batch_size)
        share = min(share, len(unlabelled) / everyone)
        wanted = min(round(batch_size * share), batch_size - world_size)
        self.without = min(wanted, len(unlabelled))
        labelled = min(batch_size - self.without, len(rows))
        total = labelled + self.without
        self.labelled = labelled - total % world_size
        self.batch_size = self.labelled + self.without

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch_size // self.world_size
        labelled = self._parts(self.rows, self.labelled, [self.seed, self.epoch])
        without = self._parts(self.unlabelled, self.without, [self.seed, self.epoch, 1])
        order = np.random.default_rng([self.seed, self.epoch, 2])
        for _ in range(self.count):
            batch = next(labelled)
            if self.without:
                batch = order.permutation(np.concatenate([batch, next(without)]))
            yield batch[self.rank * share : (self.rank + 1) * share].tolist()

    def _parts(self, rows: Rows, size: int, seed: list[int]) -> Iterator[Rows]:
        """Parts of `size` of the rows in random order, again and again; within a round no row comes twice."""
        random = np.random.default_rng(seed)
        while size:
            order = random.permutation(rows)
            if len(self.weights):
                order = random.permutation(drawn(order, self.weights[order], random))
            for start in range(0, len(order) - size + 1, size):
                yield order[start : start + size]


def drawn(rows: Rows, weights: Weights, random: np.random.Generator) -> Rows:
    """As many rows (n,) as there are, each in proportion to its weight (n,): as often as that says, rounded down or up.

    Systematic sampling, which leaves less to chance than independent draws: with equal weights each comes once.
    """
    shares = weights * (len(rows) / weights.sum())
    ends = np.floor(np.cumsum(shares) + random.random())
    ends[-1] = len(rows)  # whatever rounding made of the sum
    return np.repeat(rows, np.diff(np.minimum(ends, len(rows)), prepend=0.0).astype(np.int64))


def training_batches(
    dataset: MultimodalDataset,
    rows: Rows,
    batch_size: int,
    seed: int,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
    workers: int | Workers = 0,
    unlabelled: Rows = NO_ROWS,
    share: float = 0.0,
    first_step: int = 0,
) -> Iterator[Batch]:
    """One epoch of shuffled batches of `rows`; see `EpochBatches`. workers: reading processes for this epoch, 0 for
    none, or those that stay; first_step: how many of the epoch's batches to leave out, unread.

    Rows come in proportion to the data set's weights, where it has any.
    What chance decides about a sample (which part of it, mirrored or not) depends on seed, epoch and row alone.
    For a training loop of your own; `Batch.to` brings a batch to a device, the CPU too, and makes numbers of pixels.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, training_batches
    >>> data = from_arrays({"wrist": np.eye(10)}, np.arange(10) % 2)
    >>> batches = list(training_batches(data, data.rows("train"), batch_size=4, seed=0, epoch=0))
    >>> [len(batch.labels) for batch in batches]
    [4, 4]
    >>> again = training_batches(data, data.rows("train"), batch_size=4, seed=0, epoch=0)
    >>> all((a.rows == b.rows).all() for a, b in zip(batches, again))
    True
    """
    sampler = EpochBatches(rows, batch_size, seed, epoch, rank, world_size, unlabelled, share, dataset.weights)
    return _loaded(dataset, Drawn(seed, epoch), islice(sampler, first_step, None), workers)


def evaluation_batches(
    dataset: MultimodalDataset, rows: Rows, positions: Positions, batch_size: int, workers: int | Workers = 0
) -> Iterator[Batch]:
    """These parts of `rows`, one for each of `positions`, in the order given; see `windows_of`.

    Nothing is dropped and nothing left to chance; the last batch may be smaller.
    """
    if batch_size < 1:
        raise InputError(f"batch size: expected at least 1, found {batch_size}")
    items = list(zip(rows.tolist(), positions.tolist(), strict=True))
    batches = [items[start : start + batch_size] for start in range(0, len(items), batch_size)]
    return _loaded(dataset, None, batches, workers)


def windows_of(
    dataset: MultimodalDataset, rows: Rows, modalities: Sequence[str], most: int = 1
) -> tuple[Rows, Positions]:
    """The windows in which samples are evaluated: their rows, each as often as it has windows, and their positions.

    A sample has as many windows as fit into it without overlap, in these modalities, but not more than `most` (0: no
    limit); they are spread evenly from its first to its last, and a single one is the middle. Other modalities are read
    at the same positions.
    """
    counts = dataset.windows(rows, modalities) if most != 1 else np.ones(len(rows), dtype=np.int64)
    counts = np.minimum(counts, most) if most > 0 else counts
    positions = [np.linspace(0, 1, count) if count > 1 else np.array([0.5]) for count in counts]
    return np.repeat(rows, counts), np.concatenate([np.zeros(0), *positions])


def drawn_parts(seed: int, epoch: int, rows: Rows) -> Parts:
    """What chance decides for each sample in this epoch."""
    seeds = random_seeds(seed, epoch, rows)
    return Parts(_fractions(seeds), seeds)


def chance(seed: int, epoch: int, rows: Rows) -> torch.Tensor:
    """(B,) float64 in [0, 1), one draw for each sample of this epoch, other than its part's."""
    mixed = random_seeds(seed + 1, epoch, random_seeds(seed, epoch, rows).view(np.int64))
    return torch.from_numpy(_fractions(mixed))


def _fractions(seeds: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Evenly in [0, 1), from the highest 53 bits."""
    return (seeds >> np.uint64(11)).astype(np.float64) * 2.0**-53


def random_seeds(seed: int, epoch: int, rows: Rows) -> npt.NDArray[np.uint64]:
    """(B,) a random seed for each sample of this epoch (SplitMix64's mixing of the three numbers)."""
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for value in (np.uint64(seed), np.uint64(epoch), rows.astype(np.uint64)):
        with np.errstate(over="ignore"):
            mixed = (mixed ^ value) + np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
    return mixed


class Drawn(NamedTuple):
    """By which seed and epoch chance decides the parts of samples."""

    seed: int
    epoch: int


class _Request(NamedTuple):
    """One batch: its modalities; rows, or (row, position) where nothing is drawn."""

    names: tuple[str, ...]
    drawn: Drawn | None
    items: Sequence[Any]


@dataclass(frozen=True)
class _Source:
    """What DataLoader asks for a batch, by `__getitems__`, in its own process or in a worker."""

    dataset: MultimodalDataset

    def __getitems__(self, request: _Request) -> Batch | InputError:
        """A mistake is handed over and raised by the receiver: DataLoader would wrap it in the worker's traceback."""
        dataset = self.dataset.only(request.names)
        try:
            if request.drawn is None:
                rows, positions = zip(*request.items, strict=True)
                return dataset.batch(np.array(rows, dtype=np.int64), Parts(np.array(positions)))
            row_numbers = np.asarray(request.items, dtype=np.int64)
            batch = dataset.batch(row_numbers, drawn_parts(*request.drawn, row_numbers))
            return replace(batch, chance=chance(*request.drawn, row_numbers))
        except InputError as error:
            return error


class Workers:
    """Processes that read a data set and stay for many passes over it, whole or some of its modalities.

    They start with the first pass, and end with the `with` block. Where processes are spawned, each start imports all
    anew. What they read does not depend on how many there are; a pass that is not finished is forgotten by the next.

    count: 0 to read in this process; device: where the batches are meant for: a GPU copies them while the CPU goes on
    """

    def __init__(self, dataset: MultimodalDataset, count: int, device: torch.device = CPU) -> None:
        self.dataset, self.count, self.device = dataset, count, device
        self._requests: Iterable[_Request] = ()
        self._passes: list[Iterator[Batch | InputError]] = []
        self._loader: DataLoader[Batch | InputError] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for started in self._passes:  # an exception's frames may hold it; its processes must end all the same
            if hasattr(started, "_shutdown_workers"):
                started._shutdown_workers()
        self._passes, self._loader = [], None

    def __iter__(self) -> Iterator[_Request]:
        return iter(self._requests)

    def read(self, names: Sequence[str], drawn: Drawn | None, batches: Iterable[Sequence[Any]]) -> Iterator[Batch]:
        """One pass. Raises InputError for what a sample should not hold."""
        self._requests = (_Request(tuple(names), drawn, items) for items in batches)
        if self._loader is None:
            self._loader = DataLoader(
                _Source(self.dataset),  # type: ignore[arg-type]  # it has __getitems__, all that DataLoader calls
                batch_sampler=self,  # type: ignore[arg-type]  # iterated anew for each pass
                collate_fn=_as_it_is,
                num_workers=self.count,
                persistent_workers=self.count > 0,
                pin_memory=self.device.type == "cuda",
                generator=torch.Generator().manual_seed(0),  # or DataLoader would draw from the global random state
                worker_init_fn=_begin_worker,
            )
        requests, self._passes = self._requests, [iter(self._loader)]
        for batch in self._passes[0]:
            if isinstance(batch, InputError):
                raise batch
            if requests is not self._requests:
                raise RuntimeError("a pass over the data was gone on with after the next had begun")
            yield batch


def _loaded(
    dataset: MultimodalDataset, drawn: Drawn | None, batches: Iterable[Sequence[Any]], workers: int | Workers
) -> Iterator[Batch]:
    if isinstance(workers, Workers):
        if any(workers.dataset.columns.get(name) is not column for name, column in dataset.columns.items()):
            raise ValueError("the workers read another data set")
        return workers.read(tuple(dataset.columns), drawn, batches)
    return _for_one_pass(dataset, drawn, batches, workers)


def _for_one_pass(
    dataset: MultimodalDataset, drawn: Drawn | None, batches: Iterable[Sequence[Any]], count: int
) -> Iterator[Batch]:
    with Workers(dataset, count) as workers:
        yield from workers.read(tuple(dataset.columns), drawn, batches)


def _begin_worker(worker: int) -> None:
    """Terminals and schedulers signal all processes of a job. A worker that ended so would take the parent with it,
    which has a step to finish; it ends with its parent in any case. Warnings are the parent's to say."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _as_it_is(batch: Any) -> Any:
    return batch
