"""Jobs in a cluster's queue: how many, what is heard of them, and what counts when machines die."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crossdistill.listening import Listener, Values
from crossdistill.recipes.files import load_recipe
from crossdistill.runs.build import BuildDataset
from crossdistill.runs.jobs import Executor, Failure, InProcess, Job, RunJob
from crossdistill.runs.mounts import locking_alone
from crossdistill.runs.run import run
from crossdistill.studies import remote
from crossdistill.studies.ray_cluster import RayExecutor, RaySettings
from crossdistill.studies.remote import Ended, Performance, run_on
from crossdistill.studies.slurm import SlurmExecutor, SlurmSettings
from crossdistill.studies.workers import LocalExecutor
from crossdistill.types import InputError
from tests.listening import Heard
from tests.runs.small import folder_of, gestures, recipe


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "POLL", 0.0)
    monkeypatch.setattr(remote, "VISIBLE", 0.05)


@dataclass(frozen=True)
class Counting:
    """A job that counts to two in its folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def steps(self) -> int:
        return 2

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def perform(self, listener: Listener, build_data: BuildDataset, interruptible: bool) -> None:
        self.write()
        (self.folder / "count").write_text("2")

    def count(self, to: int) -> None:
        (self.folder / "count").write_text(str(to))

    def is_done(self) -> bool:
        return len(self.log()) == 2

    def log(self, told: int = 0) -> list[Values]:
        path = self.folder / "count"
        return [{"at": number} for number in range(told, int(path.read_text()))] if path.is_file() else []


Looks = Callable[["Stand"], Ended | None]


@dataclass
class Stand:
    """A task that does one thing at each look: count further, end, die."""

    jobs: Sequence[Counting]
    looks: Iterator[Looks]
    log: str = "log.txt"

    def ended(self) -> Ended | None:
        return next(self.looks)(self)


