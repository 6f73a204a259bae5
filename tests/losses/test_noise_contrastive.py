"""Noise-contrastive estimation over a bank (CRD Eq. 18, 19; Wu Eq. 6-8) and InfoNCE in the batch (CMC Eq. 2, 3)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from crossdistill.losses import info_nce_loss, noise_contrastive_loss, noise_contrastive_normalizer
from tests.losses import contrastive_equations as equations
from tests.losses.examples import TEMPERATURES, LabelledBatch, batches, normal, properties, rows, value_and_gradients
from tests.losses.test_errors import assert_refused


class Contrast(NamedTuple):
    """The losses' arguments."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
    allowed: Tensor
    samples: int

    def lists(self) -> tuple[Any, ...]:
        return (*(tensor.tolist() for tensor in self[:4]), self.samples)


@st.composite
def contrasts(draw: Any) -> Contrast:
    batch, candidates, width = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    chosen = draw(st.lists(st.booleans(), min_size=batch * candidates, max_size=batch * candidates))
    allowed = torch.tensor(chosen).view(batch, candidates)
    vectors = draw(rows(batch, width)), draw(rows(batch, width)), draw(rows(candidates, width))
    return Contrast(*vectors, allowed, draw(st.integers(1, 50)))


def random_contrast(batch: int = 5, candidates: int = 7, width: int = 4, samples: int = 11) -> Contrast:
    """Every anchor has a negative, and every candidate an anchor."""
    allowed = (torch.arange(batch)[:, None] + torch.arange(candidates)[None, :]) % 3 > 0
    vectors = normal(batch, width, seed=1), normal(batch, width, seed=2), normal(candidates, width, seed=3)
    return Contrast(*vectors, allowed, samples)


def near(expected: float) -> object:
    return pytest.approx(expected, rel=1e-10, abs=1e-12)


@properties
@given(contrasts(), st.floats(-20, 20), TEMPERATURES)
def test_noise_contrast_is_the_printed_equation(contrast: Contrast, log_normalizer: float, temperature: float) -> None:
    loss = noise_contrastive_loss(*contrast, log_normalizer=log_normalizer, temperature=temperature)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    expected = equations.noise_contrastive_loss(*contrast.lists(), log_normalizer, temperature)
    assert loss.item() == near(expected)


@properties
@given(contrasts(), TEMPERATURES)
def test_the_normalizer_is_the_printed_equation(contrast: Contrast, temperature: float) -> None:
    found = noise_contrastive_normalizer(*contrast, temperature=temperature)
    assert found.shape == ()
    assert found.dtype == torch.float64
    assert found.item() == near(equations.noise_contrastive_normalizer(*contrast.lists(), temperature))


@properties
@given(batches(), TEMPERATURES)
def test_info_nce_is_the_printed_equation(batch: LabelledBatch, temperature: float) -> None:
    loss = info_nce_loss(batch.full, batch.other, temperature)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    assert loss.item() == near(equations.info_nce_loss(batch.full.tolist(), batch.other.tolist(), temperature))


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_gradients_are_the_values_slopes(temperature: float) -> None:
    contrast = random_contrast()
    contrast.allowed[0] = False  # an anchor without a negative

    def loss(*vectors: Tensor) -> Tensor:
        return noise_contrastive_loss(*vectors, *contrast[3:], log_normalizer=0.7, temperature=temperature)

    assert torch.autograd.gradcheck(loss, [vectors.clone().requires_grad_() for vectors in contrast[:3]])


@pytest.mark.parametrize("negatives", [1, 6, 100])
def test_equal_scores_and_their_own_normalizer_are_a_guess(negatives: int) -> None:
    """p is 1/M for every pair then, so h is 1/(1 + N): a negative and the positive look the same."""
    same = normal(1, 4, seed=0)
    contrast = Contrast(
        same.expand(3, 4), same.expand(3, 4), same.expand(negatives, 4), torch.ones(3, negatives).bool(), 17
    )
    log_z = noise_contrastive_normalizer(*contrast)
    assert log_z.item() == near(1 / 0.07 + math.log(17))
    expected = math.log(1 + negatives) + negatives * math.log(1 + 1 / negatives)
    assert noise_contrastive_loss(*contrast, log_normalizer=log_z).item() == near(expected)


def test_eq_19_as_printed_by_hand() -> None:
    """τ = 1, cosines 1 and 0, N = 1, M = 4: h = e/(e + 1/4) and 1/(1 + 1/4)."""
    east, north = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[0.0, 3.0]]).double()
    loss = noise_contrastive_loss(east, east, north, torch.tensor([[True]]), samples=4, temperature=1.0)
    assert loss.item() == near(-math.log(math.e / (math.e + 0.25)) - math.log(1 - 1 / 1.25))


