"""Memory banks and negatives: how a bank moves, whose negatives are drawn, and what a draw depends on."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from crossdistill.methods.memory import MemoryBank, Negatives, NegativeSampler
from crossdistill.types import Batch, Share, TrainingSamples
from tests.methods.contrast import PLACES, SAMPLE_LABELS, SAMPLES, step_of, unit

BATCH = step_of().batch
OTHERS = [sum(other != label for other in SAMPLE_LABELS) for label in SAMPLE_LABELS]  # how many negatives each has


def bank(momentum: float = 0.5, width: int = 3, seed: int = 0) -> MemoryBank:
    torch.manual_seed(seed)
    made = MemoryBank(width, momentum)
    made.prepare(SAMPLES)
    return made


def sampler(
    count: int, other_classes: bool = True, seed: int = 0, samples: TrainingSamples = SAMPLES
) -> NegativeSampler:
    torch.manual_seed(seed)
    made = NegativeSampler(count, other_classes)
    made.prepare(samples)
    return made


def chosen(drawn: Negatives) -> list[list[int]]:
    """Each anchor's negatives, by place."""
    return [drawn.positions[allowed].tolist() for allowed in drawn.allowed]


def test_a_bank_starts_as_random_unit_vectors() -> None:
    first, again, other = bank(), bank(), bank(seed=1)
    assert first.vectors.shape == (len(SAMPLE_LABELS), 3)
    assert_close(first.vectors.norm(dim=1), torch.ones(len(SAMPLE_LABELS)))
    assert torch.equal(first.vectors, again.vectors)
    assert not torch.equal(first.vectors, other.vectors)
    assert len({tuple(vector) for vector in first.vectors.tolist()}) == len(SAMPLE_LABELS)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 100))
def test_the_update_by_hand(momentum: float, seed: int) -> None:
    memory = bank(momentum, seed=seed)
    before = memory.vectors.double().tolist()
    new = torch.randn(len(PLACES), 3) * torch.tensor([1e-3, 1.0, 1e3, 1.0, 1e10])[:, None]
    memory.update(torch.tensor(PLACES), new)
    expected = list(before)
    for place, vector in zip(PLACES, new.double().tolist(), strict=True):
        pairs = zip(before[place], unit(vector), strict=True)
        expected[place] = unit([momentum * old + (1 - momentum) * now for old, now in pairs])
    assert_close(memory.vectors.double(), torch.tensor(expected).double(), rtol=0, atol=1e-6)
    untouched = [place for place in range(len(SAMPLE_LABELS)) if place not in PLACES]
    assert memory.vectors[untouched].double().tolist() == [before[place] for place in untouched]


def test_a_sample_that_a_batch_has_several_times_moves_once_for_each() -> None:
    """A sample of twice the weight may be in a batch twice: its vector moves as it does in two batches."""
    together, apart = bank(), bank()
    places, new = torch.tensor([4, 0, 4, 7, 4, 0]), torch.randn(6, 3)
    together.update(places, new)
    for rows in ([0, 1, 3], [2, 5], [4]):
        apart.update(places[rows], new[rows])
    assert torch.equal(together.vectors, apart.vectors)


def test_a_bank_comes_near_what_it_is_shown() -> None:
    memory, target = bank(), torch.tensor([[0.0, 3.0, 4.0]])
    for _ in range(30):
        memory.update(torch.tensor([2]), target)
    assert_close(memory.vectors[2], torch.tensor([0.0, 0.6, 0.8]))


def test_vectors_without_a_direction() -> None:
    """A zero row changes nothing; the opposite of what is remembered leaves no direction; neither is NaN."""
    memory = bank()
    before = memory.vectors.clone()
    memory.update(torch.tensor([0, 1]), torch.stack([torch.zeros(3), -before[1]]))
    assert_close(memory.vectors[0], before[0])
    assert memory.vectors[1].norm() < 1.001
    memory.update(torch.tensor([1]), torch.tensor([[0.0, 1.0, 0.0]]))
    assert memory.vectors.isfinite().all()


def test_gradients_never_reach_a_bank() -> None:
    memory = bank()
    memory.update(torch.tensor(PLACES), torch.randn(len(PLACES), 3, requires_grad=True))
    assert not memory.vectors.requires_grad
    assert not list(memory.parameters())


def test_a_bank_goes_through_its_state_dict() -> None:
    memory, other = bank(), bank(seed=1)
    memory.update(torch.tensor(PLACES), torch.randn(len(PLACES), 3))
    other.load_state_dict(memory.state_dict())
    assert torch.equal(other.vectors, memory.vectors)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 1.5, float("nan")])
def test_momentum_outside_0_to_1_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match=r"expected momentum in \[0, 1\)"):
        MemoryBank(3, momentum)


