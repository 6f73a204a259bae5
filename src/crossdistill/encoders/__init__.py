"""One backbone per file. An encoder has `.width` and turns a modality, (B, ...) or `Padded`, into (B, width)."""

from crossdistill.encoders.conv import Conv
from crossdistill.encoders.features import Features
from crossdistill.encoders.mlp import MLP
from crossdistill.encoders.rnn import RNN
from crossdistill.encoders.standardize import Encoder, Standardized

__all__ = ["MLP", "RNN", "Conv", "Encoder", "Features", "Standardized"]
