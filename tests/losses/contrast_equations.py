"""The equations of CCL, GMC and CRCD as slow loops with `DIGITS` significant digits, as in `equations`."""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import exp, fdot, log, mpf, sqrt, workdps

from .equations import DIGITS, Row, Rows, cosine, softmax


@workdps(DIGITS)
def class_contrastive_loss(first: Rows, second: Rows, labels: Sequence[int], temperature: float) -> float:
    """CCL: L_nce(x, y) + L_nce(y, x).

    L_nce(x, y) = -1/B Σ_i ( 1/|P_i| Σ_{j ∈ P_i} log p_ij + 1/|N_i| Σ_{j ∈ N_i} log(1 - p_ij) )
    p_ij = exp(cos(x_i, y_j)/τ) / Σ_k exp(cos(x_i, y_k)/τ); P_i: samples of i's class; N_i: all others
    """
    return float(sum(_one_way(x, y, labels, temperature) for x, y in ((first, second), (second, first))))


def _one_way(x: Rows, y: Rows, labels: Sequence[int], temperature: float) -> mpf:
    total = mpf(0)
    for i, anchor in enumerate(x):
        scores = [exp(cosine(anchor, candidate) / temperature) for candidate in y]
        positives, negatives = [], []
        for j, score in enumerate(scores):
            p = score / sum(scores)
            if labels[j] == labels[i]:
                positives.append(log(p))
            else:
                negatives.append(log(1 - p))
        total += sum(positives) / len(positives)
        if negatives:
            total += sum(negatives) / len(negatives)
    return -total / len(x)


@workdps(DIGITS)
def composition(auxiliary: Row, target: Row, weight: Rows, bias: Row) -> list[float]:
    """CCL: the auxiliary embedding plus a linear map of the concatenation of both, each divided by its length."""
    both = [entry / sqrt(fdot(row, row)) for row in (auxiliary, target) for entry in map(mpf, row)]
    return [float(a + fdot(w, both) + b) for a, w, b in zip(auxiliary, weight, bias, strict=True)]


@workdps(DIGITS)
def symmetric_kl_divergence(p_logits: Rows, q_logits: Rows) -> float:
    """1/B Σ_i ( KL(P_i || Q_i) + KL(Q_i || P_i) ) / 2."""
    total = mpf(0)
    for p_row, q_row in zip(p_logits, q_logits, strict=True):
        for p, q in zip(softmax(p_row), softmax(q_row), strict=True):
            total += (p * log(p / q) + q * log(q / p)) / 2
    return float(total / len(p_logits))
