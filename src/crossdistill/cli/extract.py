"""`crossdistill extract`: encode a modality of a manifest once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from jsonargparse import ArgumentParser

from crossdistill.cli.progress import console, tracked
from crossdistill.features.extract import extract as encode
from crossdistill.features.settings import Extraction, default_reader


def _extract_parser(arguments: Sequence[str]) -> ArgumentParser:
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


def extract(path: Path, settings: Extraction, out: Path | None) -> None:
    """Encode a modality, with a progress bar, and say what came of it."""
    made = encode(path, settings, out, tracked)
    for note in made.notes:
        console().print(note.text, soft_wrap=True)
    others = f", {made.unreadable} files hold nothing to encode" if made.unreadable else ""
    console().print(f"{made.manifest}: {made.encoded} of {made.samples} samples encoded{others}", soft_wrap=True)
