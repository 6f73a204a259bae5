"""Packages that not everybody needs: which extra brings them, and the one line where they are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from crossdistill.types import InputError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("lightning_fabric", "pandas", "pyarrow", "scipy", "sklearn", "threadpoolctl"),
    "media": ("PIL", "av"),
    "hub": ("huggingface_hub",),
    "pretrained": ("transformers",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "report": ("jinja2", "matplotlib"),
    "tune": ("optuna",),
    "slurm": ("submitit",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}
"""Extra -> what its packages are imported as. All else that is imported comes with crossdistill itself."""

_CALLED = {
    "PIL": "Pillow",
    "av": "PyAV",
    "optuna": "Optuna",
    "ray": "Ray",
    "sklearn": "scikit-learn",
    "wandb": "Weights & Biases",
    "mlflow": "MLflow",
    "onnxruntime": "ONNX Runtime",
}
_EXTRA_OF = {package: extra for extra, packages in EXTRAS.items() for package in packages}


class MissingPackageError(InputError, ImportError):
    """A package that is not installed, with the command that installs it: an InputError, and an ImportError as well."""


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Imports for `what`, which begins the line that is said where a package of an extra is missing.

    Raises MissingPackageError.
    """
    try:
        yield
    except ImportError as error:
        raise (missing_package(error, what) or error) from None


def missing_package(error: ImportError, what: str, extra: str = "") -> MissingPackageError | None:
    """The same error as the user's to mend, where it is of a package that one of the extras brings.

    extra: the one to install, where `what` takes more than that package.
    """
    package = (error.name or "").partition(".")[0]
    if isinstance(error, MissingPackageError) or package not in _EXTRA_OF:
        return None
    needed, called = extra or _EXTRA_OF[package], _CALLED.get(package, package)
    return MissingPackageError(f"{what} needs {called}: pip install 'crossdistill[{needed}]' ({error})")
