"""The commands' options."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from crossdistill import __version__

EPILOG = (
    "`crossdistill COMMAND --help` lists a command's options; `crossdistill train RECIPE --help` with their values."
)
FLAGS = ("--resume", "--ablations", "--controls", "--help", "-h")
"""Options that take no value."""


def with_recipe_in_place(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--recipe NAME` of a comparison as the NAME alone, its other way to be written."""
    if arguments[:1] != ["compare"]:
        return list(arguments)
    return [word.removeprefix("--recipe=") for word in arguments if word != "--recipe"]


def parser_for(arguments: Sequence[str]) -> ArgumentParser:
    """The parser of these arguments; the defaults of `train RECIPE` are that recipe's values."""
    from crossdistill.recipes.catalogue import RECIPES

    parser = ArgumentParser(
        prog="crossdistill",
        description="Cross-modal knowledge distillation.",
        epilog=EPILOG,
        exit_on_error=False,
        allow_abbrev=False,  # --method would be taken for --methods
    )
    parser.add_argument("--version", action="version", version=f"crossdistill {__version__}")
    commands = parser.add_subcommands(title="commands", metavar="COMMAND", required=True)

    demo = ArgumentParser(exit_on_error=False, description="Baseline, teacher and AMID on bundled data, with a report.")
    demo.add_argument("--seeds", type=int, default=3, help="runs of each method")
    demo.add_argument("--jobs", type=int, default=2, help="runs at once, each on one CPU thread")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the runs and the report")
    commands.add_subcommand("demo", demo, help="train three methods on bundled data and write a report")

    prepare = ArgumentParser(
        exit_on_error=False,
        description="Turn a data set's release into a manifest and arrays, or check a manifest of your own.",
    )
    commands.add_subcommand("prepare", prepare, help="make a manifest of a release, or check one of your own")
    _add_preparers(prepare)

    commands.add_subcommand("extract", _extract_parser(arguments), help="encode a modality once, by published weights")

    names = ", ".join(RECIPES)
    commands.add_subcommand("train", _train_parser(arguments, names), help="train one recipe with one method and seed")

    commands.add_subcommand("compare", _compare_parser(arguments, names), help="compare methods, with error bars")
    commands.add_subcommand("tune", _tune_parser(arguments, names), help="choose hyper-parameters on validation data")

    evaluate = ArgumentParser(exit_on_error=False, description="Measure a finished run's model again, from its files.")
    evaluate.add_argument("run", type=Path, help="run folder")
    commands.add_subcommand("evaluate", evaluate, help="measure a finished run's model again")

    report = ArgumentParser(exit_on_error=False, description="One self-contained HTML page from run folders.")
    report.add_argument("runs", type=Path, nargs="+", help="run folders, or folders that hold some")
    report.add_argument("--out", type=Path, default=Path("report.html"), help="file to write")
    report.add_argument("--markdown", type=Path, help="folder for the same as NAME.md, NAME the recipe's, with figures")
    commands.add_subcommand("report", report, help="write an HTML page from runs")
    return parser


def _add_media_releases(names: Any) -> None:
    """A subcommand for each release of media files, which stay where they are. names: the subcommands of `prepare`."""
    ucf51 = ArgumentParser(exit_on_error=False, description="A manifest of UCF101's 51 classes whose clips have sound.")
    ucf51.add_argument("--videos", type=Path, required=True, help="folder of the clips, or of a folder for each class")
    ucf51.add_argument("--splits", type=Path, required=True, help="folder of trainlist01.txt, testlist01.txt and so on")
    ucf51.add_argument("--split", type=int, choices=[1, 2, 3], default=1, help="which of the official splits")
    ucf51.add_argument("--out", type=Path, help="folder to write; data/ucf51 unless given")
    names.add_subcommand("ucf51", ucf51, help="a manifest of clips with sound, to data/ucf51")

    activitynet = ArgumentParser(exit_on_error=False, description="A manifest of the videos of ActivityNet 1.3.")
    activitynet.add_argument(
        "--videos", type=Path, required=True, help="folder of v_ID.mp4, or of a folder for each part"
    )
    activitynet.add_argument("--annotations", type=Path, required=True, help="activity_net.v1-3.min.json")
    activitynet.add_argument("--trimmed", action="store_true", help="a sample for each annotated segment")
    activitynet.add_argument("--keep-silent", action="store_true", help="also videos that have no sound")
    activitynet.add_argument("--out", type=Path, help="folder to write; data/activitynet unless given")
    names.add_subcommand("activitynet", activitynet, help="a manifest of videos or segments, to data/activitynet")

    iemocap = ArgumentParser(exit_on_error=False, description="A manifest of the turns in IEMOCAP, four emotions.")
    iemocap.add_argument(
        "--root", type=Path, required=True, help="folder of Session1 to Session5, IEMOCAP_full_release"
    )
    iemocap.add_argument("--out", type=Path, help="folder to write; data/iemocap unless given")
    names.add_subcommand("iemocap", iemocap, help="a manifest of turns of speech, to data/iemocap")


