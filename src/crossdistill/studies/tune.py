"""Choosing hyper-parameters on validation samples, with the same number of trials for every method.

The settings that all methods share are tuned for the baseline and then kept for every method; after that each method
tunes what its `search` lists. So no method is judged at settings that suit another one's student better than its own
baseline, and every method gets the same number of trials.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from crossdistill.atomic import write_atomically
from crossdistill.data.folders import make_folder
from crossdistill.listening import Listener, reported
from crossdistill.methods import METHODS, judged_view, unknown_method
from crossdistill.recipes.files import as_dict
from crossdistill.recipes.recipe import Recipe, as_method
from crossdistill.runs.jobs import Executor, Failure, InProcess, RunJob, require_done
from crossdistill.runs.lock import locked
from crossdistill.runs.results import read_results
from crossdistill.studies.passed_on import Said, SaidOnce
from crossdistill.studies.search_space import SHARED, Values, search_space, with_values
from crossdistill.studies.searched import SearchedData, decided_by, require_same_search
from crossdistill.studies.trials import best_of_first, storage_at, study_of, suggest, take_up, to_do
from crossdistill.studies.workers import require_guarded
from crossdistill.types import NAMES, InputError, SearchSpace

if TYPE_CHECKING:
    import optuna

TRIALS = "trials"
"""The folder of a search in which the trial that is on has its runs."""


def tune(
    recipe: Recipe,
    methods: Sequence[str],
    trials: int,
    seeds: int,
    folder: Path | str,
    storage: str = "",
    listener: Listener = Listener(),
    executor: Executor | None = None,
) -> Recipe:
    """The recipe with the best values found, also written to `folder`/tuned.yaml.

    To be done before a comparison, for every method that takes part in it. The first trial of each method is the recipe
    as it stands. What is on when the search is interrupted is in `folder`/trials, and the same call goes on with it.
    Where more trials choose other settings for the baseline, those of the other methods begin anew.

    Args:
        recipe: where the search begins
        methods: names, each of which is searched for
        trials: for each method, those that the storage already has among them; where it has more, the first count
        seeds: validation splits and initial weights over which a trial's accuracy is averaged
        folder: of the search
        storage: an Optuna URL that several machines may share, or empty for a journal in `folder`
        listener: hears, of each method's trials that are still to do, `trial`, its mean `accuracy` on validation
            samples and the `best` of all so far; of one that diverged, the number alone
        executor: what does the runs of trials, one after another in this process unless given; with several at once,
            trials are drawn before the last ones' accuracies are known

    Raises:
        InputError: an unknown method, a number below 1, a missing Optuna, a run that fails and did not diverge,
            another process that tunes in `folder` without a storage that it shares, or trials there that are of another
            recipe, other seeds or other data.

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> from pathlib import Path
    >>> from crossdistill.data import write_manifest
    >>> y = np.arange(60) % 2
    >>> data = crossdistill.from_arrays({"wrist": np.eye(2)[y]}, y, splits=np.arange(60) >= 40)
    >>> folder = Path(tempfile.mkdtemp())
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=1, batch_size=8)
    >>> recipe = replace(recipe, data=replace(recipe.data, source=str(write_manifest(folder / "data", data))))
    >>> tuned = crossdistill.tune(recipe, ["baseline"], trials=2, seeds=1, folder=folder / "tuned")
    >>> 3e-4 <= tuned.optimization.learning_rate <= 1e-2, (folder / "tuned/tuned.yaml").is_file()
    (True, True)
    """
    require_guarded()
    _check(methods, trials, seeds)
    folder = Path(folder)
    make_folder(folder)
    data = SearchedData(recipe.data)
    shared = SHARED if "baseline" in methods else {}  # by the time another method is on, the baseline's best
    chosen: Values = {}
    of_runs = SaidOnce(Said(listener))
    with locked(folder, "search", listener.say) if not storage else nullcontext():
        for method in sorted(methods, key=lambda name: name != "baseline"):
            space = search_space(method)
            if space:
                trialled = as_method(recipe, method)
                study = study_of(trialled, space, storage_at(storage, folder), chosen, listener)
                search = _Search(study, trialled, space, trials, seeds, folder)
                is_over = search.to_do() <= 0
                require_same_search(
                    study,
                    decided_by(trialled, seeds, {*space, *shared}),
                    data,
                    storage or str(folder),
                    is_over=is_over,
                    is_shared=bool(storage),
                    listener=listener,
                )
                if not is_over and not storage:
                    take_up(study)
                best = _search(search, executor or InProcess(), listener, of_runs, is_shared=bool(storage))
                chosen = best if method == "baseline" else chosen
                recipe = with_values(recipe, method, best)
                if not storage:
                    _remove_runs(method, folder)
                write_atomically(folder / "tuned.yaml", _tuned_yaml(recipe))
    with suppress(OSError):
        (folder / TRIALS).rmdir()
    return recipe


def _remove_runs(method: str, folder: Path) -> None:
    """Of a search that is over: those of trials that were interrupted under other settings, and are gone on with no
    more."""
    for place in (folder / TRIALS).glob(f"{method}-{'[0-9a-f]' * 16}*"):
        shutil.rmtree(place, ignore_errors=True)


def _tuned_yaml(recipe: Recipe) -> str:
    """The recipe with the options of all methods, for `train` and `compare`."""
    return yaml.safe_dump(as_dict(recipe), sort_keys=False, allow_unicode=True)


def runs_of(recipe: Recipe, seeds: int, folder: Path) -> list[RunJob]:
    """The runs of the recipe, in `folder`, that are measured on validation samples: a split and weights for each
    seed."""
    data = replace(recipe.data, evaluate_on="validation")
    every = recipe.epochs if data.choose_epoch_on == "none" else recipe.evaluate_every
    on_validation = replace(recipe, data=data, evaluate_every=every, checkpoint_every=recipe.epochs)
    return [RunJob(folder / f"seed{seed}", replace(on_validation, seed=seed)) for seed in range(seeds)]


def accuracy_of(runs: Sequence[RunJob]) -> float:
    """Mean headline measure (top-1, mAP or R²) of finished runs, of the model that their method is for. Raises
    InputError where a run measured nothing."""
    accuracies = []
    for run in runs:
        view, source = NAMES[judged_view(METHODS[run.recipe.method])], run.recipe.data.source
        scores = read_results(run.folder).scores
        if view not in scores:
            raise InputError(f"{source}: no validation sample could be read")
        if math.isnan(scores[view].headline):
            raise InputError(f"{source}: nothing can be measured on validation samples labelled alike")
        accuracies.append(scores[view].headline)
    return float(sum(accuracies) / len(accuracies))


def _place(folder: Path, recipe: Recipe) -> Path:
    """Of the runs of the trial that tries this recipe."""
    return folder / TRIALS / f"{recipe.method}-{hashlib.sha256(_tuned_yaml(recipe).encode()).hexdigest()[:16]}"


@dataclass
class _Trial:
    """A trial that has been begun.

    left: how many of its runs have not ended; on: folders of those that an executor has; told: whether its accuracy,
    or that it diverged, is known
    """

    trial: optuna.Trial
    folder: Path
    runs: list[RunJob]
    left: int
    on: set[Path] = field(default_factory=set)
    told: bool = False


@dataclass
class _Search:
    """A method's trials: drawn when there is room for their runs, and told of when these have ended."""

    study: optuna.Study
    recipe: Recipe
    space: SearchSpace
    trials: int
    seeds: int
    folder: Path
    begun: list[_Trial] = field(default_factory=list)

    def to_do(self) -> int:
        """Trials that are still to be begun."""
        return to_do(self.study, self.trials) - sum(not trial.told for trial in self.begun)

    def runs(self) -> Iterator[RunJob]:
        """The runs of one trial after another; of one that has diverged meanwhile, no more."""
        while self.to_do() > 0:
            trial = self._drawn()
            self.begun.append(trial)
            for run in trial.runs:
                if not trial.told:
                    trial.on.add(run.folder)
                    yield run

    def _drawn(self) -> _Trial:
        """The next trial. The sampler begins anew from how many there were: what a search draws does not depend on when
        it was interrupted."""
        import optuna
        from optuna.trial import TrialState

        begun = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        count = len(self.study.get_trials(deepcopy=False, states=begun))
        self.study.sampler = optuna.samplers.TPESampler(seed=count, multivariate=True, constant_liar=True)
        asked = self.study.ask()
        values = {name: suggest(asked, name, kind) for name, kind in self.space.items()}
        tried = with_values(self.recipe, self.recipe.method, values)
        place = _place(self.folder, tried)
        if any(trial.folder == place for trial in self.begun):  # the same values once more, side by side
            place = place.with_name(f"{place.name}-{asked.number}")
        return _Trial(asked, place, runs_of(tried, self.seeds, place), left=self.seeds)

    def ended(self, folder: Path, failure: Failure | None) -> dict[str, float] | None:
        """Take in what came of a run. Returns what is to be heard of its trial where that is over by it.

        Raises InputError for a failure that is no divergence, and where nothing was measured.
        """
        trial = next(trial for trial in self.begun if folder in trial.on)
        trial.on.remove(folder)
        trial.left -= 1
        heard = None
        if not trial.told and (failure is not None or not trial.left):
            if failure is not None and not failure.diverged:
                require_done({folder: failure}, self.folder)
            heard = {"trial": trial.trial.number} | ({"accuracy": accuracy_of(trial.runs)} if failure is None else {})
            self._tell(trial, heard.get("accuracy"))
            if failure is None:
                heard["best"] = self.study.best_value
        if trial.told and not trial.on:
            shutil.rmtree(trial.folder, ignore_errors=True)
            self.begun.remove(trial)
        return heard

    def _tell(self, trial: _Trial, accuracy: float | None) -> None:
        from optuna.trial import TrialState

        self.study.tell(trial.trial, accuracy, TrialState.PRUNED if accuracy is None else None)
        trial.told = True

    def leave(self) -> None:
        """Give up the trials that are on: the next search takes up their runs."""
        from optuna.trial import TrialState

        for trial in self.begun:
            if not trial.told:
                self.study.tell(trial.trial, state=TrialState.FAIL)


def _search(search: _Search, executor: Executor, listener: Listener, of_runs: Listener, *, is_shared: bool) -> Values:
    """The values of the best trial; of_runs: hears what its runs say. Raises InputError where all diverged, or a run
    failed."""
    method = search.recipe.method
    if (left := search.to_do()) > 0:
        with reported(listener, method, left):
            try:
                with closing(executor.run_all(search.runs(), of_runs)) as outcomes:
                    for folder, failure in outcomes:
                        if (heard := search.ended(folder, failure)) is not None:
                            listener.step(method, heard)
            finally:
                search.leave()
    if not (best := best_of_first(search.study, search.trials, is_shared)):
        raise InputError(f"{method}: every one of {search.trials} trials diverged; lower optimization.learning_rate")
    return best


def _check(methods: Sequence[str], trials: int, seeds: int) -> None:
    if unknown := [name for name in methods if name not in METHODS]:
        raise unknown_method(unknown[0], "--methods", "some of")
    for option, number in {"--trials": trials, "--seeds": seeds}.items():
        if number < 1:
            raise InputError(f"{option}: expected at least 1, found {number}")
