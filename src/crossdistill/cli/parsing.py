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
    _, refused, words = message.partition("unrecognized arguments: ")
    option = next((word.partition("=")[0] for word in words.split() if refused and word.startswith("--")), "")
    known = list(parser._option_string_actions)
    section, dot, _ = option.rpartition(".")
    within = [name for name in known if dot and name.startswith(f"{section}.")]
    same = [name for name in known if not dot and option and name.endswith(f".{option.removeprefix('--')}")]
    nearest = same or difflib.get_close_matches(option, within or known, n=1, cutoff=0.75)
    return f"; did you mean {nearest[0]}?" if nearest else ""
