"""Whether data that are read now are those that a finished run was trained and measured on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from crossdistill.data.dataset import MultimodalDataset
from crossdistill.data.feature_order import in_order
from crossdistill.data.fingerprint import fingerprint, perhaps_differing, surely_differing
from crossdistill.models.storage import read_config
from crossdistill.runs.measure import fingerprint_in
from crossdistill.types import InputError


class Changed(NamedTuple):
    """Parts of the data that are others than in training; perhaps: modalities of which nothing but their files' size
    and time of change tells it."""

    surely: list[str]
    perhaps: list[str]


def changed_since_training(folder: Path, dataset: MultimodalDataset) -> Changed:
    """What of the data set, with the run's split, is not as it was; nothing where the run does not say.

    Features may stand in another order. Raises InputError where the folder holds no run.
    """
    spec, config = read_config(folder)
    if not (before := fingerprint_in(config)):
        return Changed([], [])
    now = fingerprint(in_order(dataset, spec.inputs))
    return Changed(surely_differing(before, now), perhaps_differing(before, now))


def require_data_of_training(folder: Path, dataset: MultimodalDataset, source: str) -> list[str]:
    """Raise InputError where the data are surely others than those of training; the modalities that perhaps are.

    source: where they were read
    """
    changed = changed_since_training(folder, dataset)
    if changed.surely:
        raise InputError(
            f"{source}: expected the data of training, found others: {', '.join(changed.surely)} differ; name where "
            "those of training are"
        )
    return changed.perhaps
