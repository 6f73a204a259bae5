"""Cross-entropy and Kullback-Leibler divergence as loops, for what the compared methods add up."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from tests.methods.small import rows


def log_softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    scaled = [logit / temperature for logit in logits]
    total = max(scaled) + math.log(sum(math.exp(logit - max(scaled)) for logit in scaled))
    return [logit - total for logit in scaled]


def cross_entropy(logits: Tensor, labels: Sequence[int]) -> float:
    """Averaged over the rows that have a label; 0 where none has one."""
    found = [-log_softmax(row)[label] for row, label in zip(rows(logits), labels, strict=True) if label >= 0]
    return sum(found) / len(found) if found else 0.0


def divergence(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> float:
    """KL(teacher || student) at a temperature, averaged over rows."""
    found = [kl(t, s, temperature) for s, t in zip(rows(student), rows(teacher), strict=True)]
    return sum(found) / len(found)


def kl(p_logits: Sequence[float], q_logits: Sequence[float], temperature: float = 1.0) -> float:
    log_p, log_q = log_softmax(p_logits, temperature), log_softmax(q_logits, temperature)
    return sum(math.exp(p) * (p - q) for p, q in zip(log_p, log_q, strict=True))
