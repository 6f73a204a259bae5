"""Any encoder of Hugging Face's transformers: BERT for words, wav2vec 2.0 for speech, a backbone for pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from crossdistill.encoders.hub import config_of, model_from_config, read_model, read_speech_settings
from crossdistill.encoders.log_mel import as_waveforms
from crossdistill.encoders.sequences import as_padded, masked_mean, time_mask
from crossdistill.types import InputError, Modality, Padded

Pooling = Literal["mean", "cls", "pooler"]
Kind = Literal["words", "speech", "pictures", "video"]

_MASKS_PADDING = ("wav2vec2", "hubert")


@dataclass(frozen=True)
class PretrainedSettings:
    """pooling: the mean over a sample's steps, its first token, or what the model's own pooler makes; config, speech: a
    finished run's copy of what the model's folder says, by which it loads where that folder is not."""

    pooling: Pooling = "mean"
    config: Mapping[str, Any] = field(default_factory=dict)
    speech: Mapping[str, Any] = field(default_factory=dict)

    def check(self, place: str) -> None:
        """There is no number to check."""


class Pretrained(nn.Module):
    """The model in a local folder, or on the hub under a name -> (B, width), width being its hidden size.

    The model itself says what it takes:
    - words: token ids (B, T), (B, T, 1) or `Padded` ones, of the model's own tokenizer
    - speech: waveforms (B, T), (B, T, 1) or `Padded` ones at `sample_rate`; each is brought to mean 0 and variance 1
      where the model's settings ask for it, as wav2vec 2.0's do
    - pictures (B, 3, H, W), or video (B, 3, T, H, W), already normalised; a model of pictures encodes each frame

    The output of a sample does not depend on the padding that its batch brings.
    For texts, and wherever a published model of transformers knows the modality.

    Args:
        source: the folder, or the name on the hub
        pooling: the mean over a sample's own steps (tokens, frames or patches; special tokens count), the first token,
            or what the model's own pooler makes
        read_weights: false leaves the weights to be loaded from elsewhere
        config: what an earlier one's attribute of this name held; then nothing is read from the source
        speech: likewise

    Raises:
        InputError: transformers is not installed (`pip install 'crossdistill[pretrained]'`), there is no such model, it
            lacks weights, or it cannot be used or pooled so.

    >>> import tempfile, torch, transformers
    >>> from crossdistill.encoders import Pretrained
    >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    >>> folder = tempfile.mkdtemp()
    >>> transformers.BertModel(transformers.BertConfig(vocab_size=40, **sizes)).save_pretrained(folder)
    >>> encoder = Pretrained(folder, pooling="mean")
    >>> encoder(torch.tensor([[2, 17, 5, 3]])).shape, encoder.width
    (torch.Size([1, 16]), 16)
    """

    def __init__(
        self,
        source: str,
        pooling: Pooling = "mean",
        read_weights: bool = True,
        config: Mapping[str, Any] | None = None,
        speech: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        unused = ("masked_spec_embed",) if pooling == "pooler" else ("masked_spec_embed", "pooler.")
        self.model: Any = read_model(source, unused) if read_weights else model_from_config(source, config or {})
        self.pooling, self.kind = pooling, kind_of(self.model, source)
        if self.kind == "words":
            self.mixes = False  # token ids are no numbers to take means of, as arrays neither
        black = tried(self.model, source, picture_size(self.model)) if self.kind == "pictures" else None
        self.width = _width_of(self.model, source) if black is None else _width_of_output(black, pooling)
        if not self.width or not _can_pool(self.model, self.kind, pooling, black is not None):
            raise InputError(f"{source}: pooling {pooling}: {type(self.model).__name__} has none; take mean")
        self.config = config_of(self.model)
        self.speech = dict(speech or (read_speech_settings(source) if self.kind == "speech" and not config else {}))
        self.sample_rate = int(self.speech.get("sampling_rate", 16_000))
        self.normalize = bool(self.speech.get("do_normalize", True))
        most = _most_tokens(self.model) if self.kind == "words" else math.inf
        self.most_steps = int(most) if most < math.inf else None
        self.least_steps = 4 * _first_frame(self.model.config) if self.kind == "speech" else 2

    def forward(self, x: Modality) -> Tensor:
        if self.pooling == "mean" or self._is_video_as_pictures(x):
            values, lengths = self.sequence(x)
            return masked_mean(values, time_mask(lengths, values.shape[1]))
        output = self._words(x)[0] if self.kind == "words" else self._pixels(x)
        return cast(
            Tensor, output.pooler_output.flatten(1) if self.pooling == "pooler" else output.last_hidden_state[:, 0]
        )

    def sequence(self, x: Modality) -> Padded:
        """The model's last hidden states (B, T', width): of tokens, of 20 ms of speech, of patches; for video through a
        model of pictures each frame's pooled output.

        Args:
            x: a batch, as for the encoder itself
        """
        if self._is_video_as_pictures(x):
            frames = cast(Tensor, x).transpose(1, 2)
            return as_padded(self(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]))
        if self.kind == "speech":
            return self._speech(x)
        if self.kind == "words":
            output, lengths = self._words(x)
            return Padded(output.last_hidden_state, lengths)
        states = self._pixels(x).last_hidden_state
        return as_padded(states.flatten(2).mT if states.ndim == 4 else states)  # a convolutional model's (B, F, h, w)

    def _is_video_as_pictures(self, x: Modality) -> bool:
        return self.kind == "pictures" and isinstance(x, Tensor) and x.ndim == 5

    def _words(self, x: Modality) -> tuple[Any, Int[Tensor, " batch"]]:
        """The model's own output for words, and how many there are in each text."""
        ids, lengths = _as_tokens(x)
        most = _most_tokens(self.model)
        if ids.shape[1] > most:
            raise ValueError(
                f"expected at most {most} tokens, which is what the model was made for, got {ids.shape[1]}"
            )
        mask = time_mask(lengths, ids.shape[1])
        ids = torch.where(mask, ids, getattr(self.model.config, "pad_token_id", None) or 0)
        return self.model(input_ids=ids, attention_mask=mask.long()), lengths

    def _pixels(self, x: Modality) -> Any:
        """The model's own output for pictures or video."""
        dimensions = 5 if self.kind == "video" else 4
        if not isinstance(x, Tensor) or x.ndim != dimensions or x.shape[1] != 3:
            found = str(tuple(x.shape)) if isinstance(x, Tensor) else "sequences of different length"
            shapes = "videos (B, 3, T, H, W)" if self.kind == "video" else "pictures (B, 3, H, W) or videos"
            raise ValueError(f"expected {shapes}, got {found}")
        pixels = x.transpose(1, 2) if self.kind == "video" else x
        return self.model(pixel_values=pixels)

    def _speech(self, x: Modality) -> Padded:
        """Waveforms that the model cannot tell from their padding are encoded by groups of equal length: wav2vec 2.0's
        base model, among others, normalises its first layer over the whole time that it is given."""
        config = self.model.config
        waveforms, lengths = self._ready_waveforms(x)
        adapted = getattr(config, "add_adapter", False)
        if config.model_type in _MASKS_PADDING and config.feat_extract_norm == "layer" and not adapted:
            mask = time_mask(lengths, waveforms.shape[1]).long()
            states = self.model(input_values=waveforms, attention_mask=mask).last_hidden_state
            return Padded(states, frames_of(lengths, config))
        if not isinstance(x, Padded):
            return as_padded(self.model(input_values=waveforms).last_hidden_state)
        if torch.compiler.is_exporting():
            raise ValueError(
                f"{config.model_type} cannot tell a sound from its padding: only a fixed length of it can be exported, "
                "see data.readers.NAME.seconds"
            )
        groups = [torch.nonzero(lengths == length)[:, 0] for length in torch.unique(lengths)]
        grouped = [self.model(waveforms[rows, : int(lengths[rows[0]])]).last_hidden_state for rows in groups]
        frames = max(states.shape[1] for states in grouped)
        padded = torch.cat([nn.functional.pad(states, (0, 0, 0, frames - states.shape[1])) for states in grouped])
        order = torch.cat(groups).argsort()
        pairs = zip(groups, grouped, strict=True)
        counts = torch.cat([torch.full_like(rows, states.shape[1]) for rows, states in pairs])
        return Padded(padded[order], counts[order])

    def _ready_waveforms(self, x: Modality) -> Padded:
        """In the model's precision, normalised where it asks for that, 0 beyond each one's end, and long enough for its
        first frame."""
        waveforms, lengths = as_waveforms(x)
        precision = self.model.dtype
        waveforms = waveforms.to(torch.promote_types(precision, torch.float32))  # squares of a half may be infinite
        lengths = lengths.clamp_min(1)
        mask = time_mask(lengths, waveforms.shape[1])
        if self.normalize:
            mean = masked_mean(waveforms[:, :, None], mask)
            variance = masked_mean((waveforms - mean).square()[:, :, None], mask)
            waveforms = (waveforms - mean) / (variance + 1e-7).sqrt()
        least = _first_frame(self.model.config)
        waveforms = nn.functional.pad(torch.where(mask, waveforms, 0.0), (0, max(0, least - waveforms.shape[1])))
        return Padded(waveforms.to(precision), lengths.clamp_min(least))


