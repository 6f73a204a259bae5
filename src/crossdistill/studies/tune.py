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
from typing import TYPE_CHECKING, Any, cast

import yaml

from crossdistill.atomic import write_atomically
from crossdistill.data.folders import make_folder
from crossdistill.extras import needed_for
from crossdistill.listening import Listener, reported
from crossdistill.methods import METHODS, judged_view, unknown_method
from crossdistill.recipes.files import as_dict
from crossdistill.recipes.recipe import Recipe, as_method
from crossdistill.runs.jobs import Executor, Failure, InProcess, RunJob, require_done
from crossdistill.runs.lock import locked
from crossdistill.runs.results import read_results
from crossdistill.studies.passed_on import Said, WarnedOnce
from crossdistill.studies.search_space import SHARED, Values, present, search_space, with_values
from crossdistill.studies.searched import SearchedData, decided_by, require_same_search
from crossdistill.studies.workers import require_guarded
from crossdistill.types import NAMES, Choice, InputError, LogUniform, SearchSpace, one_line

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

    Args:
        recipe: where the search begins
        methods: names, each of which is searched for
        trials: for each method, those that the storage already has among them
        seeds: validation splits and initial weights over which a trial's accuracy is averaged
        folder: of the search
        storage: an Optuna URL that several machines may share, or empty for a journal in `folder`
        listener: hears, of each method's trials that are still to do, `trial` and its mean `accuracy` on validation
            samples; of one that diverged, the number alone
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
    with locked(folder, "search", listener.say) if not storage else nullcontext():
        for method in sorted(methods, key=lambda name: name != "baseline"):
            space = search_space(method)
            if space:
                trialled = as_method(recipe, method)
                study = _study(trialled, space, _storage(storage, folder))
                search = _Search(study, trialled, space, trials, seeds, folder)
                to_do = search.to_do() > 0
                require_same_search(
                    study,
                    decided_by(trialled, seeds, {*space, *shared}),
                    data,
                    storage or str(folder),
                    is_over=not to_do,
                    is_shared=bool(storage),
                    listener=listener,
                )
                if to_do and not storage:
                    _take_up(study)
                best = _search(search, executor or InProcess(), listener)
                recipe = with_values(recipe, method, best)
                write_atomically(folder / "tuned.yaml", _tuned_yaml(recipe))
    with suppress(OSError):
        (folder / TRIALS).rmdir()
    return recipe


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


def _study(recipe: Recipe, space: SearchSpace, storage: optuna.storages.BaseStorage) -> optuna.Study:
    """The recipe's, with its own values as the first trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that is interrupted is told here
    study = optuna.create_study(
        storage=storage, study_name=f"{recipe.name} {recipe.method}", direction="maximize", load_if_exists=True
    )
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial({name: value for name, value in present(recipe, space).items() if value is not None})
    return study


def _take_up(study: optuna.Study) -> None:
    """Let the trials that a search before this one was interrupted in be the next, each once however often it was: what
    there is of their runs is gone on with."""
    from optuna.trial import TrialState

    over = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.WAITING)
    known = [_values_of(trial) for trial in study.get_trials(deepcopy=False, states=over)]
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.FAIL)):
        if trial.state == TrialState.RUNNING:  # of a process that was killed, as this one alone is at it now
            study.tell(trial.number, state=TrialState.FAIL)
        if (values := _values_of(trial)) and values not in known:
            study.enqueue_trial(values)
            known.append(values)


def _values_of(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """The values of a trial; of one that was queued those that it was to have, though it was stopped before it had."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


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
        from optuna.trial import TrialState

        ended = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return self.trials - len(ended) - sum(not trial.told for trial in self.begun)

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
        values = {name: _suggest(asked, name, kind) for name, kind in self.space.items()}
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


def _search(search: _Search, executor: Executor, listener: Listener) -> Values:
    """The values of the best finished trial. Raises InputError where none finished, or a run failed."""
    from optuna.trial import TrialState

    method = search.recipe.method
    if (to_do := search.to_do()) > 0:
        with reported(listener, method, to_do):
            try:
                with closing(executor.run_all(search.runs(), WarnedOnce(Said(listener)))) as outcomes:
                    for folder, failure in outcomes:
                        if (heard := search.ended(folder, failure)) is not None:
                            listener.step(method, heard)
            finally:
                search.leave()
    if not search.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise InputError(f"{method}: every one of {search.trials} trials diverged; lower optimization.learning_rate")
    return cast(Values, search.study.best_params)


def _suggest(trial: optuna.Trial, name: str, kind: LogUniform | Choice) -> Any:
    if isinstance(kind, Choice):
        return trial.suggest_categorical(name, list(kind.values))
    return trial.suggest_float(name, kind.low, kind.high, log=True)


def _storage(url: str, folder: Path) -> optuna.storages.BaseStorage:
    with needed_for("tuning"):
        import optuna
        from optuna.storages.journal import JournalFileBackend
    if not url:
        journal = (folder / "trials.journal").absolute()  # Optuna's lock is a link to it, which must not be relative
        journal.with_name(f"{journal.name}.lock").unlink(
            missing_ok=True
        )  # of a process that was killed: `tune` has its own
        return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # what SQLAlchemy raises depends on the database's driver
        raise InputError(f"--storage {url}: cannot be opened: {one_line(error)[:200]}") from error


def _check(methods: Sequence[str], trials: int, seeds: int) -> None:
    if unknown := [name for name in methods if name not in METHODS]:
        raise unknown_method(unknown[0], "--methods", "some of")
    for option, number in {"--trials": trials, "--seeds": seeds}.items():
        if number < 1:
            raise InputError(f"{option}: expected at least 1, found {number}")
