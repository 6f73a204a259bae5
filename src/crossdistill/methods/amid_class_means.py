"""AMID with CCL's class-aware contrast in L_MI's place: row "L_nce" of Table 4 (Chen, Xing, Wang, Zhang; CVPR 2023)."""

from __future__ import annotations

from crossdistill.methods.amid import AMID
from crossdistill.models import CrossModalModel


class AMIDClassMeans(AMID):
    """AMID with the mean over a sample's positives and the mean over its negatives where Eq. 8 has sums.

    That is the contrastive loss that CCL (Chen et al., CVPR 2021) publishes as L_nce, and so what the paper's Table 4
    compares L_MI with. Its scale does not grow with the samples of a class in a batch, so weights that suit
    it are others than AMID's, some tenfold with ten of a class: bundled recipes have such, the constructor has AMID's.

    Take it beside `amid`, to see what the sums are worth.
    Unlabelled pairs are left out, as in `AMID`.
    Paper: row "AMID with L_nce" of AMID's Table 4 (CVPR 2023), whose [9] is CCL.

    Args:
        alpha_1: weight of the contrast between M and S
        alpha_2: weight of the contrast between M and A
        alpha_3: weight of L_adv; 0 leaves the discriminators out
        temperature: τ of Eq. 7
        beta: smoothing of λ (Eq. 14)
        warmup_epochs: T_start, the first epochs with L_cls + L_JSD only
        discriminator_width: units of the layers of D1 and D2

    Raises:
        ValueError: a negative weight, or an unusable τ or β.

    Example:
        >>> from crossdistill.methods import AMIDClassMeans
        >>> from crossdistill.testing import small_problem
        >>> model, _, batch = small_problem()
        >>> method = AMIDClassMeans(model, warmup_epochs=0)
        >>> distillation, _ = method.turns(epoch=0)
        >>> method.reduction, len(distillation.objective(model(batch.modalities, method.views), batch).terms)
        ('mean', 6)
    """

    tasks = ("classification",)  # the means are of a class's samples

    def __init__(
        self,
        model: CrossModalModel,
        alpha_1: float = 4.0,
        alpha_2: float = 1.6,
        alpha_3: float = 1.0,
        temperature: float = 0.5,
        beta: float = 0.9,
        warmup_epochs: int = 20,
        discriminator_width: int = 512,
    ) -> None:
        super().__init__(
            model,
            alpha_1,
            alpha_2,
            alpha_3,
            temperature,
            beta,
            warmup_epochs,
            reduction="mean",
            discriminator_width=discriminator_width,
        )
