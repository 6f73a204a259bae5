"""A method's turns and what their objectives give: what its author got wrong in them is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from torch import Tensor

from crossdistill.methods import Method
from crossdistill.types import Batch, InputError, Objective, Representations, Turn, View


def turns_in(method: Method, epoch: int) -> Sequence[Turn]:
    """The method's turns of this epoch. Raises InputError where it has none, or something else."""
    turns: Any = None if type(method).turns is Method.turns else method.turns(epoch)
    known = isinstance(turns, Sequence) and all(isinstance(turn, Turn) for turn in turns)
    if not known or not turns:
        raise InputError(
            f"{type(method).__name__}: turns({epoch}): expected a list of at least one Turn, found {_told(turns)}"
        )
    checked: Sequence[Turn] = turns
    return checked


def objective_of(method: Method, turn: Turn, representations: Representations, batch: Batch) -> Objective:
    """What the turn minimises. Raises InputError where its objective reads a view that the method does not declare, or
    gives something else than an Objective of tensors whose total is one number."""
    place = f"{type(method).__name__}: turn {turn.name!r}"
    try:
        made: Any = turn.objective(representations, batch)
    except KeyError as error:
        if error.args and error.args[0] in get_args(View) and error.args[0] not in method.views:
            raise InputError(
                f"{place} reads the undeclared view {error}; its class declares views = {method.views}"
            ) from error
        raise
    if not isinstance(made, Objective):
        raise InputError(f"{place}: expected its objective to give an Objective, found {_told(made)}")
    if not isinstance(made.total, Tensor) or made.total.numel() != 1:
        raise InputError(
            f"{place}: expected an Objective whose total is a tensor of one number, found {_told(made.total)}"
        )
    for what, values in (("terms", made.terms), ("measures", made.measures)):
        if not isinstance(values, Mapping) or not all(isinstance(value, Tensor) for value in values.values()):
            raise InputError(f"{place}: expected an Objective whose {what} are tensors by name, found {_told(values)}")
    return made


def _told(value: Any) -> str:
    """What somebody gave, in few words."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return " ".join(repr(value).split())[:80]
