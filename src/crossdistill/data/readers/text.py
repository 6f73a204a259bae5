"""Words as token numbers, by the tokenizer of the encoder that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from crossdistill.data.columns import Rows, pad
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.extras import needed_for
from crossdistill.types import InputError, Padded, one_line

_LONGEST = 1 << 20
"""Bytes of a file that holds one text: a book's, of which a model reads the first 512 tokens."""


class TextColumn:
    """N texts, given as they are or as files of UTF-8: `Padded` token numbers (B, T, 1), special tokens included.

    places: how errors call each text; option: how they call the tokenizer's setting.
    Raises InputError, when read, for a file that cannot be read, and where no tokenizer is chosen or it cannot be had.
    """

    shape = (-1, 1)

    def __init__(
        self, texts: Sequence[str | Path], places: Sequence[str], settings: ReaderSettings, option: str
    ) -> None:
        self.texts, self.places, self.settings, self.option = tuple(texts), tuple(places), settings, option

    def __len__(self) -> int:
        return len(self.texts)

    def text(self, row: int) -> str:
        text = self.texts[row]
        if isinstance(text, str):
            return text
        try:
            if text.stat().st_size > _LONGEST:
                raise InputError(f"{self.places[row]}: {text}: expected a text of at most {_LONGEST:,} bytes")
            return text.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.places[row]}: cannot read {text} as UTF-8 text: {error}") from None

    def fetch(self, rows: Rows) -> Padded:
        if not self.settings.tokenizer:
            raise InputError(f"{self.option}: choose the tokenizer of the encoder that reads this text")
        encode = load_tokenizer(self.settings.tokenizer, self.option)
        texts = [self.text(row) for row in rows]
        numbers = encode(texts, truncation=True, max_length=self.settings.max_tokens)["input_ids"]
        for row, tokens in zip(rows, numbers, strict=True):
            if not tokens:
                raise InputError(f"{self.places[row]}: the tokenizer makes nothing of this text")
        return pad([np.array(tokens, dtype=np.float32)[:, None] for tokens in numbers])


@lru_cache(maxsize=4)
def load_tokenizer(name: str, option: str) -> Any:
    """A Hugging Face tokenizer from a folder or by its hub id. Raises InputError."""
    with needed_for(f"{option}: a tokenizer"):
        from transformers import AutoTokenizer
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # whatever goes wrong in there
        raise InputError(f"{option}: cannot load a tokenizer from {name}: {one_line(error)}") from None
