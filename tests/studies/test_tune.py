"""Tuning: equal budgets, validation samples only, the best values in a recipe that `train` takes."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from crossdistill.data import write_manifest
from crossdistill.listening import WARNING, Listener
from crossdistill.methods import METHODS
from crossdistill.recipes.files import load_recipe
from crossdistill.recipes.recipe import Recipe
from crossdistill.runs import lock
from crossdistill.runs.jobs import Failure, InProcess, RunJob
from crossdistill.studies import tune as tuning
from crossdistill.studies.search_space import SHARED, present, search_space, with_values
from crossdistill.studies.tune import accuracy_of, runs_of, tune
from crossdistill.types import Choice, DivergedError, InputError, LogUniform
from tests.listening import Heard
from tests.runs.small import folder_of, gestures, recipe, with_data, with_model

pytestmark = pytest.mark.usefixtures("forked_workers")

Told = list[tuple[str, int, float]]


@dataclass
class Measured:
    """An executor whose runs are measured and not trained; measure: a recipe and its trial's folder -> accuracy."""

    measure: Callable[[Recipe, Path], float]
    accuracies: dict[Path, float] = field(default_factory=dict)

    def run_all(
        self, jobs: Iterable[RunJob], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        for job in jobs:
            try:
                self.accuracies[job.folder] = self.measure(job.recipe, job.folder.parent)
            except DivergedError as error:
                yield job.folder, Failure(str(error), mistake=True, diverged=True)
            else:
                yield job.folder, None


Makes = Callable[[Callable[[Recipe, Path], float]], Measured]


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Makes:
    """Makes one, and lets the search have the accuracies that it measures."""

    def made(measure: Callable[[Recipe, Path], float]) -> Measured:
        measured = Measured(measure)
        monkeypatch.setattr(
            tuning, "accuracy_of", lambda runs: float(np.mean([measured.accuracies[run.folder] for run in runs]))
        )
        return measured

    return made


def tuned(
    folder: Path,
    methods: list[str],
    trials: int,
    storage: str = "",
    executor: Measured | None = None,
    **changes: Any,
) -> tuple[Recipe, Told]:
    source = folder / "gestures"
    if not source.exists():
        folder_of(gestures(), folder)
    made = recipe(source, epochs=1, auxiliary_epochs=1, **changes)
    heard = Heard()
    best = tune(made, methods, trials, 1, folder / "out", storage, heard, executor)
    finished = [(method, values) for method, values in heard.steps if "accuracy" in values]
    return best, [(method, int(values["trial"]), float(values["accuracy"])) for method, values in finished]


def test_every_method_gets_the_same_number_of_trials_and_the_baseline_comes_first(tmp_path: Path) -> None:
    _, told = tuned(tmp_path, ["amid", "baseline"], 3)
    assert [(method, trial) for method, trial, _ in told] == [
        *(("baseline", trial) for trial in range(3)),
        *(("amid", trial) for trial in range(3)),
    ]


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    _, first = tuned(tmp_path, ["baseline"], 2)
    _, then = tuned(tmp_path, ["baseline"], 3)
    _, nothing = tuned(tmp_path, ["baseline"], 3)
    assert [trial for _, trial, _ in first + then] == [0, 1, 2]
    assert nothing == []


def test_a_second_search_in_the_same_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: Makes
) -> None:
    monkeypatch.setattr(lock, "WAIT", 0.2)

    def measured(chosen: Recipe, folder: Path) -> float:
        with pytest.raises(
            InputError, match="is writing this search; wait until it has ended, or choose another --out"
        ):
            tuned(tmp_path, ["baseline"], 1)
        return 0.5

    assert len(tuned(tmp_path, ["baseline"], 1, executor=executor(measured))[1]) == 1


