"""What the subcommands of `crossdistill prepare` share: a parser's form, and what is said of what was prepared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from crossdistill.cli.parsers import command_parser
from crossdistill.cli.progress import console
from crossdistill.cli.tables import release_table
from crossdistill.data.labels import SPLITS
from crossdistill.datasets.media_release import Prepared


def command(name: str, description: str) -> ArgumentParser:
    return command_parser(f"prepare {name}".rstrip(), description)


def tell(prepared: Prepared, following: Sequence[str]) -> None:
    """What is in the manifest and what is not, and the commands that come next."""
    rows = prepared.rows
    parts = Counter(row["split"] for row in rows)
    counts = ", ".join(f"{parts[split]:,} {split}" for split in SPLITS if parts[split])
    say = console()
    say.print(f"{prepared.folder}: {counts}; {len({row['label'] for row in rows}):,} classes", soft_wrap=True)
    if prepared.counts:
        say.print(release_table(prepared).shown(say.width))
    for note in prepared.notes:
        say.print(note, soft_wrap=True)
    for command in following:
        say.print(f"  crossdistill {command}", soft_wrap=True)
