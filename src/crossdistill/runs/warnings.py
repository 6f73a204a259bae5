"""What a run's numbers hide: said once, to whoever listens, in a line that begins with WARNING."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from crossdistill.data.columns import Rows
from crossdistill.data.constant_numbers import constant_numbers
from crossdistill.data.controls import Control
from crossdistill.data.doubts import doubts_of
from crossdistill.data.labels import few_of
from crossdistill.data.precision import rounded_away
from crossdistill.data.unlike_training import unlike_training
from crossdistill.data.untested_classes import untested_classes
from crossdistill.evaluation.collect import Outputs
from crossdistill.listening import WARNING
from crossdistill.losses.cosine import unit_rows
from crossdistill.methods import DISCRIMINATOR_ACCURACY, METHODS
from crossdistill.models.cross_modal import modalities_of
from crossdistill.runs.build import Built
from crossdistill.runs.data import split_after_epochs
from crossdistill.runs.given_teacher import mixed_up
from crossdistill.runs.measure import headline_of, score_key
from crossdistill.tasks import Task
from crossdistill.training import Record, Stage
from crossdistill.types import NAMES, View

_HALF = 0.5
"""The share of complete samples from which their number is said without the word."""
_COLLAPSED = 0.99
"""Mean cosine of two samples' representations above which all samples have one direction."""
_CERTAIN = 0.995
"""A discriminator's mean accuracy over an epoch above which it is hardly ever wrong."""
_SURE = 2.33
"""Standard errors by which a teacher is below another: what chance alone makes in one of a hundred equal pairs."""

_NAMED = 5
"""Classes that a line names; of more it says how many there are."""
_ONE_CLASS = 0.99
"""The share of predictions of one class above which a model says nothing of a sample."""
_TOLD = 10
"""How many samples it takes to say so."""
_MOSTLY = 0.9
"""The share of samples of one class above which that class is as good an answer as any."""

_TEACH_NOTHING: tuple[Control, ...] = ("shuffled", "noise", "zeroed")
"""Controls whose auxiliary inputs say nothing of a sample."""

_WORDS: dict[View, str] = {
    "target": "the student",
    "full": "the teacher",
    "auxiliary": "the auxiliary modalities alone",
}