def test_trials_of_other_data_are_not_gone_on_with(tmp_path: Path, executor: Makes) -> None:
    source = folder_of(gestures(), tmp_path)
    tune(recipe(source), ["baseline"], trials=1, seeds=1, folder=tmp_path / "out", executor=executor(lambda *_: 0.5))
    shutil.rmtree(source)
    folder_of(gestures(lambda values: values + 1), tmp_path)
    with pytest.raises(InputError, match=r"out: its trials are of other data: .*modality wrist, modality eye differ"):
        tune(recipe(source), ["baseline"], trials=2, seeds=1, folder=tmp_path / "out")
    shutil.rmtree(source)
    tune(recipe(source), ["baseline"], trials=1, seeds=1, folder=tmp_path / "out")  # is over, and needs no data


OTHERS = {
    "epochs": (lambda made: replace(made, epochs=7), "epochs was 3, is 7"),
    "labels": (lambda made: with_data(made, labelled=0.5), "data.labelled was 1.0, is 0.5"),
    "modalities": (lambda made: with_data(made, target=("eye",), auxiliary=("wrist",)), r"data.target was \['wrist'\]"),
    "fold": (lambda made: with_data(made, fold=1), "data.fold was -1, is 1"),
    "encoders": (lambda made: with_model(made, encoders={}), "model.encoders was"),
}


@pytest.mark.parametrize("storage", ["", "sqlite:///{}/trials.db"])
@pytest.mark.parametrize("trials", [1, 2])
@pytest.mark.parametrize("other", OTHERS)
def test_trials_of_another_recipe_are_not_taken_for_this_one_s(
    other: str, trials: int, storage: str, tmp_path: Path, executor: Makes
) -> None:
    """Whether the search is over or not: its result would be written beside settings that it was not found with."""
    change, message = OTHERS[other]
    made, url = recipe(folder_of(gestures(), tmp_path)), storage.format(tmp_path)
    ran = executor(lambda *_: 0.5)
    tune(made, ["baseline"], 1, 1, tmp_path / "out", url, executor=ran)
    with pytest.raises(InputError, match=f"its trials are of another recipe .first difference: {message}"):
        tune(change(made), ["baseline"], trials, 1, tmp_path / "out", url, executor=ran)
    with pytest.raises(InputError, match="--seeds was 1, is 2"):
        tune(made, ["baseline"], trials, 2, tmp_path / "out", url, executor=ran)


@pytest.mark.parametrize("storage", ["", "sqlite:///{}/trials.db"])
def test_a_search_that_is_over_is_of_its_data(storage: str, tmp_path: Path, executor: Makes) -> None:
    source, url, out = folder_of(gestures(), tmp_path), storage.format(tmp_path), tmp_path / "out"
    ran = executor(lambda *_: 0.5)
    tune(recipe(source), ["baseline"], 1, 1, out, url, executor=ran)
    with pytest.raises(InputError, match="nowhere: manifest not found"):
        tune(recipe(tmp_path / "nowhere"), ["baseline"], 1, 1, out, url, executor=ran)
    copied = Path(shutil.copytree(source, tmp_path / "copied", copy_function=shutil.copy))
    tune(recipe(copied), ["baseline"], 1, 1, out, url, executor=ran)
    other = write_manifest(tmp_path / "other", gestures(lambda values: values + 1))
    with pytest.raises(InputError, match="its trials are of other data: modality wrist, modality eye differ"):
        tune(recipe(other), ["baseline"], 1, 1, out, url, executor=ran)


def test_where_a_search_computes_and_what_it_searches_may_change(tmp_path: Path, executor: Makes) -> None:
    made, out = recipe(folder_of(gestures(), tmp_path)), tmp_path / "out"
    ran = executor(lambda *_: 0.5)
    tune(made, ["baseline", "amid"], 1, 1, out, executor=ran)
    machine = replace(made.machine, threads=1)
    searched = replace(made.optimization, learning_rate=4e-3)
    elsewhere = replace(made, machine=machine, optimization=searched, checkpoint_every=2, evaluate_every=3)
    tune(elsewhere, ["baseline", "amid"], 3, 1, out, executor=ran)
    assert len(ran.accuracies) == 6


