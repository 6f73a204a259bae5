"""`crossdistill prepare`: a release or a manifest looked through, and what is said of it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from crossdistill import data
from crossdistill.cli.progress import console, tracked
from crossdistill.data import MultimodalDataset
from crossdistill.data.inspection import CacheSettings, Count, cache_size, check_manifest, fill_cache
from crossdistill.data.labels import SPLITS
from crossdistill.datasets import PREPARERS, activitynet, iemocap, ucf51
from crossdistill.datasets.media_release import Prepared
from crossdistill.types import InputError

MOST_CLASSES = 60
"""That a table of classes lists."""


def prepare_release(name: str, source: Path, out: Path | None) -> None:
    """Convert a data set's release and say what came of it."""
    folder = PREPARERS[name](source, out or Path("data") / name)
    dataset = data.read_manifest(folder)
    counts = ", ".join(f"{len(dataset.rows(split))} {split}" for split in ("train", "validation", "test"))
    console().print(f"{folder}: {counts}; {len(dataset.classes)} classes; {', '.join(dataset.columns)}", soft_wrap=True)


def prepare_manifest(path: Path, settings: CacheSettings, allow_outside: bool, strict: bool) -> None:
    """Check a manifest and what it names, say what is in it, and decode its media once where a cache is asked for.

    Raises InputError, after all that, where a file cannot be read, or ends early and strict is set.
    """
    if settings.workers < 1 or settings.rate < 1 or settings.short_side < 0:
        raise InputError("--workers and --rate: expected at least 1; --short-side: expected 0 or more")
    checked = check_manifest(path, settings, allow_outside, tracked)
    for table in (modality_table(checked.counts), class_table(checked.dataset)):
        console().print(table)
    for line in (*checked.broken, *checked.damaged):
        console().print(line, soft_wrap=True)
    if settings.form != "none":
        size = cache_size(checked, settings) / 2**20
        console().print(
            f"Cache: {len(checked.readable)} files, about {size:,.1f} MiB, in {path_of(path) / 'cache'}", soft_wrap=True
        )
        made = fill_cache(checked, path, settings, tracked)
        console().print(f"Decoded: {made}; already there: {len(checked.readable) - made}.")
    wrong = [*checked.broken, *(checked.damaged if strict else ())]
    if wrong:
        others = f" (and {len(wrong) - 1} more, listed above)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{others}")


def prepare_ucf51(videos: Path, splits: Path, split: int, out: Path | None) -> None:
    """Clips of UCF101 that a split's lists name -> a manifest, and what is missing."""
    prepared = ucf51.prepare(videos, splits, out or Path("data/ucf51"), split, tracked)
    tell(prepared, cache_and_train(prepared.folder, "ucf51"))


def prepare_activitynet(videos: Path, annotations: Path, trimmed: bool, keep_silent: bool, out: Path | None) -> None:
    """Annotated videos of ActivityNet, or their segments -> a manifest, and what is missing."""
    folder = out or Path("data/activitynet")
    prepared = activitynet.prepare(videos, annotations, folder, trimmed, keep_silent, tracked)
    tell(prepared, cache_and_train(prepared.folder, "activitynet"))


def prepare_iemocap(root: Path, out: Path | None) -> None:
    """Turns of IEMOCAP's dialogs -> a manifest, and what is missing."""
    prepared = iemocap.prepare(root, out or Path("data/iemocap"), tracked)
    tell(prepared, extract_and_train(prepared.folder))


def cache_and_train(folder: Path, recipe: str) -> list[str]:
    """What comes next for videos that are decoded anew in each epoch."""
    return [
        f"prepare manifest {shlex.quote(str(folder))} --allow-outside --cache jpeg",
        f"train {recipe} --method amid{source(folder, Path('data') / recipe)}",
    ]


