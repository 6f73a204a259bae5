"""Data sets: from files or arrays to batches."""

from crossdistill.data.columns import ArrayColumn, Column, FileColumn, RowColumn, SequenceColumn
from crossdistill.data.controls import with_control
from crossdistill.data.dataset import MultimodalDataset, from_arrays, in_memory
from crossdistill.data.loading import EpochBatches, evaluation_batches, training_batches, windows_of
from crossdistill.data.manifest import check_values, read_manifest, write_manifest
from crossdistill.data.splits import with_fold, with_labels, with_validation

__all__ = [
    "ArrayColumn",
    "Column",
    "EpochBatches",
    "FileColumn",
    "MultimodalDataset",
    "RowColumn",
    "SequenceColumn",
    "check_values",
    "evaluation_batches",
    "from_arrays",
    "in_memory",
    "read_manifest",
    "training_batches",
    "windows_of",
    "with_control",
    "with_fold",
    "with_labels",
    "with_validation",
    "write_manifest",
]
