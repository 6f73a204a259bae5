"""A recipe: everything that determines a run, as typed values that go to and from YAML and the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crossdistill.data.controls import Control
from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders.make import check_encoder_settings
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.requirements import require_above_zero, require_at_least_zero, require_probability
from crossdistill.training.settings import Machine, Optimization
from crossdistill.types import InputError, Role, TaskKind

FROM_PYTHON = "python:"
"""Begins the source of runs whose data came as arrays."""


@dataclass(frozen=True)
class DataSettings:
    """What is learned from.

    The part of a recipe that names data, modalities and split.

    Args:
        source: a bundled data set (emoji, watch), or the path of a manifest or of a folder that holds one
        target: modalities available at prediction time, in the order in which their features are concatenated
        auxiliary: modalities available in training only
        fold: the fold that is tested, where the data has folds; -1 takes the data's own split
        evaluate_on: test, or validation, a part held out from training while the test samples are not read at all, or
            none: nothing is measured
        validation_fraction: of the training samples, where the data has no validation split of its own
        control: what stands in for the auxiliary modalities, to tell distillation from other gains: shuffled among the
            training samples, noise, zeros, or the target modalities once more
        windows: most parts of a sample that the finished run is measured on, 0 for all that fit without overlap; their
            softmax outputs and their representations are averaged. Of samples that are read as a whole there is one
        in_memory: read the arrays of the splits in use once, at the start; false reads each sample whenever it is
            needed, as media are in any case
        readers: modality -> how its video, sound or text is read; a modality without an entry gets the defaults
        strict: a file that cannot be read, or that ends early, stops the run; false skips and counts it
        allow_outside: the manifest's files may lie outside its folder
        allow_shared_groups: a group, such as a subject, may be in training and in what is measured; false refuses it
        labelled: share of the training samples of each class that keep their label, drawn by the seed; the others stay,
            without it. An experiment's switch: what labels are worth
        labelled_groups: how many groups, such as subjects, keep their labels instead; 0 for no such draw
        choose_epoch_on: validation holds a part of training out as well where test is evaluated, measures it after each
            epoch and keeps the model of the epoch that is best on it; none keeps the last epoch's
        balanced: training draws labelled samples so that each class, or label, comes equally often
        class_weights: class or label -> how often training draws its samples, 1 for those that are not named; of a
            sample with several labels, their product
        task: what the manifest's labels are: one class each, any number of labels (multilabel), or numbers (regression)

    Example:
        >>> from crossdistill import DataSettings
        >>> DataSettings("data/my", target=("face",), auxiliary=("voice", "words"), evaluate_on="validation").target
        ('face',)
    """

    source: str = "emoji"
    target: tuple[str, ...] = ("picture",)
    auxiliary: tuple[str, ...] = ("name",)
    fold: int = -1
    evaluate_on: Literal["test", "validation", "none"] = "test"
    validation_fraction: float = 0.25
    control: Control = "none"
    windows: int = 0
    in_memory: bool = True
    readers: dict[str, ReaderSettings] = field(default_factory=dict)
    strict: bool = False
    allow_outside: bool = False
    allow_shared_groups: bool = False
    labelled: float = 1.0
    labelled_groups: int = 0
    choose_epoch_on: Literal["none", "validation"] = "none"
    balanced: bool = False
    class_weights: dict[str, float] = field(default_factory=dict)
    task: TaskKind = "classification"

    def check(self, place: str = "data.") -> None:
        """Refuse what no data can be read with.

        Args:
            place: what an error begins with, before the field

        Raises:
            InputError: naming place and field.
        """
        require_at_least_zero({"windows": self.windows, "labelled_groups": self.labelled_groups}, place)
        if not 0 < self.labelled <= 1:
            raise InputError(f"{place}labelled: expected a share above 0 and at most 1, found {self.labelled}")
        if self.labelled < 1 and self.labelled_groups:
            raise InputError(f"{place}labelled, {place}labelled_groups: expected one of the two, found both")
        if self.balanced and self.class_weights:
            raise InputError(f"{place}balanced, {place}class_weights: expected one of the two, found both")
        require_above_zero({f"class_weights.{name}": weight for name, weight in self.class_weights.items()}, place)
        names = (*self.target, *self.auxiliary)
        for name, reader in self.readers.items():
            reader.check(f"{place}readers.{name}.")
            if name not in names:
                raise InputError(f"{place}readers: no modality {name}; there are {', '.join(names)}")


@dataclass(frozen=True)
class ModelSettings:
    """The student, the auxiliary model and the teacher.

    The part of a recipe that says what is trained, whatever the method.

    Args:
        width: D, of all three representations
        dropout: before the classifiers and inside the teacher's fusion
        encoders: modality -> encoder; a modality without an entry gets kind auto with this width
        auxiliary_encoders: frozen after `auxiliary_epochs` of pre-training, the paper's, or trained with the rest
        teacher: online, trained with the student; fixed, trained before it on encoders of its own; by_method, what the
            method's paper does; given: the auxiliary modality holds the outputs of a teacher that was trained
            elsewhere, a logit for each class or label; or cross_fitted: teachers trained before it on folds of the
            labels, which teach only what they have not learnt, for methods that read a teacher's outputs alone
        separate_teacher: encoders and classifier of the teacher's own, instead of shared with the student; methods
            whose paper has it so do it anyway
        input_bound: how many standard deviations from the mean an input may be that is not raw media; what is further
            away is put there. 0 for no bound
        folds: of a cross-fitted teacher, whole groups where the data's split is by groups; fewer where there are fewer
        ensemble: teachers of each of these folds, whose mean is what the student learns

    Example:
        >>> from crossdistill import EncoderSettings, ModelSettings
        >>> mlp = EncoderSettings("mlp", {"width": 64, "layers": 2})
        >>> ModelSettings(width=64, encoders={"wrist": mlp}, auxiliary_encoders="trained").check()
    """

    width: int = 256
    dropout: float = 0.0
    encoders: dict[str, EncoderSettings] = field(default_factory=dict)
    auxiliary_encoders: Literal["frozen", "trained"] = "frozen"
    teacher: Literal["by_method", "online", "fixed", "given", "cross_fitted"] = "by_method"
    separate_teacher: bool = False
    input_bound: float = 4.0
    folds: int = 5
    ensemble: int = 1

    def check(self, place: str = "model.") -> None:
        """Refuse a model that there cannot be.

        Args:
            place: what an error begins with, before the field

        Raises:
            InputError: naming place and field.
        """
        require_above_zero({"width": self.width, "ensemble": self.ensemble}, place)
        if self.folds < 2:
            raise InputError(f"{place}folds: expected 2 or more, found {self.folds}")
        require_at_least_zero({"input_bound": self.input_bound}, place)
        if not math.isfinite(self.input_bound):
            raise InputError(f"{place}input_bound: expected a number, or 0 for no bound, found {self.input_bound}")
        require_probability({"dropout": self.dropout}, place)
        for name, encoder in self.encoders.items():
            check_encoder_settings(name, encoder)


@dataclass(frozen=True)
class Recipe:
    """A run.

    All that determines it, to be varied by `dataclasses.replace`; `own` and `RECIPES` give some to start from.

    Args:
        name: of the recipe, in reports
        method: one of crossdistill.methods.METHODS
        label: what comparisons call this configuration; empty for the method's name
        role: what a comparison calls this configuration: a method, or an ablation, control or variation of one
        varied: the option or field that a variation sets, as in amid.alpha_1 or model.width; empty for all others
        seed: of initial weights, order of batches and dropout
        epochs: of the method
        auxiliary_epochs: of the auxiliary encoders' own pre-training, before the method; 0 for none
        batch_size: of the global batch, shared by all ranks
        unlabelled_share: of each batch, of samples without a label, where the method learns from them and there are any
        evaluate_every: epochs between measurements on the evaluation split, which are for the curves only; auto takes a
            twentieth of the training's time for them, and measures after each epoch where they choose one
        checkpoint_every: epochs between checkpoints
        checkpoint_minutes: since the last one, after which there is one inside an epoch, too; 0 for none
        tensorboard: also write the log as TensorBoard events
        tracker: also tell an experiment tracker; its package's own settings say where and as whom
        data: what is trained and measured on
        model: encoders, widths and the teacher
        optimization: learning rates and steps
        machine: device, precision and threads
        options: method -> its constructor's arguments; on the command line and in YAML: amid.alpha_1 and so on

    Example:
        >>> from dataclasses import replace
        >>> from crossdistill import RECIPES, Recipe
        >>> recipe: Recipe = RECIPES["emoji"]()
        >>> gentle = replace(recipe, label="gentle", options={"amid": {**recipe.options["amid"], "alpha_1": 0.01}})
        >>> gentle.method, gentle.options["amid"]["alpha_1"], recipe.options["amid"]["alpha_1"]
        ('amid', 0.01, 0.1)
    """

    name: str = "own"
    method: str = "amid"
    label: str = ""
    role: Role = "method"
    varied: str = ""
    seed: int = 0
    epochs: int = 60
    auxiliary_epochs: int = 0
    batch_size: int = 128
    unlabelled_share: float = 0.5
    evaluate_every: int | Literal["auto"] = "auto"
    checkpoint_every: int = 10
    checkpoint_minutes: float = 15.0
    tensorboard: bool = False
    tracker: Literal["none", "trackio", "wandb", "mlflow"] = "none"
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optimization: Optimization = field(default_factory=Optimization)
    machine: Machine = field(default_factory=Machine)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def as_method(recipe: Recipe, method: str) -> Recipe:
    """The recipe with a method as such, where the given one may be an ablation, control or variation."""
    return replace(recipe, method=method, label="", role="method", varied="")


def name_of(recipe: Recipe) -> str:
    """How output calls a run of the recipe: its label or method, its fold and its seed."""
    fold = f" fold {recipe.data.fold}" if recipe.data.fold >= 0 else ""
    return f"{recipe.label or recipe.method}{fold} seed {recipe.seed}"
