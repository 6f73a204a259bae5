"""C²KD: Customized Cross-modal Knowledge Distillation (Huo, Xu, Guo, Wang, Guo; CVPR 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crossdistill.losses import rank_correlation, soft_label_divergence
from crossdistill.losses.checks import require_one_of
from crossdistill.losses.selection import TargetClass, divergence_of_others
from crossdistill.methods.base import Method
from crossdistill.models import CrossModalModel
from crossdistill.requirements import require_at_least_zero
from crossdistill.types import Batch, Choice, LogUniform, Objective, Representations, Turn


class Proxies(NamedTuple):
    """The proxies' logits: what the student and the auxiliary teacher say to the other modality."""

    student: Float[Tensor, "batch classes"]
    teacher: Float[Tensor, "batch classes"]


class C2KD(Method):
    """The auxiliary model teaches the student through two proxies that learn from each other, in both directions, on
    the samples whose classes they rank alike.

    The paper's teacher is of another modality than the student: here it is the auxiliary model, not the fusion.
    Use it where modalities disagree on many samples, which are then left out.
    Unlabelled pairs are left out, too: which classes are not the sample's own takes its label to say.
    Paper: Huo, Xu, Guo, Wang, Guo; CVPR 2024.

    Args:
        threshold: only samples whose rank correlation (Kendall's τ) exceeds it are distilled across modalities
        unimodal_weight: of the divergences between each model and its own proxy
        crossmodal_weight: of the divergences between the proxies, over non-target classes
        target_class: "removed" compares the other classes only; "zeroed" is the published code's variant

    Raises:
        ValueError: a negative weight, a threshold outside [-1, 1], or an unknown target_class.

    Example:
        >>> from crossdistill.methods import C2KD
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = C2KD(model)
        >>> [turn] = method.turns(epoch=0)
        >>> sorted(turn.objective(model(batch.modalities, method.views), batch).terms)
        ['classification_auxiliary', 'classification_student', 'crossmodal', 'unimodal']
    """

    views = ("target", "auxiliary")
    predicts = ("target", "auxiliary")
    teacher = "pre_trained"
    taught_by = "auxiliary"
    search = {
        "threshold": Choice((-1.0, 0.0, 0.3)),
        "unimodal_weight": LogUniform(0.1, 10.0),
        "crossmodal_weight": LogUniform(0.1, 10.0),
    }

    def __init__(
        self,
        model: CrossModalModel,
        threshold: float = 0.0,
        unimodal_weight: float = 1.0,
        crossmodal_weight: float = 1.0,
        target_class: TargetClass = "removed",
    ) -> None:
        super().__init__(model)
        weights = {"unimodal_weight": unimodal_weight, "crossmodal_weight": crossmodal_weight}
        require_at_least_zero(weights)
        require_one_of("target_class", target_class, get_args(TargetClass))
        if not -1 <= threshold <= 1:
            raise ValueError(f"expected a threshold within [-1, 1], got {threshold}")
        self.threshold, self.target_class = threshold, target_class
        self.unimodal_weight, self.crossmodal_weight = unimodal_weight, crossmodal_weight
        self.student_proxy = proxy(model.width, model.classes)
        self.teacher_proxy = proxy(model.width, model.classes)

    def turns(self, epoch: int) -> Sequence[Turn]:
        parameters = [*self.model.parameters_of("target", "auxiliary"), *self.parameters()]
        return [Turn("student, teacher and proxies", parameters, self._objective)]

    def proxies(self, representations: Representations) -> Proxies:
        """The logits (B, C) of the student's and of the teacher's proxy.

        Args:
            representations: with target and auxiliary
        """
        return Proxies(
            self.student_proxy(representations.target),
            self.teacher_proxy(representations.auxiliary),
        )

    def selected(self, proxies: Proxies) -> Bool[Tensor, " batch"]:
        """On-the-fly selection: the samples whose soft labels are not misaligned between the modalities.

        Args:
            proxies: as of `proxies`
        """
        return rank_correlation(proxies.student, proxies.teacher) > self.threshold

    def _objective(self, representations: Representations, batch: Batch) -> Objective:
        student, teacher = representations.target_logits, representations.auxiliary_logits
        proxies = self.proxies(representations)
        hard = cross_entropy(student, batch.labels)
        hard_auxiliary = cross_entropy(teacher, batch.labels)
        unimodal = in_both_directions(student, proxies.student) + in_both_directions(teacher, proxies.teacher)
        selected = self.selected(proxies)
        crossmodal = self._crossmodal(proxies, batch.labels, selected)
        total = hard + hard_auxiliary + self.unimodal_weight * unimodal + self.crossmodal_weight * crossmodal
        terms = {
            "classification_student": hard,
            "classification_auxiliary": hard_auxiliary,
            "unimodal": unimodal,
            "crossmodal": crossmodal,
        }
        return Objective(total, terms, {"selected": selected.double().mean()})

    def _crossmodal(self, proxies: Proxies, labels: Tensor, selected: Tensor) -> Tensor:
        """Each proxy learns the other's non-target classes, on the selected samples."""
        to_student = divergence_of_others(
            proxies.student, proxies.teacher.detach(), labels, selected, self.target_class
        )
        to_teacher = divergence_of_others(
            proxies.teacher, proxies.student.detach(), labels, selected, self.target_class
        )
        return to_student + to_teacher


def proxy(width: int, classes: int) -> nn.Sequential:
    """(B, width) -> (B, classes): one hidden layer, then a classifier."""
    return nn.Sequential(
        nn.Linear(width, width, bias=False), nn.LayerNorm(width), nn.LeakyReLU(0.1), nn.Linear(width, classes)
    )


def in_both_directions(first_logits: Tensor, second_logits: Tensor) -> Tensor:
    """Each of two predictions learns the other, which it takes as given."""
    to_first = soft_label_divergence(first_logits, second_logits.detach())
    to_second = soft_label_divergence(second_logits, first_logits.detach())
    return to_first + to_second
