"""What a diagnosis says on a terminal of any width."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossdistill.diagnosis.diagnose import Evidence
from crossdistill.diagnosis.verdict import Verdict
from crossdistill.tasks import headline
from crossdistill.types import TaskKind

_ANSWERS = {"likely": "likely", "unlikely": "unlikely", "cannot tell": "can't tell"}

_ROWS = {
    "target": "target alone",
    "auxiliary": "auxiliary alone",
    "all": "all modalities",
    "taught": "target, taught",
    "self_taught": "target, by itself",
}


_COUNTED: dict[TaskKind, tuple[str, str]] = {
    "classification": ("class", "classes"),
    "multilabel": ("label", "labels"),
    "regression": ("number", "numbers"),
}
"""What the outputs of a task are, one of them and several."""


@dataclass(frozen=True)
class Diagnosis:
    """Will training with the auxiliary modalities help? `str` gives it in words, for 80 columns.

    What `crossdistill.diagnose` gives, to be printed or looked into.

    Attributes:
        name: of the data
        target: modalities that prediction has
        auxiliary: modalities that training alone has
        evidence: counts, scores and information
        verdict: the answer, "likely", "unlikely" or "cannot tell", why, and what to change

    >>> import numpy as np, crossdistill
    >>> random = np.random.default_rng(0); y = np.arange(80) % 2
    >>> wrist, camera = (np.eye(2)[y] + noise * random.normal(size=(80, 2)) for noise in (0.8, 0.1))
    >>> diagnosis = crossdistill.diagnose(wrist, y, camera)
    >>> diagnosis.answer, diagnosis.evidence.counts.labelled
    ('unlikely', 80)
    >>> print(diagnosis.verdict.lever[:19])
    Record more pairs a
    """

    name: str
    target: tuple[str, ...]
    auxiliary: tuple[str, ...]
    evidence: Evidence
    verdict: Verdict

    @property
    def answer(self) -> str:
        """ "likely", "unlikely" or "cannot tell"."""
        return self.verdict.answer

    def text(self, width: int = 80) -> str:
        """In words and a small table, no line longer than `width`.

        Args:
            width: characters, at least 30; the table takes up to 40
        """
        width = max(30, width)
        lines: list[str] = []
        for paragraph in self._paragraphs():
            lines += textwrap.wrap(paragraph, width) or [""]
        head, rest = lines, [*self._table(), ""]
        for sentence in (*self.verdict.because, f"What to do: {self.verdict.lever}"):
            rest += textwrap.wrap(sentence, width)
        return "\n".join([*head, *rest])

    def __str__(self) -> str:
        return self.text()

    def _paragraphs(self) -> Iterator[str]:
        counts = self.evidence.counts
        yield f"{self.name}: will it help? {_ANSWERS[self.verdict.answer].capitalize()}."
        yield f"Target: {', '.join(self.target)}. Auxiliary, in training alone: {', '.join(self.auxiliary)}."
        several = _COUNTED[self.evidence.task][counts.classes != 1]
        held = f" of {counts.groups:,} group{'s' * (counts.groups > 1)}" if counts.groups else ""
        without = f", {counts.unlabelled:,} without a label" if counts.unlabelled else ""
        lacking = f"; {counts.incomplete:,} samples lack a modality" if counts.incomplete else ""
        yield f"{counts.labelled:,} labelled pairs{held}{without}{lacking}; {counts.classes:,} {several}."
        yield from self.evidence.notes
        yield ""

    def _table(self) -> list[str]:
        evidence = self.evidence
        if not evidence.is_scored:
            return ["Nothing could be cross-validated."]
        measured = "right" if evidence.task == "classification" else headline(evidence.task).name
        rows = [(f"{measured}, in %", "", "95 %")]
        rows += [(_ROWS[name], *score.cells()) for name, score in evidence.scores.items() if not math.isnan(score.mean)]
        rows += [("all − target", *evidence.differences["gap"].cells(True))]
        if not math.isnan(evidence.differences["taught"].mean):
            rows += [("taught − alone", *evidence.differences["taught"].cells(True))]
            rows += [("taught − by itself", *evidence.differences["by auxiliary"].cells(True))]
        information = [("in nats", "kNN", "bound")]
        information += [("I(aux; target)", *_both(evidence.teacher_student))]
        information += [("I(target; label)", *_both(evidence.student_label))]
        if evidence.task == "classification":
            information += [("non-target div.", _nats(evidence.divergence), "")]
        return [*_aligned(rows), "", *_aligned(information)]


def _both(values: tuple[float, float]) -> tuple[str, str]:
    return _nats(values[0]), _nats(values[1])


def _nats(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Three columns, the numbers flush right; at most 40 wide."""
    first, second, third = (max(len(row[place]) for row in rows) for place in range(3))
    return [f"{a:<{first}} {b:>{second}}  {c:>{third}}".rstrip() for a, b, c in rows]
