"""`crossdistill extract`: encode a modality of a manifest once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from crossdistill.cli.engine_options import add_engine, chosen_executor, is_alone, jobs_of
from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import bars, console
from crossdistill.features.extract import FOLDER, extract
from crossdistill.features.settings import Extraction, default_reader, extraction_of


def parser(arguments: Sequence[str]) -> ArgumentParser:
    extract = command_parser(
        "extract",
        "Encode a modality of a manifest once, by published weights, into features/NAME beside it, and "
        "write a manifest that names the features. After a kill the same command goes on; processes that torchrun "
        "starts share the samples.",
        usage="MANIFEST --modality NAME --encoder NAME [options]",
    )
    extract.add_argument("manifest", type=Path, help="a .csv or .parquet file, or the folder that holds manifest.csv")
    extract.add_argument("--out", type=Path, help="the new manifest, beside the old one; STEM-NAME.csv unless given")
    add_engine(extract)
    extract.add_class_arguments(Extraction)
    encoder = next((after for word, after in pairwise(arguments) if word == "--encoder"), "")
    encoder = next((word.partition("=")[2] for word in arguments if word.startswith("--encoder=")), encoder)
    defaults = vars(default_reader(encoder))
    extract.set_defaults({f"reader.{name}": value for name, value in defaults.items()})
    return extract


def execute(options: Namespace, command: str) -> int:
    """Encode a modality, with a progress bar, and say what came of it."""
    place = options.manifest if options.manifest.is_dir() else options.manifest.parent
    executor = None if is_alone(options) else chosen_executor(options, place / FOLDER)
    with bars() as listener:
        extracted = extract(options.manifest, extraction_of(options), options.out, listener, executor, jobs_of(options))
    for note in extracted.notes:
        console().print(note.text, soft_wrap=True)
    others = f", {extracted.unreadable} files hold nothing to encode" if extracted.unreadable else ""
    counts = f"{extracted.encoded} of {extracted.samples} samples encoded"
    console().print(f"{extracted.manifest}: {counts}{others}", soft_wrap=True)
    return 0