def test_the_best_h_tells_probabilities() -> None:
    """Wu Section 3.2: h is the posterior of being data, P/(P + m/n). With that, no other h does better (Eq. 18)."""
    positives, negatives = 0.3, 1 / 10  # P of a pair among the data, and among the noise
    n_negatives = 4

    def critic(p: float) -> float:
        score = torch.tensor(p * 10 / n_negatives).log()
        log_h, log_one_minus_h = torch.nn.functional.logsigmoid(torch.stack([score, -score]))
        return float(positives * log_h + n_negatives * negatives * log_one_minus_h)

    assert critic(positives) > max(critic(0.28), critic(0.32))


@properties
@given(contrasts(), st.floats(0.01, 100.0), st.integers(2, 5))
def test_only_the_ratio_of_normalizer_and_samples_matters(contrast: Contrast, z: float, factor: int) -> None:
    more = contrast._replace(samples=factor * contrast.samples)
    loss = noise_contrastive_loss(*contrast, log_normalizer=math.log(z))
    assert_close(noise_contrastive_loss(*more, log_normalizer=math.log(factor * z)), loss, rtol=1e-10, atol=1e-12)


@properties
@given(contrasts(), st.integers(0, 1000))
def test_the_order_of_candidates_and_anchors_does_not_matter(contrast: Contrast, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    anchors, candidates = (torch.randperm(length, generator=generator) for length in contrast.allowed.shape)
    changed = Contrast(
        contrast.anchors[anchors],
        contrast.positives[anchors],
        contrast.negatives[candidates],
        contrast.allowed[anchors][:, candidates],
        contrast.samples,
    )
    for function in (noise_contrastive_loss, noise_contrastive_normalizer):
        assert_close(function(*changed), function(*contrast), rtol=1e-10, atol=1e-12)


def test_candidates_that_are_not_allowed_count_for_nothing() -> None:
    contrast = random_contrast()
    contrast.allowed[:, 2] = False
    others = torch.arange(7) != 2
    without = contrast._replace(negatives=contrast.negatives[others], allowed=contrast.allowed[:, others])
    broken = contrast._replace(negatives=contrast.negatives.index_fill(0, torch.tensor(2), math.nan))
    for function in (noise_contrastive_loss, noise_contrastive_normalizer):
        assert_close(function(*contrast), function(*without), rtol=1e-12, atol=0)
        assert_close(function(*broken), function(*without), rtol=1e-12, atol=0)


def test_gradients_reach_what_is_compared() -> None:
    contrast = random_contrast()
    contrast.allowed[:, 2] = False
    _, gradients = value_and_gradients(lambda *v: noise_contrastive_loss(*v, *contrast[3:]), *contrast[:3])
    norms = [gradient.norm(dim=1) for gradient in gradients]
    assert (norms[0] > 0).all()
    assert (norms[1] > 0).all()
    assert (norms[2] > 0).tolist() == [True, True, False, True, True, True, True]


@pytest.mark.parametrize("candidates", [0, 4])
def test_without_a_negative_there_is_nothing_to_tell(candidates: int) -> None:
    """N = 0: h is 1 whatever the score, in value and in slope."""
    contrast = random_contrast(candidates=4)
    nothing = contrast._replace(negatives=contrast.negatives[:candidates], allowed=torch.zeros(5, candidates).bool())
    value, gradients = value_and_gradients(lambda *v: noise_contrastive_loss(*v, *nothing[3:]), *nothing[:3])
    assert value.item() == 0
    assert all((gradient == 0).all() for gradient in gradients)
    assert noise_contrastive_normalizer(*nothing).isfinite()


def test_an_anchor_without_negatives_leaves_the_others_as_they_are() -> None:
    contrast = random_contrast()
    contrast.allowed[1] = False
    others = torch.arange(5) != 1
    rest = Contrast(*(part[others] for part in contrast[:2]), contrast.negatives, contrast.allowed[others], 11)
    assert_close(noise_contrastive_loss(*contrast) * 5, noise_contrastive_loss(*rest) * 4, rtol=1e-12, atol=0)


def test_the_normalizer_is_a_constant() -> None:
    anchors, *rest = random_contrast()
    assert not noise_contrastive_normalizer(anchors.requires_grad_(), *rest).requires_grad


VECTORS = {
    "zero rows": torch.zeros(4, 6),
    "identical rows": torch.ones(4, 6),
    "huge": 1e30 * normal(4, 6, seed=0, dtype=torch.float32),
    "tiny": 1e-30 * normal(4, 6, seed=0, dtype=torch.float32),
    "opposed": torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None].expand(4, 6),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.01, 0.07])