def _as_tokens(x: Modality) -> Padded:
    """Token ids (B, T), int64, and lengths. Raises ValueError on any other shape than (B, T) and (B, T, 1)."""
    values, lengths = as_waveforms(x)
    return Padded(values.long(), lengths.clamp_min(1))


def _most_tokens(model: Any) -> float:
    """How many places the model knows; RoBERTa and its kin keep the first ones for padding."""
    kept = getattr(getattr(model, "embeddings", None), "padding_idx", -1) + 1
    return getattr(model.config, "max_position_embeddings", math.inf) - kept


def kind_of(model: Any, source: str) -> Kind:
    """What the model takes. Raises InputError when that is none of the kinds."""
    name, config = model.main_input_name, model.config
    if hasattr(config, "vision_config") and hasattr(config, "text_config"):
        raise InputError(
            f"{source}: {type(model).__name__} is a model of words and one of pictures; save one of them alone, e.g. "
            "by transformers.CLIPVisionModel.from_pretrained(SOURCE).save_pretrained(FOLDER), and give its folder"
        )
    if config.model_type == "vit_mae":
        raise InputError(f"{source}: {type(model).__name__} hides patches by chance; save it as a ViTModel first")
    if config.is_encoder_decoder or name not in ("input_ids", "input_values", "pixel_values"):
        raise InputError(f"{source}: expected an encoder of words, waveforms or pictures, found {type(model).__name__}")
    if name == "input_values" and not hasattr(config, "conv_stride"):
        raise InputError(f"{source}: expected a model of waveforms, found {type(model).__name__}, of spectrograms")
    if name == "pixel_values":
        return "video" if hasattr(config, "num_frames") else "pictures"
    return "words" if name == "input_ids" else "speech"