@st.composite
def problems(draw: Any) -> tuple[TrainingSamples, Batch, int, int]:
    """Training samples, a batch of some of them under labels of its own, how many negatives, and a number of steps."""
    size = draw(st.integers(1, 14))
    labels = draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))  # -1: without a label
    rows = torch.tensor(sorted(draw(st.sets(st.integers(0, 99), min_size=size, max_size=size))))
    places = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=size, unique=True))
    own = [labels[place] for place in places]
    relabelled = draw(st.lists(st.integers(-1, 4), min_size=len(places), max_size=len(places)))
    given_labels = torch.tensor(draw(st.sampled_from([own, relabelled])))
    batch = Batch({}, given_labels, rows[places], {})
    return TrainingSamples(rows, torch.tensor(labels)), batch, draw(st.integers(1, 16)), draw(st.integers(0, 3))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(problems(), st.booleans())
def test_negatives_are_distinct_others_as_many_as_asked_or_as_there_are(
    problem: tuple[TrainingSamples, Batch, int, int], other_classes: bool
) -> None:
    samples, batch, count, steps = problem
    made = sampler(count, other_classes, samples=samples)
    for _ in range(steps):
        made.end_step()
    for found, row, label in zip(chosen(made.draw(batch)), batch.rows, batch.labels, strict=True):
        candidates = {
            place
            for place in range(len(samples.rows))
            if samples.rows[place] != row and not (other_classes and label >= 0 and samples.labels[place] == label)
        }
        assert set(found) <= candidates
        assert len(found) == len(set(found)) == min(count, len(candidates))


def test_each_negative_is_drawn_equally_often() -> None:
    """Over many steps, for each anchor; the bound is five standard deviations of a binomial count."""
    made, steps, count = sampler(2), 4000, 2
    counts = torch.zeros(len(PLACES), len(SAMPLE_LABELS))
    for _ in range(steps):
        for anchor, found in enumerate(chosen(made.draw(BATCH))):
            counts[anchor, found] += 1
        made.end_step()
    for anchor, place in enumerate(PLACES):
        probability = count / OTHERS[place]
        bound = 5 * (steps * probability * (1 - probability)) ** 0.5
        for other, label in enumerate(SAMPLE_LABELS):
            expected = steps * probability if label != SAMPLE_LABELS[place] else 0
            assert abs(counts[anchor, other] - expected) <= (bound if expected else 0)


def test_a_draw_repeats_until_the_step_ends() -> None:
    made = sampler(2)
    first = chosen(made.draw(BATCH))
    assert chosen(made.draw(BATCH)) == first
    draws = []
    for _ in range(6):
        made.end_step()
        draws.append(chosen(made.draw(BATCH)))
    assert len({str(draw) for draw in [first, *draws]}) > 1


def test_a_draw_neither_reads_nor_moves_the_global_random_state() -> None:
    """On several ranks it differs from one to the next."""
    made = sampler(2)
    torch.manual_seed(5)
    first = chosen(made.draw(BATCH))
    state = torch.get_rng_state()
    torch.manual_seed(6)
    assert chosen(made.draw(BATCH)) == first
    torch.manual_seed(5)
    made.draw(BATCH)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_draw_does_not_depend_on_the_order_of_the_batch() -> None:
    made, order = sampler(2), torch.tensor([3, 0, 4, 1, 2])
    turned = Batch({}, BATCH.labels[order], BATCH.rows[order], {})
    found, expected = chosen(made.draw(turned)), chosen(made.draw(BATCH))
    assert found == [expected[anchor] for anchor in order]


