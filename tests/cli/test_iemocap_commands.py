"""IEMOCAP from the release's folder to a cross-validated comparison, by the commands that `prepare` prints, on a tiny
tree and with tiny, random encoders in the place of the published ones."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest
import torch

from crossdistill.cli.main import main
from crossdistill.data import read_manifest
from crossdistill.encoders import DenseNet
from tests.datasets import media_trees
from tests.tokenizer import save_tokenizer

pytestmark = pytest.mark.usefixtures("forked_workers")

transformers = pytest.importorskip("transformers")

SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SMALL = {
    "video": ["--reader.size", "32", "--reader.resize", "32"],
    "audio": [],
    "text": [],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    media_trees.iemocap(tmp_path / "emo")
    torch.manual_seed(0)
    Path("data/weights").mkdir(parents=True)
    torch.save(DenseNet(activation="relu").state_dict(), "data/weights/densenet121-a639ec97.pth")
    transformers.Wav2Vec2Model(
        transformers.Wav2Vec2Config(
            **SIZE,
            conv_dim=(8, 8),
            conv_kernel=(10, 3),
            conv_stride=(5, 2),
            num_feat_extract_layers=2,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        )
    ).save_pretrained("facebook/wav2vec2-base")
    folder = "google-bert/bert-base-uncased"
    save_tokenizer(folder, {"[UNK]": 0, "[CLS]": 1, "No": 2})
    transformers.BertModel(transformers.BertConfig(vocab_size=3, **SIZE)).save_pretrained(folder)
    return tmp_path


def test_every_command_that_prepare_prints_works(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "iemocap", "--root", "emo"]) == 0
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  crossdistill ")]
    manifest, *extractions, training = [shlex.split(line)[1:] for line in printed]
    assert [command[0] for command in (manifest, *extractions)] == ["prepare", "extract", "extract", "extract"]
    assert main(manifest) == 0
    for command in extractions:
        modality = command[command.index("--modality") + 1]
        assert main([*command, *SMALL[modality], "--machine.accelerator", "cpu"]) == 0, capsys.readouterr().err
    dataset = read_manifest(here / "data/iemocap/features.csv")
    assert dataset.shapes == {"video": (-1, 1024), "audio": (16,), "text": (16,)}
    assert dataset.__getitems__([0]).modalities["video"].lengths.tolist() == [3], "0.6 s at 5 frames a second"
    few = ["--epochs", "2", "--batch_size", "4", "--machine.accelerator", "cpu"]
    assert main([*training, *few]) == 0, capsys.readouterr().err
    folds = ["compare", "iemocap_al_v", "--folds", "all", "--seeds", "1", "--methods", "baseline,amid"]
    assert main([*folds, "--out", "runs/folds", *few]) == 0, capsys.readouterr().err
    rows = pd.read_parquet(here / "runs/folds/results.parquet")
    assert sorted(zip(rows["label"], rows["fold"], strict=True)) == [
        ("amid", 0),
        ("amid", 4),
        ("baseline", 0),
        ("baseline", 4),
    ]
    page = (here / "runs/folds/report.html").read_text(encoding="utf-8")
    assert "WA, pooled" in page