def _add_preparers(prepare: ArgumentParser) -> None:
    """A subcommand for each release, and `manifest`; after `prepare` is a subcommand itself, as jsonargparse wants."""
    from crossdistill.data import PREPARERS

    names = prepare.add_subcommands(title="data sets", metavar="NAME", required=True)
    for name in sorted(PREPARERS):
        release = ArgumentParser(exit_on_error=False, description=f"Turn the release of {name} into a manifest.")
        release.add_argument("--source", type=Path, required=True, help="folder or file of the release")
        release.add_argument("--out", type=Path, help=f"folder to write; data/{name} unless given")
        names.add_subcommand(name, release, help=f"from its release, to data/{name}")
    _add_media_releases(names)
    own = ArgumentParser(
        exit_on_error=False,
        description="Check a manifest and every file that it names, say what is in it, and decode its media once.",
    )
    own.add_argument("file", type=Path, help="a .csv or .parquet file, or the folder that holds manifest.csv")
    own.add_argument(
        "--cache", choices=["none", "jpeg", "raw"], default="none", help="decode each file once, into this"
    )
    own.add_argument("--short-side", type=int, default=128, help="of cached frames, in pixels; 0 keeps their size")
    own.add_argument("--rate", type=int, default=32000, help="of cached sound, samples a second")
    own.add_argument("--workers", type=int, default=1, help="processes that decode")
    own.add_argument("--allow-outside", action="store_true", help="files may lie outside the manifest's folder")
    own.add_argument("--strict", action="store_true", help="a file that ends early is an error, too")
    names.add_subcommand("manifest", own, help="check one of your own, and decode its media once")


def _extract_parser(arguments: Sequence[str]) -> ArgumentParser:
    from crossdistill.recipes.extraction import Extraction, default_reader

    extract = ArgumentParser(
        exit_on_error=False,
        description="Encode a modality of a manifest once, by published weights, into features/NAME beside it, and "
        "write a manifest that names the features. After a kill the same command goes on; processes that torchrun "
        "starts share the samples.",
    )
    extract.add_argument("manifest", type=Path, help="a .csv or .parquet file, or the folder that holds manifest.csv")
    extract.add_argument("--out", type=Path, help="the new manifest, beside the old one; STEM-NAME.csv unless given")
    extract.add_class_arguments(Extraction)
    encoder = next((after for word, after in pairwise(arguments) if word == "--encoder"), "")
    encoder = next((word.partition("=")[2] for word in arguments if word.startswith("--encoder=")), encoder)
    defaults = vars(default_reader(encoder))
    extract.set_defaults({f"reader.{name}": value for name, value in defaults.items()})
    return extract


def _train_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    train = ArgumentParser(exit_on_error=False, description="Train one recipe with one method and seed.")
    train.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file, such as RUN/recipe.yaml")
    train.add_argument("--out", type=Path, help="run folder; runs/NAME-METHOD-seedN unless given")
    train.add_argument("--resume", action="store_true", help="continue the run in the folder where it stopped")
    _add_recipe(train, "train", arguments)
    return train


def _compare_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    compare = ArgumentParser(
        exit_on_error=False,
        description="Train methods with the same seeds and say which differ. Finished runs in OUT are kept, so the "
        "same command goes on after a kill and adds what is new. Writes OUT/results.parquet and OUT/report.html.",
    )
    compare.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file, such as OUT/tuned.yaml of `tune`")
    compare.add_argument(
        "--methods", default="", help="names separated by commas, or all; all unless a table or figure is asked for"
    )
    compare.add_argument("--table", default="", help="also what these tables of the paper compare, 1 to 6, with commas")
    compare.add_argument("--figure", default="", help="also what these figures of the paper compare, of 3 to 5")
    compare.add_argument("--seeds", type=int, default=5, help="runs of each configuration, from the recipe's seed on")
    compare.add_argument("--folds", default="", help="folds of the data to test in turn: all, or numbers with commas")
    compare.add_argument("--ablations", action="store_true", help="also AMID with one thing changed (Tables 4 and 5)")
    compare.add_argument(
        "--controls",
        action="store_true",
        help="also every distilling method with shuffled, noise and target inputs as its auxiliary ones",
    )
    compare.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=LOW:HIGH:STEP",
        help="also these values of an option or a field; or KEY=VALUE,VALUE,...; may be given several times",
    )
    compare.add_argument("--jobs", type=int, default=1, help="runs at once, each on one CPU thread")
    compare.add_argument("--out", type=Path, default=Path("runs/compare"), help="folder for the runs and the report")
    _add_recipe(compare, "compare", arguments, without=("method", "label"))
    return compare


def _tune_parser(arguments: Sequence[str], names: str) -> ArgumentParser:
    tune = ArgumentParser(
        exit_on_error=False,
        description="Choose hyper-parameters on validation samples, the same number of trials for every method: first "
        "what all methods share, for the baseline, then each method's own. Writes OUT/tuned.yaml, a recipe.",
    )
    tune.add_argument("recipe", help=f"a bundled recipe ({names}) or a YAML file")
    tune.add_argument("--methods", default="baseline,amid", help="names separated by commas, or all")
    tune.add_argument("--trials", type=int, default=16, help="for each method, finished ones included")
    tune.add_argument("--seeds", type=int, default=3, help="validation splits that a trial is averaged over")
    tune.add_argument("--storage", default="", help="URL of a database that machines share; a file in OUT unless given")
    tune.add_argument("--out", type=Path, default=Path("runs/tune"), help="folder for the trials and tuned.yaml")
    _add_recipe(tune, "tune", arguments)
    return tune


def _add_recipe(parser: ArgumentParser, command: str, arguments: Sequence[str], without: Collection[str] = ()) -> None:
    """A recipe's fields as options of the command; their defaults are those of the recipe that is named."""
    from crossdistill.recipes.files import add_recipe_arguments, load_recipe, set_recipe_defaults

    add_recipe_arguments(parser, without)
    recipe = _recipe_among(arguments[1:]) if arguments[:1] == [command] else ""
    if recipe:
        set_recipe_defaults(parser, load_recipe(recipe), without)


def _recipe_among(arguments: Sequence[str]) -> str:
    """The positional argument, wherever it stands; empty where there is none."""
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if not word.startswith("-"):
            return word
        alone = "=" in word or word in FLAGS
        position += 1 if alone else 2
    return ""
