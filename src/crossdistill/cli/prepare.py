"""`crossdistill prepare`: a release or a manifest looked through, and what is said of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from crossdistill import data
from crossdistill.cli import prepare_folders
from crossdistill.cli.prepared import command, tell
from crossdistill.cli.progress import bars, console
from crossdistill.cli.tables import label_table, modality_table
from crossdistill.data.inspection import CacheSettings, cache_size, check_manifest, fill_cache
from crossdistill.data.splits import require_groups_apart
from crossdistill.datasets import PREPARERS, activitynet, avletters, iemocap, leaves, stamps, ucf51
from crossdistill.types import InputError, TaskKind


def parser(arguments: Sequence[str]) -> ArgumentParser:
    """A subcommand for each release, `folders` and `manifest`."""
    prepare = command("", "Turn a data set's release into a manifest and arrays, or check a manifest of your own.")
    names = prepare.add_subcommands(title="data sets", dest="name", metavar="NAME", required=True)
    for name in sorted(PREPARERS):
        names.add_subcommand(name, _release_parser(name), help=f"from its release, to data/{name}")
    names.add_subcommand("ucf51", _ucf51_parser(), help="a manifest of clips with sound, to data/ucf51")
    videos = "a manifest of videos or segments, to data/activitynet"
    names.add_subcommand("activitynet", _activitynet_parser(), help=videos)
    names.add_subcommand("iemocap", _iemocap_parser(), help="a manifest of turns of speech, to data/iemocap")
    stamped = "a manifest of pictures, speech and words, to data/stamps"
    names.add_subcommand("stamps", _stamps_parser(), help=stamped)
    names.add_subcommand("folders", prepare_folders.parser(), help="a manifest from folders of classes of your own")
    names.add_subcommand("manifest", _manifest_parser(), help="check one of your own, and decode its media once")
    return prepare


def _release_parser(name: str) -> ArgumentParser:
    release = command(name, f"Turn the release of {name} into a manifest.")
    release.add_argument("--source", type=Path, required=True, help="folder or file of the release")
    folder = f"data/{name}"
    if name == "avletters":
        tested = "what is tested: each letter's third repetition, or three speakers whom training never hears"
        release.add_argument("--protocol", type=avletters.Protocol, default="repetitions", help=tested)
        folder = f"{folder}, or {folder}_speakers for that protocol,"
    release.add_argument("--out", type=Path, help=f"folder to write; {folder} unless given")
    return release


def _ucf51_parser() -> ArgumentParser:
    release = command("ucf51", "A manifest of UCF101's 51 classes whose clips have sound.")
    videos, splits = "folder of the clips, or of a folder for each class", "folder of trainlist01.txt, testlist01.txt"
    release.add_argument("--videos", type=Path, required=True, help=videos)
    release.add_argument("--splits", type=Path, required=True, help=f"{splits} and so on")
    release.add_argument("--split", type=Literal[1, 2, 3], default=1, help="which of the official splits")
    release.add_argument("--out", type=Path, help="folder to write; data/ucf51 unless given")
    return release


def _activitynet_parser() -> ArgumentParser:
    release = command("activitynet", "A manifest of the videos of ActivityNet 1.3.")
    videos = "folder of v_ID.mp4, or of a folder for each part"
    release.add_argument("--videos", type=Path, required=True, help=videos)
    release.add_argument("--annotations", type=Path, required=True, help="activity_net.v1-3.min.json")
    release.add_argument("--trimmed", action="store_true", help="a sample for each annotated segment")
    release.add_argument("--keep-silent", action="store_true", help="also videos that have no sound")
    release.add_argument("--out", type=Path, help="folder to write; data/activitynet unless given")
    return release


def _iemocap_parser() -> ArgumentParser:
    release = command("iemocap", "A manifest of the turns in IEMOCAP, four emotions.")
    root = "folder of Session1 to Session5, IEMOCAP_full_release"
    release.add_argument("--root", type=Path, required=True, help=root)
    release.add_argument("--out", type=Path, help="folder to write; data/iemocap unless given")
    return release


def _stamps_parser() -> ArgumentParser:
    release = command("stamps", "A manifest of Tux Paint's stamps: picture, speech, text.")
    root = "folder of Debian's package tuxpaint-stamps-default, e.g. /usr/share/tuxpaint/stamps"
    release.add_argument("--source", type=Path, required=True, help=root)
    release.add_argument("--language", default="es", help="of the speech")
    release.add_argument("--out", type=Path, help="folder to write; data/stamps unless given")
    return release


def _manifest_parser() -> ArgumentParser:
    check = command(
        "manifest", "Check a manifest and every file that it names, say what is in it, and decode its media once."
    )
    check.add_argument("file", type=Path, help="a .csv or .parquet file, or the folder that holds manifest.csv")
    forms = ["none", "jpeg", "raw"]
    check.add_argument("--cache", choices=forms, default="none", help="decode each file once, into this")
    check.add_argument("--short-side", type=int, default=128, help="of cached frames, in pixels; 0 keeps their size")
    check.add_argument("--rate", type=int, default=32000, help="of cached sound, samples a second")
    check.add_argument("--workers", type=int, default=1, help="processes that decode")
    check.add_argument("--allow-outside", action="store_true", help="files may lie outside the manifest's folder")
    check.add_argument(
        "--allow-shared-groups", action="store_true", help="a group may be in train and in test or validation"
    )
    check.add_argument("--strict", action="store_true", help="a file that ends early is an error, too")
    check.add_argument("--task", type=TaskKind, default="classification", help="what its labels are, as data.task")
    return check


def execute(options: Namespace, command: str) -> int:
    """Prepare what was named."""
    name = options.name
    given = options[name]
    if name == "manifest":
        settings = CacheSettings(given.cache, given.short_side, given.rate, given.workers)
        _prepare_manifest(
            given.file,
            settings,
            allow_outside=given.allow_outside,
            strict=given.strict,
            allow_shared_groups=given.allow_shared_groups,
            task=given.task,
        )
    elif name == "stamps":
        prepared = stamps.prepare(given.source, given.out or Path("data/stamps"), given.language)
        tell(prepared, _spectrograms_and_train(prepared.folder))
    elif name == "folders":
        prepare_folders.execute(given)
    elif name == "ucf51":
        _prepare_ucf51(given.videos, given.splits, given.split, given.out)
    elif name == "activitynet":
        _prepare_activitynet(given.videos, given.annotations, given.trimmed, given.keep_silent, given.out)
    elif name == "iemocap":
        _prepare_iemocap(given.root, given.out)
    elif name == "avletters" and given.protocol == "speakers":
        _tell_release(avletters.prepare(given.source, given.out or Path("data/avletters_speakers"), given.protocol))
    else:
        _tell_release(PREPARERS[name](given.source, given.out or Path("data") / name))
    return 0


def _tell_release(folder: Path) -> None:
    """Say what came of a data set's release, and what is not in it."""
    dataset = data.read_manifest(folder)
    counts = ", ".join(f"{len(dataset.rows(split))} {split}" for split in ("train", "validation", "test"))
    console().print(f"{folder}: {counts}; {len(dataset.classes)} classes; {', '.join(dataset.columns)}", soft_wrap=True)
    if (left_out := folder / leaves.LEFT_OUT).is_file():
        lines = left_out.read_text(encoding="utf-8").splitlines()
        console().print(f"Left out: {len(lines)} ({leaves.LEFT_OUT}): {lines[0].replace(chr(9), ', ')}", soft_wrap=True)


