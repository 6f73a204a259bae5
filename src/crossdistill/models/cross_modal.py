"""The student, the auxiliary model and the teacher in one module: S, A and M from shared encoders (Section 4.2)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

from torch import Tensor, nn

from crossdistill.encoders import Encoder
from crossdistill.encoders.standardize import unstandardized
from crossdistill.models.fusion import AuxiliaryInput, Fusion, Projection, TokenFusion
from crossdistill.models.hallucination import HallucinationBranch
from crossdistill.models.present import encode_present
from crossdistill.tasks import Classification, Task
from crossdistill.types import ModalityTensors, Representations, StudentKind, View

_Present = Mapping[str, Tensor]
_EVERYTHING: _Present = MappingProxyType({})
"""Every sample has every modality."""


class CrossModalModel(nn.Module):
    """S from the target modalities, A from the auxiliary ones, M from all, each (B, width).

    What every method trains; what ships of it is `predict`, which reads the target modalities alone.

    One linear classifier serves S and M. A has none in AMID; the linear layer for it here serves pre-training of the
    auxiliary encoders only. Without an auxiliary modality there is S alone: the student as it ships.

    Args:
        encoders: modality name -> encoder with `.width`
        target: names, at least one, in the order in which features are concatenated
        auxiliary: names, likewise
        width: D, of S, A and M
        classes: C
        dropout: before the classifiers and inside the fusion
        separate_teacher: M gets its own copies of the encoders and of the classifier instead of sharing them
        teacher_shares_auxiliary: whether a separate teacher still shares the auxiliary encoders, which then serve A
            and M
        student: what makes S of its encoders' features; see `StudentKind`
        task: what the C logits mean; None: C classes of no name
        given_teacher: the auxiliary modality is a teacher's C logits, made elsewhere: M and its logits, as they are

    Raises:
        ValueError: a modality is missing, named twice or has no encoder, or a fused student is to have a teacher that
            shares nothing with it.

    >>> import torch
    >>> from crossdistill.encoders import MLP
    >>> from crossdistill.models import CrossModalModel
    >>> model = CrossModalModel({"video": MLP(4, 8), "audio": MLP(6, 8)}, ["video"], ["audio"], width=8, classes=3)
    >>> video, audio = torch.randn(2, 4), torch.randn(2, 6)
    >>> representations = model({"video": video, "audio": audio}, ("target", "full"))
    >>> representations.full.shape, representations.full_logits.shape
    (torch.Size([2, 8]), torch.Size([2, 3]))
    >>> torch.equal(model.predict({"video": video}), representations.target_logits)
    True
    >>> model.modalities_of("target"), model.modalities_of("full")
    (('video',), ('video', 'audio'))
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        target: Sequence[str],
        auxiliary: Sequence[str],
        width: int,
        classes: int,
        dropout: float = 0.0,
        separate_teacher: bool = False,
        teacher_shares_auxiliary: bool = False,
        student: StudentKind = "projected",
        task: Task | None = None,
        given_teacher: bool = False,
    ) -> None:
        super().__init__()
        self.task: Task = task if task is not None else Classification(tuple(map(str, range(classes))))
        self.target, self.auxiliary, self.width, self.classes = tuple(target), tuple(auxiliary), width, classes
        _check_modalities(self.target, self.auxiliary, set(encoders))
        if given_teacher and len(self.auxiliary) != 1:
            raise ValueError(f"expected a given teacher's outputs as the auxiliary modality, found {self.auxiliary}")
        widths = {name: cast(Encoder, encoders[name]).width for name in self.target + self.auxiliary}
        self.encoders = nn.ModuleDict({name: encoders[name] for name in self.target + self.auxiliary})
        target_widths, auxiliary_widths = ([widths[name] for name in names] for names in (self.target, self.auxiliary))
        self.student, self.fused, self.given_teacher = student, student == "fused", given_teacher
        distils = bool(self.auxiliary) and not given_teacher
        self.target_projection: nn.Module = (
            TokenFusion(target_widths, width, dropout) if self.fused else Projection(target_widths, width)
        )
        self.auxiliary_projection = Projection(auxiliary_widths, width) if distils else nn.Identity()
        self.fusion: nn.Module = nn.Identity()
        if distils and self.fused:
            self.fusion = AuxiliaryInput(auxiliary_widths, width)
        elif distils:
            self.fusion = Fusion(list(widths.values()), width, dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)
        self.auxiliary_classifier = nn.Linear(width, classes) if distils else nn.Identity()
        self.hallucination: nn.Module = nn.Identity()
        if student == "hallucinating":
            seeing = {name: self.encoders[name] for name in self.target}
            self.hallucination = HallucinationBranch(seeing, self.target_projection, self.classifier)
        self.separate_teacher = separate_teacher = separate_teacher and distils
        if self.fused and separate_teacher:
            raise ValueError("a fused student is the teacher's own network: expected no separate_teacher")
        copied = self.target if teacher_shares_auxiliary else self.target + self.auxiliary
        self.teacher_encoders = nn.ModuleDict(
            {name: copy.deepcopy(self.encoders[name]) for name in copied if separate_teacher}
        )
        self.teacher_classifier = copy.deepcopy(self.classifier) if separate_teacher else nn.Identity()
        self._frozen: list[nn.Module] = []
        self._held: tuple[nn.Module, ...] = ()
        self._resting: set[nn.Parameter] = set()  # of what is held, all that is trained in other epochs

    def forward(
        self, modalities: ModalityTensors, views: Sequence[View], present: _Present = _EVERYTHING
    ) -> Representations:
        """The asked-for views of a batch. Encoders run once each, and only those that a view needs.

        Args:
            modalities: name -> (B, ...) tensor or `Padded` sequences, of those that the views read
            views: of "target", "auxiliary", "full"
            present: as in `Batch`. An encoder sees only the samples that have its modality; a view of a sample that
                lacks one of the view's modalities means nothing, and whoever reads views leaves it out

        Raises:
            ValueError: a view of auxiliary modalities, of a model that has none.
        """
        if not self.auxiliary and set(views) - {"target"}:
            raise ValueError(f"views {', '.join(views)}: a model without auxiliary modalities has the target's alone")
        features = {name: encode_present(self.encoders, name, modalities, present) for name in self._encoded(views)}
        made: dict[View, tuple[Tensor, Tensor]] = {}
        branches: dict[str, tuple[Tensor, Tensor]] = {}
        for view in views:
            if view == "target":
                made[view], branches = self._target(features, modalities, present)
            elif view == "auxiliary":
                made[view] = self._auxiliary(features)
            else:
                made[view] = self._full(features, modalities, present)
        passes = {name: Representations({"target": x}, {"target": logits}) for name, (x, logits) in branches.items()}
        return Representations({view: made[view][0] for view in made}, {view: made[view][1] for view in made}, passes)

    def predict(self, target_modalities: ModalityTensors) -> Tensor:
        """The student's logits (B, C) from the target modalities alone; nothing auxiliary is read.

        Args:
            target_modalities: name -> (B, ...) tensor or `Padded` sequences
        """
        made: Representations = self(target_modalities, ("target",))
        return made.target_logits

    @property
    def can_mix(self) -> bool:
        """Whether target inputs of two samples are mixed: each target encoder says so by its attribute `mixes`. True
        where it has none; `conv`, `rnn`, `signal` and models of words say no, `make_encoder` of all windows, sequences
        and token ids."""
        return all(getattr(unstandardized(self.encoders[name]), "mixes", True) for name in self.target)

    def student_state(self) -> dict[str, Tensor]:
        """The part of the state that predicts, with the keys that the model has without auxiliary modalities."""
        parts = (*(f"encoders.{name}." for name in self.target), "target_projection.", "classifier.", "hallucination.")
        return {key: value for key, value in self.state_dict().items() if key.startswith(parts)}

    def modalities_of(self, *views: View) -> tuple[str, ...]:
        """The names of the modalities that the views read.

        Args:
            views: of "target", "auxiliary", "full"
        """
        return modalities_of(views, self.target, self.auxiliary)

    def represents(self, view: View) -> bool:
        """Whether the view has a representation in the space of D dimensions; a given teacher has its logits alone.

        Args:
            view: "target", "auxiliary" or "full"
        """
        return not (view == "full" and self.given_teacher)

    def classifier_of(self, view: View) -> nn.Module:
        """The linear layer that makes the view's logits of its representation.

        Args:
            view: "target", "auxiliary" or "full"
        """
        if view == "auxiliary":
            return self.auxiliary_classifier
        return self.teacher_classifier if view == "full" and self.separate_teacher else self.classifier

    def modules_of(self, *views: View) -> nn.ModuleList:
        """The modules that the given views run through, each once.

        Args:
            views: of "target", "auxiliary", "full"
        """
        modules: list[nn.Module] = [self.encoders[name] for name in self._encoded(views)]
        if "target" in views or ("full" in views and not self.separate_teacher and not self.given_teacher):
            modules.append(self.classifier)
        if "target" in views or ("full" in views and self.fused):
            modules.append(self.target_projection)
        if "target" in views:
            modules.append(self.hallucination)
        if "auxiliary" in views:
            modules += [self.auxiliary_projection, self.auxiliary_classifier]
        if "full" in views:
            modules += [self.teacher_encoders, self.fusion, self.teacher_classifier]
        return nn.ModuleList(modules)

    def parameters_of(self, *views: View) -> list[nn.Parameter]:
        """The trainable parameters that the given views depend on, each once; those of held parts among them, which
        train in other epochs.

        Args:
            views: of "target", "auxiliary", "full"
        """
        return [p for p in self.modules_of(*views).parameters() if p.requires_grad or p in self._resting]

    def has_auxiliary_encoder_parameters(self) -> bool:
        """Whether the auxiliary encoders have parameters that are not frozen."""
        return any(p.requires_grad for name in self.auxiliary for p in self.encoders[name].parameters())

    def freeze_encoders(self, names: Sequence[str]) -> None:
        """Fix these encoders where they are, all copies of them too: no gradients, evaluation mode.

        Args:
            names: of modalities
        """
        self._freeze([encoder for name in names for encoder in self.encoders_of(name)])

    def encoders_of(self, name: str) -> list[nn.Module]:
        """Every encoder of a modality: the shared one, a separate teacher's, that of a hallucinating branch.

        Args:
            name: of the modality
        """
        held = [self.encoders, self.teacher_encoders]
        if isinstance(self.hallucination, HallucinationBranch):
            held.append(self.hallucination.encoders)
        return [encoders[name] for encoders in held if name in encoders]

    def freeze_auxiliary_encoders(self) -> None:
        """`freeze_encoders` of all auxiliary modalities. The projection on top of them stays trainable."""
        self.freeze_encoders(self.auxiliary)

    def start_teacher_from_encoders(self) -> None:
        """Copy the shared auxiliary encoders' weights to a separate teacher's (after their pre-training)."""
        for name in self.auxiliary:
            if name in self.teacher_encoders:
                self.teacher_encoders[name].load_state_dict(self.encoders[name].state_dict())

    def freeze_teacher(self) -> None:
        """Fix a separate teacher: no gradients, evaluation mode.

        Raises:
            ValueError: it shares parameters with the student.
        """
        if not self.separate_teacher:
            raise ValueError("a teacher that shares its encoders with the student cannot be frozen: separate_teacher")
        self._freeze([self.teacher_encoders, self.fusion, self.teacher_classifier])

    def freeze_auxiliary_model(self) -> None:
        """Fix A where it is: its encoders, projection and classifier."""
        self.freeze_auxiliary_encoders()
        self._freeze([self.auxiliary_projection, self.auxiliary_classifier])

    def hold(self, modules: Sequence[nn.Module], moved: Sequence[nn.Parameter] = ()) -> None:
        """Keep these parts, and no longer those held before, in evaluation mode and without gradients while the others
        train.

        Args:
            modules: parts of the model
            moved: parameters that train all the same, such as those of a classifier that a held part shares
        """
        for p in self._resting:
            p.requires_grad_()
        self._held = tuple(modules)
        self._resting = {p for module in modules for p in module.parameters() if p.requires_grad} - {*moved}
        for p in self._resting:
            p.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> CrossModalModel:
        super().train(mode)
        for module in (*self._frozen, *self._held):
            module.eval()
        return self

    def _freeze(self, modules: Sequence[nn.Module]) -> None:
        self._frozen += modules
        for module in modules:
            module.requires_grad_(False).eval()
            self._resting -= {*module.parameters()}

    def _encoded(self, views: Sequence[View]) -> list[str]:
        """The modalities whose shared encoders the views need, in the declared order."""
        shared = {name for name in self.encoders if name not in self.teacher_encoders} if "full" in views else set()
        target = {*self.target} if "target" in views else set()
        auxiliary = {*self.auxiliary} if "auxiliary" in views else set()
        return [name for name in self.target + self.auxiliary if name in shared | target | auxiliary]

    def _target(
        self, features: Mapping[str, Tensor], modalities: ModalityTensors, present: _Present
    ) -> tuple[tuple[Tensor, Tensor], dict[str, tuple[Tensor, Tensor]]]:
        """S and its logits, and those of its branches where there are two."""
        representation = self.target_projection([features[name] for name in self.target])
        seeing = representation, self._logits("target", representation)
        if self.student != "hallucinating":
            return seeing, {}
        shown = self.hallucination(modalities, present, self.dropout)
        both = (seeing[0] + shown[0]) / 2, (seeing[1] + shown[1]) / 2
        return both, {"seeing": seeing, "hallucinating": shown}

    def _auxiliary(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        representation = self.auxiliary_projection([features[name] for name in self.auxiliary])
        return representation, self._logits("auxiliary", representation)

    def _full(
        self, features: Mapping[str, Tensor], modalities: ModalityTensors, present: _Present
    ) -> tuple[Tensor, Tensor]:
        if self.given_teacher:
            return features[self.auxiliary[0]], features[self.auxiliary[0]]
        names = self.target + self.auxiliary
        separate = {
            name: encode_present(self.teacher_encoders, name, modalities, present) for name in self.teacher_encoders
        }
        features = {**features, **separate}
        if self.fused:
            auxiliary = self.fusion([features[name] for name in self.auxiliary])
            representation = self.target_projection([features[name] for name in self.target], auxiliary)
        else:
            representation = self.fusion([features[name] for name in names])
        return representation, self._logits("full", representation)

    def _logits(self, view: View, representation: Tensor) -> Tensor:
        """Those of evaluation, without dropout, where the view's classifier is frozen or held."""
        classifier = self.classifier_of(view)
        logits: Tensor = classifier(self.dropout(representation) if classifier.training else representation)
        return logits


def modalities_of(views: Sequence[View], target: tuple[str, ...], auxiliary: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the modalities that the views read."""
    read = target if {"target", "full"} & set(views) else ()
    return read + (auxiliary if {"auxiliary", "full"} & set(views) else ())


def _check_modalities(target: tuple[str, ...], auxiliary: tuple[str, ...], encoded: set[str]) -> None:
    if not target:
        raise ValueError(f"expected at least one target modality, got {target} and auxiliary {auxiliary}")
    names = target + auxiliary
    if len(set(names)) < len(names):
        raise ValueError(f"expected each modality once, got target {target} and auxiliary {auxiliary}")
    if taken := [name for name in names if "." in name or hasattr(nn.ModuleDict(), name)]:
        raise ValueError(f"expected other names for modalities than {', '.join(taken)}: PyTorch modules use these")
    if missing := [name for name in names if name not in encoded]:
        raise ValueError(f"expected an encoder for each modality, found none for {', '.join(missing)}")
