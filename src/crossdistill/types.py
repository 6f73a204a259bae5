"""The few nouns that everything shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

View = Literal["target", "auxiliary", "full"]
"""Which modalities a representation saw: the student's (S), the auxiliary ones (A), all of them (M, the teacher's)."""

StudentKind = Literal["projected", "fused", "hallucinating"]
"""What makes S of the target modalities: a projection of their encoders' features; or the very network that makes M,
which then takes a learnt token for what the auxiliary modalities would add; or the mean of such a projection and of a
second branch with encoders of its own."""

TaskKind = Literal["classification", "multilabel", "regression"]
"""What is predicted: one of several classes; which of several labels a sample has, any number of them; numbers."""

Role = Literal["method", "ablation", "control", "variation"]
"""What a comparison calls a configuration."""


class InputError(ValueError):
    """A mistake in what the user gave (file, option, array). The command line prints it as one line, exit code 2.

    What a program catches that shows its own users what they did wrong. Line breaks in what it quotes, such as a file's
    name, become spaces.

    Args:
        message: what was expected, what was found, and how to mend it

    >>> import crossdistill
    >>> try:
    ...     crossdistill.from_arrays({"wrist": [[1.0], [2.0]]}, ["wave"])
    ... except crossdistill.InputError as error:
    ...     print(error)
    wrist: expected one entry for each of the 1 labels, found 2
    """

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).splitlines()))


class DivergedError(InputError):
    """Training whose losses or predictions are no longer finite: its settings do not suit the data."""


def one_line(error: BaseException) -> str:
    """What an error says, in one line; of one that the system reports, with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return " ".join(f"{where}{error.strerror}".split())
    return " ".join(str(error).split()) or type(error).__name__


def cause(error: BaseException) -> str:
    """`one_line` without the file that the system's error is about, for a line that has named it already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)


class Padded(NamedTuple):
    """A batch of sequences of different length, zero-padded at the end."""

    values: Float[Tensor, "batch time features"]
    lengths: Int[Tensor, " batch"]


Modality = Tensor | Padded


def values_of(x: Modality) -> Tensor:
    """A batch's tensor, of sequences of different length the padded one."""
    return x.values if isinstance(x, Padded) else x


def shape_in_words(x: Modality) -> str:
    """The shape of a batch of one modality, as an error says it."""
    return f"Padded of {tuple(x.values.shape)}" if isinstance(x, Padded) else f"{tuple(x.shape)}"


ModalityTensors = Mapping[str, Modality]


