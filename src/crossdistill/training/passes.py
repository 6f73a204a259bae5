"""Further forward passes of a batch that a method asks for: a teacher's quiet word, pairs of inputs mixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from crossdistill.encoders.sequences import time_mask
from crossdistill.extras import needed_for
from crossdistill.methods import Method
from crossdistill.models import CrossModalModel
from crossdistill.models.grouped import select
from crossdistill.types import Batch, Mixing, Modality, Padded, Pass, Representations, copied_to, values_of


def forward(method: Method, batch: Batch, quiet: bool = True) -> Representations:
    """What the model makes of the batch: the method's views, and the further passes that it asks for.

    quiet: whether its quiet passes are wanted, too; without them it draws the same random numbers.
    """
    made: Representations = method.model(batch.modalities, method.views, batch.present)
    wanted = [asked for asked in method.passes if quiet or not asked.quiet]
    if not wanted:
        return made
    asked_for = {asked.name: _run(asked, method.model, batch) for asked in wanted}
    return replace(made, passes={**made.passes, **asked_for})


def with_mixing(method: Method, batch: Batch) -> Batch:
    """The batch with its pairs for mixing, where the method asks for them and it has none yet. A batch made by hand,
    which brings no chance of its own, takes it from the global random state."""
    if batch.mixing is not None or not any(asked.mixed for asked in method.passes):
        return batch
    count, device = len(batch.labels), batch.labels.device
    chance = batch.chance if len(batch.chance) == count else torch.rand(count, dtype=torch.float64)
    complete = batch.has(method.model.modalities_of(*method.views))
    return replace(batch, mixing=mixing_of(chance.to(device), complete, method.mixing))


def mixing_of(chance: Tensor, complete: Tensor, concentration: float) -> Mixing:
    """Pair neighbours of the batch, which comes in random order; weights follow Beta(concentration, concentration).

    complete: (B,) bool on the CPU, which samples may take part. An odd last sample is its own partner. Pairs are the
    same on one process as on several with even shares.
    """
    partners = (torch.arange(chance.shape[0]) ^ 1).clamp_max(max(chance.shape[0] - 1, 0))
    quantiles = _beta_quantiles(concentration).to(chance.device)
    weights = quantiles[(chance * len(quantiles)).long()]
    return Mixing(copied_to(partners, chance.device), weights, complete & complete[partners])


def select_mixing(mixing: Mixing, rows: Tensor) -> Mixing:
    """The pairs of some rows of the batch; a sample whose partner is not among them is no longer whole."""
    place = torch.full_like(mixing.partners, -1)
    place[rows] = torch.arange(len(rows), device=rows.device)
    partners = place[mixing.partners[rows]]
    whole = mixing.whole[rows.cpu()] & (partners >= 0).cpu()
    return Mixing(partners.clamp_min(0), mixing.weights[rows], whole)


def select_batch(batch: Batch, rows: Tensor | slice) -> Batch:
    """These rows of the batch, with the inputs that it has."""
    mixing = batch.mixing
    if mixing is not None:
        places = torch.arange(len(batch.labels), device=batch.labels.device)
        mixing = select_mixing(mixing, places[rows])
    on_cpu = rows if isinstance(rows, slice) else rows.cpu()
    return replace(
        batch,
        modalities={name: select(x, rows) for name, x in batch.modalities.items()},
        pixels={name: x.of(on_cpu) for name, x in batch.pixels.items()},
        labels=batch.labels[rows],
        rows=batch.rows[rows],
        present={name: mask[on_cpu] for name, mask in batch.present.items()},
        chance=batch.chance[rows] if len(batch.chance) == len(batch.labels) else batch.chance,
        mixing=mixing,
    )


def mixed(x: Modality, mixing: Mixing) -> Modality:
    """Each sample mixed with its partner; where one of two sequences has ended, the longer one goes on alone."""
    values = values_of(x)
    weights = mixing.weights.to(values.dtype).view(-1, *[1] * (values.ndim - 1))
    partners = values[mixing.partners]
    mixtures = weights * values + (1 - weights) * partners
    if not isinstance(x, Padded):
        return mixtures
    lengths = x.lengths[mixing.partners]
    own, other = (time_mask(ends, values.shape[1])[:, :, None] for ends in (x.lengths, lengths))
    mixtures = torch.where(own & other, mixtures, torch.where(own, values, torch.where(other, partners, 0.0)))
    return Padded(mixtures, torch.maximum(x.lengths, lengths))


def _run(asked: Pass, model: CrossModalModel, batch: Batch) -> Representations:
    if asked.mixed:
        assert batch.mixing is not None
        inputs: Mapping[str, Modality] = {name: mixed(batch.modalities[name], batch.mixing) for name in model.target}
        made: Representations = model(inputs, asked.views, dict.fromkeys(model.target, batch.mixing.whole))
        return made
    if not asked.quiet:
        again: Representations = model(batch.modalities, asked.views, batch.present)
        return again
    training = model.training
    with torch.no_grad():
        quiet: Representations = model.eval()(batch.modalities, asked.views, batch.present)
    model.train(training)
    return quiet


@lru_cache(maxsize=8)
def _beta_quantiles(concentration: float, count: int = 1 << 16) -> Tensor:
    """(count,) float32 quantiles of Beta(concentration, concentration), in the middle of as many equal shares."""
    with needed_for("mixing samples"):
        from scipy import special

    shares = (np.arange(count) + 0.5) / count
    return torch.from_numpy(special.betaincinv(concentration, concentration, shares)).float()
