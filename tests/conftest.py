"""What tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

# Tests run several processes side by side; one thread each is fastest and makes their sums comparable.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# What is compiled once is kept, whatever the shell says: pytest's own rewriting of tests, and what processes import.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
settings.register_profile("no times", deadline=None)  # a busy machine is no fault
settings.load_profile("no times")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="also tests that are marked long, as `make test-long` runs them"
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long unless it is asked for, and send tests that share a fixture of their module to one of the
    processes, where it is made once."""
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    for item in filter(lambda item: isinstance(item, pytest.Function), items):
        module = item.nodeid.split("::")[0]
        fixtures = [made[-1] for made in item._fixtureinfo.name2fixturedefs.values() if made]
        shared = any(made.scope == "module" and made.baseid == module for made in fixtures)
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(module))


@pytest.fixture(scope="module")
def forked_workers() -> Iterator[None]:
    """The processes of a comparison start as the other ones of these tests do; studies/test_workers.py and crash/ have
    them as they are."""
    from tests.processes import fork_workers

    with pytest.MonkeyPatch.context() as patch:
        fork_workers(patch)
        yield
