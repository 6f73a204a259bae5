"""Steps of all methods as one would type them: the model's own forward pass, then losses and optimisers by hand.

What they leave out is what they would not have: other reductions and divergences, samples that lack something, a bank
that is larger than its candidates, gradients that survive any temperature, a log.
"""

from __future__ import annotations

from collections.abc import Callable

from by_hand.amid import amid, amid_u
from by_hand.contrasts import ccl, cmc, crcd, crd, gmc, mi, rkd
from by_hand.descent import auxiliary, baseline, teacher
from by_hand.features import comodo, fd_cmkd, fitnets, hallucination, modality_dropout
from by_hand.soft_labels import c2kd, dist, dkd, generalized_distillation, kd, mst, self_training

BY_HAND: dict[str, Callable[..., Callable[[], object]]] = {
    "baseline": baseline,
    "teacher": teacher,
    "auxiliary": auxiliary,
    "modality_dropout": modality_dropout,
    "hallucination": hallucination,
    "generalized_distillation": generalized_distillation,
    "kd": kd,
    "dkd": dkd,
    "dist": dist,
    "fitnets": fitnets,
    "rkd": rkd,
    "self_training": self_training,
    "c2kd": c2kd,
    "mst": mst,
    "fd_cmkd": fd_cmkd,
    "comodo": comodo,
    "mi": mi,
    "gmc": gmc,
    "amid": amid,
    "amid_u": amid_u,
    "ccl": ccl,
    "crcd": crcd,
    "crd": crd,
    "cmc": cmc,
    "amid_class_means": amid,
}