class Warnings:
    """Says each thing once: at the start what the data are, later what the measures show.

    say: takes a line; log: the lines of the run's log up to where it goes on from, none for a new training
    """

    def __init__(self, built: Built, say: Callable[[str], None], log: Sequence[str] = ()) -> None:
        self._built, self._say = built, say
        self._told: set[str] = set()
        self._auxiliary = math.nan
        for record in map(json.loads, log):
            self._remember(record)
            self._told |= _never_wrong(record).keys()

    def at_start(self, ranks: int = 1) -> None:
        """Say what is wrong or doubtful before training begins.

        - training samples: numbers that float32 cannot hold, settings without effect on how they are read, doubts
          about them (`doubts_of`), labels that are all the same
        - measured samples: numbers that are the same in all of them, modalities that are, or are far from training's,
          classes of which none is
        - labels and modalities that samples lack, and samples that the method cannot use or can learn nothing from
        - a method whose first stages or warm-up take all epochs
        - outputs of a teacher that stand in each other's columns
        - chunks that divide nothing, or that change an encoder with batch normalisation

        ranks: how many share each batch
        """
        dataset = self._built.dataset
        for name in self._built.model.encoders:
            if text := rounded_away(name, dataset.columns[name], dataset.rows("train")):
                self._say(f"{WARNING}{text}")
        self._tell_of_unread_settings()
        for text in doubts_of(dataset):
            self._say(f"{WARNING}{text}")
        labels = np.unique(dataset.labels[dataset.labelled_rows("train")], axis=0)
        if len(labels) == 1:
            alike = f"of one class, '{dataset.classes[labels[0]]}'" if self._task.has_classes else "labelled alike"
            self._say(
                f"{WARNING}all labelled training samples are {alike}; a model that always says so is right on each of "
                "them, and nothing else is learnt from their labels"
            )
        for split in dict.fromkeys((self._built.recipe.data.evaluate_on, self._split)):
            if split == "none":
                continue
            for text in (*filter(None, [constant_numbers(dataset, split)]), *unlike_training(dataset, split)):
                self._say(f"{WARNING}{text}")
        for text in untested_classes(dataset) if self._built.recipe.data.evaluate_on == "test" else ():
            self._say(f"{WARNING}{text}")
        if self._built.recipe.model.teacher == "given" and self._control == "none":
            for name in self._built.recipe.data.auxiliary:
                if text := mixed_up(dataset, name):
                    self._say(f"{WARNING}{text}")
        self._tell_of_unlabelled()
        self._tell_of_no_teaching()
        self._tell_of_incomplete()
        self._tell_of_labels_that_teach_nothing()
        self._tell_of_first_stages()
        if self._built.recipe.optimization.chunk_size:
            self._tell_of_chunks(self._built.recipe.optimization.chunk_size, ranks)

    def _tell_of_unread_settings(self) -> None:
        for name, spec in self._built.spec.inputs.items():
            reader = self._built.recipe.data.readers.get(name)
            if reader is not None and (unread := reader.unread(spec.kind)):
                place = f"{WARNING}data.readers.{name}: {', '.join(unread)}"
                self._say(f"{place}: without effect, for its samples are {spec}")

    def _tell_of_chunks(self, chunk_size: int, ranks: int) -> None:
        model, share = self._built.model, math.ceil(self._built.recipe.batch_size / ranks)
        place = f"{WARNING}optimization.chunk_size {chunk_size}: "
        if chunk_size >= share:
            self._say(f"{place}a process's part of a batch is {share} samples, so that none is divided")
            return
        across = [name for name in model.encoders if any(map(_learns_statistics, model.encoders_of(name)))]
        if across:
            self._say(
                f"{place}batch normalisation, in the encoder of {', '.join(across)}, sees that many samples at a time, "
                "and no longer the whole batch: another model, whose gradient this is"
                + ("; where a sample is one number a channel, it learns no statistics at all" * (chunk_size == 1))
            )

    def _tell_of_first_stages(self) -> None:
        recipe, first = self._built.recipe, self._built.method.first_epochs
        if recipe.epochs <= first:
            self._say(
                f"{WARNING}epochs {recipe.epochs}: the first stages or the warm-up of {recipe.method} take {first}, so "
                "that what it is named for never begins; give it more epochs, or these fewer by its options"
            )

    def _tell_of_unlabelled(self) -> None:
        """Of a method that distils but leaves them out, unless the recipe took the labels away."""
        dataset, recipe = self._built.dataset, self._built.recipe
        method = METHODS[recipe.method]
        if (
            method.learns_unlabelled
            or len(method.views) == 1
            or recipe.data.labelled < 1
            or recipe.data.labelled_groups
        ):
            return
        everyone, labelled = len(dataset.rows("train")), len(dataset.labelled_rows("train"))
        if labelled < everyone:
            self._say(
                f"{WARNING if labelled < _HALF * everyone else ''}{everyone - labelled} of {everyone} training samples "
                f"have no label, and {recipe.method} learns nothing from them; amid_u, kd and others do"
            )

    def _tell_of_no_teaching(self) -> None:
        method = self._built.recipe.method
        if self._built.method.teaching:
            return
        labelled, complete = self._labelled_and_complete()
        if complete.any():
            self._say(
                f"{WARNING}all pairs that it trains on have labels, so that {method}'s student learns from these "
                "alone: what its teachers say counts where labels are missing. Other methods, or its option fading "
                "false, teach it all the same"
            )
            return
        self._say(
            f"{WARNING}none of the {len(labelled)} labelled training samples has all modalities "
            f"({', '.join(self._read)}), so that {method}'s student learns from labels alone: no label reaches its "
            "teachers. Label some that have all, or record some of the labelled ones with all"
        )

    def _tell_of_incomplete(self) -> None:
        dataset = self._built.dataset
        learns_unlabelled = METHODS[self._built.recipe.method].learns_unlabelled
        rows = dataset.rows("train") if learns_unlabelled else dataset.labelled_rows("train")
        complete = int(dataset.present(self._read)[rows].sum())
        if complete < len(rows):
            are_few = complete < _HALF * len(rows)
            self._say(
                f"{WARNING if are_few else ''}only {complete} of {len(rows)} training samples have all modalities "
                f"({', '.join(self._read)}); nothing that needs them all is learnt from the others"
            )

    def _tell_of_labels_that_teach_nothing(self) -> None:
        """Of a method that learns from unlabelled pairs, too: old recordings with labels and new ones with modalities
        can be so many complete samples that none of the counts above is low. And of classes of which no label is
        beside all modalities, although these may be missing in few samples."""
        method, dataset = METHODS[self._built.recipe.method], self._built.dataset
        if len(method.views) == 1 or self._built.spec.given_teacher or not self._built.method.teaching:
            return
        labelled, complete = self._labelled_and_complete()
        read, count = ", ".join(self._read), int(complete.sum())
        has_unlabelled = len(labelled) < len(dataset.rows("train"))  # else the line before has said it
        if method.learns_unlabelled and has_unlabelled and count < _HALF * len(labelled):
            those = f"the {len(labelled)} labelled training samples"
            found = f"only {count} of {those} have" if count else f"none of {those} has"
            left = "no label of the others" if count else "no label"
            self._say(f"{WARNING}{found} all modalities ({read}), so that {left} reaches what teaches the student")
        if self._task.kind == "classification" and count:
            learnt, taught = (np.unique(dataset.labels[rows]) for rows in (labelled, labelled[complete]))
            if len(unknown := np.setdiff1d(learnt, taught)):
                named = few_of([f"'{dataset.classes[number]}'" for number in unknown], _NAMED, "more classes")
                self._say(
                    f"{WARNING}no labelled training sample of {named} has all modalities ({read}): what teaches "
                    "the student never says so, of samples of that class neither"
                )

    def _labelled_and_complete(self) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """The labelled training samples, and whether each has all that the method reads."""
        labelled = self._built.dataset.labelled_rows("train")
        return labelled, self._built.dataset.present(self._read)[labelled]

    @property
    def _read(self) -> tuple[str, ...]:
        """The modalities that the method learns from."""
        recipe = self._built.recipe
        return modalities_of(METHODS[recipe.method].views, recipe.data.target, recipe.data.auxiliary)

    def ended(self, stage: Stage, outputs: Outputs) -> None:
        """Of what the model gives when a stage has ended: representations that are alike for all samples, as many are
        at first; when the last one has, a teacher that is no better than what it should surpass. What a control does on
        purpose is no news: its teacher has nothing more to know, and its auxiliary modalities have nothing to tell
        samples apart by."""
        for view in stage.method.predicts:
            made, labels = outputs.complete(view)
            if view == "auxiliary" and self._control in _TEACH_NOTHING:
                continue
            if len(labels) and bool((labels != labels[0]).any()):
                cosine = _mean_cosine(made.representations[view])
                if cosine > _COLLAPSED:
                    self._warn(
                        f"collapse of {view}",
                        f"{self._before(stage)}the representations of {_WORDS[view]} have collapsed: two "
                        f"{self._split} samples have a cosine of {cosine:.3f} on average, of whatever class",
                    )
        if stage is not self._built.stages[-1]:
            return
        if "target" in stage.method.predicts and self._task.kind == "classification":
            self._tell_of_one_class(outputs)
        if "full" in stage.method.predicts and self._control == "none" and self._labelled_and_complete()[1].any():
            self._compare_teacher(stage, outputs)

    def _before(self, stage: Stage) -> str:
        """How a line begins that is not of the method itself."""
        return "" if stage is self._built.stages[-1] else f"in the stage of {stage.name}, "

    def _tell_of_one_class(self, outputs: Outputs) -> None:
        """As where a student teaches itself what it says most often; not where nearly all samples are of that class."""
        made, labels = outputs.complete("target")
        if len(labels) < _TOLD:
            return
        answers = np.bincount(made.target_logits.argmax(1).numpy()) / len(labels)
        said = int(answers.argmax())
        right = float((labels == said).double().mean())
        if answers[said] > _ONE_CLASS and right < _MOSTLY:
            self._warn(
                "one answer",
                f"the student ends with one answer, '{self._built.dataset.classes[said]}', for "
                f"{100 * answers[said]:.0f} % of the {self._split} samples, of which {100 * right:.0f} % are of that "
                "class",
            )

    def _compare_teacher(self, stage: Stage, outputs: Outputs) -> None:
        """Beside student and auxiliary, on the same samples; a difference that chance may make is no news."""
        others: tuple[View, ...] = ("target", "auxiliary")
        for view in others:
            if view in stage.method.predicts:
                made, labels = outputs.complete("full", view)
                if len(labels) and headline_of(self._task, made.full_logits, labels) >= headline_of(
                    self._task, made.logits[view], labels
                ):
                    continue  # of several labels more decisions may be wrong, and the order of samples better
                teacher, other = (self._task.right(made.logits[name], labels) for name in ("full", view))
                self._tell_of_teacher(view, teacher, other, float((other - teacher).square().sum().sqrt()))
        measured_before = "auxiliary" not in stage.method.predicts and not math.isnan(self._auxiliary)
        if not self._task.has_classes:  # nothing says how far chance moves another stage's measure
            return
        if measured_before:  # in a stage of its own, sample by sample unknown
            made, labels = outputs.complete("full")
            teacher = self._task.right(made.logits["full"], labels)
            shares = (self._auxiliary, float(teacher.mean()))
            error = math.sqrt(len(labels) * sum(share * (1 - share) for share in shares))
            self._tell_of_teacher("auxiliary", teacher, teacher.new_full(teacher.shape, self._auxiliary), error)

    def _tell_of_teacher(self, view: View, teacher: Tensor, other: Tensor, error: float) -> None:
        """teacher, other: (N,) how far each sample is right; error: of the difference of their sums."""
        if float(other.sum() - teacher.sum()) > _SURE * error:
            self._warn(
                f"teacher below {view}",
                f"the teacher ends below {_WORDS[view]}: {self._told_right(teacher, other)} of {len(teacher)} "
                f"{self._split} samples; more modalities have not made it better, and it has little to teach",
            )

    def _told_right(self, teacher: Tensor, other: Tensor) -> str:
        if self._task.kind == "regression":
            return f"a mean squared error of {-float(teacher.mean()):.3g} against {-float(other.mean()):.3g} variances"
        labels = " of the labels" if self._task.kind == "multilabel" else ""
        return f"{100 * float(teacher.mean()):.1f} % against {100 * float(other.mean()):.1f} %{labels}"

    @property
    def _control(self) -> Control:
        return self._built.recipe.data.control

    @property
    def _task(self) -> Task:
        return self._built.method.task

    def epoch(self, record: Record) -> None:
        """Of an epoch's record: a discriminator that is never wrong, from which its opponent learns nothing."""
        self._remember(record)
        for name, accuracy in _never_wrong(record).items():
            which = name.removeprefix("training/").removesuffix(DISCRIMINATOR_ACCURACY).strip("_")
            self._warn(
                name,
                f"epoch {int(record['epoch']) + 1}: the discriminator {which} was right on {100 * accuracy:.1f} % of "
                "the epoch's samples, so that the student hardly learns from it; a lower "
                "optimization.discriminator_learning_rate or a narrower one leaves it a chance",
            )

    def _remember(self, record: Mapping[str, Any]) -> None:
        accuracy = record.get(score_key(NAMES["auxiliary"], self._task.kind))
        if accuracy is not None:
            self._auxiliary = float(accuracy)

    @property
    def _split(self) -> str:
        return split_after_epochs(self._built.recipe.data)

    def _warn(self, key: str, line: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._say(f"{WARNING}{line}")


def _never_wrong(record: Mapping[str, Any]) -> dict[str, float]:
    """The accuracies in an epoch's record of discriminators that are hardly ever wrong."""
    found = {name: value for name, value in record.items() if name.endswith(DISCRIMINATOR_ACCURACY)}
    return {name: float(value) for name, value in found.items() if value is not None and float(value) > _CERTAIN}


def _learns_statistics(encoder: nn.Module) -> bool:
    """Whether it normalises by the batch that it trains on."""
    return any(isinstance(part, _BatchNorm) and part.training for part in encoder.modules())


def _mean_cosine(representations: Tensor) -> float:
    """Of all pairs of different rows of (N, D), N > 1: all cosines add up to the squared length of the sum of unit
    vectors."""
    directions = unit_rows(representations.double())
    pairs = directions.sum(0).square().sum() - directions.square().sum()
    return float(pairs) / (len(directions) * (len(directions) - 1))
