"""What reaches the terminal of texts that others wrote: ids, labels, paths, the words of an error."""

from __future__ import annotations

import os
import sys
import unicodedata

LONGEST = 2000
"""Characters of an error's line; a file may hold a word of any length, and an error quotes it."""

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: str) -> str:
    """The text with what a terminal would obey, or shows in another order, written as an escape.

    >>> printable("\\x1b]0;title\\x07cat \\u202egpj.exe")
    '\\\\x1b]0;title\\\\x07cat \\\\u202egpj.exe'
    """
    return "".join(_escaped(letter) if _is_obeyed(letter) else letter for letter in text)


def printable_line(text: str) -> str:
    """`printable` for what is to be one line: a path, too, may hold a line's end.

    >>> printable_line("runs/new\\nline")
    'runs/new\\\\x0aline'
    """
    return printable(text).replace("\n", _escaped("\n"))


def complain(line: str) -> None:
    """Print an error as one line of bounded length."""
    line = printable(" ".join(line.split()))
    if len(line) > LONGEST:
        line = f"{line[: LONGEST - 200]} ... {line[-190:]}"
    print(f"crossdistill: error: {line}", file=sys.stderr)


def warn(line: str) -> None:
    """Print what nobody should miss of work that goes on."""
    print(f"crossdistill: warning: {printable_line(line)}", file=sys.stderr)


def is_first_rank() -> bool:
    """Whether this process is the one of several that speaks."""
    return (os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK") or "0") == "0"


def print_anything() -> None:
    """Let the standard streams write an escape for a character that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _is_obeyed(letter: str) -> bool:
    return letter in _DIRECTIONS or (unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t")


def _escaped(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode() if ord(letter) > 127 else f"\\x{ord(letter):02x}"
