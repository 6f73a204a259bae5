"""The equations of CCL, GMC and CRCD as slow loops with `DIGITS` significant digits, as in `equations`."""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import exp, fdot, log, mpf, sqrt, workdps

from tests.losses.equations import DIGITS, Row, Rows, cosine, softmax


@workdps(DIGITS)
def class_contrastive_loss(first: Rows, second: Rows, labels: Sequence[object], temperature: float) -> float:
    """CCL: L_nce(x, y) + L_nce(y, x).

    L_nce(x, y) = -1/B Σ_i ( 1/|P_i| Σ_{j ∈ P_i} log p_ij + 1/|N_i| Σ_{j ∈ N_i} log(1 - p_ij) )
    p_ij = exp(cos(x_i, y_j)/τ) / Σ_k exp(cos(x_i, y_k)/τ); P_i: samples of i's class; N_i: all others
    """
    return float(sum(_one_way(x, y, labels, temperature) for x, y in ((first, second), (second, first))))


def _one_way(x: Rows, y: Rows, labels: Sequence[object], temperature: float) -> mpf:
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


LEAST_DISTANCE = mpf(10) ** -6  # this project's: no negative counts as nearer, as log(1 - h) has no bound


@workdps(DIGITS)
def relation_contrastive_loss(
    cross: Sequence[Rows], teacher: Sequence[Rows], negatives: Sequence[Sequence[bool]], temperature: float
) -> float:
    """CRCD: 1/(A B) Σ_a Σ_i ( -log h(r_ai, R_ai) - Σ_{j negative of i} log(1 - h(r_ai, R_aj)) ).

    h(r, R) = exp(cos(r, R)/τ) / exp(1/τ), the cosine being the inner product of the relations divided by their lengths
    """
    total = mpf(0)
    for relations, own in zip(cross, teacher, strict=True):
        for i, relation in enumerate(relations):
            total -= (cosine(relation, own[i]) - 1) / temperature
            for j, candidate in enumerate(own):
                if negatives[i][j]:
                    nearest = min(cosine(relation, candidate), 1 - LEAST_DISTANCE)
                    total -= log(1 - exp(nearest / temperature) / exp(mpf(1) / temperature))
    return float(total / (len(cross) * len(cross[0])))


@workdps(DIGITS)
def relation(anchor: Row, sample: Row, maps: Sequence[tuple[Rows, Row]]) -> list[float]:
    """CRCD: V ReLU(W a - U x), the three linear maps (W, U, V) each with its bias."""
    (w, w_bias), (u, u_bias), (v, v_bias) = maps
    one = [fdot(row, anchor) + bias for row, bias in zip(w, w_bias, strict=True)]
    other = [fdot(row, sample) + bias for row, bias in zip(u, u_bias, strict=True)]
    inside = [max(a - x, mpf(0)) for a, x in zip(one, other, strict=True)]
    return [float(fdot(row, inside) + bias) for row, bias in zip(v, v_bias, strict=True)]


@workdps(DIGITS)
def classification_gradient_direction(logits: Row, label: int, weight: Rows) -> list[float]:
    """The direction of d(-log p_y)/dx for logits W x + b: of Σ_c (p_c - [c = y]) w_c; p_y - 1 as -Σ of the others."""
    scores = [exp(mpf(x) - mpf(max(logits))) for x in logits]
    others = sum((score for c, score in enumerate(scores) if c != label), mpf(0))
    errors = [-others if c == label else score for c, score in enumerate(scores)]
    gradient = [fdot(errors, [row[d] for row in weight]) for d in range(len(weight[0]))]
    length = sqrt(sum(x * x for x in gradient))
    return [float(x / length) for x in gradient]


@workdps(DIGITS)
def nt_xent_loss(first: Rows, second: Rows, temperature: float) -> float:
    """NT-Xent over the 2B rows of both: 1/(2B) Σ_i -log( exp(cos(z_i, z_i')/τ) / Σ_{j ≠ i} exp(cos(z_i, z_j)/τ) ).

    z_i' is the other row of z_i's sample.
    """
    everything, size = [*first, *second], len(first)
    total = mpf(0)
    for i, anchor in enumerate(everything):
        scores = [exp(cosine(anchor, other) / temperature) for other in everything]
        partner = scores[i + size if i < size else i - size]
        total -= log(partner / sum(score for j, score in enumerate(scores) if j != i))
    return float(total / len(everything))
