"""Data sets: from files or arrays to batches."""

from crossdistill.data.columns import ArrayColumn, Column, SequenceColumn
from crossdistill.data.controls import with_control
from crossdistill.data.dataset import MultimodalDataset, from_arrays
from crossdistill.data.loading import training_batches
from crossdistill.data.manifest import check_values, read_manifest
from crossdistill.data.manifest_writing import write_manifest
from crossdistill.data.splits import with_fold, with_labels, with_validation
from crossdistill.data.weights import with_class_weights

__all__ = [
    "ArrayColumn",
    "Column",
    "MultimodalDataset",
    "SequenceColumn",
    "check_values",
    "from_arrays",
    "read_manifest",
    "training_batches",
    "with_class_weights",
    "with_control",
    "with_fold",
    "with_labels",
    "with_validation",
    "write_manifest",
]
