"""A GRU or LSTM on padded sequences without packing: what an exported graph can hold."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from crossdistill.types import Padded

State = tuple[Tensor, Tensor]


def unpacked(recurrent: nn.RNNBase, x: Padded) -> Float[Tensor, "batch time states"]:
    """What the network makes of packed sequences, step by step: its states (B, T, H or 2 H), meaningless beyond each
    sequence's end.

    Packing makes the number of steps a constant of an exported graph; a scan over time leaves it open. A state at a
    sequence's own steps never saw what comes after them, and the second direction runs over each sequence turned round
    within its own length, so no padding reaches either.
    """
    states = x.values
    for layer in range(recurrent.num_layers):
        forwards = _direction(recurrent, states, f"_l{layer}")
        if recurrent.bidirectional:
            turned = _direction(recurrent, _turned(states, x.lengths), f"_l{layer}_reverse")
            forwards = torch.cat([forwards, _turned(turned, x.lengths)], dim=2)
        states = forwards
    return states


def _turned(x: Tensor, lengths: Int[Tensor, " batch"]) -> Tensor:
    """Each sequence's own steps from last to first; padding stays where it is."""
    steps = torch.arange(x.shape[1], device=x.device)[None, :]
    places = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x.gather(1, places[:, :, None].expand(-1, -1, x.shape[2]))


def _direction(recurrent: nn.RNNBase, x: Tensor, suffix: str) -> Tensor:
    """(B, T, H): the states of one layer in one direction."""
    from torch._higher_order_ops.scan import scan  # PyTorch has it under no other name yet

    weights, bias = getattr(recurrent, f"weight_hh{suffix}"), getattr(recurrent, f"bias_hh{suffix}")

    def gru(state: Tensor, given: Tensor) -> State:
        before = state @ weights.T + bias
        reset_x, update_x, new_x = given.chunk(3, dim=1)
        reset_h, update_h, new_h = before.chunk(3, dim=1)
        update = (update_x + update_h).sigmoid()
        new = (new_x + (reset_x + reset_h).sigmoid() * new_h).tanh()
        state = (1 - update) * new + update * state
        return state, state.clone()  # a scan's outputs must not share memory

    def lstm(state: State, given: Tensor) -> tuple[State, Tensor]:
        kept, forget, new, out = (given + state[0] @ weights.T + bias).chunk(4, dim=1)
        cell = forget.sigmoid() * state[1] + kept.sigmoid() * new.tanh()
        hidden = out.sigmoid() * cell.tanh()
        return (hidden, cell), hidden.clone()

    given = x @ getattr(recurrent, f"weight_ih{suffix}").T + getattr(recurrent, f"bias_ih{suffix}")
    start = x.new_zeros(x.shape[0], recurrent.hidden_size)
    step: Any = gru if isinstance(recurrent, nn.GRU) else lstm
    first: Any = start if isinstance(recurrent, nn.GRU) else (start, start.clone())
    states: Tensor = scan(step, first, given.transpose(0, 1))[1]
    return states.transpose(0, 1)
