"""Row "AMID with L_nce" of Table 4: CCL's contrast in L_MI's place, and nothing else changed."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest
import torch

from crossdistill.losses import class_contrastive_loss
from crossdistill.methods import AMID, AMIDClassMeans
from tests.losses import equations
from tests.methods.small import LABELS, batch, leaves, model, rows


def terms(method: AMID, labels: Sequence[int] = LABELS) -> dict[str, float]:
    objective = method.turns(10)[0].objective(leaves(labels), batch(labels))
    return {"total": objective.total.item(), **{name: value.item() for name, value in objective.terms.items()}}


def made(kind: type[AMID], **options: float) -> AMID:
    torch.manual_seed(1)
    return kind(model(), warmup_epochs=2, discriminator_width=16, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("labels", [LABELS, (0, 1, 2, 3), (2, 2, 2, 2)], ids=["mixed", "distinct", "one class"])
def test_the_contrast_is_that_of_ccl(labels: Sequence[int]) -> None:
    """CCL's loss is L_nce both ways, so both ways of ours add up to it."""
    full, given = leaves(labels), torch.tensor(labels)
    for name, side in (("mi_student", full.target), ("mi_auxiliary", full.auxiliary)):
        one_way = terms(made(AMIDClassMeans), labels)[name]
        other_way = equations.mutual_information_loss(rows(side), rows(full.full), labels, 0.5, "mean")
        assert one_way + other_way == pytest.approx(class_contrastive_loss(full.full, side, given).item(), rel=1e-5)


def test_all_else_is_amid_s() -> None:
    """By Eq. 17, with the same weights, the totals differ by the contrasts' difference."""
    weights = {"alpha_1": 0.7, "alpha_2": 2.3, "alpha_3": 0.4, "temperature": 0.2, "beta": 0.5}
    sums, means = terms(made(AMID, **weights)), terms(made(AMIDClassMeans, **weights))
    contrasts = {"mi_student": 0.7, "mi_auxiliary": 2.3}
    assert sums.keys() == means.keys()
    assert all(sums[name] == means[name] for name in sums if name not in {*contrasts, "total"})
    differing = sum(weight * (sums[name] - means[name]) for name, weight in contrasts.items())
    assert sums["total"] - means["total"] == pytest.approx(differing, rel=1e-5)


def test_defaults_are_amid_s() -> None:
    ours, theirs = (inspect.signature(kind).parameters for kind in (AMIDClassMeans, AMID))
    assert all(ours[name].default == theirs[name].default for name in ours)
