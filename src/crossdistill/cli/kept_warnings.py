"""What libraries say of themselves while a command works: kept until it has ended, then told in a line each."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from crossdistill.cli.words import is_first_rank, printable, warn
from crossdistill.plugins import PluginWarning

_MOST = 20
_LONGEST = 500

_QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_VERBOSITY": "error"}
"""Libraries whose log has a way of its own to the terminal, unless somebody wants it."""


class KeptWarnings(logging.Handler):
    """Python's warnings and the log lines of libraries, each once, as `lines`; and those of plug-ins."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: dict[str, None] = {}
        self.of_plugins: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self._keep(f"{record.name}: {record.getMessage()}")

    def show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """In the place of `warnings.showwarning`."""
        if issubclass(category, PluginWarning):
            self.of_plugins[_one_line(str(message))] = None
        self._keep(f"{category.__name__}: {message}")

    def _keep(self, text: str) -> None:
        if len(self.lines) < _MOST:
            self.lines[_one_line(text)] = None

    def tell(self) -> None:
        """Print them, on the first of several ranks."""
        for line in self.lines if is_first_rank() else ():
            warn(line)


@contextmanager
def kept_warnings() -> Iterator[KeptWarnings]:
    """Inside, nothing but the command itself writes to standard error.

    Where Python was asked for warnings (-W, PYTHONWARNINGS), they are shown as they come.
    """
    kept = KeptWarnings()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    before = warnings.showwarning
    if not sys.warnoptions:
        warnings.showwarning = kept.show
    logging.root.addHandler(kept)
    try:
        yield kept
    finally:
        logging.root.removeHandler(kept)
        warnings.showwarning = before


def _one_line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
