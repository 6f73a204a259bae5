"""What `crossdistill predict` says at its end: how many samples could be read, and how good the student is on those
that have a label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossdistill.cli.columns import Columns
from crossdistill.cli.number_scores import numbers_table
from crossdistill.data.cells import shortened
from crossdistill.data.constant_numbers import not_defined
from crossdistill.data.given.labels import known_labels
from crossdistill.data.label_cells import LABEL
from crossdistill.data.labels import few_of
from crossdistill.evaluation.summary import evaluate_labels, evaluate_numbers
from crossdistill.plain import from_plain
from crossdistill.reports.formats import capitalised, counted
from crossdistill.runs.results import SCORES, AnyScores, NumberScores, constant_in
from crossdistill.student import Predictions, Student
from crossdistill.tasks import measures_of

Labels = Mapping[str, Sequence[str]]
"""Column -> the samples' labels as texts, "" for none."""
_NOTES = 40
"""What went wrong in reading, of files that could be read, is said so often."""
_OF_RETRIEVAL = ("r1", "r5", "map_100")
_NAMED = 3
"""Labels that a line names; of more it says how many there are."""


class Tally:
    """What came of all samples, counted as they come."""

    def __init__(self, student: Student) -> None:
        self.classes, self.task = student.classes, student.spec.task
        self.samples = self.unread = self.unknown = 0
        self.reasons: Counter[str] = Counter()
        self.first = ""
        self.right: Counter[str] = Counter()
        self.labelled: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self.others = _Others(student)

    def add(self, predictions: Predictions, labels: Labels, splits: Sequence[str]) -> None:
        """Labels: column -> as many as samples, as splits are, "" where there is none."""
        self.samples += len(splits)
        self.notes |= dict.fromkeys(predictions.notes[: max(0, _NOTES - len(self.notes))])
        for name, problem in zip(predictions.ids, predictions.problems, strict=True):
            if problem:
                self.unread += 1
                self.reasons[_kind_of(problem, name)] += 1
                self.first = self.first or (problem if name in problem else f"{name}: {problem}")
        if self.task != "classification":
            self.others.add(predictions, labels, splits)
        elif cells := labels.get(LABEL):  # a class has one column
            self._add_classes(predictions, cells, splits)

    def _add_classes(self, predictions: Predictions, cells: Sequence[str], splits: Sequence[str]) -> None:
        for row, split in enumerate(splits):
            if cells[row] and not predictions.problems[row]:
                label = self._known(cells[row])
                self.labelled[split] += 1
                self.unknown += label not in self.classes
                self.right[split] += str(predictions.predicted[row]) == label

    def _known(self, label: str) -> str:
        """The class that is meant: pandas writes 1 as 1.0 in a column with gaps."""
        same = (label, f"{label}.0", label.removesuffix(".0"))
        return next((name for name in same if name in self.classes), label)

    def lines(self, out: Path | None, listed: int) -> Iterator[str | Columns]:
        """What a person should know at the end; listed: how many samples stand above, with what is wrong with each."""
        yield from self.notes
        where = f"{out}: " if out is not None else ""
        failed = f", {self.unread:,} could not be read" if self.unread else ""
        yield f"{where}{self.samples - self.unread:,} of {self.samples:,} samples predicted{failed}"
        if self.unread and listed < self.samples:
            alike = next(iter(self.reasons.values())) - 1
            more = f" (and {alike:,} like it)" if alike else ""
            yield f"The first that could not be read{more}: {self.first}"
        if self.task != "classification":
            yield from self.others.lines()
        elif self.labelled:
            strange = f"; labels that the student does not know: {self.unknown:,}" if self.unknown else ""
            right, labelled = self.right.total(), self.labelled.total()
            yield f"Right on {right:,} of {labelled:,} labelled samples ({100 * right / labelled:.1f} %){strange}"
            if len(self.labelled) > 1:  # the share of all would hide what training saw
                for split, count in self.labelled.items():
                    share = 100 * self.right[split] / count
                    yield f"  {split or 'without a split'}: {self.right[split]:,} of {count:,} ({share:.1f} %)"


class _Others:
    """What students of several labels and of numbers make of the samples that have a label."""

    def __init__(self, student: Student) -> None:
        self.names, self.task = student.classes, student.spec.task
        self.answers: list[npt.NDArray[np.float64]] = []
        self.labels: list[npt.NDArray[np.float64]] = []
        self.splits: list[str] = []
        self.odd = 0
        self.first = ""
        self.unknown: Counter[str] = Counter()

    def add(self, predictions: Predictions, labels: Labels, splits: Sequence[str]) -> None:
        known = known_labels(labels, self.names, self.task, len(splits))
        self.unknown.update(known.unknown)
        self.odd += len(known.odd)
        for row, reason in known.odd.items():
            self.first = self.first or f"{predictions.ids[row]}: {reason}"
        there = ~np.isnan(known.values).any(1) & np.array([not problem for problem in predictions.problems])
        answers = predictions.logits if self.task == "multilabel" else predictions.values
        self.answers.append(answers[there].astype(np.float64))
        self.labels.append(known.values[there])
        self.splits += [splits[row] for row in np.flatnonzero(there).tolist()]

    def lines(self) -> Iterator[str | Columns]:
        splits = list(dict.fromkeys(self.splits))
        if splits:
            whole, unknown = self._scores(), [f"'{shortened(name)}'" for name in self.unknown]
            strange = f"; labels that the student does not know: {few_of(unknown, _NAMED)}" if unknown else ""
            yield f"{self._measures(whole)} on {counted(whole.measured, 'labelled sample')}{strange}"
            scores = {"": whole}
            if len(splits) > 1:  # the measures of all would hide what training saw
                scores = {split or "without a split": self._scores(split) for split in splits}
                yield from (f"  {of}: {self._measures(own)} on {own.measured:,}" for of, own in scores.items())
            numbers = {of: own for of, own in scores.items() if isinstance(own, NumberScores)}
            if (table := numbers_table(self.names, numbers)) is not None:
                yield table
            samples = "labelled samples" + (" of a split" if len(splits) > 1 else "")
            if text := not_defined(constant_in(scores, self.names), self.names, samples):
                yield capitalised(f"{text}.")
        if self.odd:
            yield f"Labels of {counted(self.odd, 'sample')} not compared; the first: {self.first}"

    def _scores(self, split: str | None = None) -> AnyScores:
        """The library's own measures of the samples of a split, of all samples unless given."""
        rows = [row for row, own in enumerate(self.splits) if split in (None, own)]
        answers, labels = np.concatenate(self.answers)[rows], np.concatenate(self.labels)[rows]
        found = evaluate_labels(answers, labels) if self.task == "multilabel" else evaluate_numbers(answers, labels)
        return from_plain(SCORES[self.task], {**found, "measured": len(rows)})

    def _measures(self, scores: AnyScores) -> str:
        """In words, but for measures of retrieval, which there is nothing to search for."""
        measures = [m for m in measures_of(self.task, len(self.names)) if m.key not in _OF_RETRIEVAL]
        return ", ".join(f"{measure.name} {measure.shown(getattr(scores, measure.key))}" for measure in measures)


def _kind_of(problem: str, name: str) -> str:
    """What problems of one kind have in common: not the sample, its row and what was found in it."""
    return re.sub(r"found .*|\d+", "", problem.replace(name, "").replace(Path(name).name, ""), flags=re.DOTALL)
