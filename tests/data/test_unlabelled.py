"""Training samples without a label: read, split, batched, and refused where something must be measured by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossdistill.data import MultimodalDataset, from_arrays, read_manifest, with_fold, with_validation, write_manifest
from crossdistill.data.doubts import doubts_of
from crossdistill.data.loading import EpochBatches, training_batches
from crossdistill.data.splits import require_groups_apart, with_labels
from crossdistill.types import UNLABELLED, InputError

N = 60


def dataset(labels: object = None, **options: object) -> MultimodalDataset:
    random = np.random.default_rng(0)
    given = np.arange(N) % 3 if labels is None else labels
    return from_arrays({"wrist": random.normal(size=(N, 2))}, given, **options)  # type: ignore[arg-type]


GAPS = {
    "-1": [0, 1, 2, -1] * 15,
    "None": ["a", "b", "c", None] * 15,
    "empty": ["a", "b", "c", ""] * 15,
    "NaN beside text": ["a", "b", "c", float("nan")] * 15,
    "NaN beside numbers": np.array([0, 1, 2, np.nan] * 15),
    "None beside numbers": [0, 1, 2, None] * 15,
    "-1 beside texts": ["a", "b", "c", -1] * 15,
    "-1 beside texts as objects": np.array(["a", "b", "c", np.int64(-1)] * 15, dtype=object),
    "objects": np.array(["a", "b", "c", None] * 15, dtype=object),
    "spaces": ["a", "b", "c", "  "] * 15,
    "spaces in an array": np.array(["a", "b", "c", "\t "] * 15),
}


@pytest.mark.parametrize("case", GAPS)
def test_no_label_in_many_clothes(case: str) -> None:
    made = dataset(GAPS[case])
    assert made.labels.tolist() == [0, 1, 2, UNLABELLED] * 15
    assert len(made.classes) == 3
    assert made.labelled_rows("train").tolist() == [row for row in range(N) if row % 4 < 3]
    assert len(made.rows("train")) == N


WRONG = {
    "only gaps": ([None] * N, "expected some, found none: every sample is unlabelled"),
    "-1 as a class": ([1, -1] * (N // 2), "-1 stands for no label, which leaves the one class 1; if it is a class"),
    "texts beside numbers": (["a", 3, None] * (N // 3), "of one kind, found texts beside others: 'a' and 3"),
    "a text beside numbers": (["a", *range(1, N)], "expected labels of one kind, found texts beside others: 'a' and 1"),
    "fractions": ([0.5, 1.0, None] * (N // 3), "expected whole numbers or strings"),
}


@pytest.mark.parametrize("case", WRONG)
def test_labels_that_say_nothing_are_refused(case: str) -> None:
    labels, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        dataset(labels)


def test_a_class_that_is_called_by_a_space_is_one() -> None:
    made = from_arrays({"gyro": np.eye(4)}, ["a", " ", "a", " "], classes=("a", " "))
    assert made.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(("dtype", "number"), [(np.uint8, 255), (np.uint16, 65535), (np.uint32, 2**32 - 1)])
def test_minus_one_in_an_unsigned_type_is_said(dtype: type, number: int) -> None:
    """As datasets of pictures have their labels; as many classes as the type has numbers are classes."""
    made = dataset(np.array([0, 1, 2, -1] * 15).astype(dtype))
    (line,) = doubts_of(made)
    assert line.startswith(
        f"{number} is taken for a class, far above the others; -1 becomes {number} in {np.dtype(dtype)}"
    )
    assert not doubts_of(dataset(np.arange(N).astype(np.uint8)))
    if dtype is np.uint8:
        assert not dataset((255 - np.arange(N)).astype(np.uint8)).doubts, "others are near to it"


def test_a_manifest_without_a_label_is_named(tmp_path: Path) -> None:
    source = write_manifest(tmp_path / "data", dataset([0, 1] * (N // 2)))
    text = (source / "manifest.csv").read_text().replace(",train,0", ",train,").replace(",train,1", ",train, ")
    (source / "manifest.csv").write_text(text)
    with pytest.raises(InputError, match=r"data/manifest.csv: column 'label': expected labels, found none: every row"):
        read_manifest(source)


def test_what_is_measured_needs_a_label() -> None:
    with pytest.raises(InputError, match="sample '59' of split test has no label; only training samples may lack one"):
        dataset([0, 1, 2, -1] * 15, splits=np.arange(N) >= 56)


def test_empty_cells_of_a_manifest_and_back(tmp_path: Path) -> None:
    labels = np.array(["a", "b", "c", ""] * 15)
    labels[50:] = np.array(["a", "b"] * 5)
    made = dataset(labels, splits=np.arange(N) >= 50)
    again = read_manifest(write_manifest(tmp_path / "data", made))
    assert again.labels.tolist() == made.labels.tolist()
    assert again.classes == made.classes
    assert ",train,," in (tmp_path / "data" / "manifest.csv").read_text()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_share_of_each_class_keeps_its_labels(share: float) -> None:
    made = with_labels(dataset(splits=np.arange(N) >= 45), share, 0, seed=3)
    train, kept = made.rows("train"), made.labelled_rows("train")
    assert np.bincount(made.labels[kept]).tolist() == [max(1, round(share * 15))] * 3
    assert len(train) == 45
    assert np.array_equal(made.labels[45:], dataset().labels[45:]), "what is tested keeps them all"
    again, other = (with_labels(dataset(splits=np.arange(N) >= 45), share, 0, seed) for seed in (3, 4))
    assert np.array_equal(again.labels, made.labels)
    assert not np.array_equal(other.labels, made.labels)


def test_all_labels_stay_where_nothing_is_asked() -> None:
    made = dataset()
    assert with_labels(made, 1.0, 0, 0) is made


def test_whole_groups_keep_their_labels() -> None:
    groups = (np.arange(N) // 10).tolist()
    made = with_labels(dataset(groups=groups, splits=np.arange(N) >= 40), 1.0, 1, seed=0)
    kept = made.labelled_rows("train")
    assert len(set(made.groups[kept])) == 1
    assert len(kept) == 10
    with pytest.raises(InputError, match=r"data\.labelled_groups: expected at most the training split's 4, found 5"):
        with_labels(dataset(groups=groups, splits=np.arange(N) >= 40), 1.0, 5, seed=0)


def labelled_group(made: MultimodalDataset, seed: int, count: int = 1) -> tuple[str, ...]:
    return tuple(np.unique((kept := with_labels(made, 1.0, count, seed)).groups[kept.labelled_rows("train")]).tolist())


@pytest.mark.parametrize(("count", "draws"), [(1, 5), (2, 2), (5, 1)])
def test_no_group_is_labelled_again_before_each_has_been(count: int, draws: int) -> None:
    made = dataset(groups=(np.arange(N) // 10).tolist(), splits=np.arange(N) < 10)
    for first in (0, 3 * draws):
        drawn = [labelled_group(made, seed, count) for seed in range(first, first + draws)]
        assert all(len(groups) == count for groups in drawn)
        assert len({group for groups in drawn for group in groups}) == draws * count
        assert drawn == [labelled_group(made, seed, count) for seed in range(first, first + draws)]
    orders = {tuple(labelled_group(made, seed) for seed in range(5 * turn, 5 * turn + 5)) for turn in range(20)}
    assert len(orders) > 10, "each time in another order"


def test_over_the_folds_of_a_seed_each_group_is_labelled_once() -> None:
    made = dataset(groups=(np.arange(N) // 10).tolist(), folds=np.arange(N) // 10)
    for seed in range(7):
        drawn = [labelled_group(with_fold(made, fold), seed) for fold in range(6)]
        assert sorted(drawn) == [(str(group),) for group in range(6)], "and none where it is tested itself"


def test_where_the_turn_is_a_group_s_that_lacks_a_class_another_is_labelled() -> None:
    labels = np.arange(N) % 3
    labels[:10] = 0
    made = dataset(labels.tolist(), groups=(np.arange(N) // 10).tolist(), splits=np.arange(N) >= 40)
    for first in (0, 3, 30):
        drawn = [labelled_group(made, seed) for seed in range(first, first + 3)]
        assert sorted(drawn) == [("1",), ("2",), ("3",)], "and none again before each that has all classes"


def test_over_the_folds_of_a_seed_each_group_is_labelled_equally_often() -> None:
    made = dataset(groups=(np.arange(N) // 10).tolist(), folds=np.arange(N) // 10)
    for seed in range(4):
        drawn = [group for fold in range(6) for group in labelled_group(with_fold(made, fold), seed, count=2)]
        assert sorted(drawn) == sorted([str(group) for group in range(6)] * 2)


def test_groups_that_lack_a_class_are_not_drawn() -> None:
    groups = np.arange(N) % 3  # each group has one class
    with pytest.raises(InputError, match="no 2 groups have samples of all 3 classes"):
        with_labels(dataset(groups=groups.tolist()), 1.0, 2, seed=0)


def test_validation_is_of_labelled_samples_and_keeps_groups_apart() -> None:
    labels = (np.arange(N) % 3).astype(int)
    labels[1::2] = -1
    groups = (np.arange(N) // 6).tolist()
    made = with_validation(dataset(labels.tolist(), groups=groups, splits=np.arange(N) >= N), 0.25, seed=0)
    held = made.rows("validation")
    assert (made.labels[held] != UNLABELLED).all()
    assert not set(made.groups[held]) & set(made.groups[made.rows("train")]), (
        "their unlabelled samples are not trained on"
    )


@pytest.mark.parametrize("labelled_each", [1, 2])
def test_validation_keeps_people_apart_of_whom_few_recordings_have_labels(labelled_each: int) -> None:
    """One labelled recording a person is no person of its own: the others would be trained on, unlabelled."""
    people = np.arange(N) // 6
    labels = np.where((np.arange(N) % 6 < labelled_each) | (people >= 8), people % 2, -1).tolist()
    given = dataset(labels, groups=people.tolist(), splits=people >= 8)
    made = with_validation(given, 0.25, seed=0)
    assert len(held := made.rows("validation")) >= 2 * labelled_each
    assert not set(made.groups[held]) & set(made.groups[made.rows("train")])
    require_groups_apart(made)


def test_validation_of_few_people_takes_as_large_a_part_as_there_are_labels_for() -> None:
    people = np.arange(N) // 15
    labels = np.where(np.arange(N) % 15 == 0, people % 2, -1).tolist()
    made = with_validation(dataset(labels, groups=people.tolist(), splits=people > 3), 0.25, seed=0)
    assert len(made.rows("validation")) == len(made.labelled_rows("train")) == 2


def test_a_fold_is_measured_on_its_labelled_samples() -> None:
    labels = [0, 1, 2, -1] * 15
    made = with_fold(dataset(labels, folds=(np.arange(N) % 5).tolist()), 1)
    tested = made.rows("test")
    assert len(tested) == 9
    assert (made.labels[tested] != UNLABELLED).all()


def batches(labelled: int, unlabelled: int, size: int, share: float, **options: int) -> list[list[int]]:
    rows, others = np.arange(labelled), np.arange(labelled, labelled + unlabelled)
    return list(EpochBatches(rows, size, 1, 2, unlabelled=others, share=share, **options))


def test_few_labels_do_not_mean_few_steps() -> None:
    for share in (0.0, 0.5):
        made = batches(6, 90, 8, share)
        assert len(made) == 96 // 8
    assert all(max(batch) < 6 for batch in batches(6, 90, 8, 0.0)), "and none without a label where none is wanted"


def test_each_batch_has_its_share_and_no_sample_twice() -> None:
    made = batches(40, 60, 10, 0.5)
    for batch in made:
        assert sum(row >= 40 for row in batch) == 5
        assert len(set(batch)) == 10
    assert len({row for batch in made for row in batch if row >= 40}) == 50, "others come in turn"
    assert any(batch[0] >= 40 for batch in made), "in random order"


def test_fewer_labels_than_a_batch_has_room_for() -> None:
    for batch in batches(3, 50, 16, 0.5):
        assert (sum(row < 3 for row in batch), len(set(batch))) == (3, len(batch))


@pytest.mark.parametrize("labelled", [5, 40])
def test_ranks_shares_join_to_the_batch_of_one_process(labelled: int) -> None:
    one = batches(labelled, 60, 8, 0.5)
    two = [batches(labelled, 60, 8, 0.5, rank=rank, world_size=2) for rank in (0, 1)]
    joined = [a + b for a, b in zip(*two, strict=True)]
    assert len(joined) == len(one)
    assert all(set(a) <= set(b) for a, b in zip(joined, one, strict=True))
    if labelled == 40:
        assert joined == one


@pytest.mark.parametrize(("labelled", "unlabelled"), [(1000, 32), (900, 100), (600, 400), (100, 900)])
def test_no_unlabelled_row_comes_more_often_than_a_labelled_one(labelled: int, unlabelled: int) -> None:
    """A handful without labels would crowd out what the labels say, and be learnt by heart."""
    visits = np.zeros(labelled + unlabelled)
    for epoch in range(30):
        others = np.arange(labelled, labelled + unlabelled)
        for batch in EpochBatches(np.arange(labelled), 64, 1, epoch, unlabelled=others, share=0.5):
            visits[batch] += 1
    assert visits[labelled:].mean() <= 1.2 * visits[:labelled].mean()
    assert visits[labelled:].min() > 0


def test_without_unlabelled_samples_batches_are_as_ever() -> None:
    plain = list(EpochBatches(np.arange(50), 8, 1, 2))
    order = np.random.default_rng([1, 2]).permutation(np.arange(50))
    assert plain == [order[start : start + 8].tolist() for start in range(0, 48, 8)]
    assert plain == list(EpochBatches(np.arange(50), 8, 1, 2, share=0.5))


def test_chance_is_a_sample_s_own() -> None:
    made = dataset()
    first = {
        int(row): float(value)
        for batch in training_batches(made, made.rows("train"), 8, seed=0, epoch=0)
        for row, value in zip(batch.rows, batch.chance, strict=True)
    }
    again = next(training_batches(made, made.rows("train")[:16], 16, seed=0, epoch=0))
    assert all(
        first[int(row)] == float(value)
        for row, value in zip(again.rows, again.chance, strict=True)
        if int(row) in first
    )
    assert 0 <= min(first.values()) <= max(first.values()) < 1
    later = next(training_batches(made, made.rows("train")[:16], 16, seed=0, epoch=1))
    assert all(first.get(int(row)) != float(value) for row, value in zip(later.rows, later.chance, strict=True))


def test_labels_of_a_replaced_data_set() -> None:
    made = replace(dataset(), labels=np.full(N, UNLABELLED))
    assert len(made.labelled_rows("train")) == 0


def test_unlabelled_recordings_of_tested_groups_weaken_no_validation() -> None:
    """Unlabelled samples of test subjects in training leave the labelled ones' groups apart all the same."""
    labels = (np.arange(N) % 3).tolist()
    groups = np.arange(N) // 6
    splits = np.array(["train"] * 48 + ["test"] * 12)
    splits[48:52], labels[48:52] = "train", [-1] * 4  # of group 8, which is tested
    made = with_validation(dataset(labels, groups=groups.tolist(), splits=splits), 0.25, seed=0)
    assert not set(made.groups[made.rows("validation")]) & set(made.groups[made.labelled_rows("train")])


def test_unlabelled_samples_of_a_tested_group_are_not_trained_on() -> None:
    labels = (np.arange(N) % 3).tolist()
    labels[0:60:6] = [-1] * 10
    folds = (np.arange(N) // 30).astype(int)
    folds[0:60:6] = -1
    made = with_fold(dataset(labels, groups=(np.arange(N) // 6).tolist(), folds=folds), 0)
    assert not set(made.groups[made.rows("test")]) & set(made.groups[made.rows("train")])
