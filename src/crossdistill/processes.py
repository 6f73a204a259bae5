"""Processes that this one has begun, and that should not outlive it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """To be called in a process that multiprocessing began: it ends as soon as its parent has, however that ended.

    Otherwise one that waits for work waits for ever, and one that writes writes where the next command does.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
