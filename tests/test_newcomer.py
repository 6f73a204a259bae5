"""What somebody new does with the wheel, in an environment of its own: train, export, predict, look at the report."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.browser import MISSING, chromium

ROOT = Path(__file__).parents[1]

SCRIPT = """\
import numpy as np
import crossdistill
from crossdistill.datasets import BUNDLED
emoji = BUNDLED["emoji"]()
picture, name = (np.asarray(emoji.columns[key].array) for key in ("picture", "name"))
y, train, test = np.array(emoji.classes)[emoji.labels], emoji.rows("train"), emoji.rows("test")
model = crossdistill.CrossModalClassifier(n_epochs=2).fit(picture[train], y[train], auxiliary=name[train])
np.savez("new.npz", X=picture[test], labels=y[test])
crossdistill.export(model.student_.save("student"), "student.onnx")
print(model.score(picture[test], y[test]))
"""


def done(command: list[str | Path], folder: Path) -> str:
    """What a program says on standard output, without a word on standard error but for progress."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def wheel_of(folder: Path) -> Path:
    """The wheel, built from a copy of what goes into it."""
    pytest.importorskip("setuptools", minversion="77")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder)
    done([sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-w", "dist"], folder)
    (wheel,) = (folder / "dist").glob("crossdistill-*.whl")
    return wheel


def environment_with(wheel: Path, folder: Path) -> Path:
    """The programs of a new environment that has the wheel, and of this one the packages that it depends on."""
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    install = ["install", "--no-deps", "--no-index", "--no-compile", wheel]
    done([sys.executable, "-m", "pip", "--python", python, *install], folder)
    (site,) = {
        Path(done([python, "-c", f"import sysconfig; print(sysconfig.get_path({kind!r}))"], folder).strip())
        for kind in ("purelib", "platlib")
    }
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(ours) + "\n")
    return scripts


def test_from_the_wheel_to_the_report(tmp_path: Path) -> None:
    assert len(SCRIPT.splitlines()) <= 10
    (tmp_path / "source").mkdir()
    scripts = environment_with(wheel_of(tmp_path / "source"), tmp_path / "environment")
    work = tmp_path / "work"
    work.mkdir()
    assert str(tmp_path) in done([scripts / "python", "-c", "import crossdistill; print(crossdistill.__file__)"], work)

    score = float(done([scripts / "python", "-c", SCRIPT], work).splitlines()[-1])
    given = np.load(work / "new.npz")
    np.save(work / "new.npy", given["X"])
    done([scripts / "crossdistill", "predict", "student", "new.npy", "--out", "predictions.csv"], work)
    with (work / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([row["prediction"] for row in rows] == given["labels"]) == pytest.approx(score)

    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(work / "student.onnx"), providers=["CPUExecutionProvider"])
    (shares,) = session.run(["probabilities"], {"X": given["X"].astype(np.float32)})
    columns = [name for name in rows[0] if name.startswith("p_")]
    np.testing.assert_allclose([[float(row[name]) for name in columns] for row in rows], shares, atol=1e-4)

    options = ["--methods", "baseline", "--seeds", "1", "--epochs", "1", "--out", "runs"]
    assert "Report: runs/report.html" in done([scripts / "crossdistill", "compare", "emoji", *options], work)
    if MISSING:
        pytest.skip(f"all but the look at the report: {MISSING}")
    with chromium(tmp_path / "profile") as browser:
        browser.get((work / "runs" / "report.html").as_uri())
        assert browser.get_log("browser") == []
        assert "baseline" in browser.find_element("css selector", "#headline table").text