def test_trials_of_an_earlier_version_are_taken_for_this_search_s_and_that_is_said(
    tmp_path: Path, executor: Makes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, heard = recipe(folder_of(gestures(), tmp_path)), Heard()
    with monkeypatch.context() as earlier:
        earlier.setattr(tuning, "require_same_search", lambda *given, **named: None)
        tune(made, ["baseline"], 1, 1, tmp_path / "out", executor=executor(lambda *_: 0.5))
    for _ in range(2):
        tune(made, ["baseline"], 1, 1, tmp_path / "out", listener=heard)
    assert [line for line in heard.lines if "do not say of which recipe" in line] == heard.lines[:1]


def test_a_trial_that_was_interrupted_or_killed_is_the_next_one(tmp_path: Path, executor: Makes) -> None:
    """Its runs are gone on with, whichever of its values chance has drawn."""
    tried: list[float] = []
    places: list[Path] = []

    def measured(chosen: Recipe, folder: Path) -> float:
        tried.append(chosen.optimization.learning_rate)
        places.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if len(tried) == 3:
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, ["baseline"], 5, executor=executor(measured))
    tuned(tmp_path, ["baseline"], 5, executor=executor(measured))
    assert len(tried) == 6
    assert (tried[3], places[3]) == (tried[2], places[2])
    assert len(set(tried)) == 5, "what is drawn after that is new"
    assert not (tmp_path / "out" / "trials").exists()


@pytest.mark.parametrize("stops", [[1], [1, 2, 3], [2, 3], [3, 5, 6, 9]])
@pytest.mark.parametrize("begun", [True, False])
def test_a_search_that_is_stopped_however_often_ends_as_one_that_is_not(
    stops: list[int], begun: bool, tmp_path: Path, executor: Makes
) -> None:
    """The trial that was on is the next one, once; what is drawn after it is what would have been drawn. begun: there
    is something of the trial's runs when it stops."""
    calls = 0

    def accuracy(chosen: Recipe) -> float:
        return 1 / (1 + abs(np.log(chosen.optimization.learning_rate / 2e-3)))

    def disturbed(chosen: Recipe, folder: Path) -> float:
        nonlocal calls
        calls += 1
        if calls in stops:
            if begun:
                folder.mkdir(parents=True, exist_ok=True)
            raise KeyboardInterrupt
        return accuracy(chosen)

    undisturbed = executor(lambda chosen, folder: accuracy(chosen))
    best, expected = tuned(tmp_path, ["baseline"], 14, executor=undisturbed)
    (again := tmp_path / "again").mkdir()
    for _ in stops:
        with pytest.raises(KeyboardInterrupt):
            tuned(again, ["baseline"], 14, executor=executor(disturbed))
    found, told = tuned(again, ["baseline"], 14, executor=executor(disturbed))
    assert found.optimization == best.optimization
    assert calls == 14 + len(stops)
    if not stops[1:]:
        assert [accuracy for _, _, accuracy in told] == [accuracy for _, _, accuracy in expected][stops[0] - 1 :]


def depends_on_what_is_shared(chosen: Recipe, folder: Path) -> float:
    """The baseline is best at 8e-3; which temperature is best for kd depends on the learning rate."""
    rate = chosen.optimization.learning_rate
    if chosen.method == "baseline":
        return float(1 / (1 + abs(np.log(rate / 8e-3))))
    return float(1 / (1 + abs(chosen.options["kd"]["temperature"] - 1000 * rate)))


