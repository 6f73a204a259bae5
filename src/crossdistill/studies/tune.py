"""Choosing hyper-parameters on validation samples, with the same number of trials for every method.

The settings that all methods share are tuned for the baseline and then kept for every method; after that each method
tunes what its `search` lists. So no method is judged at settings that suit another one's student better than its own
baseline, and every method gets the same number of trials.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from crossdistill.atomic import write_atomically
from crossdistill.encoders.make import with_dropout
from crossdistill.extras import needed_for
from crossdistill.methods import METHODS, judged_view
from crossdistill.recipes.files import as_dict, with_fields
from crossdistill.recipes.recipe import Recipe, as_method
from crossdistill.runs.lock import locked
from crossdistill.runs.run import run
from crossdistill.types import NAMES, Choice, DivergedError, InputError, Listener, LogUniform, SearchSpace, reported

if TYPE_CHECKING:
    import optuna

SHARED: SearchSpace = {
    "optimization.learning_rate": LogUniform(3e-4, 1e-2),
    "optimization.weight_decay": LogUniform(1e-3, 0.3),
    "model.dropout": Choice((0.0, 0.1, 0.25, 0.4, 0.5)),
    "encoders.dropout": Choice((0.0, 0.1, 0.25, 0.4, 0.5)),
}
"""What every method has; `encoders.dropout` stands for the dropout of all encoders."""

TRIALS = "trials"
"""The folder of a search in which the trial that is on has its runs."""

Values = Mapping[str, Any]


def tune(
    recipe: Recipe,
    methods: Sequence[str],
    trials: int,
    seeds: int,
    folder: Path | str,
    storage: str = "",
    listener: Listener = Listener(),
    interruptible: bool = False,
) -> Recipe:
    """The recipe with the best values found, also written to `folder`/tuned.yaml.

    trials: for each method, those that the storage already has among them; seeds: validation splits and initial
    weights over which a trial's accuracy is averaged; storage: an Optuna URL that several machines may share, or
    empty for a journal in `folder`. The first trial of each method is the recipe as it stands.
    listener: hears, of each method's trials that are still to do, `trial` and its mean `accuracy` on validation
    samples; of one that diverged, the number alone. interruptible: as of `run`; the trial that is on is saved, in
    `folder`/trials, and the same call goes on with it.
    Raises InputError for an unknown method, a number below 1, a missing Optuna, or where another process tunes in
    `folder` without a storage that it shares. To be done before a comparison, for
    every method that takes part in it.

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
    _check(methods, trials, seeds)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def measure(tried: Recipe) -> float:
        return validation_accuracy(tried, seeds, _place(folder, tried), interruptible)

    with locked(folder, "search", listener.say) if not storage else nullcontext():
        for method in sorted(methods, key=lambda name: name != "baseline"):
            space = search_space(method)
            if space:
                trialled = as_method(recipe, method)
                study = _study(trialled, space, _storage(storage, folder))
                if not storage:
                    _take_up(study, trialled, folder)

                best = _search(study, trialled, space, trials, measure, listener)
                recipe = with_values(recipe, method, best)
                write_atomically(folder / "tuned.yaml", _tuned_yaml(recipe))
    with suppress(OSError):
        (folder / TRIALS).rmdir()
    return recipe


def search_space(method: str) -> SearchSpace:
    """The shared settings for the baseline, its own options for any other method."""
    return SHARED if method == "baseline" else METHODS[method].search


def with_values(recipe: Recipe, method: str, values: Values) -> Recipe:
    """The recipe with options of the method, and dotted fields of its own, replaced."""
    options = {name: dict(given) for name, given in recipe.options.items()}
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name == "encoders.dropout":
            encoders = {key: with_dropout(encoder, value) for key, encoder in recipe.model.encoders.items()}
            recipe = replace(recipe, model=replace(recipe.model, encoders=encoders))
        elif "." in name:
            fields[name] = value
        else:
            options.setdefault(method, {})[name] = value
    return with_fields(replace(recipe, options=options), fields)


def _tuned_yaml(recipe: Recipe) -> str:
    """The recipe with the options of all methods, for `train` and `compare`."""
    return yaml.safe_dump(as_dict(recipe), sort_keys=False, allow_unicode=True)


