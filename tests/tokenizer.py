"""A tokenizer of whole words, for tests of texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest


def save_tokenizer(folder: Path | str, vocabulary: Mapping[str, int]) -> None:
    """Word -> number, with [UNK] and [CLS], which begins every text. Skips the test without transformers."""
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(dict(vocabulary), unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = [("[CLS]", vocabulary["[CLS]"])]
    made.post_processor = tokenizers.processors.TemplateProcessing("[CLS] $A", special_tokens=special)
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(folder)
