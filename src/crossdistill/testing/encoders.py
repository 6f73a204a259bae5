"""What every encoder keeps, each property a function of a factory and a sample's shape that asserts."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from crossdistill.types import Modality, Padded, one_line, shape_in_words, values_of

Factory = Callable[[], nn.Module]
Shape = tuple[int, ...]

LENGTHS = (33, 64, 47, 40)
"""Of the four sequences that encoders are tried on."""


def check_encoder(factory: Factory, sample_shape: Shape) -> None:
    """Assert that an encoder keeps the contract of all encoders; call it from a test of an encoder of your own.

    factory: makes the encoder, with new random weights each time; sample_shape: of one sample without the batch, its
    first entry -1 for sequences of different length, which come as `Padded`. Inputs are normal random numbers, four
    samples; sequences have 33 to 64 steps. The caller's random state stays as it was.
    Raises AssertionError with a sentence that names the class and the property that fails.

    >>> from crossdistill.encoders import MLP, RNN
    >>> from crossdistill.testing import check_encoder
    >>> from torch import nn
    >>> check_encoder(lambda: MLP(6, width=8), (6,))
    >>> check_encoder(lambda: RNN(3, width=8), (-1, 3))
    >>> check_encoder(lambda: nn.Linear(6, 8), (6,))
    Traceback (most recent call last):
    AssertionError: Linear: expected an int .width of at least 1, found None
    """
    for encoder_property in ENCODER_PROPERTIES:
        encoder_property(factory, sample_shape)


def width_is_that_of_the_output(factory: Factory, sample_shape: Shape) -> None:
    """(B, width), finite float32, in training and in evaluation."""
    encoder, name = built(factory)
    width = getattr(encoder, "width", None)
    positive = isinstance(width, int) and width >= 1
    assert positive, f"{name}: expected an int .width of at least 1, found {width}"
    for mode in (True, False):
        out = output(encoder.train(mode), batched(samples(sample_shape), sample_shape))
        shape, expected = tuple(out.shape), (len(LENGTHS), width)
        assert shape == expected, f"{name}: expected an output (B, width) = {expected}, got {shape}"
        assert out.dtype == torch.float32, f"{name}: expected float32 for float32 inputs, got {out.dtype}"
        assert torch.isfinite(out).all(), f"{name}: the output is not finite"


def gradients_reach_every_parameter(factory: Factory, sample_shape: Shape) -> None:
    """In training, every parameter that asks for a gradient gets a finite one, and not all are 0."""
    encoder, name = built(factory)
    parameters = {key: p for key, p in encoder.named_parameters() if p.requires_grad}
    if not parameters:
        return
    with torch.random.fork_rng(devices=[]):
        torch.autograd.backward(encoded(encoder.train(), batched(samples(sample_shape), sample_shape)).square().sum())
    gradients = {key: p.grad for key, p in parameters.items() if p.grad is not None}
    missing = sorted(parameters.keys() - gradients.keys())
    assert not missing, f"{name}: no gradient reaches {', '.join(missing)}"
    infinite = [key for key, gradient in gradients.items() if not torch.isfinite(gradient).all()]
    assert not infinite, f"{name}: the gradient is not finite of {', '.join(infinite)}"
    assert any(gradient.any() for gradient in gradients.values()), f"{name}: every gradient is 0"


def evaluation_is_deterministic(factory: Factory, sample_shape: Shape) -> None:
    """In evaluation mode the same input, which stays as it is, has the same output, and no buffer moves."""
    encoder, name = built(factory)
    x, before = batched(samples(sample_shape), sample_shape), copy.deepcopy(encoder.eval().state_dict())
    given, first = copy.deepcopy(x), output(encoder, x)
    assert torch.equal(values_of(given), values_of(x)), f"{name}: it changes its input in place"
    same = torch.equal(first, output(encoder, x, seed=1))
    assert same, f"{name}: in evaluation mode the same input has another output the second time"
    moved = [key for key, value in encoder.state_dict().items() if not torch.equal(value, before[key])]
    assert not moved, f"{name}: encoding in evaluation mode changed {', '.join(moved)}"


def samples_do_not_depend_on_one_another(factory: Factory, sample_shape: Shape) -> None:
    """In evaluation mode a sample's output is the same beside other samples."""
    encoder, name = built(factory)
    x = samples(sample_shape)
    beside = [x[0], *(5 * other.flip(0) + 1 for other in x[1:])]
    first, again = (
        output(encoder.eval(), batched(x, sample_shape))[0],
        output(encoder, batched(beside, sample_shape))[0],
    )
    assert close(first, again), f"{name}: a sample's output depends on the other samples of its batch"


