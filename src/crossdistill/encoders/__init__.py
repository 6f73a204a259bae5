"""One backbone per file. An encoder has `.width` and turns a modality, (B, ...) or `Padded`, into (B, width)."""

from crossdistill.encoders.cnn14 import Cnn14
from crossdistill.encoders.conv import Conv
from crossdistill.encoders.densenet import DenseNet
from crossdistill.encoders.features import Features
from crossdistill.encoders.kinds import ENCODERS, EncoderKind
from crossdistill.encoders.log_mel import LogMelMean
from crossdistill.encoders.mlp import MLP
from crossdistill.encoders.pretrained import Pretrained
from crossdistill.encoders.r2plus1d import R2Plus1D
from crossdistill.encoders.resnet import ResNet
from crossdistill.encoders.rnn import RNN
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.encoders.signal import Signal
from crossdistill.encoders.standardize import Encoder, Standardized

__all__ = [
    "ENCODERS",
    "MLP",
    "RNN",
    "Cnn14",
    "Conv",
    "DenseNet",
    "Encoder",
    "EncoderKind",
    "EncoderSettings",
    "Features",
    "LogMelMean",
    "Pretrained",
    "R2Plus1D",
    "ResNet",
    "Signal",
    "Standardized",
]
