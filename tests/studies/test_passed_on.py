"""Listeners before others."""

from __future__ import annotations

from crossdistill.listening import Listener
from crossdistill.studies.passed_on import PassedOn, Said, SaidOnce, Within


class Kept(Listener):
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def begin(self, task: str, total: int) -> None:
        self.heard.append((task, total))

    def step(self, task: str, values: object = None) -> None:
        self.heard.append((task, values))

    def end(self, task: str, problem: str = "") -> None:
        self.heard.append((task, problem))

    def say(self, line: str) -> None:
        self.heard.append((line,))


def test_all_is_passed_on() -> None:
    kept = Kept()
    before = PassedOn(SaidOnce(kept))
    before.begin("run", 2)
    before.step("run", {"epoch": 0})
    before.end("run", "died")
    before.say("3 runs")
    assert kept.heard == [("run", 2), ("run", {"epoch": 0}), ("run", "died"), ("3 runs",)]


def test_what_runs_say_alike_is_said_once() -> None:
    """Of whatever configuration, seed and fold, and whatever they have measured; counts and names are no measures.

    What is no warning is of the data unless it names its run."""
    kept = Kept()
    once = SaidOnce(Within(kept, "emoji"))
    said = (
        "WARNING: amid_u fold 0 seed 0: only 40 of 57 samples have all",
        "WARNING: amid_u fold 1 seed 1: only 41 of 57 samples have all",
        "WARNING: kd fold 0 seed 0: the file of seed 1 is empty",
        "WARNING: kd fold 0 seed 1: the file of seed 2 is empty",
        "WARNING: without the name of a run: a line",
        "WARNING: without the name of a run: another line",
        "WARNING: amid fold 0 seed 0: epoch 9: the discriminator was right on 99.5 % of the samples",
        "kd fold 0 seed 0: no warning",
        "kd fold 0 seed 1: no warning",
        "only 50 of 57 samples have all",
        "only 51 of 57 samples have all",
        "WARNING: only 51 of 57 samples have all",
    )
    again = (
        "only 50 of 57 samples have all",
        "WARNING: amid_u fold 1 seed 0: only 40 of 57 samples have all",
        "WARNING: amid_u: no ramp fold 0 seed 0: only 40 of 57 samples have all",
        "WARNING: amid fold 0 seed 1: epoch 12: the discriminator was right on 99.8 % of the samples",
        "WARNING: amid, shuffled auxiliary fold 0 seed 1: epoch 7: the discriminator was right on 100 % of the samples",
    )
    for line in (*said, *again):
        once.say(line)
    assert [line for (line,) in kept.heard] == [
        f"WARNING: emoji: {line.removeprefix('WARNING: ')}" if "WARNING" in line else f"emoji: {line}" for line in said
    ]


def test_of_the_runs_of_a_trial_only_what_is_said_is_passed_on() -> None:
    kept = Kept()
    said = Said(kept)
    said.begin("kd seed 0", 2)
    said.step("kd seed 0", {"epoch": 0})
    said.end("kd seed 0")
    said.say("WARNING: kd seed 0: a class has one sample")
    assert kept.heard == [("WARNING: kd seed 0: a class has one sample",)]
