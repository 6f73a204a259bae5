"""Words of the command line into options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from jsonargparse import ArgumentParser, Namespace

from crossdistill.types import InputError, one_line


def parsed(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """The options in these words. Raises InputError for those that the parser does not take."""
    try:
        options: Namespace = parser.instantiate(parser.parse_args(arguments))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        raise InputError(str(error).replace("<class '", "").replace("'>", "")) from error
    except InputError:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:  # of loading a value
        raise InputError(f"an option's value cannot be read: {one_line(error)}") from error
    return options
