"""The paper's equations as slow loops, one function per equation, to hold the fast ones against.

Everything is computed with `DIGITS` significant digits, so that the equations can be written as printed: with
temperature 0.01, 1 - h may be as small as exp(-200), which is 0 in any floating point format of the machine.
Numbers go in and come out as Python floats.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import exp, fdot, log, mpf, sqrt, workdps

Row = Sequence[float]
Rows = Sequence[Row]

DIGITS = 150


def cosine(a: Row, b: Row) -> mpf:
    """ "Φ is a cosine similarity function"; a zero row has no direction and is taken to be orthogonal to everything."""
    a_norm, b_norm = sqrt(fdot(a, a)), sqrt(fdot(b, b))
    return fdot(a, b) / (a_norm * b_norm) if a_norm and b_norm else mpf(0)


def same_class(labels: Sequence[int], i: int) -> list[int]:
    """Positions of S_i^{η_0} .. S_i^{η_{k-1}}: all samples of i's class, i itself among them."""
    return [u for u, label in enumerate(labels) if label == labels[i]]


def other_classes(labels: Sequence[int], i: int) -> list[int]:
    """Positions of S_i^{ξ_1} .. S_i^{ξ_N}: all samples of other classes than i's."""
    return [u for u, label in enumerate(labels) if label != labels[i]]


def h_row(anchor: Row, candidates: Rows, temperature: float) -> list[mpf]:
    """Eq. 7: h(M_i, S_u) = exp(Φ(M_i, S_u)/τ) / Σ_{j=1}^{N+k} exp(Φ(M_i, S_j)/τ), for every u."""
    numerators = [exp(cosine(anchor, candidate) / temperature) for candidate in candidates]
    return [numerator / sum(numerators) for numerator in numerators]


def log_likelihood(h: Sequence[mpf], positives: Sequence[int], negatives: Sequence[int]) -> tuple[mpf, mpf]:
    """Eq. 5's two terms: k E[log h] and N E[log(1 - h)], the expectations being means over the batch's pairs."""
    return sum((log(h[u]) for u in positives), mpf(0)), sum((log(1 - h[u]) for u in negatives), mpf(0))


@workdps(DIGITS)
def mutual_information_loss(
    full: Rows, other: Rows, labels: Sequence[int], temperature: float, reduction: str = "sum"
) -> float:
    """Eq. 8 (and 9, with A for S).

    L_MI = -1/(N+k) Σ_{i=1}^{N+k} ( Σ_{j=0}^{k-1} log h(M_i, S_i^{η_j}) + Σ_{l=1}^{N} log(1 - h(M_i, S_i^{ξ_l})) )

    reduction "mean" is this project's variant: row i's first sum divided by its k, the second by its N.
    """
    total = mpf(0)
    for i, anchor in enumerate(full):
        positives, negatives = same_class(labels, i), other_classes(labels, i)
        positive_terms, negative_terms = log_likelihood(h_row(anchor, other, temperature), positives, negatives)
        if reduction == "mean":
            positive_terms /= len(positives)
            negative_terms /= max(len(negatives), 1)
        total += positive_terms + negative_terms
    return float(-total / len(full))


@workdps(DIGITS)
def mutual_information_bound(full: Rows, other: Rows, labels: Sequence[int], temperature: float) -> float:
    """Eq. 6, last form: I(M; S) ≥ log(N/k) + I(h), averaged over the anchors with N > 0; 0 if there is none.

    Eq. 5: I(h) = k E_{q(M,S|C=1)}[log h(M, S)] + N E_{q(M,S|C=0)}[log(1 - h(M, S))]
    """
    bounds = []
    for i, anchor in enumerate(full):
        positives, negatives = same_class(labels, i), other_classes(labels, i)
        if negatives:
            prior = log(mpf(len(negatives)) / len(positives))
            bounds.append(prior + sum(log_likelihood(h_row(anchor, other, temperature), positives, negatives)))
    return float(sum(bounds) / len(bounds)) if bounds else 0.0


