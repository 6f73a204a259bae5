"""The student's second branch, which imitates what an auxiliary modality would have shown."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from crossdistill.models.present import encode_present
from crossdistill.types import ModalityTensors


class HallucinationBranch(nn.Module):
    """Encoders, projection and classifier of its own on the target modalities: their (B, width) and logits (B, C).

    Part of `CrossModalModel` where the student is "hallucinating"; it ships. It starts from copies of the given parts.

    encoders: target modality -> the encoder that sees it beside this one; projection, classifier: what follows them

    >>> import torch
    >>> from crossdistill.encoders import MLP
    >>> from crossdistill.models import HallucinationBranch, Projection
    >>> encoder, classifier = MLP(4, 8), torch.nn.Linear(8, 3)
    >>> branch = HallucinationBranch({"video": encoder}, Projection([8], 8), classifier)
    >>> x = torch.randn(2, 4)
    >>> representation, logits = branch({"video": x}, {})
    >>> torch.equal(logits, classifier(encoder(x))), branch.encoders["video"] is encoder
    (True, False)
    """

    def __init__(self, encoders: Mapping[str, nn.Module], projection: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({name: copy.deepcopy(encoder) for name, encoder in encoders.items()})
        self.projection, self.classifier = copy.deepcopy(projection), copy.deepcopy(classifier)

    def forward(
        self, modalities: ModalityTensors, present: Mapping[str, Tensor], dropout: nn.Module | None = None
    ) -> tuple[Tensor, Tensor]:
        """The branch's representation (B, D) and logits (B, C).

        Args:
            modalities: name -> (B, ...) tensor or `Padded` sequences
            present: as in `Batch`
            dropout: what comes before the classifier
        """
        features = [encode_present(self.encoders, name, modalities, present) for name in self.encoders]
        representation: Tensor = self.projection(features)
        return representation, self.classifier(representation if dropout is None else dropout(representation))
