"""Stopping inside an epoch and going on as if nothing had been: who asks for it, and what must be kept for it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from crossdistill.methods import EpochMeans, Method
from crossdistill.training.checkpoint import INSIDE
from crossdistill.training.distributed import gather_notes, gather_objects
from crossdistill.training.engine import Engine
from crossdistill.training.randomness import random_state, set_random_state
from crossdistill.types import Batch, InputError, Note, one_line

GO_ON, SAVE = -1, 0
"""What may be wished for after a step; the number of a signal stands for saving and then stopping because of it."""

_State = Mapping[str, tuple[Tensor, Tensor]]

_EX_TEMPFAIL = 75
"""The exit code by which schedulers are told to start a job again."""


class Interrupted(KeyboardInterrupt):  # like Python's own, it is no error
    """Training that was stopped by a signal, and saved.

    number: the signal's
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 after an interrupt from the keyboard, as shells have it, 75 for the signals of a scheduler."""
        return 128 + signal.SIGINT if self.number == signal.SIGINT else _EX_TEMPFAIL


class Agreement:
    """What all ranks do after a step: the largest of their wishes, since a signal may reach one of them alone.

    With several ranks it is what they wished one step earlier: nobody waits for a message that is still under way.
    What they wished meanwhile is forgotten when something is done.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wishes: Tensor | None = None

    def reached(self, wish: int) -> int:
        if self._engine.world_size == 1:
            return wish
        earlier, self._wishes = self._wishes, torch.tensor(wish, device=self._engine.device)
        torch.distributed.all_reduce(self._wishes, torch.distributed.ReduceOp.MAX)
        agreed = GO_ON if earlier is None else int(earlier)
        if agreed >= SAVE:
            self._wishes = None
        return agreed


@dataclass
class EpochSoFar:
    """What an epoch has come to, beside the states of model, method and optimisers.

    steps: that are done; asked: how many samples this rank has asked for; notes: what went wrong in reading them;
    terms, measures: means of what the objectives had; seconds: that were spent on it in processes that are gone
    """

    steps: int = 0
    asked: int = 0
    seconds: float = 0.0
    notes: list[Note] = field(default_factory=list)
    terms: EpochMeans = field(default_factory=EpochMeans)
    measures: EpochMeans = field(default_factory=EpochMeans)

    def add(
        self,
        batch: Batch,
        terms: Mapping[str, Tensor],
        measures: Mapping[str, Tensor],
        weights: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        """One more step. weights: of terms in their means, 1 where there is none."""
        self.steps += 1
        self.asked += len(batch.labels)
        self.notes += batch.notes
        for name, term in terms.items():
            self.terms.add(name, term, weights.get(name, 1.0))
        self.measures.add_all(measures)

    def stored(self, engine: Engine, method: Method, seconds: float) -> dict[str, Any]:
        """All of it in plain values, with all ranks' random states and notes, which every rank must help to gather."""
        notes = [tuple(note) for note in gather_notes(engine, self.notes)]
        means = gather_objects(engine, {name: each.state() for name, each in self._all_means(method).items()})
        randoms = gather_objects(engine, random_state(engine.device))
        return dict(zip(INSIDE, (self.steps, self.asked, seconds, notes, means, randoms), strict=True))

    @staticmethod
    def restored(stored: Mapping[str, Any], engine: Engine, method: Method) -> EpochSoFar:
        """What was stored; this rank's random states and the method's own means are put back into their places.

        Raises InputError where it is not what `stored` gives.
        """
        try:
            return EpochSoFar._restored(stored, engine, method)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = one_line(error)[:200]
            raise InputError(
                f"the checkpoint's place in its epoch cannot be gone on from ({reason}); delete it to start over"
            ) from error

    @staticmethod
    def _restored(stored: Mapping[str, Any], engine: Engine, method: Method) -> EpochSoFar:
        notes = [Note(*note) for note in stored["notes"]] if engine.is_global_zero else []
        so_far = EpochSoFar(stored["steps"], stored["asked"], stored["seconds"], notes)
        by_rank = stored["means"]
        means = by_rank[engine.global_rank] if len(by_rank) == engine.world_size else _averaged(by_rank)
        for name, each in so_far._all_means(method).items():
            each.load(means.get(name, {}), engine.device)
        if len(stored["randoms"]) == engine.world_size:  # on another number of ranks chance is another in any case
            set_random_state(stored["randoms"][engine.global_rank], engine.device)
        return so_far

    def _all_means(self, method: nn.Module) -> dict[str, EpochMeans]:
        return {"terms": self.terms, "measures": self.measures} | _means_of(method)


def _averaged(by_rank: Sequence[Mapping[str, _State]]) -> dict[str, _State]:
    """What each of another number of ranks goes on from: the ranks' mean is then what it was."""
    return {
        place: {
            name: (torch.stack([rank[place][name][0] for rank in by_rank]).mean(dim=0), weight)
            for name, (_, weight) in state.items()
        }
        for place, state in by_rank[0].items()
    }


def _means_of(method: nn.Module) -> dict[str, EpochMeans]:
    """The means over the epoch that a method, or a part of it, is taking."""
    return {
        f"{place}.{name}": value
        for place, module in method.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, EpochMeans)
    }