def _width_of(model: Any, source: str) -> int:
    for size in (getattr(model.config, "hidden_size", None), *getattr(model.config, "hidden_sizes", [])[-1:]):
        if size:
            return int(size)
    raise InputError(f"{source}: {type(model).__name__} does not say its hidden size")


def picture_size(model: Any) -> tuple[int, int]:
    """Height and width for which a model of pictures was made, 224 where it does not say."""
    size = getattr(model.config, "image_size", None) or 224
    return (size, size) if isinstance(size, int) else tuple(size)


def tried(model: Any, source: str, size: tuple[int, int]) -> Any:
    """What a model of pictures makes of a black one of this size: their configurations have no common word for their
    width, nor for whether they take another size than they were made for. Raises InputError where it takes none."""
    training = model.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return model.eval()(pixel_values=torch.zeros(1, 3, *size))
    except Exception as error:  # whatever a model raises
        made_for = "x".join(map(str, picture_size(model)))
        raise InputError(
            f"{source}: {type(model).__name__} cannot encode pictures (3, {size[0]}, {size[1]}), it was made for "
            f"{made_for}; see size and resize in data.readers ({error})"
        ) from error
    finally:
        model.train(training)


def _width_of_output(output: Any, pooling: Pooling) -> int:
    """Numbers of a pooled picture; 0 where the model has no such output."""
    if pooling == "pooler":
        pooled = getattr(output, "pooler_output", None)
        return 0 if pooled is None else pooled.flatten(1).shape[1]
    states = output.last_hidden_state
    return int(states.shape[1] if states.ndim == 4 else states.shape[-1])


def _can_pool(model: Any, kind: Kind, pooling: Pooling, has_width: bool) -> bool:
    if pooling == "pooler":
        return has_width or getattr(model, "pooler", None) is not None
    tokens = any(name.endswith(("cls_token", "class_embedding")) for name, _ in model.named_parameters())
    return pooling == "mean" or kind == "words" or tokens


def frames_of(samples: Int[Tensor, " batch"], config: Any) -> Int[Tensor, " batch"]:
    """How many frames the model's convolutions, which have no padding of their own, make of so many samples."""
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def _first_frame(config: Any) -> int:
    """Samples that one frame sees."""
    samples = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
