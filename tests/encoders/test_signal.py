"""What is known of a signal without learning: against slow loops, and on waves whose spectrum is known."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

from crossdistill.encoders.signal import Signal, SignalSettings, summaries
from crossdistill.types import InputError, Padded
from tests.encoders.batches import padded, sequences

BINS, HIGHEST, STEPS = 5, 0.25, 4


def slow(sequence: list[list[float]]) -> list[float]:
    """Each part in a loop over the sequence's own steps."""
    n, features = len(sequence), range(len(sequence[0]))
    columns = [[row[f] for row in sequence] for f in features]
    means = [sum(column) / n for column in columns]
    out = []
    for k in range(1, BINS + 1):
        for f in features:
            turns = [cmath.exp(-2j * math.pi * HIGHEST * k / BINS * t) for t in range(n)]
            total = sum((x - means[f]) * turn for x, turn in zip(columns[f], turns, strict=True))
            out.append(math.log1p(2 / math.sqrt(n) * abs(total)))
    for part in range(STEPS):
        start, end = part * n / STEPS, (part + 1) * n / STEPS
        shares = [max(0.0, min(end, t + 1) - max(start, t)) for t in range(n)]
        out += [sum(x * share for x, share in zip(columns[f], shares, strict=True)) / (end - start) for f in features]
    out += means
    out += [math.sqrt(sum((x - means[f]) ** 2 for x in columns[f]) / n) for f in features]
    out += [sum(abs(b - a) for a, b in zip(columns[f], columns[f][1:], strict=False)) / max(n - 1, 1) for f in features]
    return out


@pytest.mark.parametrize("lengths", [[1, 2, 3], [7, 16, 33]])
def test_is_what_slow_loops_give_whatever_the_padding(lengths: list[int]) -> None:
    alone = [sequence.double() for sequence in sequences(lengths)]
    for garbage in (0.0, math.nan):
        found = summaries(padded(alone, more=3, garbage=garbage), BINS, HIGHEST, STEPS)
        expected = torch.tensor([slow(sequence.tolist()) for sequence in alone]).double()
        assert found.shape == (len(lengths), 3 * (BINS + STEPS + 3))
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-6)  # a root is kept off 0, where it has no slope


def test_a_wave_stands_at_its_frequency() -> None:
    time = torch.arange(200, dtype=torch.float64)
    waves = torch.stack([torch.sin(2 * math.pi * 0.01 * k * time) for k in (2, 7, 15)], dim=1)[None]
    spectrum = summaries(Padded(waves, torch.tensor([200])), 20, 0.2, 4)[:, :60].view(20, 3)
    assert (spectrum.argmax(dim=0) + 1).tolist() == [2, 7, 15]


def test_gradients_are_finite_for_signals_without_spread() -> None:
    values = torch.zeros(2, 6, 3, dtype=torch.float64, requires_grad=True)
    summaries(Padded(values, torch.tensor([6, 1])), BINS, HIGHEST, STEPS).sum().backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()


def test_exported_for_one_batch_it_is_right_for_another() -> None:
    """No batch size becomes a constant: one row would be every sample's."""
    encoder = Signal(3, 8, layers=2, hidden=4, bins=5, steps=4).eval()
    few, many = torch.randn(2, 30, 3), torch.randn(7, 30, 3)
    exported = torch.export.export(encoder, (few,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    torch.testing.assert_close(exported(many), encoder(many))


@pytest.mark.parametrize("highest", [0.0, 0.6, math.inf, math.nan])
def test_frequencies_that_no_signal_has_are_refused(highest: float) -> None:
    with pytest.raises(InputError, match=r"settings\.highest: expected"):
        SignalSettings(highest=highest).check("settings.")