def validation_accuracy(recipe: Recipe, seeds: int, folder: Path, interruptible: bool = False) -> float:
    """Mean headline measure (top-1, mAP or R²) on validation samples of the model that the method is for, over seeds
    and their splits.

    folder: of its runs, which are gone on with where they are there and removed once all have ended or one has diverged
    """
    view = NAMES[judged_view(METHODS[recipe.method])]
    data = replace(recipe.data, evaluate_on="validation")
    every = recipe.epochs if data.choose_epoch_on == "none" else recipe.evaluate_every
    on_validation = replace(recipe, data=data, evaluate_every=every, checkpoint_every=recipe.epochs)
    accuracies = []
    try:
        for seed in range(seeds):
            seeded = replace(on_validation, seed=seed)
            scores = run(seeded, folder / f"seed{seed}", resume=True, interruptible=interruptible).scores
            if view not in scores:
                raise InputError(f"{recipe.data.source}: no validation sample could be read")
            if math.isnan(scores[view].headline):
                raise InputError(f"{recipe.data.source}: nothing can be measured on validation samples labelled alike")
            accuracies.append(scores[view].headline)
    except DivergedError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return float(sum(accuracies) / seeds)


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
    so_far = len(study.get_trials(deepcopy=False))  # else a search that goes on would draw what it has tried
    study.sampler = optuna.samplers.TPESampler(seed=so_far, multivariate=True, constant_liar=True)
    if not so_far:
        study.enqueue_trial({name: value for name, value in present(recipe, space).items() if value is not None})
    return study


def _take_up(study: optuna.Study, recipe: Recipe, folder: Path) -> None:
    """Let the trials that a search before this one was interrupted in be the next: their runs are there."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.FAIL)):
        if trial.state == TrialState.RUNNING:  # of a process that was killed, as this one alone is at it now
            study.tell(trial.number, state=TrialState.FAIL)
        if _place(folder, with_values(recipe, recipe.method, trial.params)).is_dir():
            study.enqueue_trial(trial.params, skip_if_exists=False)


def _search(
    study: optuna.Study,
    recipe: Recipe,
    space: SearchSpace,
    trials: int,
    measure: Callable[[Recipe], float],
    listener: Listener,
) -> Values:
    """The values of the best finished trial; measure: a recipe's accuracy."""
    import optuna

    def objective(trial: optuna.Trial) -> float:
        values = {name: _suggest(trial, name, kind) for name, kind in space.items()}
        try:
            accuracy = measure(with_values(recipe, recipe.method, values))
        except DivergedError as error:  # a bad choice, not the end of the search
            listener.step(recipe.method, {"trial": trial.number})
            raise optuna.TrialPruned(str(error)) from error
        listener.step(recipe.method, {"trial": trial.number, "accuracy": accuracy})
        return accuracy

    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    stop = optuna.study.MaxTrialsCallback(trials, states=done)
    to_do = trials - sum(trial.state in done for trial in study.get_trials(deepcopy=False))
    if to_do > 0:
        with reported(listener, recipe.method, to_do):
            study.optimize(objective, callbacks=[stop])
    if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
        raise InputError(f"{recipe.method}: every one of {trials} trials diverged; lower optimization.learning_rate")
    return cast(Values, study.best_params)


def present(recipe: Recipe, space: SearchSpace) -> dict[str, Any]:
    """The recipe's own values of what is searched; None where it does not say or they are out of range."""
    fields = {**_flat(as_dict(recipe)), **recipe.options.get(recipe.method, {})}
    dropouts = {float(encoder.settings.get("dropout", 0.0)) for encoder in recipe.model.encoders.values()} - {0.0}
    fields["encoders.dropout"] = min(dropouts) if dropouts else 0.0
    return {name: value if _within(kind, value := fields.get(name)) else None for name, kind in space.items()}


def _within(kind: LogUniform | Choice, value: Any) -> bool:
    if isinstance(kind, Choice):
        return value in kind.values
    return isinstance(value, int | float) and kind.low <= value <= kind.high


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def _suggest(trial: optuna.Trial, name: str, kind: LogUniform | Choice) -> Any:
    if isinstance(kind, Choice):
        return trial.suggest_categorical(name, list(kind.values))
    return trial.suggest_float(name, kind.low, kind.high, log=True)


def _storage(url: str, folder: Path) -> optuna.storages.BaseStorage:
    with needed_for("tuning"):
        import optuna
        from optuna.storages.journal import JournalFileBackend
    if not url:
        return optuna.storages.JournalStorage(JournalFileBackend(str(folder / "trials.journal")))
    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # what SQLAlchemy raises depends on the database's driver
        raise InputError(f"--storage {url}: cannot be opened: {' '.join(str(error).split())[:200]}") from error


def _check(methods: Sequence[str], trials: int, seeds: int) -> None:
    if unknown := [name for name in methods if name not in METHODS]:
        raise InputError(f"--methods: expected some of {', '.join(METHODS)}, found {unknown[0]!r}")
    for option, number in {"--trials": trials, "--seeds": seeds}.items():
        if number < 1:
            raise InputError(f"{option}: expected at least 1, found {number}")
