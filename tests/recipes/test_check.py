"""What no run can have is refused before anything is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossdistill.recipes.check import LONGEST_NAME, check
from crossdistill.recipes.library.catalogue import RECIPES
from crossdistill.types import InputError


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"name": "a" * 201}, "name: expected at most 200 bytes, found 201"),
        ({"name": "手" * 67}, "name: expected at most 200 bytes, found 201"),
        ({"name": "a\0b"}, "name: expected text that a file can be called by"),
        ({"name": "half \ud83d"}, "name: expected text that a file can hold, found half a surrogate pair"),
        ({"label": "\udcff"}, "label: expected text that a file can hold, found half a surrogate pair"),
    ],
    ids=["long name", "long in bytes", "zero", "half a pair in the name", "an undecodable byte in the label"],
)
def test_names_by_which_no_file_can_be_called_are_refused(names: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=f"^{said}"):
        check(replace(RECIPES["emoji"](), **names))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["手" * (LONGEST_NAME // 3), "🙂", "a, b: c / d", ""])
def test_other_names_are_not(name: str) -> None:
    check(replace(RECIPES["emoji"](), name=name, label=name))
