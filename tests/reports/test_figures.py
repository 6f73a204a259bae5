"""Figures: what they draw, in which colours, and that users' matplotlib state is left alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from crossdistill.reports import figures, load_runs
from crossdistill.reports.curves import Curve, curves
from crossdistill.reports.tables import Difference

from .synthetic import write_run


def test_curve_is_mean_and_range_over_runs(tmp_path: Path) -> None:
    runs = load_runs([write_run(tmp_path / str(seed), "amid", seed, epochs=4 + seed) for seed in range(3)])
    curve = curves(runs, "student/top1")["amid"]
    assert curve.epochs.tolist() == [0, 1, 2, 3, 4, 5]
    last = [run.metrics["student/top1"] for run in runs]
    first = [series.iloc[0] for series in last]
    assert (curve.mean[0], curve.low[0], curve.high[0]) == pytest.approx((np.mean(first), min(first), max(first)))
    assert curve.mean[5] == pytest.approx(last[2].iloc[5])  # one run only got that far
    assert curves(runs, "never logged") == {}


def test_gap_is_worked_out_where_it_was_not_logged(tmp_path: Path) -> None:
    [run] = load_runs([write_run(tmp_path / "a", "amid")])
    logged = curves([run], "gap")["amid"].mean
    without = replace(run, metrics=run.metrics.drop(columns="gap"))
    np.testing.assert_allclose(curves([without], "gap")["amid"].mean, logged)


def test_every_method_looks_different() -> None:
    methods = ["baseline", "teacher", "auxiliary", *(f"method {index}" for index in range(16))]
    styles = list(figures.line_styles(methods).values())
    assert len(set(styles)) == len(methods)


def test_colours_stay_apart_for_colour_blind_readers() -> None:
    """Deuteranopia by Viénot et al. 1999: the first methods' colours keep a distance in the reduced RGB space."""
    reduced = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    seen = [reduced @ np.power(to_rgb(color), 2.2) for color in ("#7c8591", *figures.CYCLE)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.05


def test_lines_in_percent() -> None:
    epochs = np.arange(3.0)
    curve = Curve(epochs, mean=np.array([0.1, 0.2, 0.3]), low=np.zeros(3), high=np.ones(3))
    [axes] = figures.lines("accuracy", {"amid": curve}, figures.line_styles(["amid"]), percent=True).axes
    [line] = axes.lines
    np.testing.assert_allclose(line.get_ydata(), [10, 20, 30])
    assert to_hex(line.get_color()) == figures.CYCLE[0]
    assert axes.get_title(loc="left") == "accuracy (%)"


def test_class_bars_are_sorted_and_coloured_by_sign() -> None:
    values = np.array([-0.1, 0.3, np.nan, 0.2])
    [axes] = figures.class_bars(["a", "b", "c", "d"], values, signed=True).axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [30, 20, -10])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "d", "a"]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [figures.GAIN, figures.GAIN, figures.LOSS]


def test_confusion_is_normalised_by_row_and_empty_rows_stay_empty() -> None:
    figure = figures.confusion(np.array([[3.0, 1.0], [0.0, 0.0]]), ["a", "b"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["75", "25"]


def test_interval_of_a_single_pair_is_a_point() -> None:
    table = {"amid": Difference(1, 0.05, np.nan, np.nan, np.nan), "kd": Difference(3, 0.01, 0.02, 0.2, 0.2)}
    svg = figures.to_svg(figures.difference_intervals(table, figures.line_styles(list(table))), "x")
    assert "nan" not in svg.lower()


def test_svg_uses_page_colours_and_own_ids() -> None:
    bars = figures.class_bars(["a"], np.array([0.5]), signed=False)
    svg = figures.to_svg(bars, "first")
    assert svg.startswith("<svg viewBox=")
    assert svg == figures.to_svg(bars, "second").replace("second-", "first-")
    assert "var(--ink)" in svg
    assert figures.INK not in svg
    assert "http" not in svg


def test_matplotlib_settings_are_left_alone() -> None:
    before = {key: value for key, value in matplotlib.rcParams.items() if key != "backend"}  # chosen on first use
    figures.to_svg(figures.class_bars(["a"], np.array([0.5]), signed=False), "x")
    assert {key: matplotlib.rcParams[key] for key in before} == before
