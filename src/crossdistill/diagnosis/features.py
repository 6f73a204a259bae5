"""Plain features of a modality, learnt from nothing but the samples themselves: what a simple model can work with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from crossdistill.data.columns import Column, Rows
from crossdistill.data.readers import TextColumn
from crossdistill.data.reading import known_present, middle, read
from crossdistill.data.wrappers import as_given
from crossdistill.types import Padded

Features = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SEGMENTS = 4
"""Parts of a sequence whose means are taken: what comes first is told apart from what comes last."""

WIDE, CHANNELS = 128, 32
"""A step of more numbers than the first is projected on as many random directions as the second."""

GRID = 8
"""Cells along each side of a picture, of which means are taken."""

COMPONENTS = 64
"""Principal components that are kept of a modality, at most."""

_CHUNK = 256


def features_of(column: Column, rows: Rows, seed: int) -> tuple[Features, Mask]:
    """Plain features (B, F) of the rows (B,) of a modality, and (B,) bool, which of them have it; others are 0.

    A vector is taken as it is. Of a sequence there are, for each channel, the means of its quarters, standard
    deviation, extremes, mean change and the energies of a few frequency bands, and its length; of a picture the means
    of cells, of a video these and how they vary; of a text which letters follow each other.
    """
    present, parts = known_present(column)[rows].copy(), []
    given, given_rows = as_given(column, rows)
    if isinstance(given, TextColumn):
        given.require_meant()
        texts = _text_features([given.text(row) for row in given_rows.tolist()], seed)
        features = np.zeros((len(rows), texts.shape[1]))
        features[present] = texts
        return features, present
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        reading = read(column, rows[chunk], middle(len(rows[chunk])))
        present[chunk] &= reading.present.numpy()
        parts.append(_summaries(reading.numbers, column.shape, seed))
    features = np.concatenate(parts)
    features[~present] = 0
    return features, present


def reduced(features: Features, seed: int) -> Features:
    """Principal components (N, at most 64) of standardised features, whose variances add up to 1."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    varying = features[:, np.ptp(features, axis=0) > 0]
    if not varying.shape[1]:
        return np.zeros((len(features), 1))
    standard = np.clip(StandardScaler().fit_transform(varying), -6, 6)
    kept = min(COMPONENTS, *standard.shape)
    solver = "full" if min(standard.shape) <= 4 * COMPONENTS else "randomized"
    components = PCA(kept, svd_solver=solver, random_state=seed).fit_transform(standard)
    total = components.var(axis=0).sum()
    scaled: Features = components / np.sqrt(total) if total > 0 else components
    return scaled


def _summaries(modality: object, shape: tuple[int, ...], seed: int) -> Features:
    if isinstance(modality, Padded):
        samples = [
            values[:length].double().numpy()
            for values, length in zip(modality.values, modality.lengths.tolist(), strict=True)
        ]
        lengths = np.log([[len(sample)] for sample in samples])
        return np.concatenate([_stacked(samples, _sequence(seed)), lengths], axis=1)
    samples = list(modality.double().numpy())  # type: ignore[attr-defined]
    if len(shape) == 1 and shape[0] <= 4096:
        return np.stack(samples)
    if len(shape) == 1:  # a sound: one channel of many steps
        return _stacked([sample[:, None] for sample in samples], _sequence(seed))
    return _stacked(samples, _sequence(seed) if len(shape) == 2 else _picture)


def _stacked(samples: list[Features], summary: Callable[[Features], Features]) -> Features:
    return np.stack([summary(sample) for sample in samples])


def _sequence(seed: int) -> Callable[[Features], Features]:
    """(T, F) -> a vector that says how each channel goes."""

    def summary(sample: Features) -> Features:
        if sample.shape[1] > WIDE:
            random = np.random.default_rng([seed, sample.shape[1]])
            sample = sample @ random.normal(size=(sample.shape[1], CHANNELS)) / np.sqrt(sample.shape[1])
        quarters = [part.mean(0) for part in np.array_split(sample, SEGMENTS) if len(part)]
        quarters += [sample.mean(0)] * (SEGMENTS - len(quarters))
        change = np.abs(np.diff(sample, axis=0)).mean(0) if len(sample) > 1 else np.zeros(sample.shape[1])
        bands = _bands(sample, 24 if sample.shape[1] <= 2 else 6)
        return np.concatenate([*quarters, sample.std(0), sample.min(0), sample.max(0), change, bands.ravel()])

    return summary


def _bands(sample: Features, count: int) -> Features:
    """(count, F) logarithms of the energies in bands that widen as a logarithm does; each band holds some frequency."""
    energies = np.abs(np.fft.rfft(sample - sample.mean(0), axis=0)) ** 2
    energies = np.concatenate([energies, np.zeros((max(0, count + 1 - len(energies)), sample.shape[1]))])
    edges = np.geomspace(1, len(energies), count + 1)
    places = np.maximum(edges.astype(int), np.arange(1, count + 2))
    return np.log(np.stack([energies[a:b].sum(0) for a, b in pairwise(places)]) + 1e-8)


def _picture(sample: Features) -> Features:
    """Means of the cells of a grid over the two longest axes; of what lies along a third one that is long too, such as
    a video's time, mean and standard deviation."""
    height, width = sorted(np.argsort(sample.shape, kind="stable")[-2:])
    planes = np.moveaxis(sample, (height, width), (-2, -1))
    rows = np.array_split(np.arange(planes.shape[-2]), min(GRID, planes.shape[-2]))
    columns = np.array_split(np.arange(planes.shape[-1]), min(GRID, planes.shape[-1]))
    cells = np.stack([planes[..., row, :].mean(-2) for row in rows], axis=-1)
    cells = np.stack([cells[..., column, :].mean(-2) for column in columns], axis=-1)
    for axis in reversed(range(cells.ndim - 2)):
        if cells.shape[axis] > 4:
            cells = np.stack([cells.mean(axis), cells.std(axis)])
    return cells.ravel()


def _text_features(texts: list[str], seed: int) -> Features:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    counted = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(texts)
    kept = min(2 * COMPONENTS, counted.shape[1] - 1, len(texts) - 1)
    if kept < 1:
        return np.zeros((len(texts), 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # shares of the variance, of which texts all alike have none
        made: Features = TruncatedSVD(kept, random_state=seed).fit_transform(counted)
    return made
