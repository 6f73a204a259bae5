"""The recurrent network's cells, directions and poolings, against each sequence alone through PyTorch's own layers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crossdistill.encoders import RNN
from tests.encoders.batches import padded, sequences

CASES = list(itertools.product(("gru", "lstm"), (True, False), ("mean_max", "mean", "max")))


@pytest.mark.parametrize(("cell", "bidirectional", "pooling"), CASES)
def test_states_are_pooled_over_each_sequence_s_own_steps(cell: Any, bidirectional: bool, pooling: Any) -> None:
    torch.manual_seed(0)
    encoder = RNN(3, 5, layers=2, hidden=4, cell=cell, bidirectional=bidirectional, pooling=pooling).double()
    alone = [sequence.double() for sequence in sequences([1, 7, 3])]
    out = encoder(padded(alone, more=2, garbage=float("nan"))).detach().numpy()
    assert isinstance(encoder.recurrent, nn.GRU if cell == "gru" else nn.LSTM)
    linear = encoder.project[1]
    weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
    for row, sequence in enumerate(alone):
        states = encoder.recurrent(sequence)[0].detach().numpy()
        assert states.shape == (len(sequence), 4 * (2 if bidirectional else 1))
        parts = {"mean": [states.mean(0)], "max": [states.max(0)], "mean_max": [states.mean(0), states.max(0)]}
        np.testing.assert_allclose(out[row], weight @ np.concatenate(parts[pooling]) + bias, rtol=1e-10, atol=1e-12)


def test_one_step_of_an_lstm_by_hand() -> None:
    encoder = RNN(2, 3, layers=1, hidden=4, cell="lstm", bidirectional=False, pooling="max").double()
    x = torch.randn(2, dtype=torch.float64)
    gates = encoder.recurrent.weight_ih_l0 @ x + encoder.recurrent.bias_ih_l0 + encoder.recurrent.bias_hh_l0
    enter, _, candidate, leave = gates.chunk(4)
    state = leave.sigmoid() * (enter.sigmoid() * candidate.tanh()).tanh()
    torch.testing.assert_close(encoder(x[None, None])[0], encoder.project[1](state), rtol=1e-10, atol=1e-12)


def test_the_defaults_draw_and_compute_what_they_always_did() -> None:
    """A bidirectional GRU, mean and maximum, then a linear layer, initialised in this order."""
    torch.manual_seed(3)
    encoder = RNN(3, 5, layers=2, hidden=4, dropout=0.5).eval()
    torch.manual_seed(3)
    recurrent = nn.GRU(3, 4, 2, batch_first=True, bidirectional=True, dropout=0.5).eval()
    linear = nn.Linear(16, 5)
    x = torch.randn(2, 6, 3)
    states = recurrent(x)[0]
    assert list(encoder.state_dict()) == [
        *(f"recurrent.{key}" for key in recurrent.state_dict()),
        "project.1.weight",
        "project.1.bias",
    ]
    torch.testing.assert_close(
        encoder(x), linear(torch.cat([states.mean(1), states.amax(1)], dim=1)), rtol=1e-6, atol=1e-7
    )


def test_the_paper_s_emotion_student_is_768_wide() -> None:
    encoder = RNN(768, 768, hidden=384, cell="lstm", pooling="max")
    assert encoder(torch.randn(2, 5, 768)).shape == (2, 768) == (2, encoder.width)