def extract_and_train(folder: Path) -> list[str]:
    """What comes next for IEMOCAP, whose recipes learn from features."""
    manifests = [folder, *(folder / f"{name}.csv" for name in ("faces", "voices", "features"))]
    chosen = (
        "--modality video --encoder densenet121 --sequence true --weights data/weights/densenet121-a639ec97.pth",
        "--modality audio --encoder pretrained --weights facebook/wav2vec2-base",
        "--modality text --encoder pretrained --weights google-bert/bert-base-uncased",
    )
    extracts = [
        f"extract {shlex.quote(str(start))} --allow_outside true {options} --out {shlex.quote(str(end))}"
        for start, options, end in zip(manifests[:-1], chosen, manifests[1:], strict=True)
    ]
    check = f"prepare manifest {shlex.quote(str(folder))} --allow-outside"
    return [
        check,
        *extracts,
        f"train iemocap_a_v --method amid{source(manifests[-1], Path('data/iemocap/features.csv'))}",
    ]


def source(found: Path, expected: Path) -> str:
    """The option that tells a recipe where its data are, where they are not where it expects them."""
    return "" if found == expected else f" --data.source {shlex.quote(str(found))}"


def tell(prepared: Prepared, following: Sequence[str]) -> None:
    """What is in the manifest and what is not, and the commands that come next."""
    rows = prepared.rows
    parts = Counter(row["split"] for row in rows)
    counts = ", ".join(f"{parts[split]:,} {split}" for split in SPLITS if parts[split])
    say = console()
    say.print(f"{prepared.folder}: {counts}; {len({row['label'] for row in rows}):,} classes", soft_wrap=True)
    if prepared.counts:
        say.print(table_of(prepared))
    for note in prepared.notes:
        say.print(note, soft_wrap=True)
    for command in following:
        say.print(f"  crossdistill {command}", soft_wrap=True)


def table_of(prepared: Prepared) -> Table:
    header, *rows = prepared.counts
    table = Table()
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number and rows[0][number][:1].isdigit() else "left")
    for row in rows:
        table.add_row(*row)
    return table


def path_of(manifest: Path) -> Path:
    return manifest if manifest.is_dir() else manifest.parent


def modality_table(counts: Sequence[Count]) -> Table:
    table = Table()
    for column in ("modality", "split", "samples", "missing", "unreadable", "duration", "mean"):
        table.add_column(column, justify="left" if column in ("modality", "split") else "right")
    for count in counts:
        readable = count.samples - count.missing - count.unreadable
        timed = count.seconds > 0
        table.add_row(
            count.modality,
            count.split,
            *(f"{number:,}" for number in (count.samples, count.missing, count.unreadable)),
            str(timedelta(seconds=round(count.seconds))) if timed else "",
            f"{count.seconds / readable:.2f} s" if timed else "",
        )
    return table


def class_table(dataset: MultimodalDataset) -> Table:
    """How many samples each class has in each split; of many classes, the smallest and the largest."""
    splits = [split for split in SPLITS if len(dataset.rows(split))]
    counts = np.stack([np.bincount(dataset.labels[dataset.rows(s)], minlength=len(dataset.classes)) for s in splits])
    order = np.argsort(-counts[0], kind="stable")
    shown = order if len(order) <= MOST_CLASSES else [*order[: MOST_CLASSES // 2], *order[-MOST_CLASSES // 2 :]]
    left_out = len(order) - len(shown)
    table = Table(caption=f"{left_out} classes in between are not shown" if left_out else None)
    table.add_column(f"class ({len(dataset.classes)})")
    for split in splits:
        table.add_column(split, justify="right")
    for number in shown:
        table.add_row(dataset.classes[number], *(f"{count:,}" for count in counts[:, number]))
    return table


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


def _prepare(options: Namespace) -> None:
    chosen = options[options.subcommand]
    if options.subcommand == "manifest":
        settings = CacheSettings(chosen.cache, chosen.short_side, chosen.rate, chosen.workers)
        prepare_manifest(chosen.file, settings, chosen.allow_outside, chosen.strict)
    elif options.subcommand == "ucf51":
        prepare_ucf51(chosen.videos, chosen.splits, chosen.split, chosen.out)
    elif options.subcommand == "activitynet":
        prepare_activitynet(chosen.videos, chosen.annotations, chosen.trimmed, chosen.keep_silent, chosen.out)
    elif options.subcommand == "iemocap":
        prepare_iemocap(chosen.root, chosen.out)
    else:
        prepare_release(options.subcommand, chosen.source, chosen.out)
