"""Choosing hyper-parameters on validation samples, with the same number of trials for every method.

The settings that all methods share are tuned for the baseline and then kept for every method; after that each method
tunes what its `search` lists. So no method is judged at settings that suit another one's student better than its own
baseline, and every method gets the same number of trials.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from crossdistill.atomic import write_atomically
from crossdistill.encoders.make import with_dropout
from crossdistill.methods import METHODS
from crossdistill.recipes.files import as_dict, with_fields
from crossdistill.recipes.recipe import Recipe, as_method
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

Values = Mapping[str, Any]


def tune(
    recipe: Recipe,
    methods: Sequence[str],
    trials: int,
    seeds: int,
    folder: Path | str,
    storage: str = "",
    listener: Listener = Listener(),
) -> Recipe:
    """The recipe with the best values found, also written to `folder`/tuned.yaml.

    trials: for each method, those that the storage already has among them; seeds: validation splits and initial
    weights over which a trial's accuracy is averaged; storage: an Optuna URL that several machines may share, or
    empty for a journal in `folder`. The first trial of each method is the recipe as it stands.
    listener: hears, of each method's trials that are still to do, `trial` and its mean `accuracy` on validation
    samples; of one that diverged, the number alone.
    Raises InputError for an unknown method, a number below 1, or a missing Optuna. To be done before a comparison, for
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
    for method in sorted(methods, key=lambda name: name != "baseline"):
        space = search_space(method)
        if space:
            trialled = as_method(recipe, method)
            best = _search(trialled, space, trials, seeds, _storage(storage, folder), listener)
            recipe = with_values(recipe, method, best)
            write_atomically(folder / "tuned.yaml", _tuned_yaml(recipe))
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


def validation_accuracy(recipe: Recipe, seeds: int) -> float:
    """Mean top-1 on validation samples of the model that the method is for, over seeds and their splits."""
    view = NAMES[METHODS[recipe.method].predicts[0]]
    data = replace(recipe.data, evaluate_on="validation")
    every = recipe.epochs if data.choose_epoch_on == "none" else recipe.evaluate_every
    on_validation = replace(recipe, data=data, evaluate_every=every, checkpoint_every=recipe.epochs)
    accuracies = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as scratch:
            scores = run(replace(on_validation, seed=seed), Path(scratch) / "run").scores
        if view not in scores:
            raise InputError(f"{recipe.data.source}: no validation sample could be read")
        accuracies.append(scores[view].top1)
    return float(sum(accuracies) / seeds)


def _search(
    recipe: Recipe,
    space: SearchSpace,
    trials: int,
    seeds: int,
    storage: optuna.storages.BaseStorage,
    listener: Listener,
) -> Values:
    """The values of the best finished trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=f"{recipe.name} {recipe.method}",
        sampler=optuna.samplers.TPESampler(seed=0, multivariate=True, constant_liar=True),
        direction="maximize",
        load_if_exists=True,
    )
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial({name: value for name, value in present(recipe, space).items() if value is not None})

    def objective(trial: optuna.Trial) -> float:
        values = {name: _suggest(trial, name, kind) for name, kind in space.items()}
        try:
            accuracy = validation_accuracy(with_values(recipe, recipe.method, values), seeds)
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
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise InputError("tuning needs Optuna: pip install 'crossdistill[tune]'") from error
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
