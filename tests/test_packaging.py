"""What pyproject.toml promises: imports are declared, with a lowest version each, and the source archive is whole."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from scripts.lowest import lowest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "crossdistill"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_TORCH = {"triton"}
"""What PyTorch's builds for GPUs bring."""
NEED_TRITON = {"crossdistill.losses.row_kernel"}


def names(requirements: list[str]) -> set[str]:
    found = [re.match(r"[\w.-]+", requirement) for requirement in requirements]
    return {name[0].lower().replace("_", "-") for name in found if name}


EXTRAS = PROJECT["optional-dependencies"]
ORDINARY = names([*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["report"]])
"""`tests/test_extras.py` tries what must do without the extras `train` and `report`."""
EXTRA = {name for extra in EXTRAS.values() for name in names(extra)}


def imports(node: ast.AST, at_once: bool = True) -> Iterator[tuple[str, bool]]:
    """Each imported top-level name, and whether it is needed as soon as the module is imported."""
    if isinstance(node, ast.Import):
        yield from ((alias.name.partition(".")[0], at_once) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield (node.module or "").partition(".")[0], at_once
    elif isinstance(node, ast.stmt | ast.Module | ast.excepthandler):
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        later = for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.iter_child_nodes(node):
            yield from imports(inner, at_once and not later)


def test_every_import_is_declared() -> None:
    """At a module's top only what training takes, in functions also what a feature's extra brings."""
    of = packages_distributions()
    wrong = []
    for path in SOURCE.rglob("*.py"):
        for name, at_once in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name in sys.stdlib_module_names or name in OF_TORCH or name == "crossdistill":
                continue
            packages = names(of.get(name, [name]))
            if not packages & (ORDINARY if at_once else ORDINARY | EXTRA):
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong


def test_every_module_is_imported() -> None:
    """As `make test-lowest` does it with the lowest versions."""
    modules = [path.relative_to(SOURCE.parent).with_suffix("") for path in SOURCE.rglob("*.py")]
    for module in sorted(".".join(path.parts).removesuffix(".__init__") for path in modules):
        if module not in NEED_TRITON or importlib.util.find_spec("triton"):
            importlib.import_module(module)


def test_every_dependency_has_a_lowest_version() -> None:
    assert {"jsonargparse==4.49", "pandas==2.2", "huggingface_hub==1.3"} <= set(lowest(PROJECT))
    with pytest.raises(ValueError, match="numpy: expected a lowest version"):
        list(lowest({**PROJECT, "dependencies": ["numpy"]}))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="compares with the files that git knows")
def test_the_source_archive_is_whole(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {name for name in listed.split("\0") if name and not name.startswith(".") and (ROOT / name).exists()}
    for name in files:
        copy = tmp_path / "tree" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path / "tree", capture_output=True, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        packed = {member.name.partition("/")[2] for member in content if member.isfile()}
    made = {"PKG-INFO", "setup.cfg"} | {name for name in packed if ".egg-info/" in name}
    assert packed - made == files
