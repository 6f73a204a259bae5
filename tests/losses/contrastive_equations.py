"""The equations of CRD, CMC and instance discrimination as slow loops, like `equations`.

CRD: Tian, Krishnan, Isola, ICLR 2020. CMC: Tian, Krishnan, Isola, ECCV 2020. Wu: Wu, Xiong, Yu, Lin, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import exp, log, mpf, workdps

from tests.losses.equations import DIGITS, Row, Rows, cosine


def h(a: Row, b: Row, negatives: int, samples: int, z: mpf, temperature: float) -> mpf:
    """CRD Eq. 19: h = e^{g^T(T)' g^S(S)/τ} / ( e^{g^T(T)' g^S(S)/τ} + N/M ), g normalised, M the data set's size.

    With z other than 1 the exponential is the probability P of Wu Eq. 4, P = exp(v'f/τ) / Z, and h is Wu Eq. 6,
    h = P / (P + m P_n) with P_n = 1/n.
    """
    p = exp(cosine(a, b) / temperature) / z
    return p / (p + mpf(negatives) / samples)


@workdps(DIGITS)
def noise_contrastive_loss(
    anchors: Rows,
    positives: Rows,
    negatives: Rows,
    allowed: Sequence[Sequence[bool]],
    samples: int,
    log_normalizer: float,
    temperature: float,
) -> float:
    """CRD Eq. 18, negated: L_critic = E_{q(T,S|C=1)}[log h(T, S)] + N E_{q(T,S|C=0)}[log(1 - h(T, S))]."""
    total, z = mpf(0), exp(mpf(log_normalizer))
    for i, anchor in enumerate(anchors):
        mine = [negative for negative, its in zip(negatives, allowed[i], strict=True) if its]
        total += log(h(anchor, positives[i], len(mine), samples, z, temperature))
        total += sum(log(1 - h(anchor, negative, len(mine), samples, z, temperature)) for negative in mine)
    return float(-total / len(anchors))


@workdps(DIGITS)
def noise_contrastive_normalizer(
    anchors: Rows,
    positives: Rows,
    negatives: Rows,
    allowed: Sequence[Sequence[bool]],
    samples: int,
    temperature: float,
) -> float:
    """log of Wu Eq. 8: Z ≈ n E_j[exp(v_j' f_i / τ)], the mean being over all pairs of the batch, positive or not."""
    exponentials = []
    for i, anchor in enumerate(anchors):
        mine = [negative for negative, its in zip(negatives, allowed[i], strict=True) if its]
        exponentials += [exp(cosine(anchor, other) / temperature) for other in [positives[i], *mine]]
    return float(log(samples * sum(exponentials) / len(exponentials)))


@workdps(DIGITS)
def info_nce_loss(anchors: Rows, candidates: Rows, temperature: float) -> float:
    """CMC Eq. 2: L^{V1,V2} = -E log( h(v1_i, v2_i) / Σ_{j=1}^{k+1} h(v1_i, v2_j) ), with Eq. 3: h = exp(cos/τ)."""
    total = mpf(0)
    for i, anchor in enumerate(anchors):
        scores = [exp(cosine(anchor, candidate) / temperature) for candidate in candidates]
        total += log(scores[i] / sum(scores))
    return float(-total / len(anchors))
