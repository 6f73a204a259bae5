"""Controls: auxiliary inputs that cannot teach anything. A gain that survives them is not distillation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from crossdistill.data.columns import Column
from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.reading import Mask, PartialColumn, known_present
from crossdistill.data.wrappers import Noise, ReorderedColumn, StandInColumn, zeros

Control = Literal["none", "shuffled", "noise", "zeroed", "target"]


def with_control(
    dataset: MultimodalDataset, control: Control, target: Sequence[str], auxiliary: Sequence[str], seed: int
) -> MultimodalDataset:
    """The data set with its auxiliary modalities replaced.

    shuffled: the training samples' auxiliary inputs are permuted among them, all modalities of a sample together; the
    samples of other splits keep theirs. noise: standard normal numbers, fixed for each sample, in the shapes of the
    shuffled inputs, as a sequence's length may tell its class; encoders standardise inputs, so their scale says
    nothing. zeroed: zeros in these shapes: all that the method does, but with a teacher that knows nothing more.
    target: the target modalities' own inputs once more, in turn: nothing new to learn from them.
    Samples that lack an auxiliary modality lack what stands in for it, of training's as many: which of them is shuffled
    along, but with target.
    To ask whether a gain is distillation; a recipe's `data.control` does it.

    >>> import numpy as np
    >>> from crossdistill.data import from_arrays, with_control
    >>> x = np.arange(4.0)[:, None]
    >>> data = from_arrays({"wrist": x, "camera": 10 * x}, [0, 1, 0, 1])
    >>> batch = with_control(data, "target", ["wrist"], ["camera"], seed=0).__getitems__([1, 2])
    >>> batch.modalities["camera"].flatten().tolist()
    [1.0, 2.0]
    """
    if control == "none":
        return dataset
    columns = dict(dataset.columns)
    if control in ("shuffled", "noise", "zeroed"):
        source = np.arange(len(dataset))
        train = dataset.rows("train")
        source[train] = np.random.default_rng([seed, 1]).permutation(train)
        columns |= {name: ReorderedColumn(columns[name], source) for name in auxiliary}
        if control == "noise":
            columns |= {name: StandInColumn(columns[name], Noise(seed, place)) for place, name in enumerate(auxiliary)}
        if control == "zeroed":
            columns |= {name: StandInColumn(columns[name], zeros) for name in auxiliary}
    else:
        copies = {name: columns[target[place % len(target)]] for place, name in enumerate(auxiliary)}
        columns |= {name: _where(known_present(columns[name]), copy) for name, copy in copies.items()}
    return replace(dataset, columns=columns)


def _where(present: Mask, column: Column) -> Column:
    """The column without the samples that are not `present` (N,)."""
    if present.all():
        return column
    return PartialColumn(ReorderedColumn(column, np.flatnonzero(present)), present)
