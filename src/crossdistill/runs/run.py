"""One run: a recipe and a folder in; a trained model, its log and its results out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.feature_order import in_order
from crossdistill.data.fingerprint import differing, fingerprint
from crossdistill.data.loading import Workers
from crossdistill.listening import WARNING, Deaf, Listener, Values, reported
from crossdistill.methods import METHODS
from crossdistill.models import CrossModalModel
from crossdistill.models.spec import ModelSpec, loadable, model_to_load
from crossdistill.models.storage import (
    CONFIG,
    REST,
    STUDENT,
    digests_of,
    load_state,
    read_config,
    read_json,
    read_tensors,
    write_config,
    write_tensors,
)
from crossdistill.plain import from_plain, to_plain
from crossdistill.recipes.check import check
from crossdistill.recipes.cross_fitted import is_cross_fitted, taught
from crossdistill.recipes.recipe import Recipe, name_of
from crossdistill.runs.build import BuildDataset, Built, build, data_of, model_spec, total_epochs, with_given
from crossdistill.runs.cross_fitting import teachers_seconds, with_kept_outputs, with_teacher_outputs
from crossdistill.runs.data import build_dataset
from crossdistill.runs.folder import CHECKPOINT, TEACHERS, is_finished, read_recipe, require_usable, write_recipe
from crossdistill.runs.lock import locked
from crossdistill.runs.log import RunLog
from crossdistill.runs.measure import about, fingerprint_in, results_of
from crossdistill.runs.own_encoders import require_rebuilt
from crossdistill.runs.results import RunResults, read_results, require_results_of, tidy, write_results
from crossdistill.runs.signals import interrupts_noted
from crossdistill.runs.trackers import require_installed
from crossdistill.runs.train import train
from crossdistill.student import Student, keep_tokenizers, without_tokenizers
from crossdistill.training.distributed import on_first_rank
from crossdistill.training.engine import launched, on_threads
from crossdistill.training.memory import reset_peak_memory
from crossdistill.training.pauses import GO_ON
from crossdistill.types import InputError


def run(
    recipe: Recipe,
    folder: Path | str,
    resume: bool = False,
    listener: Listener = Listener(),
    dataset: MultimodalDataset | None = None,
    build_data: BuildDataset = build_dataset,
    encoders: Mapping[str, nn.Module] | None = None,
    interruptible: bool = False,
) -> RunResults:
    """Train a recipe, write everything into `folder`, and return what its results.json holds.

    The usual way to train: what is in the folder can be loaded, reported, resumed. A cross-fitted teacher's runs lie in
    its `teachers`.

    Args:
        recipe: what is to be trained
        folder: for the run, new or empty unless `resume`
        resume: go on from the folder's checkpoint; a finished run is returned as it is
        listener: hears of each epoch as a step of the task `name_of(recipe)`, on the first rank alone; one that
            does not override `say` gives a `RunWarning` of what the numbers hide
        dataset: one made in Python, in place of the recipe's `data.source`
        build_data: makes the data set of a recipe's data settings and seed; the processes of a comparison pass one that
            remembers
        encoders: modality -> a module of your own, (B, ...) or `Padded` to (B, width); its class must be importable and
            say with which arguments it was made. A copy of it is trained, and the module stays as it is: `load` has
            the trained one
        interruptible: SIGINT, SIGTERM and SIGUSR1 end training after the step that is on, saved, by raising
            Interrupted, a KeyboardInterrupt; for a process of your own

    Raises:
        InputError: the folder holds a run and resume is False, it holds another recipe's run or one that was begun on
            other data, or another process is writing it.

    >>> import tempfile, numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> y = np.arange(60) % 2
    >>> modalities = {"wrist": np.eye(2)[y], "camera": np.eye(3)[y]}
    >>> data = crossdistill.from_arrays(modalities, y, splits=np.arange(60) >= 40)
    >>> recipe = replace(crossdistill.own(("wrist",), ("camera",)), method="kd", epochs=2, batch_size=8)
    >>> folder = tempfile.mkdtemp()
    >>> results = crossdistill.run(recipe, folder, dataset=data)
    >>> results["student"]["top1"], results["teacher"]["top1"]
    (1.0, 1.0)
    >>> crossdistill.load(folder).predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
    ['0', '1']
    """
    folder = Path(folder)
    recipe = with_given(recipe, dataset, encoders)
    check(recipe)
    require_installed(recipe)
    engine = launched(recipe.machine)
    reset_peak_memory(engine.device)
    task, heard_by = name_of(recipe), listener if engine.is_global_zero else Deaf()
    with reported(heard_by, task, total_epochs(recipe)), ExitStack() as held:
        require_usable(recipe, folder, resume)
        engine.barrier()
        if is_finished(folder):
            if engine.is_global_zero:
                tidy(folder)
            return _results_of(recipe, folder)
        if is_cross_fitted(recipe):
            if engine.world_size > 1:
                raise InputError(
                    "model.teacher: cross_fitted: trains its teachers in one process; start it without ranks"
                )
            within = _Within(heard_by, task)
            build_data = _with_teacher(
                recipe, folder, dataset, build_data, encoders, interruptible, within, engine.device
            )
            dataset, resume = None, True  # from here on this run's own folder
        built = build(recipe, dataset, encoders, build_data)

        def claim() -> None:
            held.enter_context(locked(folder, say=heard_by.say))
            require_usable(recipe, folder, resume)  # another process may have been here while this one built its model
            if not is_finished(folder):
                _claim(built, folder)

        on_first_rank(engine, claim)
        if is_finished(folder):
            return _results_of(recipe, folder)
        with interrupts_noted() if interruptible else nullcontext(lambda: GO_ON) as signalled:
            log = RunLog(folder, recipe, heard_by, engine.is_global_zero, signalled)
            held.callback(log.close)
            workers = held.enter_context(Workers(built.dataset, recipe.machine.workers, engine.device))
            train(built, log, engine, workers)
        own = [name for name in encoders or {} if name in built.spec.inputs]
        require_rebuilt(built.spec, built.model, own, built.dataset)  # training may have moved what no state holds
        on_first_rank(engine, lambda: _finish(built, folder, log, engine.device, workers))
    return read_results(folder)


def _results_of(recipe: Recipe, folder: Path) -> RunResults:
    """The results of the recipe's finished run. Raises InputError where they are another's."""
    results = read_results(folder)
    require_results_of(folder, results, recipe.method, recipe.seed, recipe.data.fold)
    return results


def _with_teacher(
    recipe: Recipe,
    folder: Path,
    dataset: MultimodalDataset | None,
    build_data: BuildDataset,
    encoders: Mapping[str, nn.Module] | None,
    interruptible: bool,
    listener: _Within,
    device: torch.device,
) -> BuildDataset:
    """What makes the run's data set: with what its cross-fitted teachers say, who are trained first."""
    whole = data_of(recipe, dataset, build_data)

    def train_teacher(made: Recipe, place: Path, learnt: MultimodalDataset) -> CrossModalModel:
        of_teacher = replace(listener, teacher=f"{made.label}: ")
        run(made, place, True, of_teacher, learnt, encoders=encoders, interruptible=interruptible)
        _require_same_data(place, read_config(place)[1], fingerprint(learnt))
        return load_trained(place, learnt).model

    with locked(folder / TEACHERS, say=listener.say):
        write_recipe(recipe, folder)  # it is begun: its teachers lie there from now on
        heard = with_teacher_outputs(recipe, folder, whole, train_teacher, device, listener.say)
    return lambda settings, seed: heard