def padding_is_not_seen(factory: Factory, sample_shape: Shape) -> None:
    """In evaluation mode a sequence's output is that of the sequence alone, however much padding its batch brings."""
    if sample_shape[0] != -1:
        return
    encoder, name = built(factory)
    x = samples(sample_shape)
    together = output(encoder.eval(), batched(x, sample_shape))
    for row, sequence in enumerate(x):
        alone = output(encoder, batched([sequence], sample_shape))[0]
        assert close(together[row], alone), f"{name}: a sequence's output depends on the padding of its batch"
    more = output(encoder, batched(x, sample_shape, more=9))
    assert close(together, more), f"{name}: a sequence's output depends on the padding of its batch"


def a_batch_of_one_works(factory: Factory, sample_shape: Shape) -> None:
    """In evaluation mode: one sample is predicted alone."""
    encoder, name = built(factory)
    x = samples(sample_shape)
    together = output(encoder.eval(), batched(x, sample_shape))[:1]
    alone = output(encoder, batched(x[:1], sample_shape))
    assert alone.shape == together.shape, f"{name}: a batch of one sample has the shape {tuple(alone.shape)}"
    assert close(alone, together), f"{name}: a sample's output depends on the other samples of its batch"


def state_dict_round_trip(factory: Factory, sample_shape: Shape) -> None:
    """Another encoder of the factory with this one's state has its outputs: nothing is kept elsewhere."""
    (encoder, name), (restored, _) = built(factory), built(factory, seed=1)
    x = batched(samples(sample_shape), sample_shape)
    try:
        restored.load_state_dict(encoder.state_dict())
    except RuntimeError as error:
        raise AssertionError(f"{name}: its state_dict does not load into another one: {error}") from error
    same = torch.equal(output(encoder.eval(), x), output(restored.eval(), x))
    assert same, f"{name}: the output is another one after a state_dict round trip"


def copies_and_pickles(factory: Factory, sample_shape: Shape) -> None:
    """A separate teacher is a deep copy, and processes that load data or train get pickles."""
    encoder, name = built(factory)
    x = batched(samples(sample_shape), sample_shape)
    expected = output(encoder.eval(), x)
    copies: dict[str, Factory] = {
        "deepcopy": lambda: copy.deepcopy(encoder),
        "pickle": lambda: pickle.loads(pickle.dumps(encoder)),
    }
    for how, copied in copies.items():
        try:
            duplicate = copied()
        except Exception as error:
            raise AssertionError(f"{name}: {how} fails: {error}") from error
        assert torch.equal(output(duplicate, x), expected), f"{name}: after {how} the output is another one"


ENCODER_PROPERTIES: tuple[Callable[[Factory, Shape], None], ...] = (
    width_is_that_of_the_output,
    gradients_reach_every_parameter,
    evaluation_is_deterministic,
    samples_do_not_depend_on_one_another,
    padding_is_not_seen,
    a_batch_of_one_works,
    state_dict_round_trip,
    copies_and_pickles,
)
"""In the order in which `check_encoder` tries them."""


def built(factory: Factory, seed: int = 0) -> tuple[nn.Module, str]:
    """An encoder and its class's name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = factory()
    return encoder, type(encoder).__name__


def samples(sample_shape: Shape) -> list[Tensor]:
    """Four random samples, of `LENGTHS` steps where the shape begins with -1."""
    generator = torch.Generator().manual_seed(0)
    lengths = LENGTHS if sample_shape[0] == -1 else [sample_shape[0]] * len(LENGTHS)
    return [torch.randn(length, *sample_shape[1:], generator=generator) for length in lengths]


def batched(alone: Sequence[Tensor], sample_shape: Shape, more: int = 0) -> Modality:
    """The samples in one tensor; sequences as `Padded`, with `more` steps of padding than the longest needs."""
    if sample_shape[0] != -1:
        return torch.stack(list(alone))
    lengths = [len(sample) for sample in alone]
    values = alone[0].new_zeros(len(alone), max(lengths) + more, *alone[0].shape[1:])
    for row, sample in enumerate(alone):
        values[row, : len(sample)] = sample
    return Padded(values, torch.tensor(lengths))


def output(encoder: nn.Module, x: Modality, seed: int = 0) -> Tensor:
    """What the encoder makes of a batch, with this random state for whatever it draws."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return encoded(encoder, x)


def encoded(encoder: nn.Module, x: Modality) -> Tensor:
    """The same with gradients, and with the random state that there is."""
    name, values = type(encoder).__name__, values_of(x)
    try:
        out: object = encoder(x)
    except Exception as error:
        what = "a batch of one sample" if len(values) == 1 else f"a batch of shape {shape_in_words(x)}"
        raise AssertionError(f"{name}: {what} fails: {one_line(error)}") from error
    assert isinstance(out, Tensor), f"{name}: expected a tensor (B, width), found {type(out).__name__}"
    return out


def close(first: Tensor, second: Tensor) -> bool:
    """Up to the rounding of other batch shapes."""
    return torch.allclose(first, second, rtol=1e-4, atol=1e-5)
