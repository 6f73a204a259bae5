"""Studies by Ray: a cluster of two nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossdistill.recipes.recipe import Recipe
from crossdistill.runs.jobs import RunJob
from crossdistill.runs.run import run
from crossdistill.studies import remote
from crossdistill.studies.compare import compare
from crossdistill.studies.ray_cluster import RayExecutor, RaySettings
from crossdistill.training import Checkpoint, Machine, Optimization
from crossdistill.types import InputError
from tests.contracts.test_runs import assert_same_run
from tests.listening import Heard
from tests.runs.small import folder_of, gestures, recipe

pytest.importorskip("ray", reason="`make test-engines` installs it")
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("default")]

NODE = {"num_cpus": 1, "object_store_memory": 10**8}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    source = folder_of(gestures(), tmp_path_factory.mktemp("data"))
    return recipe(source, method="baseline", epochs=2, batch_size=2, machine=Machine(accelerator="cpu", threads=1))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "POLL", 0.1)


def executor(cluster: Any, folder: Path) -> RayExecutor:
    return RayExecutor(folder / "jobs", RaySettings(address=cluster.address), jobs=4)


def test_a_node_that_is_killed_in_the_middle_costs_nothing(baseline: Recipe, cluster: Any, tmp_path: Path) -> None:
    """Two runs, one on each node of one CPU; when both are on, a node goes. Its run goes on, on the other one, from its
    checkpoint, and both end as if they had been alone."""
    second = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    jobs = [RunJob(tmp_path / "runs" / f"seed{seed}", replace(baseline, seed=seed, epochs=60)) for seed in (0, 1)]
    lines = dict.fromkeys((job.name for job in jobs), 0)
    killed: list[float] = []

    def kill(task: str, count: int) -> None:
        lines[task] = count
        if not killed and min(lines.values()) >= 2:
            assert max(lines.values()) < 60, "both are on"
            killed.append(time.monotonic())
            cluster.remove_node(second, allow_graceful=False)

    outcomes = dict(executor(cluster, tmp_path).run_all(jobs, Heard(kill)))
    assert killed
    assert outcomes == {job.folder: None for job in jobs}
    begun = [(tmp_path / "jobs" / f"runs-seed{seed}.log").read_text().count("begins on") for seed in (0, 1)]
    assert sorted(begun) == [1, 2], "one of them on two nodes"
    for job in jobs:
        run(job.recipe, tmp_path / "alone" / job.folder.name)
        assert_same_run(job.folder, tmp_path / "alone" / job.folder.name)


def test_a_comparison_keeps_what_has_finished_and_names_what_has_not(
    baseline: Recipe, cluster: Any, tmp_path: Path
) -> None:
    diverging = replace(baseline, label="diverging", optimization=Optimization("sgd", learning_rate=1e30))
    compared = compare([baseline, diverging], tmp_path / "out", seeds=1, executor=executor(cluster, tmp_path))
    assert compared.folders == (tmp_path / "out" / "baseline-seed0",)
    (failure,) = compared.failures.values()
    assert failure.mistake
    assert failure.message.endswith(f"(log: {tmp_path / 'jobs' / 'out-diverging-seed0.log'})")


def test_what_is_on_when_the_command_stops_is_saved(baseline: Recipe, cluster: Any, tmp_path: Path) -> None:
    job = RunJob(tmp_path / "runs" / "run", replace(baseline, epochs=60, checkpoint_every=60))

    class Stopped(Exception):
        pass

    def stop(task: str, count: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(executor(cluster, tmp_path).run_all([job], heard := Heard(stop)))
    assert heard.lines == ["Cancelled 1 tasks of Ray; those that were on have saved their runs"]
    assert Checkpoint.load(job.folder / "checkpoint.pt").epoch > 0
    assert list(executor(cluster, tmp_path).run_all([job])) == [(job.folder, None)]
    run(job.recipe, tmp_path / "alone")
    assert_same_run(job.folder, tmp_path / "alone")


def test_no_cluster_is_one_line(tmp_path: Path) -> None:
    used = RayExecutor(tmp_path / "jobs", RaySettings(address="127.0.0.1:9"))
    with pytest.raises(InputError, match=r"^--engine ray: no cluster at 127\.0\.0\.1:9: ") as caught:
        list(used.run_all([]))
    assert "\n" not in str(caught.value)