@dataclass(frozen=True)
class _Within(Listener):
    """Hears of a teacher's epochs as of steps of the run's own task; teacher: whose warnings they are."""

    listener: Listener
    task: str
    teacher: str = ""

    def step(self, task: str, values: Values = MappingProxyType({})) -> None:
        self.listener.step(self.task, values)

    def say(self, line: str) -> None:
        mark = WARNING if line.startswith(WARNING) else ""
        self.listener.say(f"{mark}{self.teacher}{line.removeprefix(mark)}")


def _finish(built: Built, folder: Path, log: RunLog, device: torch.device, workers: Workers) -> None:
    """Measure and write what was trained. Raises InputError where nothing could be measured."""
    with on_threads(built.recipe.machine.threads):
        results = results_of(built, log.seconds() + teachers_seconds(folder), device, log.note, workers)
    log.finish()
    write_results(folder, replace(results, files=_save_model(built, folder), best_epoch=log.best_epoch))


def load_trained(
    folder: Path,
    dataset: MultimodalDataset | None = None,
    build_data: BuildDataset = build_dataset,
    recipe: Recipe | None = None,
) -> Built:
    """A finished run with its trained model, on the CPU in evaluation mode, and the data that it is measured on.

    dataset: where the run's came from Python; build_data: as of `run`; recipe: the folder's, where somebody has read it
    already. Methods' own parts are not prepared for the data again. Raises InputError when the folder holds no finished
    run or its files do not fit together.
    """
    folder = Path(folder)
    spec, config = read_config(folder)
    recipe, digests = recipe or read_recipe(folder), digests_of(folder, config)
    check(recipe)
    dataset = in_order(data_of(recipe, dataset, build_data), spec.inputs)
    if is_cross_fitted(recipe):
        dataset = with_kept_outputs(folder, dataset)
    _require_same_inputs(folder, spec, model_spec(taught(recipe), dataset))
    model = model_to_load(spec)
    student = read_tensors(folder / STUDENT, digests) if config.get("student", True) else {}
    rest = read_tensors(folder / REST, digests)
    prefix = "model."
    state = student | {key.removeprefix(prefix): value for key, value in rest.items() if key.startswith(prefix)}
    load_state(model, state, folder / (STUDENT if student else REST))
    model.eval()
    method = METHODS[recipe.method](model, **recipe.options.get(recipe.method, {}))
    return Built(recipe, dataset, spec, method, ())


