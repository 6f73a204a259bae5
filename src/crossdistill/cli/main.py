"""The command line: which command was asked for, and what becomes of a user's mistake.

Nothing heavy is imported before a command is known, so that help and a mistyped name come at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from crossdistill.cli.words import complain, is_first_rank, print_anything, printable_line
from crossdistill.version import __version__

COMMANDS = {
    "demo": ("crossdistill.cli.demo", "label one, record many: bundled data, and a report"),
    "prepare": ("crossdistill.cli.prepare", "make a manifest of a release, or check one of your own"),
    "recipes": ("crossdistill.cli.recipes", "the recipes that have a name, and their data"),
    "extract": ("crossdistill.cli.extract", "encode a modality once, by published weights"),
    "diagnose": ("crossdistill.cli.diagnose", "will it help? Asked before anything is trained"),
    "train": ("crossdistill.cli.train", "train one recipe with one method and seed"),
    "compare": ("crossdistill.cli.compare", "compare methods, with error bars"),
    "benchmark": ("crossdistill.cli.benchmark", "methods over data sets and label budgets"),
    "tune": ("crossdistill.cli.tune", "choose hyper-parameters on validation data"),
    "evaluate": ("crossdistill.cli.evaluate", "measure a finished run's model again"),
    "predict": ("crossdistill.cli.predict", "classes of files, folders, arrays and tables"),
    "export": ("crossdistill.cli.export", "a trained student as ONNX or a torch program"),
    "report": ("crossdistill.cli.report", "write an HTML page from runs"),
}
"""Name -> the module with its `parser` and its `execute`, and what the command does."""

_EXTRA_OF = {"tune": "tune"} | dict.fromkeys(("demo", "compare", "benchmark", "report"), "report")
"""Command -> the extra that it takes as a whole, where the first package that is missing would name a smaller one."""

_MISTAKE = 2
"""The exit code of what the user can mend."""

_CLOSED = 141
"""That of an output that is closed before all is written, as shells have it."""

_GOES_ON = ("train", "compare", "benchmark", "tune")
"""Commands that leave unfinished work, with which they go on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake becomes one line on standard error and exit code 2."""
    print_anything()
    typed = list((sys.argv[1:] if arguments is None else arguments) or [""])
    name, rest = in_full(typed[0], typed[1:])
    if name not in COMMANDS:
        return _without_command(name)
    try:
        code = _execute(name, rest, typed[: len(typed) - len(rest)])
    except KeyboardInterrupt as stopped:
        if is_first_rank():
            line = printable_line(f"{str(stopped) or 'interrupted'}; {_going_on(name, typed)}")
            print(f"crossdistill: {line}", file=sys.stderr)
        return getattr(stopped, "exit_code", 130)
    if code == _CLOSED and name in _GOES_ON and is_first_rank():
        with suppress(OSError):  # standard error may be closed as well
            line = printable_line(_going_on(name, typed))
            print(f"crossdistill: stopped, as its output is closed; {line}", file=sys.stderr)
    return code


def _going_on(name: str, typed: Sequence[str]) -> str:
    """What is to be done after an interrupt."""
    if name == "train":
        return "the same command with --resume goes on"
    return f"the same command goes on: {shlex.join(['crossdistill', *typed])}"


def in_full(name: str, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command that is meant, and its arguments: `compare benchmark` is the command `benchmark`."""
    if name == "compare" and list(arguments[:1]) == ["benchmark"]:
        return "benchmark", list(arguments[1:])
    return name, list(arguments)


def _execute(name: str, arguments: Sequence[str], typed: Sequence[str]) -> int:
    """Run the command, and then tell what libraries have said, unless a mistake explains it; typed: the words that
    named the command."""
    from crossdistill.cli.kept_warnings import kept_warnings

    with kept_warnings() as kept:
        try:
            code, mistake = _attempted(name, arguments, typed)
        except Exception:
            kept.tell()
            raise
    if mistake:
        complain("; ".join([mistake, *kept.of_plugins]))
    elif code != _MISTAKE:
        kept.tell()
    return code


def _attempted(name: str, arguments: Sequence[str], typed: Sequence[str]) -> tuple[int, str]:
    """The command's exit code, and the user's mistake in one line where there was one."""
    from crossdistill.cli.parsing import parsed
    from crossdistill.cli.recipe_options import with_recipe_in_place
    from crossdistill.extras import missing_package
    from crossdistill.runs.signals import interrupts_at_once
    from crossdistill.training.engine import deterministic_kernels, own_process
    from crossdistill.types import InputError, one_line

    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # where a recipe's `module:Class` may be, as `python -m` has it
    arguments = with_recipe_in_place(arguments) if name == "compare" else arguments
    try:
        command = import_module(COMMANDS[name][0])
        with interrupts_at_once(), deterministic_kernels():
            options = parsed(command.parser(arguments), arguments)
            own_process()
            return int(command.execute(options, shlex.join(["crossdistill", *typed, *arguments]))), ""
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  # nor is what is left to be flushed
        return _CLOSED, ""
    except OSError as error:  # a full disk, one that can only be read, a name that no file can have
        return _MISTAKE, one_line(error)
    except (MemoryError, RuntimeError) as error:
        if _is_lost_rank(error):
            return _MISTAKE, f"another rank has ended ({one_line(error)[:120]}); continue with --resume"
        if isinstance(error, RuntimeError) and not _is_memory(error):
            raise
        return _MISTAKE, f"not enough memory: {one_line(error)}"
    except InputError as error:
        return _MISTAKE, str(error)
    except ImportError as error:
        if (missing := missing_package(error, f"crossdistill {name}", _EXTRA_OF.get(name, ""))) is None:
            raise
        return _MISTAKE, str(missing)


def _is_lost_rank(error: Exception) -> bool:
    """Whether PyTorch says that a process with which this one shares its batches is gone."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def _is_memory(error: RuntimeError) -> bool:
    """Whether PyTorch says that there is not enough memory, on whatever device."""
    return type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)


def _without_command(word: str) -> int:
    """What the program says of itself, or of a word that is none of its commands."""
    if word in ("-h", "--help", "--version"):
        _overview().parse_args([word])  # prints and exits
    if not word or word.startswith("-"):
        first = f", found {word}" if word else ""
        return _mistake(f"expected a command first{first}: {', '.join(COMMANDS)}; `crossdistill --help` describes them")
    nearest = difflib.get_close_matches(word, COMMANDS, n=1)
    known = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(COMMANDS)}"
    return _mistake(f"no command {word}; {known}")


def _overview() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crossdistill",
        usage="crossdistill COMMAND ...",
        description="Cross-modal knowledge distillation.",
        epilog="`crossdistill COMMAND --help` lists a command's options; `crossdistill train RECIPE --help` with their "
        "values.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crossdistill {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND, one of")  # no shorter than their names
    for name, (_, line) in COMMANDS.items():
        commands.add_parser(name, help=line)
    return parser


def _mistake(line: str) -> int:
    complain(line)
    return _MISTAKE