@dataclass
class Cluster:
    """Gives each task what its jobs' name says; keeps who was on at once."""

    script: Callable[[str], Sequence[Looks]]
    submitted: list[list[str]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def submit(self, jobs: Sequence[Job]) -> list[tuple[Stand, tuple[Job, ...]]]:
        self.submitted.append([job.name for job in jobs])
        for job in jobs:
            job.write()
        return [(Stand(jobs, iter(self.script(jobs[0].name))), tuple(jobs))]  # type: ignore[arg-type]

    def cancel(self, tasks: Sequence[Stand]) -> str:
        self.cancelled += [job.name for task in tasks for job in task.jobs]
        return "cancelled"


def count_to(number: int) -> Looks:
    def look(stand: Stand) -> Ended | None:
        for job in stand.jobs:
            job.count(number)
        return None

    return look


def well(stand: Stand) -> Ended:
    count_to(2)(stand)
    return Ended({job.folder: None for job in stand.jobs}, said=(f"{stand.jobs[0].name} was said",))


def dead(stand: Stand) -> Ended:
    return Ended(problem="its machine died")


def wrong(stand: Stand) -> Ended:
    return Ended({job.folder: Failure("no such class", mistake=True) for job in stand.jobs})


def silent(stand: Stand) -> Ended:
    return Ended({job.folder: None for job in stand.jobs})


def jobs_in(folder: Path, *names: str) -> list[Counting]:
    return [Counting(folder / name) for name in names]


def test_jobs_are_drawn_when_there_is_room_and_their_steps_are_heard_once(tmp_path: Path) -> None:
    drawn: list[str] = []
    order: list[str] = []

    def jobs() -> Iterator[Counting]:
        for job in jobs_in(tmp_path, "a", "b", "c", "d", "e"):
            drawn.append(job.name)
            yield job

    cluster = Cluster(lambda name: [count_to(1), count_to(1), well] if name == "a" else [well])
    heard = Heard()
    for folder, failure in run_on(cluster, jobs(), heard, tmp_path, at_once=2):
        order.append(folder.name)
        assert failure is None
        assert len(drawn) <= len(order) + 1, "none before there is room for it"
    assert order == ["b", "c", "a", "d", "e"]
    assert cluster.cancelled == []
    assert heard.lines == [f"{name} was said" for name in order]
    for name in "abcde":
        events = [event for event, task in heard.events if task == name]
        assert events == ["begin", "step", "step", "end"]


def test_what_the_folder_holds_counts_and_not_how_a_process_ended(tmp_path: Path) -> None:
    """A machine that dies after the last result has done its job; one that says so without a result has not."""
    scripts = {
        "late": [count_to(2), dead], "early": [count_to(1), dead], "wrong": [wrong], "silent": [silent], "well": [well],
    }  # fmt: skip
    heard = Heard()
    outcomes = dict(run_on(Cluster(scripts.__getitem__), jobs_in(tmp_path, *scripts), heard, tmp_path, at_once=5))
    assert outcomes == {
        tmp_path / "late": None,
        tmp_path / "early": Failure("its machine died (log: log.txt)", mistake=False),
        tmp_path / "wrong": Failure("no such class (log: log.txt)", mistake=True),
        tmp_path / "silent": Failure("ended without results (log: log.txt)", mistake=False),
        tmp_path / "well": None,
    }
    assert heard.problems["late"] == ""
    assert heard.problems["early"] == "its machine died (log: log.txt)"


def test_tasks_of_several_jobs_take_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    cluster = Cluster(lambda name: [well])
    list(run_on(cluster, jobs_in(tmp_path, *"abcdefg"), Listener(), tmp_path, at_once=5, each=3))
    assert cluster.submitted == [["a", "b", "c"], ["d", "e"], ["f", "g"]]


@pytest.mark.parametrize("how", ["closed", "failed"])
def test_what_is_on_is_cancelled_when_nobody_waits_any_more(how: str, tmp_path: Path) -> None:
    cluster = Cluster(lambda name: [well] if name == "a" else [count_to(1)] * 9)
    heard = Heard()

    def jobs() -> Iterator[Counting]:
        yield from jobs_in(tmp_path, "a", "b", "c")
        if how == "failed":
            raise InputError("no more")

    outcomes = run_on(cluster, jobs(), heard, tmp_path, at_once=3 if how == "closed" else 4)
    if how == "closed":
        assert next(outcomes) == (tmp_path / "a", None)
        outcomes.close()
        assert cluster.cancelled == ["b", "c"]
    else:
        with pytest.raises(InputError, match="no more"):
            next(outcomes)
        assert cluster.cancelled == ["a", "b", "c"]
    assert heard.lines[-1] == "cancelled"


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    job = Counting(tmp_path / "a")
    (failure,) = Performance((job,), str(tmp_path / "elsewhere"), (), {})().failures.values()
    assert failure is not None
    assert failure.mistake
    assert failure.message.startswith(f"{tmp_path / 'elsewhere'}: No such file or directory on ")


def test_a_lock_of_a_machine_that_died_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And no longer than a disk can keep it."""
    locked = Failure("another process is writing this run", mistake=True, locked=True)
    attempts = iter([{"a": locked, "b": None}, {"a": locked}, {"a": None}])

    def run_all(
        jobs: Sequence[Counting], workers: int, listener: Listener
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        outcomes = next(attempts, {"a": locked})
        assert [job.name for job in jobs] == list(outcomes)
        yield from ((tmp_path / name, outcome) for name, outcome in outcomes.items())

    monkeypatch.setattr(remote, "run_all", run_all)
    monkeypatch.setattr(remote.os, "chdir", lambda folder: None)
    asked = Performance(tuple(jobs_in(tmp_path, "a", "b")), "", (), {})
    assert asked().failures == {tmp_path / "a": None, tmp_path / "b": None}
    monkeypatch.setattr(remote, "LEASE", 0.05)
    asked = Performance(tuple(jobs_in(tmp_path, "a")), "", (), {})
    assert asked().failures == {tmp_path / "a": locked}


def test_a_run_s_folder_is_the_job(tmp_path: Path) -> None:
    """What was written for somebody else is done by anybody, by the folder alone."""
    job = RunJob(tmp_path / "run", recipe(folder_of(gestures(), tmp_path), method="baseline", epochs=2))
    job.write()
    assert [path.name for path in job.folder.iterdir()] == ["recipe.yaml"]
    assert (job.is_done(), job.log()) == (False, [])
    run(load_recipe(str(job.folder / "recipe.yaml")), job.folder, resume=True)
    assert job.is_done()
    assert [values["epoch"] for values in job.log()] == [0, 1]
    with (job.folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "sta')
    assert len(job.log()) == 2, "a line that is being written is left for the next time"
    assert list(InProcess().run_all([job])) == [(job.folder, None)], "and done again it is kept"


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        ("server:/home /data nfs4 rw,vers=4.2,local_lock=none 0 0", ""),
        ("server:/home /data nfs rw,nolock,local_lock=all 0 0", "nfs, nolock, local_lock=all"),
        ("10.0.0.1@tcp:/fs /data lustre rw,flock 0 0", ""),
        ("10.0.0.1@tcp:/fs /data lustre rw,localflock 0 0", "lustre, localflock"),
        ("bucket /data fuse.s3fs rw 0 0", "fuse.s3fs"),
        ("/dev/sda1 /data ext4 rw,nolock 0 0", ""),
        ("bucket /other fuse.s3fs rw 0 0", ""),
    ],
)
def test_a_disk_that_locks_for_one_machine_alone_is_known_by_its_mount(mount: str, why: str, tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\n{mount}\n")
    expected = f"its disk ({why}) locks for this machine alone" if why else ""
    assert locking_alone(Path("/data/runs/compare"), table) == expected
    assert locking_alone(Path("/data/runs"), tmp_path / "no table") == ""


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda folder: LocalExecutor(0), "--jobs: expected at least 1, found 0"),
        (lambda folder: SlurmExecutor(folder, jobs=0), "--jobs: expected above 0, found 0"),
        (lambda folder: SlurmExecutor(folder, SlurmSettings(runs_per_job=0)), "--slurm.runs_per_job: expected above 0"),
        (lambda folder: SlurmExecutor(folder, SlurmSettings(gpus=-1)), "--slurm.gpus: expected 0 or more, found -1"),
        (lambda folder: RayExecutor(folder, RaySettings(gpus=-0.5)), "--ray.gpus: expected 0 or more, found -0.5"),
    ],
)
def test_numbers_that_no_job_can_have(made: Callable[[Path], Executor], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        made(tmp_path)
