"""What every command's parser has in common, and what its help says of an option."""

from __future__ import annotations

import argparse
import re

from jsonargparse import ArgumentParser, DefaultHelpFormatter

_NOTHING = ("default: ", "default: null", "default: {}", "default: []", "default: ()")


class _Help(DefaultHelpFormatter):
    """Says defaults that are something, and leaves the rest to the option's words: its type shows in its choices and
    its default."""

    def _get_type_str(self, action: argparse.Action) -> str | None:
        return None

    def _expand_help(self, action: argparse.Action) -> str:
        text: str = super()._expand_help(action)
        is_flag, is_positional = action.nargs == 0, not action.option_strings
        nothing = ("default: False",) if is_flag else ("required",) if is_positional else _NOTHING
        return re.sub(rf" \(({'|'.join(map(re.escape, nothing))})\)$", "", text)


def command_parser(name: str, description: str, usage: str = "") -> ArgumentParser:
    """A parser of no options yet, which raises where it would exit.

    name: what follows `crossdistill`; usage: what follows the name, where argparse would list every option
    """
    return ArgumentParser(
        prog=f"crossdistill {name}".rstrip(),
        usage=f"crossdistill {name} {usage}" if usage else None,
        exit_on_error=False,
        allow_abbrev=False,  # --method would be taken for --methods
        description=description,
        formatter_class=_Help,
    )
