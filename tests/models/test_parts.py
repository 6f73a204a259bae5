"""Discriminators, fusion, projections and masks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from crossdistill.models import Discriminator, FeatureMask, Fusion, Projection


@pytest.mark.parametrize("depth", [5, 3, 1])  # the paper's D1 and D2, and the smallest
def test_a_discriminator_has_that_many_linear_layers_with_leaky_relu_between(depth: int) -> None:
    discriminator = Discriminator(depth, 16, 8)
    layers = list(discriminator.layers)
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [type(layer) for layer in layers] == [nn.Linear, nn.LeakyReLU] * (depth - 1) + [nn.Linear]
    assert [layer.in_features for layer in linear] == [8, *[16] * (depth - 1)]
    assert [layer.out_features for layer in linear] == [*[16] * (depth - 1), 1]


@pytest.mark.parametrize("batch", [0, 1, 7])
def test_a_discriminator_gives_one_raw_logit_a_sample(batch: int) -> None:
    discriminator = Discriminator(3, 16, 8)
    assert discriminator(torch.randn(batch, 8)).shape == (batch,)
    far = discriminator(1e6 * torch.randn(100, 8))
    assert far.abs().max() > 1, "no sigmoid at the end"


def test_a_discriminator_needs_a_layer() -> None:
    with pytest.raises(ValueError, match="depth of at least 1, got 0"):
        Discriminator(0, 16, 8)


def test_d1_and_d2_can_tell_two_clouds_apart() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(200, 4) + 1, torch.randn(200, 4) - 1
    for depth in (5, 3):
        discriminator = Discriminator(depth, 16, 4)
        optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            (nn.functional.softplus(-discriminator(x)) + nn.functional.softplus(discriminator(y))).mean().backward()
            optimizer.step()
        assert ((discriminator(x) > 0).float().mean() + (discriminator(y) < 0).float().mean()) / 2 > 0.9


@pytest.mark.parametrize(
    ("in_widths", "identity"), [([8], True), ([7], False), ([16], False), ([4, 4], False), ([8, 8], False)]
)
def test_a_projection_does_nothing_for_one_encoder_of_the_right_width(in_widths: Sequence[int], identity: bool) -> None:
    projection = Projection(in_widths, 8)
    features = [torch.randn(3, width) for width in in_widths]
    out = projection(features)
    assert out.shape == (3, 8)
    assert bool(list(projection.parameters())) != identity
    if identity:
        assert torch.equal(out, features[0])
    else:  # linear: f(a) + f(b) - f(0) = f(a + b)
        zero = projection([torch.zeros_like(f) for f in features])
        torch.testing.assert_close(projection([2 * f for f in features]), 2 * out - zero)


def test_fusion_is_a_two_layer_mlp_on_all_features() -> None:
    fusion = Fusion([3, 4], 8, dropout=0.0)
    assert [type(layer) for layer in fusion.layers] == [nn.Linear, nn.LeakyReLU, nn.Dropout, nn.Linear]
    assert fusion([torch.randn(5, 3), torch.randn(5, 4)]).shape == (5, 8)


def test_a_mask_is_sigmoid_of_attention_among_the_features_tokens() -> None:
    """By hand, with one head: softmax(Q K^T / sqrt(hidden)) V over the D tokens of each sample."""
    torch.manual_seed(0)
    mask, x = FeatureMask(5, hidden=4, heads=1), torch.randn(3, 5)
    found = mask(x)
    assert found.shape == (3, 5)
    w, b = mask.attention.in_proj_weight, mask.attention.in_proj_bias
    for sample in range(3):
        tokens = (mask.embedding.weight @ x[sample] + mask.embedding.bias).view(5, 4)
        query, key, value = (tokens @ w[4 * i : 4 * i + 4].T + b[4 * i : 4 * i + 4] for i in range(3))
        attended = mask.attention.out_proj((query @ key.T / 4**0.5).softmax(dim=1) @ value)
        torch.testing.assert_close(found[sample], mask.score(attended).squeeze(1).sigmoid())


@pytest.mark.parametrize(("hidden", "heads"), [(10, 3), (0, 1), (-3, 3), (12, 0)])
def test_a_mask_whose_heads_do_not_fit_is_refused(hidden: int, heads: int) -> None:
    with pytest.raises(ValueError, match=f"hidden a positive multiple of heads, got {hidden} and {heads}"):
        FeatureMask(8, hidden, heads)
