"""Words as token numbers, by the tokenizer of the encoder that reads them, or as counts of their letters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from crossdistill.data.columns import Rows, pad
from crossdistill.data.readers.settings import ReaderSettings
from crossdistill.extras import needed_for
from crossdistill.types import InputError, Modality, Padded, cause, one_line

_LONGEST = 1 << 20
"""Bytes of a file that holds one text: a book's, of which a model reads the first 512 tokens."""


COUNTS = 1024
"""Numbers that a text becomes where no tokenizer is chosen."""


def hashed(texts: Sequence[str]) -> Any:
    """(N, 1024) sparse counts of three to five neighbouring letters within words, hashed with a sign, of length 1: no
    vocabulary is learnt, so none comes from the test samples."""
    with needed_for("texts without a tokenizer"):
        from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=COUNTS, dtype=np.float32)
    return vectorizer.transform(texts)


class TextColumn:
    """N texts, given as they are or as files of UTF-8: `Padded` token numbers (B, T, 1), special tokens included; where
    no tokenizer is chosen the counts of letters (B, 1024) of `hashed`.

    places: how errors call each text; option: how they call the tokenizer's setting; doubt: why these may not be meant
    as texts, an error where their letters would be counted.
    Raises InputError, when read, for a file that cannot be read, an empty text, and a tokenizer that cannot be had.
    """

    def __init__(
        self,
        texts: Sequence[str | Path],
        places: Sequence[str],
        settings: ReaderSettings,
        option: str,
        doubt: str = "",
    ) -> None:
        self.doubt = doubt
        self.texts, self.places, self.settings, self.option = tuple(texts), tuple(places), settings, option
        self.shape: tuple[int, ...] = (-1, 1) if settings.tokenizer else (COUNTS,)
        self._counts: dict[int, tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]] = {}

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
            raise InputError(f"{self.places[row]}: cannot read {text} as UTF-8 text: {cause(error)}") from None

    def require_readable(self, row: int) -> str:
        """The text. Raises InputError where it cannot be read, or there is nothing in it."""
        text = self.text(row)
        if not text.strip():
            file = self.texts[row]
            found = f"nothing in {file}" if isinstance(file, Path) else "an empty one"
            raise InputError(f"{self.places[row]}: expected a text, found {found}")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(f"{self.places[row]}: expected a text, found half a surrogate pair in it") from None
        return text

    def require_meant(self) -> None:
        """Raise InputError where these may be numbers or times that somebody wanted to be read as such."""
        if self.doubt:
            raise InputError(self.doubt)

    def fetch(self, rows: Rows) -> Modality:
        return self._tokens(rows) if self.settings.tokenizer else self._letters(rows)

    def _letters(self, rows: Rows) -> torch.Tensor:
        """Counted once for each text, and kept as the few that are not 0."""
        self.require_meant()
        if new := [row for row in dict.fromkeys(rows.tolist()) if row not in self._counts]:
            counted = hashed([self.require_readable(row) for row in new])
            for row, start, end in zip(new, counted.indptr[:-1], counted.indptr[1:], strict=True):
                self._counts[row] = counted.indices[start:end], counted.data[start:end]
        values = np.zeros((len(rows), COUNTS), dtype=np.float32)
        for place, row in enumerate(rows.tolist()):
            features, counts = self._counts[row]
            values[place, features] = counts
        return torch.from_numpy(values)

    def _tokens(self, rows: Rows) -> Padded:
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
