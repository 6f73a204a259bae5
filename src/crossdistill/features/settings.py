"""What `crossdistill extract` is told, and what decides that features are those that were asked for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace
from torch import nn

from crossdistill.data import MultimodalDataset
from crossdistill.data.cells import PARTS, modalities
from crossdistill.data.fingerprint import fingerprint as digests
from crossdistill.data.fingerprint import source_files
from crossdistill.data.inputs import input_spec
from crossdistill.data.readers import ReaderSettings
from crossdistill.data.readers.cache import stamp
from crossdistill.data.table import Table
from crossdistill.encoders.kinds import ENCODERS
from crossdistill.encoders.make import make_encoder, resolved
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.training import Machine
from crossdistill.types import InputError, TaskKind

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Extraction:
    """What is made of which modality.

    Args:
        modality: the manifest's column
        encoder: r2plus1d takes video, cnn14 sound, densenet121 video or pictures, pretrained what its model of
            transformers takes; log_mel makes the spectrograms of sounds
        weights: a file of published weights; for pretrained the model's folder, or its name on the hub; none of log_mel
        sequence: a vector for each step, (T, D), instead of one for the sample: of densenet121 each frame, of
            pretrained each of the model's steps, of log_mel every 10 ms, of others each window
        windows: most windows of a sample, spread evenly, 0 for all that fit without overlap. A sample's vector is their
            mean, its sequence one after the other
        reader: how the files are read; the defaults are those of the encoder
        pooling: of pretrained, over time
        activation: with which the weights were trained
        width: of cnn14's output
        channels: of the first layer of r2plus1d and cnn14
        blocks: residual blocks in each layer of r2plus1d
        midplanes: channels between space and time in r2plus1d
        name: of the features; MODALITY-ENCODER unless given
        batch_size: windows that are encoded at once
        strict: a file that cannot be read stops the work; false leaves its cell empty and says so
        allow_outside: the manifest's files may lie outside its folder
        machine: where it is computed; processes that torchrun starts share the samples
        task: what the manifest's labels are, which nothing else depends on
    """

    modality: str
    encoder: Literal["r2plus1d", "cnn14", "densenet121", "pretrained", "log_mel"]
    weights: str = ""
    sequence: bool = False
    windows: int = 0
    reader: ReaderSettings = field(default_factory=ReaderSettings)
    pooling: Literal["auto", "mean", "cls", "pooler"] = "auto"
    activation: Literal["relu", "leaky_relu"] = "relu"
    width: int = 512
    channels: int = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    midplanes: Literal["shared", "formula"] = "shared"
    name: str = ""
    batch_size: int = 16
    strict: bool = False
    allow_outside: bool = False
    machine: Machine = field(default_factory=Machine)
    task: TaskKind = "classification"


def default_reader(encoder: str) -> ReaderSettings:
    """How the files are read unless told otherwise: what the published weights were trained on."""
    if encoder == "densenet121":
        return ReaderSettings(frames=1, fps=5, size=224, resize=256, mean=_IMAGENET[0], std=_IMAGENET[1])
    if encoder == "pretrained":
        return ReaderSettings(size=224, resize=256, mean=_IMAGENET[0], std=_IMAGENET[1], rate=16000)
    return ReaderSettings()


def extraction_of(parsed: Namespace) -> Extraction:
    """What a parser with this class's arguments parsed and instantiated."""
    return Extraction(**{name: getattr(parsed, name) for name in Extraction.__dataclass_fields__})


def name_of(settings: Extraction) -> str:
    """Of the features."""
    return settings.name or f"{settings.modality}-{settings.encoder}"


def require_numbers(settings: Extraction, name: str) -> None:
    """Raise InputError for settings that nothing can be encoded with."""
    settings.reader.check("--reader.")
    if min(settings.batch_size, settings.width, settings.channels, *settings.blocks) < 1 or settings.windows < 0:
        raise InputError("batch_size, width, channels and blocks: expected at least 1; windows: expected 0 or more")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"name {name!r}: expected letters, digits, _ and - only: it names a folder")


def with_tokenizer(settings: Extraction) -> Extraction:
    """A pretrained model of words brings its tokenizer."""
    if settings.encoder != "pretrained" or settings.reader.tokenizer:
        return settings
    return replace(settings, reader=replace(settings.reader, tokenizer=settings.weights))


def build(settings: Extraction, dataset: MultimodalDataset) -> nn.Module:
    """The encoder with its weights. Raises InputError where these are missing or do not suit the modality."""
    has_weights = settings.encoder != "log_mel"
    if has_weights and not settings.weights:
        raise InputError("--weights: expected a file of published weights, or a model's folder or name, found none")
    name, spec = settings.modality, input_spec(dataset.columns[settings.modality])
    names = [field.name for field in fields(ENCODERS[settings.encoder].settings) if hasattr(settings, field.name)]
    values = {key: getattr(settings, key) for key in names if getattr(settings, key) != "auto"}
    encoder = EncoderSettings(settings.encoder, values, weights=settings.weights, frozen=has_weights)
    return make_encoder(name, spec, resolved(name, spec, encoder))


def fingerprint(settings: Extraction, dataset: MultimodalDataset, table: Table) -> str:
    """Of all that decides what comes out: settings, weights, cells, the numbers in lists of them, and the files' sizes
    and times of change."""
    described = asdict(settings)
    for key in ("name", "batch_size", "strict", "allow_outside", "task"):
        del described[key]
    described["machine"] = settings.machine.precision
    described["weights"] = Path(settings.weights).name
    if settings.reader.levels == ReaderSettings.levels:  # which came later: features of before are the same
        del described["reader"]["levels"]
    described["reader"]["tokenizer"] = Path(settings.reader.tokenizer).name
    weights = [path for path in _sorted_files(Path(settings.weights)) if path.is_file()] if settings.weights else []
    header = next(column.header for column in modalities(table) if column.name == settings.modality)
    headers = [header, *PARTS, *(f"{settings.modality}:{part}" for part in PARTS)]
    cells = {name: table.columns[name] for name in headers if name in table.columns}
    if header in table.nested:
        cells[header] = [digests(dataset)[f"modality {settings.modality}"]]
    files = [[path.name, *stamp(path)] for path in (*weights, *source_files(dataset.columns[settings.modality]))]
    content = json.dumps([described, cells, files], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=20).hexdigest()


def _sorted_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*")) if path.is_dir() else [path]