def searched(folder: Path, executor: Makes, *trials: int, storage: str = "", stop: int = 0) -> tuple[Recipe, list[str]]:
    """What a search with so many trials of baseline and kd, one after another in the same folder, ends with, and the
    lines that the last one says; stop: a run at which the last search is interrupted once."""
    calls = 0

    def measured(chosen: Recipe, place: Path) -> float:
        nonlocal calls
        calls += 1
        if calls == stop:
            place.mkdir(parents=True, exist_ok=True)
            raise KeyboardInterrupt
        return depends_on_what_is_shared(chosen, place)

    folder.mkdir(exist_ok=True)
    made, url = recipe(folder_of(gestures(), folder)), storage.format(folder)
    for count in trials:
        calls, heard = 0 if count == trials[-1] else -100, Heard()
        for _ in range(2 if stop and count == trials[-1] else 1):
            with suppress(KeyboardInterrupt):
                best = tune(made, ["kd", "baseline"], count, 1, folder / "out", url, heard, executor(measured))
    return best, heard.lines


@pytest.mark.parametrize("storage", ["", "sqlite:///{}/trials.db"])
def test_what_is_found_does_not_depend_on_earlier_searches_with_fewer_or_more_trials(
    storage: str, tmp_path: Path, executor: Makes
) -> None:
    """Trials under settings that the baseline's new trials have replaced are none of this search's."""
    once, said = searched(tmp_path / "once", executor, 6, storage=storage)
    few, _ = searched(tmp_path / "few", executor, 2, storage=storage)
    assert few.optimization != once.optimization
    assert not [line for line in said if "of before" in line]
    more, said = searched(tmp_path / "more", executor, 2, 6, storage=storage)
    assert (more.optimization, more.options) == (once.optimization, once.options)
    [line] = [line for line in said if "of before" in line]
    assert line.startswith(
        f"{WARNING}kd: 2 trials of before were made when the baseline had not chosen what all methods"
    )
    back, said = searched(tmp_path / "back", executor, 6, 2, 6, storage=storage)
    assert (back.optimization, back.options) == (once.optimization, once.options)
    assert not [line for line in said if "of before" in line], "all that it asks for is there"
    fewer, _ = searched(tmp_path / "fewer", executor, 6, 2, storage=storage)
    assert (fewer.optimization, fewer.options) == (few.optimization, few.options)


@pytest.mark.parametrize("stop", [2, 5, 8])
def test_a_search_with_more_trials_that_is_stopped_ends_as_one_that_is_not(
    stop: int, tmp_path: Path, executor: Makes
) -> None:
    once, _ = searched(tmp_path / "once", executor, 6)
    more, _ = searched(tmp_path / "more", executor, 2, 6, stop=stop)
    assert (more.optimization, more.options) == (once.optimization, once.options)
    assert not (tmp_path / "more/out/trials").exists()


def test_runs_that_were_interrupted_under_other_settings_do_not_stay(tmp_path: Path, executor: Makes) -> None:
    made = recipe(folder_of(gestures(), tmp_path))

    def interrupted(chosen: Recipe, folder: Path) -> float:
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.method == "kd":
            raise KeyboardInterrupt
        return depends_on_what_is_shared(chosen, folder)

    with pytest.raises(KeyboardInterrupt):
        tune(made, ["baseline", "kd"], 2, 1, tmp_path / "out", executor=executor(interrupted))
    assert list((tmp_path / "out/trials").glob("kd-*"))
    tune(made, ["baseline", "kd"], 6, 1, tmp_path / "out", executor=executor(depends_on_what_is_shared))
    assert not (tmp_path / "out/trials").exists()


def test_of_machines_at_the_last_trial_the_first_decides_for_all(tmp_path: Path, executor: Makes) -> None:
    """A trial with a lower number that ends later would else have the machines go on under different settings."""
    made, url = recipe(folder_of(gestures(), tmp_path), method="baseline"), f"sqlite:///{tmp_path}/trials.db"

    others: list[Recipe] = []
    begun: list[Path] = []

    def measured(chosen: Recipe, folder: Path) -> float:
        begun.append(folder)
        if len(begun) > 1:
            return 0.5
        others.append(search())  # of another machine, which does as many while this one is at its first
        return 0.9

    ran = executor(measured)

    def search() -> Recipe:
        return tune(made, ["baseline"], 2, 1, tmp_path / "out", url, executor=ran)

    assert search().optimization == others[0].optimization
    assert len(begun) == 3


