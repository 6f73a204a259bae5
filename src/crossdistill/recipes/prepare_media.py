"""`crossdistill prepare ucf51`, `activitynet` and `iemocap`: what they say of the manifests that they write."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

from rich.table import Table

from crossdistill.data import activitynet, iemocap, ucf51
from crossdistill.data.labels import SPLITS
from crossdistill.data.media_release import Prepared
from crossdistill.recipes.progress import console, tracked


def prepare_ucf51(videos: Path, splits: Path, split: int, out: Path | None) -> None:
    """Clips of UCF101 that a split's lists name -> a manifest, and what is missing."""
    prepared = ucf51.prepare(videos, splits, out or Path("data/ucf51"), split, tracked)
    tell(prepared, "ucf51", "ucf51", "--cache jpeg")


def prepare_activitynet(videos: Path, annotations: Path, trimmed: bool, keep_silent: bool, out: Path | None) -> None:
    """Annotated videos of ActivityNet, or their segments -> a manifest, and what is missing."""
    folder = out or Path("data/activitynet")
    prepared = activitynet.prepare(videos, annotations, folder, trimmed, keep_silent, tracked)
    tell(prepared, "activitynet", "activitynet", "--cache jpeg")


def prepare_iemocap(root: Path, out: Path | None) -> None:
    """Turns of IEMOCAP's dialogs -> a manifest, and what is missing."""
    prepared = iemocap.prepare(root, out or Path("data/iemocap"), tracked)
    tell(prepared, "iemocap", "iemocap_a_v", "--cache jpeg --short-side 240")  # a speaker has half of the picture


def tell(prepared: Prepared, name: str, recipe: str, cache: str) -> None:
    """What is in the manifest and what is not, and the commands that come next."""
    rows = prepared.rows
    parts = Counter(row["split"] for row in rows)
    counts = ", ".join(f"{parts[split]:,} {split}" for split in SPLITS if parts[split])
    say = console()
    say.print(
        f"{prepared.folder}: {counts}; {len({row['label'] for row in rows}):,} classes", soft_wrap=True, markup=False
    )
    if prepared.counts:
        say.print(table_of(prepared))
    for note in prepared.notes:
        say.print(note, soft_wrap=True, markup=False)
    folder = shlex.quote(str(prepared.folder))
    source = "" if prepared.folder == Path("data") / name else f" --data.source {folder}"
    for command in (
        f"prepare manifest {folder} --allow-outside {cache}",
        f"train {recipe} --method amid{source}",
    ):
        say.print(f"  crossdistill {command}", soft_wrap=True, markup=False)


def table_of(prepared: Prepared) -> Table:
    header, *rows = prepared.counts
    table = Table()
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number and rows[0][number][:1].isdigit() else "left")
    for row in rows:
        table.add_row(*row)
    return table
