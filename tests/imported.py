"""What most processes of the tests import, before they are forked: see processes.py."""

import gc

import lightning_fabric  # noqa: F401
import sklearn.metrics  # noqa: F401

import tests.processes  # noqa: F401

gc.freeze()  # so that no collection in a forked process writes to these pages