def test_the_best_trial_so_far_is_that_of_the_whole_search(tmp_path: Path, executor: Makes) -> None:
    """Also of one that goes on."""
    made, heard = recipe(folder_of(gestures(), tmp_path)), Heard()
    for trials, accuracy in ((1, 0.75), (2, 0.5), (3, 1.0)):
        measured = executor(lambda *_, found=accuracy: found)
        tune(made, ["baseline"], trials, 1, tmp_path / "out", listener=heard, executor=measured)
    assert [values["best"] for _, values in heard.steps] == [0.75, 0.75, 1.0]


@pytest.mark.parametrize("where", [".", ""])
def test_a_lock_that_a_killed_search_left_is_no_hindrance(
    where: str, tmp_path: Path, executor: Makes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder that is named relative to where the search was begun, too."""
    monkeypatch.chdir(tmp_path)
    folder = Path("out") if where else tmp_path / "out"
    source = folder_of(gestures(), tmp_path)
    for trials in (1, 2):
        found = executor(lambda *_: 0.5)
        tune(recipe(source), ["baseline"], trials=trials, seeds=1, folder=folder, executor=found)
        (folder / "trials.journal.lock").symlink_to(folder / "trials.journal")
    assert len(found.accuracies) == 1


def test_a_search_repeats(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first, second = tuned(one, ["baseline", "mi"], 3), tuned(two, ["baseline", "mi"], 3)
    assert first[1] == second[1]
    assert first[0].optimization == second[0].optimization
    assert first[0].options["mi"] == second[0].options["mi"]


def test_machines_may_share_a_database(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'trials.db'}"
    tuned(tmp_path, ["mi"], 2, storage)
    assert len(optuna.load_study(study_name="gestures mi", storage=storage).trials) == 2
    assert not (tmp_path / "out" / "trials.journal").exists()


def test_the_recipe_that_is_written_is_the_one_that_is_returned(tmp_path: Path) -> None:
    best, _ = tuned(tmp_path, ["baseline", "amid"], 2)
    written = load_recipe(str(tmp_path / "out" / "tuned.yaml"))
    assert written.optimization == best.optimization
    assert written.model == best.model
    assert written.options["amid"] == best.options["amid"]
    assert (written.method, written.evaluate_every) == ("amid", 1)


def test_the_first_trial_is_the_recipe_as_it_stands(tmp_path: Path, executor: Makes) -> None:
    seen: list[Recipe] = []

    def measured(chosen: Recipe, folder: Path) -> float:
        seen.append(chosen)
        return 0.5

    amid = {"alpha_1": 1.5, "alpha_2": 0.3, "alpha_3": 0.2, "temperature": 0.2, "reduction": "mean"}
    tuned(tmp_path, ["amid"], 1, executor=executor(measured), options={"amid": amid})
    assert amid.items() <= seen[0].options["amid"].items()


@pytest.mark.parametrize("method", ["kd", "dist", "amid_u"])
def test_the_first_trial_has_the_method_s_own_defaults(method: str, tmp_path: Path, executor: Makes) -> None:
    """Where the recipe does not say: else the search would forget what it begins with."""
    seen: list[Recipe] = []

    def measured(chosen: Recipe, folder: Path) -> float:
        seen.append(chosen)
        return 0.5

    tuned(tmp_path, [method], 1, executor=executor(measured), options={})
    defaults = {name: p.default for name, p in inspect.signature(METHODS[method]).parameters.items()}
    searched = METHODS[method].search
    assert searched
    assert {name: seen[0].options[method][name] for name in searched} == {name: defaults[name] for name in searched}


def test_the_best_trial_is_taken(tmp_path: Path, executor: Makes) -> None:
    """Accuracy rises with the learning rate: the largest that was tried must come out."""
    tried: list[float] = []

    def measured(chosen: Recipe, folder: Path) -> float:
        tried.append(chosen.optimization.learning_rate)
        return chosen.optimization.learning_rate

    best, _ = tuned(tmp_path, ["baseline"], 5, executor=executor(measured))
    assert best.optimization.learning_rate == max(tried)
    assert len(set(tried)) > 2


def test_no_test_sample_is_opened(tmp_path: Path) -> None:
    folder = folder_of(gestures(), tmp_path)
    for sample in range(32, 48):
        (folder / "wrist" / f"s{sample}.npy").write_bytes(
            (folder / "wrist" / f"s{sample}.npy").read_bytes()[:-4] + b"\x00\x00\xc0\x7f"  # NaN, noticed when read
        )
    runs = runs_of(recipe(folder, method="baseline", epochs=1), 2, tmp_path / "runs")
    assert list(InProcess().run_all(runs)) == [(run.folder, None) for run in runs]
    assert 0 <= accuracy_of(runs) <= 1


def test_a_diverged_trial_counts_and_the_search_goes_on(tmp_path: Path, executor: Makes) -> None:
    def measured(chosen: Recipe, folder: Path) -> float:
        if chosen.optimization.learning_rate < 1.5e-3:
            return 0.5
        raise DivergedError("loss became nan")

    best, told = tuned(tmp_path, ["baseline"], 6, executor=executor(measured))
    assert 0 < len(told) < 6
    assert best.optimization.learning_rate < 1.5e-3


class SideBySide(Measured):
    """Draws four jobs before the first ends; they end in an order of chance."""

    def run_all(
        self, jobs: Iterable[RunJob], listener: Listener = Listener()
    ) -> Generator[tuple[Path, Failure | None], None, None]:
        random, waiting = np.random.default_rng(0), iter(jobs)
        on: list[RunJob] = []
        while on := on + list(islice(waiting, 4 - len(on))):
            yield from super().run_all([on.pop(int(random.integers(len(on))))])


def test_trials_side_by_side_are_as_many_and_each_is_of_its_own_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that diverges no more runs are drawn, and its folder goes when those that were on have ended."""
    ran: list[tuple[Path, float]] = []
    diverged: set[Path] = set()

    def measured(chosen: Recipe, folder: Path) -> float:
        folder.mkdir(parents=True, exist_ok=True)
        ran.append((folder, chosen.optimization.learning_rate))
        if chosen.optimization.learning_rate > 2e-3 and chosen.seed == 1:
            diverged.add(folder)
            raise DivergedError("loss became nan")
        return chosen.optimization.learning_rate + 0.1 * chosen.seed

    used = SideBySide(measured)
    monkeypatch.setattr(tuning, "accuracy_of", lambda runs: np.mean([used.accuracies[run.folder] for run in runs]))
    made = recipe(folder_of(gestures(), tmp_path), epochs=1)
    best = tune(made, ["baseline"], 9, 5, tmp_path / "out", listener=(heard := Heard()), executor=used)
    assert sorted(values["trial"] for _, values in heard.steps) == list(range(9))
    rates = dict(ran)
    assert len(rates) == 9
    assert len(ran) < 9 * 5
    assert {len([place for place, _ in ran if place == folder]) for folder in rates.keys() - diverged} == {5}
    told = [values["accuracy"] for _, values in heard.steps if "accuracy" in values]
    assert sorted(told) == pytest.approx(sorted(rates[folder] + 0.2 for folder in rates.keys() - diverged))
    assert best.optimization.learning_rate == max(rates[folder] for folder in rates.keys() - diverged)
    assert not (tmp_path / "out" / "trials").exists()


def test_what_runs_of_trials_say_is_said_once_and_their_epochs_are_not(tmp_path: Path, executor: Makes) -> None:
    class Speaks(Measured):
        def run_all(
            self, jobs: Iterable[RunJob], listener: Listener = Listener()
        ) -> Generator[tuple[Path, Failure | None], None, None]:
            for outcome in super().run_all(jobs, listener):
                listener.begin("a run", 3)
                listener.say("WARNING: baseline seed 0: a doubt")
                listener.say("only 3 of 4 samples have all")
                listener.step("a run")
                listener.end("a run")
                yield outcome

    used = executor(lambda made, folder: 0.5)
    made = with_data(recipe(folder_of(gestures(), tmp_path), method="baseline"))
    speaks = Speaks(used.measure, used.accuracies)
    tune(made, ["baseline", "kd"], 2, 2, tmp_path / "out", listener=(heard := Heard()), executor=speaks)
    assert heard.lines == ["WARNING: baseline seed 0: a doubt", "only 3 of 4 samples have all"]
    assert "a run" not in repr(vars(heard))


def test_a_run_that_crashes_ends_the_search_with_its_folder_and_its_traceback(tmp_path: Path) -> None:
    class Crashing(Measured):
        def run_all(
            self, jobs: Iterable[RunJob], listener: Listener = Listener()
        ) -> Generator[tuple[Path, Failure | None], None, None]:
            yield next(iter(jobs)).folder, Failure("KeyError: 'a'", mistake=False, details="Traceback ...")

    with pytest.raises(
        InputError, match=r"trials/baseline-\w+/seed0: KeyError: 'a' \(traceback in .*out/crashes.txt\)"
    ):
        tuned(tmp_path, ["baseline"], 2, executor=Crashing(lambda chosen, folder: 0.5))
    assert "Traceback ..." in (tmp_path / "out" / "crashes.txt").read_text()


def test_a_search_in_which_all_diverge_is_an_error(tmp_path: Path, executor: Makes) -> None:
    def measured(chosen: Recipe, folder: Path) -> float:
        raise DivergedError("loss became nan")

    with pytest.raises(InputError, match="baseline: every one of 2 trials diverged"):
        tuned(tmp_path, ["baseline"], 2, executor=executor(measured))


def test_data_that_are_not_there_are_no_bad_choice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: manifest not found"):
        tune(recipe(tmp_path / "nowhere"), ["baseline"], 2, 1, tmp_path / "out", "")


@pytest.mark.parametrize("method", [name for name in METHODS if search_space(name)])
def test_what_a_method_wants_tuned_exists_and_holds_its_recipe_default(method: str) -> None:
    """Every value of the space, and its ends, build a recipe; `present` finds what the recipe says."""
    space = search_space(method)
    lowest = {n: kind.low if isinstance(kind, LogUniform) else kind.values[0] for n, kind in space.items()}
    highest = {n: kind.high if isinstance(kind, LogUniform) else kind.values[-1] for n, kind in space.items()}
    for values in (lowest, highest):
        assert present(with_values(replace(recipe(), method=method), method, values), space) == values
    assert all(kind.low < kind.high for kind in space.values() if isinstance(kind, LogUniform))
    assert all(len(kind.values) > 1 for kind in space.values() if isinstance(kind, Choice))


def test_encoders_share_one_dropout() -> None:
    made = with_values(recipe(), "baseline", {"encoders.dropout": 0.4, "model.dropout": 0.1})
    assert {encoder.settings["dropout"] for encoder in made.model.encoders.values()} == {0.4}
    assert made.model.dropout == 0.1
    assert set(SHARED) >= {"optimization.learning_rate", "optimization.weight_decay"}


@pytest.mark.parametrize(
    ("methods", "trials", "seeds", "storage", "message"),
    [
        (["amdi"], 1, 1, "", "--methods: expected some of baseline, .* found 'amdi'"),
        (["amid"], 0, 1, "", "--trials: expected at least 1, found 0"),
        (["amid"], 1, 0, "", "--seeds: expected at least 1, found 0"),
        (["amid"], 1, 1, "nonsense", "--storage nonsense: cannot be opened"),
    ],
)
def test_mistakes_are_one_line(
    methods: list[str], trials: int, seeds: int, storage: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        tune(recipe(), methods, trials, seeds, tmp_path / "out", storage)
    assert "\n" not in str(caught.value)