def test_what_is_drawn_goes_to_the_device_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand samples those that may be negatives, and not the order of all."""
    moved = list[int]()

    def counted(tensor: Tensor, device: torch.device) -> Tensor:
        moved.append(len(tensor))
        return tensor.to(device)

    monkeypatch.setattr("crossdistill.methods.memory.copied_to", counted)
    made = sampler(2, other_classes=False, samples=TrainingSamples(torch.arange(1000), torch.zeros(1000).long()))
    made.draw(Batch({}, torch.zeros(5).long(), torch.arange(5), {}))
    assert max(moved) == 5, "the batch; of the negatives there are two, and perhaps the anchor itself"


@pytest.mark.parametrize("count", [2, 100])
def test_a_share_of_a_batch_has_the_negatives_that_it_has_in_the_batch(count: int) -> None:
    made = sampler(count)
    whole = chosen(made.draw(BATCH))
    assert [found for rank in range(2) for found in chosen(made.draw(BATCH, Share.of(len(whole), rank, 2)))] == whole


def test_rows_are_looked_for_once_a_step() -> None:
    """However often they are asked for: to find them waits for the device that they are on."""

    class Rows(Tensor):
        waited = 0

        def cpu(self, *given: Any) -> Tensor:
            type(self).waited += 1
            return self.as_subclass(Tensor)

    made = sampler(2)
    for step in range(3):
        rows = BATCH.rows.clone().as_subclass(Rows)
        assert Rows.waited == step
        for _ in range(2):
            made.draw(replace(BATCH, rows=rows))
            assert made.positions(rows).tolist() == list(PLACES)
    assert Rows.waited == 3


def test_rows_that_change_in_place_are_looked_for_again() -> None:
    made, rows = sampler(2), SAMPLES.rows[[0, 1]].clone()
    assert made.positions(rows).tolist() == [0, 1]
    rows.copy_(SAMPLES.rows[[4, 2]])
    assert made.positions(rows).tolist() == [4, 2]
    made.prepare(TrainingSamples(SAMPLES.rows[1:], SAMPLES.labels[1:]))
    assert made.positions(rows).tolist() == [3, 1]


def test_what_is_counted_does_not_go_to_the_device() -> None:
    """Seed and step, which each draw reads."""
    made = sampler(2).to("meta")
    assert made.labels.is_meta
    made.end_step()
    assert (made.get_extra_state().device.type, made.get_extra_state().tolist()) == ("cpu", [made.seed, 1])
    assert made.positions(BATCH.rows).tolist() == list(PLACES)


def test_runs_with_other_seeds_draw_others() -> None:
    draws = {str(chosen(sampler(2, seed=seed).draw(BATCH))) for seed in range(6)}
    assert len(draws) > 1
    assert chosen(sampler(2).draw(BATCH)) == chosen(sampler(2).draw(BATCH))


def test_draws_go_on_after_a_restart() -> None:
    made = sampler(2)
    for _ in range(3):
        made.end_step()
    state = copy.deepcopy(made.state_dict())
    expected = []
    for _ in range(4):
        expected.append(chosen(made.draw(BATCH)))
        made.end_step()
    resumed = sampler(2, seed=9)
    resumed.load_state_dict(state)
    for draw in expected:
        assert chosen(resumed.draw(BATCH)) == draw
        resumed.end_step()


@pytest.mark.parametrize("count", [10, 16384])
def test_nothing_is_drawn_where_all_are_taken(count: int) -> None:
    made = sampler(count)
    first = made.draw(BATCH)
    assert first.positions.tolist() == list(range(len(SAMPLE_LABELS)))
    made.end_step()
    assert all(map(torch.equal, made.draw(BATCH), first))


@pytest.mark.parametrize("count", [3, 100])
def test_samples_without_a_label_are_negatives_of_all_others(count: int) -> None:
    """And all others are theirs: -1 is not a class that they share."""
    made = sampler(count, samples=TrainingSamples(SAMPLES.rows, torch.full_like(SAMPLES.labels, -1)))
    found = chosen(made.draw(Batch({}, torch.full_like(BATCH.labels, -1), BATCH.rows, {})))
    assert [len(negatives) for negatives in found] == [min(count, len(SAMPLE_LABELS) - 1)] * len(PLACES)
    assert not any(own in negatives for own, negatives in zip(PLACES, found, strict=True))


@pytest.mark.parametrize("count", [2, 100])
def test_one_class_has_no_negatives(count: int) -> None:
    made = sampler(count, samples=TrainingSamples(SAMPLES.rows, torch.zeros_like(SAMPLES.labels)))
    batch = Batch({}, torch.zeros_like(BATCH.labels), BATCH.rows, {})
    assert chosen(made.draw(batch)) == [[]] * len(PLACES)
    one_alone = sampler(count, other_classes=False, samples=TrainingSamples(SAMPLES.rows[:1], SAMPLES.labels[:1]))
    assert chosen(one_alone.draw(Batch({}, SAMPLES.labels[:1], SAMPLES.rows[:1], {}))) == [[]]


def test_rows_are_found_in_the_banks() -> None:
    assert sampler(2).positions(BATCH.rows).tolist() == list(PLACES)


@pytest.mark.parametrize("row", [0, 5, 31])
def test_a_row_that_is_no_training_sample_is_refused(row: int) -> None:
    with pytest.raises(ValueError, match="training samples"):
        sampler(2).positions(torch.tensor([3, row]))


def test_without_training_samples_there_are_no_negatives() -> None:
    with pytest.raises(ValueError, match="prepared"):
        NegativeSampler(2, other_classes=True).draw(BATCH)


@pytest.mark.parametrize("count", [0, -3])
def test_no_negatives_at_all_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 negative, got {count}"):
        NegativeSampler(count, other_classes=True)