@pytest.mark.parametrize("name", VECTORS)
def test_extremes(name: str, temperature: float, dtype: torch.dtype) -> None:
    """Also with their own normalizer, which is as extreme as they are."""
    vectors = VECTORS[name].to(dtype)
    contrast = Contrast(vectors, vectors.flip(0), vectors.roll(1, 0), ~torch.eye(4).bool(), 4)
    log_z = noise_contrastive_normalizer(*contrast, temperature=temperature)
    assert log_z.dtype == torch.float32
    expected = equations.noise_contrastive_normalizer(*contrast.lists(), temperature)
    assert log_z.item() == pytest.approx(expected, rel=1e-5, abs=1e-5 / temperature)

    def loss(*given: Tensor) -> Tensor:
        return noise_contrastive_loss(*given, *contrast[3:], log_normalizer=log_z, temperature=temperature)

    value, gradients = value_and_gradients(loss, *contrast[:3])
    exact = equations.noise_contrastive_loss(*contrast.lists(), log_z.item(), temperature)
    assert value.item() == pytest.approx(exact, rel=1e-5, abs=1e-5 / temperature)
    assert all(gradient.isfinite().all() for gradient in gradients)


@properties
@given(st.integers(2, 12), st.integers(2, 24), st.integers(0, 1000), TEMPERATURES)
def test_info_nce_never_certifies_more_than_the_classes_hold(
    classes: int, batch: int, seed: int, temperature: float
) -> None:
    """V1 = V2 = one-hot of one of C classes: I(V1; V2) ≤ log C, and CMC's Eq. 5 bounds it by log(B) - L from below."""
    labels = torch.randint(classes, (batch,), generator=torch.Generator().manual_seed(seed))
    one_hot = torch.eye(classes, dtype=torch.float64)[labels]
    assert math.log(batch) - info_nce_loss(one_hot, one_hot, temperature).item() <= math.log(classes) + 1e-12


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_info_nce_of_aligned_and_distinct_samples_in_closed_form(batch: int, temperature: float) -> None:
    """e^{1/τ} against B - 1 times e^0; a batch of one has nothing to tell apart."""
    aligned = torch.eye(batch, dtype=torch.float64)
    expected = math.log1p((batch - 1) * math.exp(-1 / temperature))
    assert info_nce_loss(aligned, aligned, temperature).item() == near(expected)


def test_info_nce_has_the_anchors_in_rows() -> None:
    """Both anchors are v2's first: the second one is wrong, with a candidate at 90 degrees."""
    anchors, candidates = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double(), torch.eye(2).double()
    right, wrong = math.log(math.e / (math.e + 1)), math.log(1 / (math.e + 1))
    assert info_nce_loss(anchors, candidates, 1.0).item() == near(-(right + wrong) / 2)
    assert info_nce_loss(candidates, anchors, 1.0).item() == near(math.log(2))


@pytest.mark.parametrize(
    ("changes", "mentioned"),
    [
        ({"positives": torch.ones(4, 4)}, (5, 4)),
        ({"positives": torch.ones(5, 3)}, (4, 3)),
        ({"positives": torch.ones(5, 4).long()}, ("int64",)),
        ({"negatives": torch.ones(7, 3)}, (4, 3)),
        ({"negatives": torch.ones(7)}, ("negatives",)),
        ({"negatives": torch.ones(7, 4).double()}, ("float64",)),
        ({"negatives": torch.ones(0)}, ("negatives", 0)),
        ({"allowed": torch.ones(7, 5).bool()}, (5, 7)),
        ({"allowed": torch.ones(5, 7)}, ("bool", "float32")),
        ({"samples": 0}, ("samples", 0)),
        ({"temperature": 0.0}, ("temperature", 0.0)),
        ({"temperature": math.nan}, ("temperature", "nan")),
    ],
)
def test_mistakes(changes: dict[str, Any], mentioned: tuple[object, ...]) -> None:
    contrast = random_contrast()
    single = contrast._replace(**{name: vectors.float() for name, vectors in list(contrast._asdict().items())[:3]})
    for function in (noise_contrastive_loss, noise_contrastive_normalizer):
        assert_refused(lambda call=function: call(**{**single._asdict(), **changes}), *mentioned)


@pytest.mark.parametrize(
    ("anchors", "candidates", "temperature", "mentioned"),
    [
        (torch.ones(4, 3), torch.ones(5, 3), 0.1, (4, 5)),
        (torch.ones(4, 3), torch.ones(4, 2), 0.1, (3, 2)),
        (torch.ones(4), torch.ones(4), 0.1, (4,)),
        (torch.ones(4, 3).long(), torch.ones(4, 3), 0.1, ("int64",)),
        (torch.ones(4, 3), torch.ones(4, 3), -1.0, ("temperature", -1.0)),
    ],
)
def test_mistakes_in_info_nce(
    anchors: Tensor, candidates: Tensor, temperature: float, mentioned: tuple[object, ...]
) -> None:
    assert_refused(lambda: info_nce_loss(anchors, candidates, temperature), *mentioned)