class Pixels(NamedTuple):
    """A batch of pictures or clips as their reader takes them: bytes, a quarter of the numbers that encoders see.

    values: (B, 3, ...) uint8; present: (B,) bool, False for a sample that could not be read
    mean, std: of red, green and blue in [0, 1], which are subtracted and divided by
    """

    values: UInt8[Tensor, "batch colours ..."]
    present: Bool[Tensor, " batch"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def of(self, rows: Tensor | slice) -> Pixels:
        """Those of these samples of the batch."""
        return self._replace(values=self.values[rows], present=self.present[rows])

    def numbers(self, device: torch.device | str = "cpu") -> Float[Tensor, "batch colours ..."]:
        """(B, 3, ...) float32 on the device, which also computes them; 0 where a sample is not there.

        >>> import torch
        >>> from crossdistill.types import Pixels
        >>> bytes_of_two = torch.tensor([[51, 102, 255], [0, 0, 0]], dtype=torch.uint8)[:, :, None, None]
        >>> pixels = Pixels(bytes_of_two, torch.tensor([True, False]), mean=(0.2, 0.2, 0.2), std=(0.5, 0.5, 0.5))
        >>> pixels.numbers().flatten(1).round(decimals=6).tolist()
        [[0.0, 0.4, 1.6], [0.0, 0.0, 0.0]]
        """
        values = copied_to(self.values, device)
        shape = (3, *[1] * (values.ndim - 2))
        scale = torch.tensor([1 / (255 * std) for std in self.std], dtype=torch.float32).view(shape)
        shifts = [mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        shift = torch.tensor(shifts, dtype=torch.float32).view(shape)
        numbers = values.float().mul_(scale.to(device)).sub_(shift.to(device))
        if not bool(self.present.all()):
            numbers[~self.present.to(device)] = 0
        return numbers


class Note(NamedTuple):
    """Something that went wrong in reading a file: one line that names it; whether the sample was skipped for it.

    place: the sample's place among those that were asked for, or, in a `Batch`, its row in the data set; -1 if unknown
    """

    text: str
    skipped: bool
    place: int = -1


class Mixing(NamedTuple):
    """How samples were mixed by pairs (mixup): sample i is weight x_i + (1 - weight) x_partner.

    partners: (B,) int64 places in the batch; weights: (B,) in [0, 1]; whole: (B,) bool on the CPU, False where the
    partner is no longer in the batch
    """

    partners: Int[Tensor, " batch"]
    weights: Float[Tensor, " batch"]
    whole: Bool[Tensor, " batch"]

    def to(self, device: torch.device | str) -> Mixing:
        """The same on a device; `whole` stays on the CPU, where it is decided which rows an encoder sees."""
        return Mixing(copied_to(self.partners, device), copied_to(self.weights, device), self.whole.cpu())


class Share(NamedTuple):
    """The rows of a global batch whose losses one rank computes, where ranks divide them among each other.

    Every rank sees the whole batch, so that its anchors meet all candidates; the gradient of a batch's loss is the mean
    of what the ranks make of their rows.
    rows: this rank's; weight: of a mean over them, so that the ranks' mean is the mean over all rows; ranks: how many
    there are, which multiplies a sum over them that is divided by something of the whole batch

    >>> from crossdistill.types import Share
    >>> Share.of(5, rank=0, ranks=2), Share.of(5, rank=1, ranks=2)
    (Share(rows=slice(0, 2, None), weight=0.8, ranks=2), Share(rows=slice(2, 5, None), weight=1.2, ranks=2))
    """

    rows: slice = slice(None)
    weight: float = 1.0
    ranks: int = 1

    @staticmethod
    def of(size: int, rank: int, ranks: int) -> Share:
        """Of so many rows. Where there are fewer rows than ranks, each computes all of them."""
        if ranks == 1 or size < ranks:
            return EVERYTHING
        start, stop = size * rank // ranks, size * (rank + 1) // ranks
        return Share(slice(start, stop), (stop - start) * ranks / size, ranks)

    def take(self, tensor: Tensor) -> Tensor:
        """These rows of a tensor; the tensor itself where they are all, since the gradient of a slice is a copy.

        >>> import torch
        >>> Share.of(5, rank=1, ranks=2).take(torch.arange(5)).tolist()
        [2, 3, 4]
        """
        return tensor if self.rows == slice(None) else tensor[self.rows]


EVERYTHING = Share()
"""All rows: the share of a process that is alone."""


Labels = Int[Tensor, " batch"] | Float[Tensor, "batch targets"]
"""What samples are labelled with; see `Batch`."""


UNLABELLED = -1
"""The class number of a sample without a label."""


def is_labelled(labels: Labels) -> Bool[Tensor, " batch"]:
    """(B,) True where a sample has a label."""
    return labels >= 0 if labels.ndim == 1 else ~labels.isnan().any(1)


@dataclass(frozen=True)
class Batch:
    """One global step's samples: inputs by modality name, labels, and where they come from.

    modalities: name -> (B, ...) tensor, or `Padded` for sequences of different length
    pixels: name -> pictures or clips that are bytes still; `to` makes tensors among `modalities` of them
    labels: classes, (B,) int64 in [0, C), -1 for a sample without a label; of multi-label data (B, C) float32, 1 for
        each label that a sample has, else 0; of regression (B, K) float64, as they were given; of these two the row of
        a sample without a label is NaN
    rows: (B,) int64, the samples' row numbers in the data set (memory banks key on them)
    present: name -> (B,) bool on the CPU, False where a sample lacks that modality (its values are then 0); a name that
        is not in it is there in every sample
    mixing: with which partner and weight each sample is mixed in passes of mixed inputs; None where nothing is mixed
    chance: (B,) float64 in [0, 1), drawn for each sample in training by seed, epoch and row alone; empty elsewhere
    notes: what went wrong in reading these samples
    rank, ranks: of the process among those that share this batch, once it is gathered
    """

    modalities: ModalityTensors
    labels: Labels
    rows: Int[Tensor, " batch"]
    present: Mapping[str, Bool[Tensor, " batch"]]
    notes: tuple[Note, ...] = ()
    chance: Float[Tensor, " batch"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    mixing: Mixing | None = None
    rank: int = 0
    ranks: int = 1
    pixels: Mapping[str, Pixels] = field(default_factory=dict)

    def share(self, size: int | None = None) -> Share:
        """What this rank computes the losses of: of the batch's rows, or of `size` other things of all ranks."""
        return Share.of(len(self.labels) if size is None else size, self.rank, self.ranks)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device, pixels as numbers; `present` stays on the CPU, where it is decided which rows an
        encoder sees."""
        moved = {name: to_device(value, device) for name, value in self.modalities.items()}
        return replace(
            self,
            modalities=moved | {name: pixels.numbers(device) for name, pixels in self.pixels.items()},
            labels=copied_to(self.labels, device),
            rows=copied_to(self.rows, device),
            chance=copied_to(self.chance, device),
            mixing=self.mixing.to(device) if self.mixing is not None else None,
            pixels={},
        )

    def pin_memory(self) -> Batch:
        """The same batch where a GPU copies from while the CPU goes on; DataLoader calls it."""
        pinned: dict[str, Modality] = {
            name: Padded(*(tensor.pin_memory() for tensor in value))
            if isinstance(value, Padded)
            else value.pin_memory()
            for name, value in self.modalities.items()
        }
        pixels = {name: value._replace(values=value.values.pin_memory()) for name, value in self.pixels.items()}
        return replace(self, modalities=pinned, pixels=pixels)

    @property
    def labelled(self) -> Bool[Tensor, " batch"]:
        """(B,) True where a sample has a label; on the labels' device."""
        return is_labelled(self.labels)

    def has(self, names: Sequence[str]) -> Bool[Tensor, " batch"]:
        """(B,) True where a sample has all of these modalities."""
        masks = [self.present[name] for name in names if name in self.present]
        return reduce(torch.logical_and, masks) if masks else torch.ones(len(self.labels), dtype=torch.bool)


def to_device(modality: Modality, device: torch.device | str) -> Modality:
    if isinstance(modality, Padded):
        return Padded(copied_to(modality.values, device), copied_to(modality.lengths, device))
    return copied_to(modality, device)


def copied_to(tensor: Tensor, device: torch.device | str) -> Tensor:
    """On the device; the CPU does not wait for a GPU's copy from pinned memory, but for a copy to itself."""
    return tensor.to(device, non_blocking=torch.device(device).type == "cuda")


@dataclass(frozen=True)
class Representations:
    """What the model made of a batch: a (B, D) representation and (B, C) logits for each view that was asked for; what
    logits mean the model's task says.

    passes: name -> the same of a further forward pass that the method asked for in `Method.passes`; of a hallucinating
        student, each of its two branches

    Reading a view that the method did not declare in `Method.views` raises KeyError.
    """

    representations: Mapping[View, Float[Tensor, "batch width"]]
    logits: Mapping[View, Float[Tensor, "batch classes"]]
    passes: Mapping[str, Representations] = field(default_factory=dict)

    def map(self, function: Callable[[Tensor], Tensor]) -> Representations:
        """The function of every tensor, those of further passes too."""
        return Representations(
            {view: function(tensor) for view, tensor in self.representations.items()},
            {view: function(tensor) for view, tensor in self.logits.items()},
            {name: further.map(function) for name, further in self.passes.items()},
        )

    def tensors(self) -> list[Tensor]:
        """All of them, in the order in which `map` takes them."""
        further = [tensor for made in self.passes.values() for tensor in made.tensors()]
        return [*self.representations.values(), *self.logits.values(), *further]

    @property
    def target(self) -> Float[Tensor, "batch width"]:
        """S, from the target modalities alone."""
        return self.representations["target"]

    @property
    def auxiliary(self) -> Float[Tensor, "batch width"]:
        """A, from the auxiliary modalities alone."""
        return self.representations["auxiliary"]

    @property
    def full(self) -> Float[Tensor, "batch width"]:
        """M, from all modalities."""
        return self.representations["full"]

    @property
    def target_logits(self) -> Float[Tensor, "batch classes"]:
        return self.logits["target"]

    @property
    def auxiliary_logits(self) -> Float[Tensor, "batch classes"]:
        return self.logits["auxiliary"]

    @property
    def full_logits(self) -> Float[Tensor, "batch classes"]:
        return self.logits["full"]


@dataclass(frozen=True)
class TrainingSamples:
    """The samples that a run trains on, for methods that remember something of each (memory banks).

    rows: (n,) int64, ascending: the numbers that `Batch.rows` will hold; labels: theirs, as in `Batch`
    epochs: that the method will train for
    """

    rows: Int[Tensor, " samples"]
    labels: Labels
    epochs: int = 1


@dataclass(frozen=True)
class Pass:
    """A further forward pass of each batch, beside the one in training mode.

    name: under which an objective finds it in `Representations.passes`; views: what the model computes
    quiet: without dropout and without gradient, what a detached teacher says; mixed: of pairs of target inputs mixed
    by `Batch.mixing`, whose views can be the target's alone
    """

    name: str
    views: tuple[View, ...]
    quiet: bool = False
    mixed: bool = False


@dataclass(frozen=True)
class LogUniform:
    """Numbers of [low, high], each scale alike: the range in which a method's positive option is worth tuning."""

    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """A few values: how an option that is not a positive number is tuned."""

    values: tuple[float | int | str | bool, ...]


SearchSpace = Mapping[str, LogUniform | Choice]
"""Option of the method's constructor, or dotted field of a recipe -> what to try."""


@dataclass(frozen=True)
class Objective:
    """What a turn minimises, and for the run's log the terms it is made of and what was measured on the way.

    measures: without gradient; the log has their means over an epoch's steps
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    measures: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """One player's move: the parameters it may change and what it minimises by changing them.

    adversary: True for discriminators, which are stepped by Adam(0.5, 0.999) at a constant learning rate of their own;
    labels_student: whether labels train the student's logits in it, and so those of samples without auxiliary
    modalities, too.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    objective: Callable[[Representations, Batch], Objective]
    adversary: bool = False
    labels_student: bool = True


NAMES: dict[View, str] = {"target": "student", "full": "teacher", "auxiliary": "auxiliary_alone"}
"""What logs, results and errors call the model behind each view."""

CPU = torch.device("cpu")
