"""`crossdistill diagnose`: will it help? Asked of training samples before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import console
from crossdistill.cli.recipe_options import RECIPE_HELP, recipe_among
from crossdistill.data.table import FILES
from crossdistill.diagnosis import Diagnosis, evidence_of, judge
from crossdistill.plain import to_plain
from crossdistill.recipes.files import leaves, load_recipe
from crossdistill.recipes.library.bundled import own
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.recipes.recipe import DataSettings
from crossdistill.runs.data import build_dataset
from crossdistill.types import InputError

_SET_HERE = {
    *("evaluate_on", "choose_epoch_on", "validation_fraction", "balanced", "class_weights"),
    *("in_memory", "windows", "allow_shared_groups"),
}
"""Fields of the data that say nothing where training samples alone are read, and once."""


def parser(arguments: Sequence[str]) -> ArgumentParser:
    diagnose = command_parser(
        "diagnose",
        "Will it help? Simple models of the target, the auxiliary and all modalities, cross-validated on "
        "training samples; how much one tells of the other; and in words whether training with the auxiliary is likely "
        "to gain, and what would make it so. Test samples are not read.",
        usage="RECIPE|MANIFEST [options]",
    )
    diagnose.add_argument("source", help=f"{RECIPE_HELP}; or a manifest, or its folder, with --data.target and all")
    diagnose.add_argument("--seed", type=int, default=0, help="of folds, and of which labels --data.labelled keeps")
    diagnose.add_class_arguments(DataSettings, "data", skip=_SET_HERE)
    if source := recipe_among(arguments):
        settings = to_plain(settings_of(source))
        diagnose.set_defaults({f"data.{key}": value for key, value in leaves(settings) if key not in _SET_HERE})
    return diagnose


def settings_of(source: str) -> DataSettings:
    """A recipe's data settings, or those of a manifest, whose modalities are yet to be named."""
    path = Path(source)
    is_table = path.suffix.lower() in (".csv", ".parquet") or any((path / name).is_file() for name in FILES)
    if source in RECIPES or not is_table:
        return load_recipe(source).data
    return replace(own((), ()).data, source=source)


def execute(options: Namespace, command: str) -> int:
    """Diagnose, and print what was found at the terminal's width."""
    for line in diagnosis_of(options).text(console().width).splitlines():
        console().print(line, soft_wrap=True)
    return 0


def diagnosis_of(options: Namespace) -> Diagnosis:
    """The diagnosis of what was asked for. Raises InputError where there is nothing to measure."""
    given: Any = options.data
    settings = replace(given, target=tuple(given.target), auxiliary=tuple(given.auxiliary), evaluate_on="none")
    if not settings.target or not settings.auxiliary:
        raise InputError(
            f"{options.source}: expected which modalities prediction will have and which training alone: "
            "--data.target wrist --data.auxiliary camera"
        )
    settings.check()
    dataset = build_dataset(settings, options.seed)
    evidence = evidence_of(dataset, settings.target, settings.auxiliary, options.seed)
    return Diagnosis(dataset.name, settings.target, settings.auxiliary, evidence, judge(evidence))
