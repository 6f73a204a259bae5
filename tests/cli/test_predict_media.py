"""`crossdistill predict` on clips: one student of pictures and sound, files that hold both or one, and broken ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossdistill.cli.main import main
from crossdistill.student import load
from tests.data.clips import bars, tone, write_video
from tests.documents import train_on_clips


def test_clips_in_folders_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av", reason="needs the extra 'media'")
    monkeypatch.chdir(tmp_path)
    train_on_clips("data", "run")
    Path("new/b").mkdir(parents=True)
    write_video(Path("new/two.mp4"), "h264", [bars(1)] * 8, tone(0.4))
    shutil.copy("new/two.mp4", "new/b/ten.MP4")
    Path("new/broken.mp4").write_bytes(b"nothing")
    Path("new/readme.txt").write_text("x")
    assert main(["predict", "run", "new", "new/two.mp4", "--out", "out.csv"]) == 1
    assert "face from .MP4, .mp4; 1 other files left out" in " ".join(capsys.readouterr().out.split())
    table = pd.read_csv("out.csv")
    assert table["id"].tolist() == ["new/b/ten.MP4", "new/broken.mp4", "new/two.mp4", "new/two.mp4"]
    assert table["error"].notna().tolist() == [False, True, False, False]
    assert "new/broken.mp4" in table["error"][1]
    student = load("run")
    expected = student.predict_proba(["new/two.mp4"])[0]
    shares = table.loc[table["error"].isna(), [f"p_{name}" for name in student.classes]].to_numpy()
    np.testing.assert_allclose(shares, [expected] * 3, atol=1e-5)
    with pytest.raises(ValueError, match=r"sample 1: cannot be read: .*broken\.mp4"):
        student.predict(["new/two.mp4", "new/broken.mp4"])