@workdps(DIGITS)
def jensen_shannon_divergence(p_logits: Rows, q_logits: Rows) -> float:
    """Eq. 16: L_JSD = 1/(N+k) Σ_{i=1}^{N+k} JSD(P_{S_i} || P_{M_i}), P being the softmax of the classifier's logits.

    JSD(P || Q) = KL(P || (P+Q)/2) / 2 + KL(Q || (P+Q)/2) / 2
    """
    total = mpf(0)
    for p_row, q_row in zip(p_logits, q_logits, strict=True):
        for p, q in zip(softmax(p_row), softmax(q_row), strict=True):
            mixture = (p + q) / 2
            total += p * log(p / mixture) / 2 + q * log(q / mixture) / 2
    return float(total / len(p_logits))


def softmax(logits: Row) -> list[mpf]:
    exponentials = [exp(mpf(logit)) for logit in logits]
    return [exponential / sum(exponentials) for exponential in exponentials]


def sigmoid(logit: float) -> mpf:
    """A discriminator's output D from its logit. 1 - D is sigmoid(-logit), and never rounds to 0."""
    return 1 / (1 + exp(-mpf(logit)))


@workdps(DIGITS)
def student_adversarial_loss(d1_student: Row, d2_student: Row, weights: tuple[float, float], d: float) -> float:
    """Eq. 12: L_adv = -λ_1/(N+k) Σ_{i=1}^{N+k} log D_1(S_i^{η_0}) - λ_2/d Σ_{v=1}^{w} log D_2(S_v^{η_1})."""
    first = sum((log(sigmoid(logit)) for logit in d1_student), mpf(0))
    second = sum((log(sigmoid(logit)) for logit in d2_student), mpf(0))
    return float(-weights[0] * first / len(d1_student) - weights[1] * second / d)


@workdps(DIGITS)
def discriminator_loss(
    d1_full: Row, d1_student: Row, d2_full: Row, d2_student: Row, weights: tuple[float, float], d: float
) -> float:
    """Eq. 13.

    L_D = -λ_1/(N+k) Σ_{i=1}^{N+k} ( log D_1(M_i) + log(1 - D_1(S_i^{η_0})) )
          -λ_2/d     Σ_{v=1}^{w}   ( log D_2(M_v) + log(1 - D_2(S_v^{η_1})) )
    """
    first = sum((log(sigmoid(m)) + log(sigmoid(-s)) for m, s in zip(d1_full, d1_student, strict=True)), mpf(0))
    second = sum((log(sigmoid(m)) + log(sigmoid(-s)) for m, s in zip(d2_full, d2_student, strict=True)), mpf(0))
    return float(-weights[0] * first / len(d1_full) - weights[1] * second / d)


def class_partners(labels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Section 3.2's v, the samples with company in their class, and where S_v^{η_1} is, the next of that class."""
    anchors, partners = [], []
    for i in range(len(labels)):
        behind = list(range(i + 1, len(labels))) + list(range(i))  # the batch as a ring, read from i on
        company = [u for u in behind if labels[u] == labels[i]]
        if company:
            anchors.append(i)
            partners.append(company[0])
    return anchors, partners


@workdps(DIGITS)
def pair_cosine(full: Rows, other: Rows) -> float:
    """Eq. 14's Avg over "the tuples Φ(M_i, S_i^{η_0})"."""
    return float(sum(cosine(m, s) for m, s in zip(full, other, strict=True)) / len(full))


@workdps(DIGITS)
def same_class_cosine(full: Rows, other: Rows, labels: Sequence[int]) -> float:
    """Fig. 5: "the average of all Φ(M_v, S_v^{η_j}), j ≠ 0"; 0 if there is no such pair."""
    cosines = [cosine(full[v], other[j]) for v in range(len(full)) for j in same_class(labels, v) if j != v]
    return float(sum(cosines) / len(cosines)) if cosines else 0.0
