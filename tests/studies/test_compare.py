"""What a comparison runs: labels, variations, folders; and the table that it keeps."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crossdistill.cli.compare import parse_folds, parse_methods, parse_printed
from crossdistill.encoders.settings import EncoderSettings
from crossdistill.methods import METHODS
from crossdistill.recipes.recipe import Recipe
from crossdistill.recipes.variants.controls import distils
from crossdistill.recipes.variants.paper_tables import FIGURES, TABLES
from crossdistill.recipes.variants.variations import parse_variation
from crossdistill.studies.plan import configurations, plan, slug
from crossdistill.studies.table import recipe_hash, row_of, write_table
from crossdistill.types import InputError
from tests.runs.small import recipe, with_data, with_model


def labels(found: list[Recipe]) -> list[str]:
    return [made.label or made.method for made in found]


def varied(text: str, *methods: str) -> list[Recipe]:
    return configurations(recipe(), methods, False, False, [text])[len(methods) :]


def test_methods() -> None:
    assert parse_methods("all") == list(METHODS)
    assert parse_methods("amid,baseline") == parse_methods("[amid, baseline]") == ["amid", "baseline"]
    for text, word in (("amid,magic", "magic"), ("", "''"), ("amid,amid", "twice")):
        with pytest.raises(InputError, match=word) as caught:
            parse_methods(text)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=", ".join(METHODS)):
        parse_methods("magic")


def test_tables_and_figures_by_their_numbers() -> None:
    """The rows of each, once; methods that were named come first."""
    printed = parse_printed("4, 5", "[5]")
    found = configurations(recipe(), ["amid", "kd"], False, False, [], printed)
    labels = [made.label or made.method for made in found]
    assert labels[:2] == ["amid", "kd"]
    assert len(set(labels)) == len(labels)
    assert set(labels) == {"kd", *TABLES["4"](recipe()), *TABLES["5"](recipe()), *FIGURES["5"](recipe())}
    alone = configurations(recipe(), [], False, False, [], parse_printed("6", ""))
    assert alone == list(TABLES["6"](recipe()).values())
    assert parse_printed("", "") == []
    for tables, figures, word in (
        ("7", "", "--table: expected some of 1, 2, 3, 4, 5, 6, found '7'"),
        ("", "1", "--figure"),
    ):
        with pytest.raises(InputError, match=word):
            parse_printed(tables, figures)


def test_a_method_alone_is_the_recipe_that_train_would_run() -> None:
    made = configurations(recipe(label="old", role="control", varied="epochs"), ["baseline", "amid"], False, False, [])
    assert made == [recipe(method="baseline"), recipe(method="amid")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=3.7:4.2:0.1", [3.7, 3.8, 3.9, 4.0, 4.1, 4.2]),
        ("a=0:0.3:0.1", [0, 0.1, 0.2, 0.3]),
        ("a=1:2:0.4", [1, 1.4, 1.8]),
        ("a=10:30:10", [10, 20, 30]),
        ("a=1e-4:3e-4:1e-4", [0.0001, 0.0002, 0.0003]),
        ("a=-1:1:1", [-1, 0, 1]),
        ("a=5:5:1", [5]),
        ("a=1.5,1.0,1.7", [1.5, 1.0, 1.7]),
        ("a = true,false", [True, False]),
        ("a=sum, mean", ["sum", "mean"]),
    ],
)
def test_values_without_rounding_noise(text: str, expected: list[Any]) -> None:
    key, values = parse_variation(text)
    assert (key, values) == ("a", expected)


IMPOSSIBLE = [
    "alpha_1", "alpha_1=", "=1,2", "alpha_1=1:2:0", "alpha_1=1:2:-1", "alpha_1=2:1:1", "alpha_1=1:inf:1",
    "alpha_1=nan:2:1", "alpha_1=a:b:c", "alpha_1=0:1:1e-9", "alpha_1=1,,2", "alpha_1=[", "alpha_1=big", "alpha_9=1",
    "amid.alpha_9=1", "optimization.speed=1", "nowhere.speed=1", "epochs.x=1", "epochs=many", "seed=1,2", "method=mi",
    "label=x", "role=control", "varied=x", "data.fold=0,1",
]  # fmt: skip


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_an_impossible_variation_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="--vary") as caught:
        varied(text, "amid")
    assert "\n" not in str(caught.value)


def test_numbers_that_no_run_can_have_are_refused_before_any_run() -> None:
    with pytest.raises(InputError, match="learning_rate"):
        varied("optimization.learning_rate=0.1,-0.1", "amid")
    with pytest.raises(InputError, match=r"devices.*--jobs"):
        configurations(recipe(machine=replace(recipe().machine, devices=2)), ["amid"], False, False, [])


def test_an_option_is_varied_in_each_method_that_has_it() -> None:
    found = varied("alpha_1=3.7:3.8:0.1", "baseline", "mi", "amid")
    assert labels(found) == ["mi alpha_1=3.7", "mi alpha_1=3.8", "amid alpha_1=3.7", "amid alpha_1=3.8"]
    assert [made.options[made.method]["alpha_1"] for made in found] == [3.7, 3.8, 3.7, 3.8]
    assert all(made.options["amid"]["warmup_epochs"] == 1 for made in found), "the recipe's own options stay"
    assert labels(varied("amid.alpha_1=1,2", "mi", "amid")) == ["amid alpha_1=1", "amid alpha_1=2"]


def test_a_field_is_varied_in_every_method() -> None:
    found = varied("optimization.learning_rate=1e-3,0.01", "baseline", "amid")
    assert labels(found) == [
        "baseline learning_rate=1e-3", "baseline learning_rate=0.01",
        "amid learning_rate=1e-3", "amid learning_rate=0.01",
    ]  # fmt: skip
    assert [made.optimization.learning_rate for made in found] == [1e-3, 0.01, 1e-3, 0.01]
    assert [made.epochs for made in varied("epochs=2:3:1", "baseline")] == [2, 3]
    assert varied("epochs=2,3", "baseline")[0] == replace(
        recipe(method="baseline", label="baseline epochs=2", role="variation", varied="epochs", epochs=2),
        options=varied("epochs=2", "baseline")[0].options,
    )


def test_each_variation_changes_one_thing() -> None:
    found = configurations(recipe(), ["amid"], False, False, ["alpha_1=1", "alpha_2=2"])
    defaults = {"alpha_1": 4.0, "alpha_2": 1.6}
    assert [{key: made.options["amid"].get(key, defaults[key]) for key in defaults} for made in found] == [
        defaults, {**defaults, "alpha_1": 1}, {**defaults, "alpha_2": 2}
    ]  # fmt: skip


def test_controls_of_the_methods_that_distil() -> None:
    found = configurations(recipe(), list(METHODS), False, True, [])
    distilling = [method for method in METHODS if distils(method)]
    assert {"mi", "amid"} <= set(distilling)
    assert not {"baseline", "teacher", "auxiliary"} & set(distilling)
    assert labels(found)[len(METHODS) :] == [
        f"{method}, {control}"
        for method in distilling
        for control in ("shuffled auxiliary", "noise auxiliary", "zeroed auxiliary", "capacity-matched")
    ]
    assert [made.data.control for made in found[-4:]] == ["shuffled", "noise", "zeroed", "target"]
    assert all(
        replace(made, label="", role="method", data=recipe().data) == recipe(method=distilling[-1])
        for made in found[-4:-1]
    )


def test_capacity_matched_auxiliary_encoders_are_like_the_target_s() -> None:
    wrist, eye = recipe().model.encoders["wrist"], EncoderSettings("features")
    plain = with_model(recipe(auxiliary_epochs=0), encoders={"wrist": wrist, "eye": eye})
    made = configurations(plain, ["amid"], False, True, [])[-1]
    assert made.model.encoders == {"wrist": wrist, "eye": wrist}
    assert made.model.auxiliary_encoders == "trained", "nothing has trained them"
    pretrained = configurations(recipe(), ["amid"], False, True, [])[-1]
    assert pretrained.model.auxiliary_encoders == "frozen"
    unlisted = configurations(with_model(recipe(), encoders={"eye": eye}), ["amid"], False, True, [])[-1]
    assert unlisted.model.encoders == {}, "the target's is chosen by its shape"


def test_the_plan_is_seed_by_seed() -> None:
    found = configurations(recipe(seed=4), ["baseline", "amid"], False, False, ["amid.alpha_1=3.7"])
    runs = plan(found, 2, [])
    assert list(runs) == [
        "baseline-seed4", "amid-seed4", "amid_alpha_1=3.7-seed4", "baseline-seed5", "amid-seed5",
        "amid_alpha_1=3.7-seed5",
    ]  # fmt: skip
    assert [made.seed for made in runs.values()] == [4, 4, 4, 5, 5, 5]
    assert {made.machine.threads for made in runs.values()} == {1}
    assert {made.data.fold for made in runs.values()} == {-1}
    with pytest.raises(InputError, match="--seeds"):
        plan(found, 0, [])


def test_folds_each_in_turn() -> None:
    runs = plan([recipe(method="baseline")], 1, [0, 2])
    assert {name: made.data.fold for name, made in runs.items()} == {
        "baseline-fold0-seed0": 0, "baseline-fold2-seed0": 2
    }  # fmt: skip
    assert parse_folds("", []) == []
    assert parse_folds("all", [0, 1, 2]) == [0, 1, 2]
    assert parse_folds("[2, 0]", [0, 1, 2]) == [2, 0]
    for text, known in (("all", []), ("3", [0, 1]), ("0,0", [0, 1]), ("x", [0]), ("-1", [0])):
        with pytest.raises(InputError, match="--folds"):
            parse_folds(text, known)


def test_threads_that_the_recipe_asks_for_stay() -> None:
    made = recipe(machine=replace(recipe().machine, threads=3))
    assert plan([made], 1, [])["amid-seed0"].machine.threads == 3


def test_labels_whose_folders_could_not_be_called_so_are_refused() -> None:
    plan([recipe(label="x" * 200), recipe(label="手" * 150 + "a")], 1, [])  # folders are called in Latin letters
    with pytest.raises(InputError, match="at most 200 letters, found 201"):
        plan([recipe(label="x" * 201)], 1, [])


@pytest.mark.parametrize("pair", [("x", "x"), ("a, b", "a b"), ("Amid", "amid"), ("", "amid")])
def test_labels_that_would_share_a_folder_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="would share their folders"):
        plan([recipe(label=label) for label in pair], 1, [])


def test_labels_make_plain_folder_names() -> None:
    assert slug("amid, shuffled auxiliary") == "amid_shuffled_auxiliary"
    assert slug("../../etc: a\\b") == "etc_a_b"
    with pytest.raises(InputError, match="label"):
        plan([recipe(label="λ/…")], 1, [])


def test_the_hash_says_which_runs_repeat_one_configuration() -> None:
    made = recipe()
    same = [replace(made, seed=7), replace(made, label="x", role="control"), with_data(made, fold=1)]
    assert {recipe_hash(other) for other in same} == {recipe_hash(made)}
    others = [
        replace(made, epochs=4), replace(made, method="mi"), with_data(made, control="noise"),
        replace(made, options={"amid": {"alpha_1": 3.9}}),
    ]  # fmt: skip
    assert len({recipe_hash(other) for other in [made, *others]}) == 5


def results_in(folder: Path, made: Recipe, **views: float) -> Path:
    """What the table reads of a finished run."""
    measures = ("top1", "wa", "ua", "r1", "r5")
    counts = {"per_class": [None, None], "confusion": [[0, 0], [0, 0]], "measured": 0}
    scores = {view: {**dict.fromkeys(measures, top1), **counts} for view, top1 in views.items()}
    content = {
        "name": made.name, "label": made.label or made.method, "method": made.method, "seed": made.seed,
        "fold": made.data.fold, "split": "test", "classes": ["a", "b"], "samples": {"test": 2}, "target": ["wrist"],
        "auxiliary": ["eye"], "seconds": 1.5, "peak_memory_mb": 600.0, "parameters": {"student": 10, "total": 30},
        "versions": {"torch": "2"}, **scores,
    }  # fmt: skip
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))
    (folder / "config.json").write_text("{}")
    return folder


def test_gap_recovered_by_hand(tmp_path: Path) -> None:
    """Against the same seed's and fold's baseline and teacher: (0.7 - 0.6) / (0.8 - 0.6) is a half."""
    runs = [
        (recipe(method="baseline"), {"student": 0.6}),
        (recipe(method="teacher"), {"teacher": 0.8}),
        (recipe(), {"student": 0.7, "teacher": 0.75}),
        (recipe(label="amid, noise auxiliary"), {"student": 0.55, "teacher": 0.6}),
        (recipe(seed=1), {"student": 0.7, "teacher": 0.7}),
        (with_data(recipe(), fold=0), {"student": 0.7, "teacher": 0.7}),
        (recipe(method="auxiliary"), {"auxiliary_alone": 0.9}),
    ]
    rows = [row_of(results_in(tmp_path / str(i), made, **views), made) for i, (made, views) in enumerate(runs)]
    returned = write_table(rows, tmp_path / "new" / "results.parquet")
    table = pd.read_parquet(tmp_path / "new" / "results.parquet")
    pd.testing.assert_frame_equal(table, returned)
    nan = math.nan
    assert table.gap_recovered.tolist() == pytest.approx([0.0, nan, 0.5, -0.25, nan, nan, nan], nan_ok=True)
    assert table.gap.tolist() == pytest.approx([nan, nan, 0.05, 0.05, 0.0, 0.0, nan], nan_ok=True)
    assert table.auxiliary_top1.tolist() == pytest.approx([nan] * 6 + [0.9], nan_ok=True)
    assert table.label.tolist()[3] == "amid, noise auxiliary"
    assert table[["seed", "fold"]].to_numpy().tolist() == [[0, -1]] * 4 + [[1, -1], [0, 0], [0, -1]]
    assert table.folder.tolist() == [str(i) for i in range(7)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["results.parquet"], "nothing half-written stays"


def test_gaps_by_hand_where_samples_lack_modalities(tmp_path: Path) -> None:
    """On complete samples (0.75 - 0.7) / (0.9 - 0.7); both on all samples of a seed whose baseline does not say."""
    runs = [
        (recipe(method="baseline"), {"student": 0.6}, 0.7),
        (recipe(method="teacher"), {"teacher": 0.9}, None),
        (recipe(method="kd"), {"student": 0.65, "teacher": 0.85}, 0.75),
        (recipe(method="baseline", seed=1), {"student": 0.6}, None),
        (recipe(method="teacher", seed=1), {"teacher": 0.9}, None),
        (recipe(method="kd", seed=1), {"student": 0.65, "teacher": 0.85}, 0.75),
    ]
    rows = []
    for place, (made, views, complete) in enumerate(runs):
        path = results_in(tmp_path / str(place), made, **views) / "results.json"
        content = json.loads(path.read_text())
        if complete is not None:
            content["student"] |= {"complete": complete, "complete_measured": 40}
        path.write_text(json.dumps(content))
        rows.append(row_of(path.parent, made))
    table, nan = write_table(rows, tmp_path / "results.parquet"), math.nan
    assert table.student_complete.tolist() == pytest.approx([0.7, nan, 0.75, nan, nan, 0.75], nan_ok=True)
    assert table.gap.tolist() == pytest.approx([nan, nan, 0.1, nan, nan, 0.1], nan_ok=True)
    assert table.gap_recovered.tolist() == pytest.approx([0.0, nan, 0.25, 0.0, nan, 1 / 6], nan_ok=True)
    assert table.student_top1.tolist() == pytest.approx([0.6, nan, 0.65, 0.6, nan, 0.65], nan_ok=True)
    assert "student_complete" not in write_table(rows[3:5], tmp_path / "results.parquet")


def test_which_groups_were_labelled_is_a_column(tmp_path: Path) -> None:
    """Null where a run with labels of drawn groups, from before their names were kept, does not say."""
    made = with_data(recipe(), labelled_groups=2)
    folders = [results_in(tmp_path / name, made, student=0.5) for name in ("said", "old", "all")]
    samples = {"train": 9, "labelled": 4, "test": 2}
    for folder, changes in zip(
        folders, ({"samples": samples, "labelled_groups": ["a", "b"]}, {"samples": samples}, {}), strict=True
    ):
        path = folder / "results.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    write_table([row_of(folder, made) for folder in folders], tmp_path / "table.parquet")
    column = pd.read_parquet(tmp_path / "table.parquet").labelled_groups
    assert (column[0], column.isna().tolist(), column[2]) == ("a + b", [False, True, False], "")


def test_a_run_that_measured_nothing_is_a_row_without_measures(tmp_path: Path) -> None:
    measured = row_of(results_in(tmp_path / "a", recipe(method="baseline"), student=0.6), recipe(method="baseline"))
    row = row_of(results_in(tmp_path / "b", recipe()), recipe())
    table = write_table([measured, row], tmp_path / "table.parquet")
    measures = [f"{view}_{name}" for view in ("student", "teacher", "auxiliary") for name in ("top1", "ua", "r5")]
    assert table.loc[1, [*measures, "gap", "gap_recovered", "cosine_pair", "cosine_same_class"]].isna().all()
    assert (table.label[1], table.seconds[1], table.parameters[1]) == ("amid", 1.5, 30)


def test_a_teacher_below_the_baseline_leaves_no_gap(tmp_path: Path) -> None:
    runs = {"baseline": {"student": 0.6}, "teacher": {"teacher": 0.6}, "amid": {"student": 0.7, "teacher": 0.7}}
    rows = [
        row_of(results_in(tmp_path / method, recipe(method=method), **views), recipe(method=method))
        for method, views in runs.items()
    ]
    assert write_table(rows, tmp_path / "table.parquet").gap_recovered.isna().all()