def _prepare_manifest(
    path: Path,
    settings: CacheSettings,
    allow_outside: bool,
    strict: bool,
    allow_shared_groups: bool,
    task: TaskKind = "classification",
) -> None:
    """Check a manifest and what it names, say what is in it, and decode its media once where a cache is asked for.

    Raises InputError, after all that, where a file cannot be read, or ends early and strict is set.
    """
    if settings.workers < 1 or settings.rate < 1 or settings.short_side < 0:
        raise InputError("--workers and --rate: expected at least 1; --short-side: expected 0 or more")
    with bars() as listener:
        checked = check_manifest(path, settings, allow_outside, listener, task)
    for table in (modality_table(checked.counts), label_table(checked.dataset)):
        console().print(table.shown(console().width), "")  # and a line between them
    for line in (*checked.doubts, *checked.broken, *checked.damaged):
        console().print(line, soft_wrap=True)
    if settings.form != "none":
        size = cache_size(checked, settings) / 2**20
        console().print(
            f"Cache: {len(checked.readable)} files, about {size:,.1f} MiB, in {path_of(path) / 'cache'}", soft_wrap=True
        )
        with bars() as listener:
            decoded = fill_cache(checked, path, settings, listener)
        console().print(f"Decoded: {decoded}; already there: {len(checked.readable) - decoded}.")
    if not allow_shared_groups:
        require_groups_apart(checked.dataset)
    wrong = [*checked.broken, *(checked.damaged if strict else ())]
    if wrong:
        others = f" (and {len(wrong) - 1} more, listed above)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{others}")


def _prepare_ucf51(videos: Path, splits: Path, split: int, out: Path | None) -> None:
    """Clips of UCF101 that a split's lists name -> a manifest, and what is missing."""
    with bars() as listener:
        prepared = ucf51.prepare(videos, splits, out or Path("data/ucf51"), split, listener)
    tell(prepared, _cache_and_train(prepared.folder, "ucf51"))


def _prepare_activitynet(videos: Path, annotations: Path, trimmed: bool, keep_silent: bool, out: Path | None) -> None:
    """Annotated videos of ActivityNet, or their segments -> a manifest, and what is missing."""
    folder = out or Path("data/activitynet")
    with bars() as listener:
        prepared = activitynet.prepare(videos, annotations, folder, trimmed, keep_silent, listener)
    tell(prepared, _cache_and_train(prepared.folder, "activitynet"))


def _prepare_iemocap(root: Path, out: Path | None) -> None:
    """Turns of IEMOCAP's dialogs -> a manifest, and what is missing."""
    with bars() as listener:
        prepared = iemocap.prepare(root, out or Path("data/iemocap"), listener)
    tell(prepared, _extract_and_train(prepared.folder))


def _cache_and_train(folder: Path, recipe: str) -> list[str]:
    """What comes next for videos that are decoded anew in each epoch."""
    return [
        f"prepare manifest {shlex.quote(str(folder))} --allow-outside --cache jpeg",
        f"train {recipe} --method amid{source(folder, Path('data') / recipe)}",
    ]


def _spectrograms_and_train(folder: Path) -> list[str]:
    """What comes next for stamps: all files decoded once, and the sounds' spectrograms made once."""
    made = folder / "spectrograms.csv"
    reading = "--encoder log_mel --sequence true --windows 1 --reader.seconds 2"
    trained = source(made, Path("data/stamps/spectrograms.csv"))
    return [
        f"prepare manifest {shlex.quote(str(folder))} --allow-outside --cache raw",
        f"extract {shlex.quote(str(folder))} --allow_outside true --modality speech {reading} "
        f"--out {shlex.quote(str(made))}",
        *(f"train {recipe} --method amid_u --data.labelled 0.1{trained}" for recipe in ("stamps", "stamps_words")),
    ]


def _extract_and_train(folder: Path) -> list[str]:
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


def path_of(manifest: Path) -> Path:
    return manifest if manifest.is_dir() else manifest.parent
