"""The documents as a site: built without a warning, every page reached, every public name in the reference."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

import crossdistill
from crossdistill.methods import METHODS

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def pages_of(nav: list[object]) -> list[str]:
    found: list[str] = []
    for item in nav:
        inside = item if isinstance(item, str) else next(iter(item.values()))  # type: ignore[attr-defined]
        found += [inside] if isinstance(inside, str) else pages_of(inside)
    return found


def home_of(name: str, module: str) -> str:
    made = getattr(importlib.import_module(module), name)
    return f"{made.__module__}.{made.__qualname__}"


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    for name in ("docs", "src", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("bundled", "__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "api" / "losses" / "index.html").read_text(encoding="utf-8")
    assert "mutual_information_loss" in reference
    assert "<blockquote>" not in reference, "an example was taken for a quotation"


def test_every_page_is_in_the_menu() -> None:
    menu = pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(menu) == sorted(str(page.relative_to(ROOT / "docs")) for page in PAGES)


def test_the_reference_has_every_public_name() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    listed = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    names = [name for name in crossdistill.__all__ if not isinstance(getattr(crossdistill, name), dict | str)]
    wanted = {home_of(name, "crossdistill") for name in names}
    for module in ("crossdistill.losses", "crossdistill.evaluation"):
        wanted |= {home_of(name, module) for name in importlib.import_module(module).__all__}
    wanted |= {f"{method.__module__}.{method.__qualname__}" for method in METHODS.values()}
    assert wanted - set(listed) == set()


def test_which_method_when_has_every_method() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert [name for name in METHODS if f"`{name}`" not in page] == []
