"""The residual network of pictures: where its colours are, what its settings choose, and that it learns to see."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import crossdistill
from crossdistill import DataSettings, EncoderSettings, ModelSettings, Optimization, Recipe
from crossdistill.data import from_arrays
from crossdistill.data.inputs import InputSpec
from crossdistill.encoders import ResNet, Standardized
from crossdistill.encoders.make import make_encoder, resolved
from crossdistill.encoders.resnet import colours_of, stride_of
from crossdistill.runs.statistics import feature_statistics
from crossdistill.types import InputError
from tests.data.pictures import stripes

SMALL = {"width": 6, "channels": 4, "blocks": [1, 1]}


def encoder_of(shape: tuple[int, ...], **settings: object) -> Standardized:
    spec = InputSpec("array", shape)
    made = make_encoder("x", spec, resolved("x", spec, EncoderSettings("resnet", {**SMALL, **settings})))
    assert isinstance(made, Standardized)
    return made


def test_colours_first_and_last_are_the_same_network() -> None:
    first, last = encoder_of((3, 12, 10)), encoder_of((12, 10, 3))
    last.load_state_dict(first.state_dict())
    for module in (first, last):
        module.set_statistics(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 1.0, 0.5]))
    x = torch.randn(4, 3, 12, 10)
    torch.testing.assert_close(first(x), last(x.permute(0, 2, 3, 1)))


@pytest.mark.parametrize(
    ("shape", "chosen", "expected"),
    [
        ((3, 32, 32), "auto", "first"), ((32, 32, 3), "auto", "last"), ((1, 8, 8), "auto", "first"),
        ((28, 28, 1), "auto", "last"), ((16, 9, 12), "first", "first"), ((16, 9, 16), "last", "last"),
        ((-1, 64), "auto", "none"), ((20, 64), "auto", "none"),
    ],
)  # fmt: skip
def test_where_the_colours_are(shape: tuple[int, ...], chosen: str, expected: str) -> None:
    assert colours_of(shape, chosen) == expected  # type: ignore[arg-type]


def test_a_shape_that_does_not_tell_is_asked_about() -> None:
    with pytest.raises(InputError, match=r"model.encoders.x: settings.colours: expected first or last.*\(3, 9, 3\)"):
        encoder_of((3, 9, 3))
    assert encoder_of((3, 9, 3), colours="last").axis == -1
    with pytest.raises(InputError, match="resnet needs pictures"):
        encoder_of((9,))
    for wrong in ({"blocks": []}, {"blocks": [1, 0]}, {"channels": 0}, {"stride": -1}, {"dropout": 1.0}):
        with pytest.raises(InputError, match=r"model.encoders.x.settings"):
            encoder_of((3, 9, 9), **wrong)


def test_the_first_stride_follows_the_size() -> None:
    sizes = [((3, 47, 90), 1), ((3, 48, 90), 2), ((3, 95, 200), 2), ((3, 96, 96), 4), ((3, 224, 224), 4)]
    assert [stride_of(shape, "first") for shape, _ in sizes] == [stride for _, stride in sizes]
    assert stride_of((-1, 64), "none") == 2, "not the length"


def test_statistics_are_those_of_each_colour() -> None:
    random = np.random.default_rng(0)
    pictures = random.normal([[[1.0]], [[5.0]], [[-2.0]]], [[[1.0]], [[3.0]], [[0.1]]], size=(200, 3, 6, 5))
    for values, axis in ((pictures, -3), (pictures.transpose(0, 2, 3, 1), -1)):
        mean, std = feature_statistics(from_arrays({"x": values}, np.arange(200) % 2), "x", False, axis=axis)
        np.testing.assert_allclose(mean, pictures.mean((0, 2, 3)), atol=1e-6)
        np.testing.assert_allclose(std, pictures.std((0, 2, 3)), atol=1e-6)


def test_other_inputs_are_refused() -> None:
    encoder = ResNet(3, 4, channels=2, blocks=(1,))
    with pytest.raises(ValueError, match=r"expected pictures \(B, C, H, W\) of 3 colours, got \(2, 5, 5, 3\)"):
        encoder(torch.zeros(2, 5, 5, 3))
    with pytest.raises(ValueError, match=r"expected 3 features along axis -3, got shape \(2, 4, 9, 9\)"):
        Standardized(encoder, torch.zeros(3), torch.ones(3), axis=-3)(torch.zeros(2, 4, 9, 9))


def test_it_learns_what_no_pixel_tells_alone() -> None:
    pixels, labels = stripes(160, 0)
    data = from_arrays({"photo": pixels}, labels, splits=np.arange(160) >= 80)
    model = ModelSettings(width=16, encoders={"photo": EncoderSettings("auto", {**SMALL, "width": 16})})
    recipe = Recipe(
        name="stripes",
        method="baseline",
        data=DataSettings("", ("photo",), ()),
        model=model,
        epochs=8,
        batch_size=16,
        optimization=Optimization(learning_rate=5e-3),
    )
    built = crossdistill.build(recipe, data)
    assert built.spec.encoders["photo"].kind == "resnet"
    crossdistill.train(built)
    student = crossdistill.student_of(built)
    fresh, truth = stripes(100, 1)
    assert (student.predict(fresh) == truth.astype(str)).mean() > 0.95


def test_channels_fewer_than_a_vector_keep_the_heap_whole() -> None:
    """In a process of its own under the C library's checks: what is written beyond a tensor ends it."""
    code = (
        "import torch; from crossdistill.encoders import ResNet\n"
        "for channels in (1, 3, 4, 6, 12) * 4:\n"
        "    network = ResNet(3, width=8, channels=channels, blocks=(1, 1, 1))\n"
        "    for _ in range(5): network(torch.randn(16, 3, 16, 16)).square().mean().backward()\n"
    )
    checked = {"LD_PRELOAD": "libc_malloc_debug.so.0", "GLIBC_TUNABLES": "glibc.malloc.check=3", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **checked}, check=True, timeout=300)
