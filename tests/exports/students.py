"""Small students with every encoder, untrained, whose weights and statistics are random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from crossdistill.data.inputs import InputSpec
from crossdistill.data.readers import ReaderSettings
from crossdistill.encoders import Standardized
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.models.spec import ModelSpec, build_model
from crossdistill.student import Student
from crossdistill.types import Modality, Padded, StudentKind

VIDEO = InputSpec("video", (3, 4, 16, 16), reader=ReaderSettings(frames=4, size=16, resize=16))
SOUND = InputSpec("audio", (-1, 1), reader=ReaderSettings(rate=32000))
SEQUENCES, WINDOWS, VECTORS = InputSpec("array", (-1, 3)), InputSpec("array", (20, 3)), InputSpec("array", (6,))
PICTURES = InputSpec("array", (3, 32, 32))
PHOTOS = InputSpec("picture", (3, 50, 50), reader=ReaderSettings(size=50, resize=50))
CLASSES = ("Tür", "窓", 'a "b"')

Inputs = Mapping[str, tuple[InputSpec, EncoderSettings]]

SMALL = {"width": 5, "layers": 3, "hidden": 6}
KINDS: dict[str, tuple[InputSpec, EncoderSettings]] = {
    "features": (VECTORS, EncoderSettings("features")),
    "mlp": (VECTORS, EncoderSettings("mlp", {"width": 5, "hidden": 6})),
    "mlp on sequences": (SEQUENCES, EncoderSettings("mlp", {"width": 5, "hidden": 6, "steps": 4})),
    "conv": (SEQUENCES, EncoderSettings("conv", SMALL)),
    "conv, centred": (SEQUENCES, EncoderSettings("conv", SMALL, center=True)),
    "conv on windows": (WINDOWS, EncoderSettings("conv", SMALL)),
    "signal": (SEQUENCES, EncoderSettings("signal", {**SMALL, "bins": 5, "steps": 4})),
    "signal on windows": (WINDOWS, EncoderSettings("signal", {**SMALL, "bins": 5, "steps": 4})),
    "rnn": (SEQUENCES, EncoderSettings("rnn", {**SMALL, "layers": 2})),
    "rnn, lstm": (SEQUENCES, EncoderSettings("rnn", {**SMALL, "layers": 1, "cell": "lstm", "pooling": "max"})),
    "rnn, one direction": (SEQUENCES, EncoderSettings("rnn", {**SMALL, "layers": 1, "bidirectional": False})),
    "log_mel": (SOUND, EncoderSettings("log_mel")),
    "cnn14": (SOUND, EncoderSettings("cnn14", {"width": 5, "channels": 2, "activation": "relu"})),
    "resnet": (PHOTOS, EncoderSettings("resnet", {"width": 5, "channels": 4, "blocks": [1, 2]})),
    "resnet, colours first": (PICTURES, EncoderSettings("resnet", {"width": 5, "channels": 4, "blocks": [1, 1]})),
    "resnet, colours last": (
        InputSpec("array", (20, 30, 2), "uint8"),
        EncoderSettings("resnet", {"width": 5, "channels": 4, "blocks": [1, 1]}),
    ),
    "resnet on spectrograms": (
        SEQUENCES,
        EncoderSettings("resnet", {"width": 5, "channels": 4, "blocks": [1, 1], "stride": 2}),
    ),
    "resnet on windows": (WINDOWS, EncoderSettings("resnet", {"width": 5, "channels": 4, "blocks": [1, 1]})),
    "r2plus1d": (
        VIDEO,
        EncoderSettings("r2plus1d", {"blocks": [1, 1, 1, 1], "channels": 2, "activation": "leaky_relu"}),
    ),
}
"""Those that need no other package and are small; DenseNet-121 has one size."""


def student_of(inputs: Inputs, seed: int = 0, width: int = 5, kind: StudentKind = "projected") -> Student:
    """A student of these modalities. Normalisations and standardisations have statistics of their own."""
    spec = ModelSpec(
        target=tuple(inputs),
        auxiliary=(),
        classes=CLASSES,
        inputs={name: given for name, (given, _) in inputs.items()},
        encoders={name: settings for name, (_, settings) in inputs.items()},
        width=width,
        input_bound=4.0,
        student=kind,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_model(spec)
        for module in network.modules():
            if isinstance(module, Standardized):
                size = module.mean.shape[0]
                module.set_statistics(3 * torch.randn(size), 0.5 + torch.rand(size))
            elif isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                torch.nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
        torch.nn.init.normal_(network.classifier.weight)
    return Student(spec, network, {"method": "untrained"})


def drawn(student: Student, count: int, longest: int, seed: int = 0) -> dict[str, Any]:
    """So many samples of each modality as `Student.predict` takes them; sequences of up to `longest` steps."""
    random = np.random.default_rng(seed)
    given: dict[str, Any] = {}
    for name, spec in student.inputs.items():
        if spec.is_sequence:
            lengths = random.integers(1, longest + 1, size=count)
            lengths[0] = longest
            scale = 0.2 if spec.kind == "audio" else 4.0
            given[name] = [np.float32(scale * random.normal(size=(n, spec.shape[1])).clip(-4, 4)) for n in lengths]
        else:
            numbers = 4 * random.normal(size=(count, *spec.shape))
            given[name] = np.abs(9 * numbers).astype(spec.dtype) if spec.dtype == "uint8" else np.float32(numbers)
    return given


def logits_of(student: Student, inputs: Mapping[str, Any]) -> np.ndarray:
    """What the student itself makes of samples, each alone: no batch, no padding."""
    count = len(next(iter(inputs.values())))
    rows = []
    for row in range(count):
        alone: dict[str, Modality] = {}
        for name, values in inputs.items():
            x = torch.from_numpy(np.asarray(values[row], dtype=np.float32))[None]
            is_sequence = student.inputs[name].is_sequence
            alone[name] = Padded(x, torch.tensor([x.shape[1]])) if is_sequence else x
        with torch.no_grad():
            rows.append(student(alone)[0].numpy())
    return np.stack(rows)
