"""Words of the command line into options."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Sequence

from jsonargparse import ArgumentParser, Namespace

from crossdistill.recipes.wording import told
from crossdistill.types import InputError, one_line

_OF_NAMES = ("--data.target", "--data.auxiliary")
"""Options whose value is a list of names."""
_ELSEWHERE = {
    "accelerator": "--machine.accelerator",
    "batch": "--batch_size",
    "bs": "--batch_size",
    "data-path": "--data.source",
    "device": "--machine.accelerator",
    "devices": "--machine.devices",
    "dropout-rate": "--model.dropout",
    "gpu": "--machine.devices",
    "gpus": "--machine.devices",
    "input": "--data.source",
    "learning-rate": "--optimization.learning_rate",
    "log-dir": "--out",
    "lr": "--optimization.learning_rate",
    "model-dir": "--out",
    "num-epochs": "--epochs",
    "num-workers": "--machine.workers",
    "optimizer": "--optimization.name",
    "output": "--out",
    "output-dir": "--out",
    "random-seed": "--seed",
    "random-state": "--seed",
    "save-dir": "--out",
    "threads": "--machine.threads",
    "wd": "--optimization.weight_decay",
    "workers": "--machine.workers",
}
"""How other tools call what is an option here, where no option's own name is like it."""


def parsed(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """The options in these words. Raises InputError for those that the parser does not take."""
    try:
        options: Namespace = parser.instantiate(parser.parse_args(_lists_marked(arguments)))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        message = told(error, dashes="--")
        raise InputError(_names_known(parser, message) + _nearest_option(parser, message)) from error
    except InputError:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:  # of loading a value
        raise InputError(f"an option's value cannot be read: {one_line(error)}") from error
    return options


def _lists_marked(arguments: Sequence[str]) -> list[str]:
    """The words with names as a list where one is expected: `--data.target wrist,face` for '["wrist", "face"]'."""
    marked, before = list[str](), ""
    for word in arguments:
        option, equals, value = word.partition("=")
        if before in _OF_NAMES:
            word = _as_list(word)
        elif equals and option in _OF_NAMES:
            word = f"{option}={_as_list(value)}"
        marked.append(word)
        before = word
    return marked


def _as_list(value: str) -> str:
    """Names with commas between them as JSON; anything else, a list among them, as it is."""
    is_names = re.fullmatch(r"[^-\[\]{}'\"][^\[\]{}'\"]*", value)
    return json.dumps([name.strip() for name in value.split(",")]) if is_names else value


def _names_known(parser: ArgumentParser, message: str) -> str:
    """The message, with all names of a command that has commands of its own where none of them was given."""
    commands = parser._subcommands_action
    if commands is None or f'expected "{commands.dest}" to be one of' not in message:
        return message
    return f"{parser.prog}: expected one of {', '.join(commands.choices)} after it, found nothing"


def _nearest_option(parser: ArgumentParser, message: str) -> str:
    """Which option may have been meant by the first that the message calls unknown; empty where none is like it."""
    _, _, unknown = message.partition("unrecognized arguments: ")
    option = next((word.partition("=")[0] for word in unknown.split() if word.startswith("--")), "")
    if not option:
        return ""
    known = list(parser._option_string_actions)
    section, dot, name = option.rpartition(".")
    elsewhere = _ELSEWHERE.get(option.removeprefix("--").replace("_", "-"), "")
    if elsewhere in known:
        nearest = [elsewhere]
    elif dot:
        nearest = _alike(option, [each for each in known if each.startswith(f"{section}.")] or known)
    else:
        nearest = [each for each in known if each.endswith(f".{name.removeprefix('--')}")] or _alike(option, known)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _alike(option: str, known: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(option, known, n=1, cutoff=0.75)
