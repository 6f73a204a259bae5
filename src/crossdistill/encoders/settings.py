"""The settings of one modality's encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EncoderSettings:
    """One modality's encoder.

    An entry of `ModelSettings.encoders`, for what `auto` would not choose.

    Args:
        kind: features takes ready-made vectors as they are, mlp vectors and sequences; conv and rnn work over time,
            signal on what motion sensors record; resnet takes pictures and spectrograms, r2plus1d video, cnn14
            waveforms at 32 kHz or vectors of its width that it made before, log_mel waveforms at 32 kHz, densenet121
            pictures or video, pretrained what its model of transformers takes; auto is resnet for pictures, r2plus1d
            for video, cnn14 for sound files, pretrained for texts, mlp for vectors and conv for sequences.
            `package.module:Class` is a class of your own, a name may also be a plug-in's
        settings: of the kind, such as width, layers, hidden, dropout; of a class of your own, its constructor's
            arguments
        center: subtract each sequence's own mean over time from it first
        weights: what r2plus1d, cnn14 and densenet121 start from, a file of published weights; for pretrained the
            model's folder, or its name on the hub
        frozen: leave the encoder as its weights are, from the first epoch on

    Example:
        >>> from crossdistill import EncoderSettings, ModelSettings
        >>> model = ModelSettings(encoders={"wrist": EncoderSettings("conv", {"width": 64, "layers": 3}, center=True)})
        >>> model.check()  # raises InputError for a kind or a setting that there is not
        >>> ModelSettings(encoders={"wrist": EncoderSettings("conv", {"depth": 3})}).check()
        Traceback (most recent call last):
            ...
        crossdistill.types.InputError: model.encoders.wrist.settings.depth: not a field; there are width, layers, ...
    """

    kind: str = "auto"
    settings: dict[str, Any] = field(default_factory=dict)
    center: bool = False
    weights: str = ""
    frozen: bool = False
