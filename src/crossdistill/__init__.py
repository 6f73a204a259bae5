"""Cross-modal knowledge distillation: train with all modalities, predict with some of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from crossdistill.version import __version__

if TYPE_CHECKING:
    from crossdistill.data.dataset import from_arrays as from_arrays
    from crossdistill.data.manifest import read_manifest as read_manifest
    from crossdistill.diagnosis.report import Diagnosis as Diagnosis
    from crossdistill.encoders.settings import EncoderSettings as EncoderSettings
    from crossdistill.estimator.classifier import CrossModalClassifier as CrossModalClassifier
    from crossdistill.estimator.diagnose import diagnose as diagnose
    from crossdistill.estimator.modalities import Modalities as Modalities
    from crossdistill.estimator.regressor import CrossModalRegressor as CrossModalRegressor
    from crossdistill.exports.export import export as export
    from crossdistill.listening import Listener as Listener
    from crossdistill.listening import RunWarning as RunWarning
    from crossdistill.methods import AMID as AMID
    from crossdistill.methods import AMIDU as AMIDU
    from crossdistill.methods import C2KD as C2KD
    from crossdistill.methods import CCL as CCL
    from crossdistill.methods import CMC as CMC
    from crossdistill.methods import COMODO as COMODO
    from crossdistill.methods import CRCD as CRCD
    from crossdistill.methods import CRD as CRD
    from crossdistill.methods import DIST as DIST
    from crossdistill.methods import DKD as DKD
    from crossdistill.methods import FDCMKD as FDCMKD
    from crossdistill.methods import GMC as GMC
    from crossdistill.methods import KD as KD
    from crossdistill.methods import METHODS as METHODS
    from crossdistill.methods import MI as MI
    from crossdistill.methods import MST as MST
    from crossdistill.methods import RKD as RKD
    from crossdistill.methods import AMIDClassMeans as AMIDClassMeans
    from crossdistill.methods import Auxiliary as Auxiliary
    from crossdistill.methods import Baseline as Baseline
    from crossdistill.methods import FitNets as FitNets
    from crossdistill.methods import GeneralizedDistillation as GeneralizedDistillation
    from crossdistill.methods import Hallucination as Hallucination
    from crossdistill.methods import Method as Method
    from crossdistill.methods import ModalityDropout as ModalityDropout
    from crossdistill.methods import SelfTraining as SelfTraining
    from crossdistill.methods import Teacher as Teacher
    from crossdistill.models.cross_modal import CrossModalModel as CrossModalModel
    from crossdistill.recipes.library.bundled import own as own
    from crossdistill.recipes.library.catalogue import RECIPES as RECIPES
    from crossdistill.recipes.recipe import DataSettings as DataSettings
    from crossdistill.recipes.recipe import ModelSettings as ModelSettings
    from crossdistill.recipes.recipe import Recipe as Recipe
    from crossdistill.runs.build import build as build
    from crossdistill.runs.evaluate import evaluate as evaluate
    from crossdistill.runs.results import RunResults as RunResults
    from crossdistill.runs.run import run as run
    from crossdistill.runs.run import student_of as student_of
    from crossdistill.runs.train import train as train
    from crossdistill.runs.training_log import MemoryLog as MemoryLog
    from crossdistill.student import Student as Student
    from crossdistill.student import load as load
    from crossdistill.studies.compare import compare as compare
    from crossdistill.studies.ray_cluster import RayExecutor as RayExecutor
    from crossdistill.studies.ray_cluster import RaySettings as RaySettings
    from crossdistill.studies.slurm import SlurmExecutor as SlurmExecutor
    from crossdistill.studies.slurm import SlurmSettings as SlurmSettings
    from crossdistill.studies.tune import tune as tune
    from crossdistill.studies.workers import LocalExecutor as LocalExecutor
    from crossdistill.training.settings import Machine as Machine
    from crossdistill.training.settings import Optimization as Optimization
    from crossdistill.types import InputError as InputError

_HOMES = {
    "crossdistill.data.dataset": ("from_arrays",),
    "crossdistill.data.manifest": ("read_manifest",),
    "crossdistill.encoders.settings": ("EncoderSettings",),
    "crossdistill.diagnosis.report": ("Diagnosis",),
    "crossdistill.estimator.classifier": ("CrossModalClassifier",),
    "crossdistill.estimator.diagnose": ("diagnose",),
    "crossdistill.estimator.modalities": ("Modalities",),
    "crossdistill.estimator.regressor": ("CrossModalRegressor",),
    "crossdistill.exports.export": ("export",),
    "crossdistill.methods": (
        "METHODS",
        "AMID",
        "AMIDU",
        "C2KD",
        "CCL",
        "CMC",
        "COMODO",
        "CRCD",
        "CRD",
        "DIST",
        "DKD",
        "FDCMKD",
        "GMC",
        "KD",
        "MI",
        "MST",
        "RKD",
        "AMIDClassMeans",
        "Auxiliary",
        "Baseline",
        "FitNets",
        "GeneralizedDistillation",
        "Hallucination",
        "Method",
        "ModalityDropout",
        "SelfTraining",
        "Teacher",
    ),
    "crossdistill.models.cross_modal": ("CrossModalModel",),
    "crossdistill.recipes.library.bundled": ("own",),
    "crossdistill.recipes.library.catalogue": ("RECIPES",),
    "crossdistill.recipes.recipe": ("DataSettings", "ModelSettings", "Recipe"),
    "crossdistill.runs.build": ("build",),
    "crossdistill.runs.evaluate": ("evaluate",),
    "crossdistill.runs.results": ("RunResults",),
    "crossdistill.runs.run": ("run", "student_of"),
    "crossdistill.runs.train": ("train",),
    "crossdistill.runs.training_log": ("MemoryLog",),
    "crossdistill.student": ("Student", "load"),
    "crossdistill.studies.compare": ("compare",),
    "crossdistill.studies.ray_cluster": ("RayExecutor", "RaySettings"),
    "crossdistill.studies.slurm": ("SlurmExecutor", "SlurmSettings"),
    "crossdistill.studies.tune": ("tune",),
    "crossdistill.studies.workers": ("LocalExecutor",),
    "crossdistill.training.settings": ("Machine", "Optimization"),
    "crossdistill.listening": ("Listener", "RunWarning"),
    "crossdistill.types": ("InputError",),
}
"""Module -> the public names that are its. They are imported when they are first used: `import crossdistill` takes no
torch."""

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    except ImportError as error:
        from crossdistill.extras import missing_package

        raise (missing_package(error, f"crossdistill.{name}") or error) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
