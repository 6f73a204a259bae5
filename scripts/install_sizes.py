"""What the package and each of its extras add to PyTorch, in megabytes of installed files.

python scripts/install_sizes.py

Of the environment that it runs in: files are those that installed distributions list as theirs, and torch with what it
depends on is not counted.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "crossdistill"


def needed(first: Requirement) -> dict[str, Distribution]:
    """Canonical name -> each distribution that a requirement brings, itself included."""
    found: dict[str, Distribution] = {}
    seen, asked = set(), [first]
    while asked:
        requirement = asked.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found[key[0]] = distribution(requirement.name)
        except PackageNotFoundError:  # of another system or Python
            continue
        for line in found[key[0]].requires or []:
            below = Requirement(line)
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in ("", *key[1])):
                asked.append(below)
    return found


def size(found: Distribution) -> int:
    return sum(path.stat().st_size for file in found.files or [] if (path := Path(str(file.locate()))).is_file())


def main() -> None:
    """A line for the package and for each extra: megabytes, distributions, the largest of them."""
    without = {*needed(Requirement("torch")), "numpy", NAME}
    for extra in ("", *(metadata(NAME).get_all("Provides-Extra") or [])):
        sizes = {
            name: size(found)
            for name, found in needed(Requirement(f"{NAME}[{extra}]" if extra else NAME)).items()
            if name not in without
        }
        largest = ", ".join(
            f"{name} {sizes[name] / 1e6:.0f}" for name in sorted(sizes, key=sizes.get, reverse=True)[:4]
        )
        print(f"{extra or 'alone':12} {sum(sizes.values()) / 1e6:6.0f} MB  {len(sizes):3} packages  {largest}")


if __name__ == "__main__":
    main()
