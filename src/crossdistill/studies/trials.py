"""The trials that a storage keeps of a search: one Optuna study for each method and what was chosen for all of them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from crossdistill.extras import needed_for
from crossdistill.listening import WARNING, Listener
from crossdistill.recipes.recipe import Recipe
from crossdistill.studies.search_space import Values, present
from crossdistill.types import Choice, InputError, LogUniform, SearchSpace, one_line

if TYPE_CHECKING:
    import optuna


def study_of(
    recipe: Recipe, space: SearchSpace, storage: optuna.storages.BaseStorage, shared: Values, listener: Listener
) -> optuna.Study:
    """The recipe's, with its own values as the first trial.

    shared: what was chosen for the baseline and is kept for every method, none where no baseline is searched. Trials
    that were measured under others are those of another study; the listener hears that they do not count.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that is interrupted is told here
    name = f"{recipe.name} {recipe.method}"
    own = f"{name} {_digest(shared)}" if shared else name
    study = optuna.create_study(storage=storage, study_name=own, direction="maximize", load_if_exists=True)
    if not study.get_trials(deepcopy=False):
        others = [each for each in optuna.get_all_study_names(storage) if _is_of(each, name) and each != own]
        if count := sum(len(_ended(optuna.load_study(study_name=each, storage=storage))) for each in others):
            trials, were = ("trial", "was") if count == 1 else ("trials", "were")
            listener.say(
                f"{WARNING}{recipe.method}: {count} {trials} of before {were} made when the baseline had not chosen "
                "what all methods have now (learning rate, weight decay, dropout), and do not count; its search begins "
                "anew"
            )
        study.enqueue_trial({name: value for name, value in present(recipe, space).items() if value is not None})
    return study


def take_up(study: optuna.Study) -> None:
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


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have an accuracy or diverged, in the order in which they were begun."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def to_do(study: optuna.Study, trials: int) -> int:
    """How many of so many trials have not ended."""
    return trials - len(_ended(study))


def best_of_first(study: optuna.Study, trials: int, is_shared: bool) -> Values:
    """The values of the best of so many trials, none where all of them diverged. Those that are beyond, since more were
    asked for before or several machines were at the last one, do not count: every method has as many.

    is_shared: by machines, for all of which the first one decides, as trials with lower numbers may end after it
    """
    place = f"best of {trials}"
    if is_shared and place in study.user_attrs:
        return cast(Values, study.user_attrs[place])
    finished = [trial for trial in _ended(study)[:trials] if trial.value is not None]
    if not finished:
        return {}
    best = max(finished, key=lambda trial: cast(float, trial.value)).params
    if is_shared:
        study.set_user_attr(place, best)
    return best


def suggest(trial: optuna.Trial, name: str, kind: LogUniform | Choice) -> Any:
    if isinstance(kind, Choice):
        return trial.suggest_categorical(name, list(kind.values))
    return trial.suggest_float(name, kind.low, kind.high, log=True)


def storage_at(url: str, folder: Path) -> optuna.storages.BaseStorage:
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


def _is_of(study: str, name: str) -> bool:
    """Whether a study of this name is one of the recipe and method's, under whatever settings."""
    return re.fullmatch(f"{re.escape(name)}( [0-9a-f]{{16}})?", study) is not None


def _digest(values: Values) -> str:
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:16]
