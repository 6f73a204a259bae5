"""Words of the command line into options."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence

from jsonargparse import ArgumentParser, Namespace

from crossdistill.types import InputError, one_line


def parsed(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """The options in these words. Raises InputError for those that the parser does not take."""
    try:
        options: Namespace = parser.instantiate(parser.parse_args(arguments))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        message = str(error).replace("<class '", "").replace("'>", "")
        raise InputError(message + _nearest_option(parser, message)) from error
    except InputError:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:  # of loading a value
        raise InputError(f"an option's value cannot be read: {one_line(error)}") from error
    return options


def _nearest_option(parser: ArgumentParser, message: str) -> str:
    """Which option may have been meant by the first that the message calls unknown; empty where none is like it."""
    _, _, unknown = message.partition("unrecognized arguments: ")
    option = next((word.partition("=")[0] for word in unknown.split() if word.startswith("--")), "")
    if not option:
        return ""
    known = list(parser._option_string_actions)
    section, dot, name = option.rpartition(".")
    if dot:
        nearest = _alike(option, [each for each in known if each.startswith(f"{section}.")] or known)
    else:
        nearest = [each for each in known if each.endswith(f".{name.removeprefix('--')}")] or _alike(option, known)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _alike(option: str, known: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(option, known, n=1, cutoff=0.75)