def student_of(built: Built) -> Student:
    """The student of a trained run, on the CPU: it predicts without the rest and can be saved alone.

    For what `train` has trained in memory; `load` reads it from a run's folder.

    Args:
        built: what `train` has trained

    Raises:
        InputError: the method trains no student.

    >>> import numpy as np, crossdistill
    >>> from dataclasses import replace
    >>> y = np.arange(60) % 2
    >>> data = crossdistill.from_arrays({"wrist": np.eye(2)[y]}, np.array(["push", "wave"])[y])
    >>> recipe = replace(crossdistill.own(("wrist",), ()), method="baseline", epochs=3, batch_size=8)
    >>> built = crossdistill.build(replace(recipe, data=replace(recipe.data, evaluate_on="none")), data)
    >>> _ = crossdistill.train(built)
    >>> crossdistill.student_of(built).predict([[0.0, 1.0]]).tolist()
    ['wave']
    """
    if "target" not in built.method.predicts:
        raise InputError(f"method {built.recipe.method} trains no student")
    spec = loadable(built.spec, built.model).of_student()
    network = model_to_load(spec)
    network.load_state_dict({key: value.cpu() for key, value in built.model.student_state().items()})
    return Student(spec, network, about(built, fingerprint(built.dataset)))


def _save_model(built: Built, folder: Path) -> dict[str, str]:
    """Write what predicts into student.safetensors, and all else into rest.safetensors: name -> digest.

    A method that trains no student has nothing that predicts, and no first file.
    """
    trains_student = "target" in built.method.predicts
    student = built.model.student_state() if trains_student else {}
    rest = {f"model.{key}": value for key, value in built.model.state_dict().items() if key not in student}
    rest |= {f"method.{key}": value for key, value in built.method.state_dict().items()}
    digests = {STUDENT: write_tensors(folder / STUDENT, student)} if student else {}
    return digests | {REST: write_tensors(folder / REST, rest), CONFIG: str(read_json(folder / CONFIG)["digest"])}


def _claim(built: Built, folder: Path) -> None:
    """Make the folder this run's. Raises InputError where it was begun on other data."""
    data = fingerprint(built.dataset)
    spec = loadable(built.spec, built.model)
    if (folder / CONFIG).is_file():
        stored, config = read_config(folder)
        _require_same_data(folder, config, data)
        if without_tokenizers(stored) != without_tokenizers(from_plain(ModelSpec, to_plain(spec))):
            raise InputError(f"{folder / CONFIG}: is of another model than recipe and data make; choose another --out")
        return
    if (folder / CHECKPOINT).exists():
        raise InputError(f"{folder}: holds a checkpoint but no {CONFIG}, so nothing says of which data; begin it anew")
    write_recipe(built.recipe, folder)
    write_config(folder, keep_tokenizers(spec, folder), about(built, data))


def _require_same_data(folder: Path, config: Mapping[str, Any], data: Mapping[str, str]) -> None:
    """Raise InputError where the folder's run, of this config.json, was begun on data with another fingerprint."""
    before = fingerprint_in(config)
    if not before:
        raise InputError(f"{folder / CONFIG}: says nothing of its data; choose another --out")
    if changed := differing(before, data):
        raise InputError(
            f"{folder}: was begun on other data: {', '.join(changed)} differ from when it stopped; "
            "give it the same data, or choose another --out"
        )


def _require_same_inputs(folder: Path, stored: ModelSpec, now: ModelSpec) -> None:
    if stored.task != now.task:
        raise InputError(f"{folder}: its data are of task {now.task} now, in training of {stored.task}")
    if stored.classes != now.classes:
        raise InputError(f"{folder}: its data have other classes now than when it was trained")
    for name, spec in stored.inputs.items():
        if (spec.kind, spec.shape) != (now.inputs[name].kind, now.inputs[name].shape):
            raise InputError(f"{folder}: {name}: expected {spec} as in training, found {now.inputs[name]} in its data")
