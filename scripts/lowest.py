"""Prints, as pip's constraints, the lowest version that pyproject.toml allows of each of its dependencies.

`make test-lowest` installs these and runs a part of the tests with them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
TOOLS = ("docs", "test")
"""Extras that no feature of the library needs, pinned in constraints.txt."""


def lowest(project: dict[str, Any]) -> Iterator[str]:
    """`name==version` for each dependency of the project and its extras. Raises ValueError for one without a bound."""
    extras = [needed for name, needed in project["optional-dependencies"].items() if name not in TOOLS]
    for requirement in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        if requirement.startswith("crossdistill["):
            continue
        found = re.match(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)", requirement)
        if not found:
            raise ValueError(f"{requirement}: expected a lowest version")
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"])))
