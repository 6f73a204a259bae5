"""Encoders divided among ranks train to what one process makes of them; their runs' files are everybody's."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS
from crossdistill.models.storage import STUDENT
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.run import run
from crossdistill.student import load
from crossdistill.training import Checkpoint, Machine, Optimization
from crossdistill.training.pauses import Interrupted
from crossdistill.training.sharding import LEAST, Shards, encoder_parameters
from crossdistill.types import InputError
from tests.contracts.small import STEPS, WIDTH, data, recipe, with_choice
from tests.contracts.test_runs import assert_same_run, assert_same_up_to_rounding
from tests.processes import start, start_ranks
from tests.saved import model_state
from tests.stopping import run_with_stops
from tests.training import ranks
from tests.training.ranks import Group, Rank


def assert_ranks_are_one_process(steps: Mapping[str, int], groups: list[Group]) -> None:
    code, output, error = start(ranks.main, steps, groups).result()
    assert code == 0, error[-4000:]
    for name, distances in json.loads(output.splitlines()[-1]).items():
        assert len(distances) == sum(group.ranks for group in groups)
        assert max(distances.values()) <= 1e-10, name


def test_steps_of_divided_encoders_are_one_process_s() -> None:
    """Parameters, buffers and optimisers' states after 20 steps of turns that share encoders (ccl) and that do not,
    with clipping, where some samples lack a modality, and with encoders that run in chunks."""
    steps = {"kd": 20, "amid": 20, "amid_u": 20, "ccl": 20}
    assert_ranks_are_one_process(steps, [Group(2, 3, sharded=True, optimizer="adamw")])


@pytest.mark.long
def test_steps_of_divided_encoders_are_one_process_s_for_every_method() -> None:
    groups = [Group(2, sharded=True), Group(4, sharded=True), Group(4, chunk_size=3, sharded=True)]
    groups.append(Group(2, sharded=True, optimizer="adamw"))
    assert_ranks_are_one_process(dict.fromkeys(METHODS, 20), groups)


def test_a_rank_keeps_its_part_of_what_is_large_and_stepped() -> None:
    """Frozen encoders, small parameters and everything but encoders stay whole."""
    method = ranks.build("kd")
    method.model.freeze_auxiliary_encoders()
    video, audio = (method.model.encoders[name] for name in ("video", "audio"))
    parameters = method.model.parameters_of("target", "auxiliary")
    optimizers = {"all": torch.optim.SGD([*parameters, *audio.parameters()])}
    assert encoder_parameters(method.model, optimizers) == []
    found = encoder_parameters(method.model, optimizers, least=7)
    assert [id(p) for p in found] == [id(video.weight)]


@pytest.mark.parametrize("size", [1, 6, 7])
def test_parts_are_the_whole(size: int) -> None:
    """Also where the last rank's part is shorter, or empty; padded with zeros, which no optimiser moves."""
    whole = torch.arange(1.0, size + 1)
    parts = []
    for rank in range(3):
        p = torch.nn.Parameter(whole.clone())
        shards = Shards(Rank(global_rank=rank, world_size=3), [p])
        shards.divide()
        parts.append(p.data)
    assert {len(part) for part in parts} == {-(-size // 3)}
    together = torch.cat(parts)
    assert torch.equal(together[:size], whole)
    assert not together[size:].any()


def test_a_parameter_that_is_written_into_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever is no optimiser, while it is whole: nothing of it would be left."""
    monkeypatch.setattr(torch.distributed, "all_gather", lambda parts, own: [part.copy_(own) for part in parts])
    p = torch.nn.Parameter(torch.ones(6))
    shards = Shards(Rank(global_rank=0, world_size=2), [p])
    shards.divide()
    with torch.no_grad():
        p.mul_(3)  # as an optimiser does
    shards.join()
    assert p.tolist() == [3.0] * 6
    shards.divide()
    shards.join()
    with torch.no_grad():
        p.clamp_(max=2)
    with pytest.raises(InputError, match=r"machine\.sharded: .*of shape \(6,\).*set it to false") as caught:
        shards.divide()
    assert "\n" not in str(caught.value)


def made(**machine: Any) -> Recipe:
    """With encoders large enough to be divided, and an epoch chosen on validation samples."""
    encoder = EncoderSettings("conv", {"width": WIDTH, "layers": 2, "hidden": 80})
    chosen = with_choice(recipe("amid", optimization=Optimization("sgd", learning_rate=0.01, clip_norm=1.0)))
    chosen = replace(chosen, machine=Machine(accelerator="cpu", **machine))
    return replace(chosen, model=replace(chosen.model, encoders=dict.fromkeys(chosen.model.encoders, encoder)))


class Divided(Shards):
    """Says how many parameters it divided."""

    counts: list[int] = []

    def close(self) -> None:
        self.counts.append(len(self._parts))
        super().close()


def train_as_rank(folder: Path) -> None:
    torch.set_num_threads(1)
    replicated, sharded = made(devices=2), made(devices=2, sharded=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crossdistill.training.loop.Shards", Divided)
        run(sharded, folder / "sharded", dataset=data())
        assert Divided.counts == [1, 1], "the auxiliary encoder's in its pre-training, then it is frozen"
        resume = {"resume": True, "dataset": data()}
        run_with_stops(patch, 5, folder / "stopped", lambda: run(sharded, folder / "stopped", **resume))
        patch.setattr("crossdistill.runs.log.RunLog.wish", lambda log: signal.SIGTERM)
        for chosen, name in ((sharded, "left"), (replicated, "left replicated")):
            with pytest.raises(Interrupted):
                run(chosen, folder / name, dataset=data())


def test_runs_of_divided_encoders_stop_go_on_and_load_like_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit on as many ranks, to rounding beside one process and where one process goes on."""
    for process in start_ranks(train_as_rank, tmp_path):
        code, _, error = process.result()
        assert code == 0, error[-4000:]
    assert_same_run(tmp_path / "stopped", tmp_path / "sharded")
    run(made(devices=1), tmp_path / "one", dataset=data())
    assert_same_up_to_rounding(tmp_path / "one", tmp_path / "sharded")
    shapes = [{key: x.shape for key, x in model_state(tmp_path / name).items()} for name in ("one", "sharded")]
    assert shapes[0] == shapes[1]
    assert any(shape.numel() >= LEAST for shape in shapes[0].values())
    left, replicated = (Checkpoint.load(tmp_path / name / "checkpoint.pt") for name in ("left", "left replicated"))
    for part in ("model", "method", "optimizers"):
        torch.testing.assert_close(getattr(left, part), getattr(replicated, part))
    assert load(tmp_path / "sharded").classes == load(tmp_path / "one").classes
    assert (tmp_path / "sharded" / STUDENT).is_file()
    assert 0 < left.place[2] == replicated.place[2] < STEPS
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")  # as of torchrun with a single rank
    run(made(devices=2, sharded=True), tmp_path / "left", resume=True, dataset=data())
    assert_same_up_to_rounding(tmp_path / "left", tmp_path / "one")
