"""Figures: what they draw, in which colours, and that users' matplotlib state is left alone."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from crossdistill.reports import class_figures, figures, load_runs, style, svg
from crossdistill.reports.comparison import Difference
from crossdistill.reports.curves import Curve, curves
from tests.reports.synthetic import write_run


def test_curve_is_mean_and_range_over_runs(tmp_path: Path) -> None:
    whole = load_runs([write_run(tmp_path / str(seed), "amid", seed, epochs=6) for seed in range(3)])
    runs = [replace(run, records=run.records[: 4 + run.seed]) for run in whole]  # some lost what they had logged last
    curve = curves(runs, "evaluation/student/top1")["amid"]
    assert curve.epochs.tolist() == [1, 2, 3, 4, 5, 6]
    logged = [[record["evaluation/student/top1"] for record in run.records] for run in runs]
    first = [values[0] for values in logged]
    assert (curve.mean[0], curve.low[0], curve.high[0]) == pytest.approx((np.mean(first), min(first), max(first)))
    assert curve.mean[5] == pytest.approx(logged[2][5])  # one run only got that far
    assert curves(runs, "never logged") == {}


def test_what_is_no_finite_number_is_not_drawn(tmp_path: Path) -> None:
    [run] = load_runs([write_run(tmp_path / "a", "amid", epochs=8)])
    values = (0.5, None, math.nan, "broken", 10**400, -1e308, math.inf, 0.25)
    records = tuple({**record, "x": value} for record, value in zip(run.records, values, strict=True))
    curve = curves([replace(run, records=records)], "x")["amid"]
    assert (curve.epochs.tolist(), curve.mean.tolist()) == ([1, 8], [0.5, 0.25])


def test_gap_is_worked_out_where_it_was_not_logged(tmp_path: Path) -> None:
    [run] = load_runs([write_run(tmp_path / "a", "amid")])
    logged = curves([run], "evaluation/gap")["amid"].mean
    records = [{key: value for key, value in record.items() if key != "evaluation/gap"} for record in run.records]
    without = replace(run, records=tuple(records))
    np.testing.assert_allclose(curves([without], "evaluation/gap")["amid"].mean, logged)


def test_every_method_looks_different() -> None:
    methods = ["baseline", "teacher", "auxiliary", *(f"method {index}" for index in range(16))]
    styles = list(style.line_styles(methods).values())
    assert len(set(styles)) == len(methods)


def test_colours_stay_apart_for_colour_blind_readers() -> None:
    """Deuteranopia by Viénot et al. 1999: the first methods' colours keep a distance in the reduced RGB space."""
    reduced = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    seen = [reduced @ np.power(to_rgb(color), 2.2) for color in ("#7c8591", *style.CYCLE)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.05


def test_lines_in_percent() -> None:
    epochs = np.arange(3.0)
    curve = Curve(epochs, mean=np.array([0.1, 0.2, 0.3]), low=np.zeros(3), high=np.ones(3))
    [axes] = figures.lines(figures.Panel("accuracy", {"amid": curve}, percent=True), style.line_styles(["amid"])).axes
    [line] = axes.lines
    np.testing.assert_allclose(line.get_ydata(), [10, 20, 30])
    assert to_hex(line.get_color()) == style.CYCLE[0]
    assert axes.get_title(loc="left") == "accuracy (%)"


def test_class_bars_are_sorted_and_coloured_by_sign() -> None:
    values = np.array([-0.1, 0.3, np.nan, 0.2])
    [axes] = class_figures.class_bars(["a", "b", "c", "d"], values, signed=True).axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [30, 20, -10])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "d", "a"]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [style.GAIN, style.GAIN, style.LOSS]


def test_confusion_is_normalised_by_row_and_empty_rows_stay_empty() -> None:
    figure = class_figures.confusion(np.array([[3.0, 1.0], [0.0, 0.0]]), ["a", "b"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["75", "25"]


def test_interval_of_a_single_pair_is_a_point() -> None:
    table = {"amid": Difference(1, 0.05, np.nan, np.nan, np.nan), "kd": Difference(3, 0.01, 0.02, 0.2, 0.2)}
    drawn = svg.inline(figures.difference_intervals(table, dict.fromkeys(table, "methods")), "x", "of two")
    assert "nan" not in drawn.lower()


def test_every_run_is_a_dot_in_its_row_and_the_mean_has_its_interval() -> None:
    accuracies = {"baseline": [0.6, 0.62], "amid": [0.7]}
    groups = {"baseline": "without distillation", "amid": "methods"}
    intervals = {"baseline": (0.61, 0.05), "amid": (0.7, math.nan)}
    [axes] = figures.seed_scatter(accuracies, intervals, {"amid": "better"}, groups, 0.61).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.concatenate([line.get_xdata() for line in dots]), [60, 62, 70])
    rows = axes.get_yticks()[[0, 0, 1]]
    assert np.abs(np.concatenate([line.get_ydata() for line in dots]) - rows).max() < 0.5
    means = [line for line in axes.lines if line.get_marker() == "|"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in means], [61, 70])
    assert [to_hex(line.get_color()) for line in means] == [style.NEITHER, style.GAIN]
    assert not {to_hex(line.get_color()) for line in dots} & {style.NEITHER, style.GAIN}, "dots on their own bar"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["baseline", "amid"]


def test_difference_colours_are_the_verdicts() -> None:
    table = {
        "up": Difference(3, 0.05, 0.01, 0.001, 0.01),
        "down": Difference(3, -0.05, 0.01, 0.001, 0.01),
        "corrected": Difference(3, 0.05, 0.04, 0.04, 0.4),
    }
    [axes] = figures.difference_intervals(table, dict.fromkeys(table, "methods")).axes
    colors = [to_hex(line.get_color()) for line in axes.lines if line.get_marker() == "o"]
    assert colors == [style.GAIN, style.LOSS, style.NEITHER]


def test_intervals_wider_than_what_can_be_do_not_widen_the_axis() -> None:
    """Two runs have intervals of hundreds of points; means below 0, as R² has them, are shown."""
    for difference, shown in ((0.05, 104), (-3.0, 308)):
        table = {"up": Difference(2, difference, 4.0, 0.5, 0.5)}
        [axes] = figures.difference_intervals(table, {"up": "methods"}).axes
        low, high = axes.get_xlim()
        assert low >= -shown, "and the mean is on it"
        assert low <= 100 * difference <= high <= 110
    for mean in (0.6, -0.7):
        scores = {"amid": [mean - 0.01, mean + 0.01]}
        [axes] = figures.seed_scatter(scores, {"amid": (mean, 5.0)}, {}, {"amid": "methods"}, math.nan).axes
        low, high = axes.get_xlim()
        assert min(0, 100 * mean) - 6 <= low <= 100 * mean <= high <= 105


@pytest.mark.parametrize("count", [1, 3, 4, 7, 40])
def test_small_multiples_show_each_configuration_once(count: int) -> None:
    curve = Curve(np.arange(3.0), np.full(3, 0.5), np.full(3, 0.4), np.full(3, 0.6))
    shown = {f"m{index}": {"student": curve} for index in range(count)}
    figure = figures.small_multiples(shown, {"student": style.LineStyle("#000000", "")}, curve)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in visible] == list(shown)


def test_small_multiples_have_one_scale_and_say_it_at_the_edges() -> None:
    low, high = Curve(np.arange(3.0), *np.full((3, 3), 0.2)), Curve(np.arange(9.0), *np.full((3, 9), 0.9))
    curves = {
        f"m{index}": {"student": low if index else high} for index in range(6)
    }  # four beside one another, two below
    figure = figures.small_multiples(curves, {"student": style.LineStyle("#000000", "")}, None)
    drawn = svg.inline(figure, "x", "t")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert {axes.get_xlim() for axes in shown} == {shown[0].get_xlim()}
    assert {axes.get_ylim() for axes in shown} == {shown[0].get_ylim()}
    (left, right), (bottom, top) = shown[0].get_xlim(), shown[0].get_ylim()
    assert left <= 0 < 8 <= right
    assert bottom <= 20 < 90 <= top
    written = re.findall(r">([\d.]+)</text>", drawn)
    assert written.count("6") == 4, "epochs below the second row's two and the first row's other two"
    assert written.count("80") == 2, "percent beside the first of each row"


@pytest.mark.parametrize("scale", [1e-7, 1.0, 3e4])
def test_a_panel_fills_its_figure_but_for_a_margin(scale: float) -> None:
    """All that is written lies inside, and no more than the margin of 3 points is left at any side."""
    curve = Curve(np.arange(40.0), *scale * np.linspace(-1, 1, 120).reshape(3, 40))
    figure = figures.lines(figures.Panel("a loss", {"amid": curve}), style.line_styles(["amid"]))
    svg.inline(figure, "x", "t")
    written, (width, height) = figure.get_tightbbox(), figure.get_size_inches()  # in inches
    np.testing.assert_allclose([written.x0, written.y0, width - written.x1, height - written.y1], 3 / 72, atol=0.01)


def test_svg_uses_page_colours_and_own_ids() -> None:
    drawn, other = (
        svg.inline(class_figures.class_bars(["a"], np.array([0.5]), signed=False), name, 'By class: <a> & "b"')
        for name in ("first", "second")
    )
    assert drawn.startswith('<svg role="img" aria-label="By class: &lt;a&gt; &amp; &quot;b&quot;" style=')
    assert drawn == other.replace("second-", "first-")
    assert "var(--ink)" in drawn
    assert style.INK not in drawn
    assert "http" not in drawn


@pytest.mark.parametrize("letter", ["x", "字"])
def test_long_names_leave_room_for_what_is_drawn(letter: str) -> None:
    name = 60 * letter
    warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # measured as wide as a browser draws it
    steps = {name: (0.5, 0.02, style.GREY), "teacher": (0.9, 0.02, style.AMBER)}
    for figure in (figures.ladder(steps), class_figures.confusion(np.eye(6), [name, *"abcde"])):
        svg.inline(figure, "x", "t")
        written, size = figure.get_tightbbox(), figure.get_size_inches()  # in inches
        assert min(*written.min, *(size - written.max)) > -0.02, "cut off at an edge"
        assert figure.axes[0].get_position().width * size[0] > 1.2


def test_a_name_is_cut_where_latin_letters_would_be() -> None:
    assert style.shortened("a name  of\n 18 letters", 18) == "a name of 18 lett…"
    assert style.shortened("中文名称", 8) == "中文名称"
    assert style.shortened("中文名称", 7) == "中文名…"
    assert style.shortened("a中文名称", 7) == "a中文…"


@pytest.mark.parametrize("title", [r"C:\data, $\alpha$, \1", r"\g<name>", "bell \x07, null \0, \ufffe"])
def test_a_figure_s_file_is_xml_whatever_its_names_hold(title: str) -> None:
    document = svg.document(class_figures.class_bars([title], np.array([0.5]), signed=False), title)
    read = ElementTree.fromstring(document)
    shown = re.sub("[\x07\0\ufffe]", "\N{REPLACEMENT CHARACTER}", title)
    assert read.findtext("{http://www.w3.org/2000/svg}title") == shown
    assert shown in [text.text for text in read.iter("{http://www.w3.org/2000/svg}text")]


def test_matplotlib_settings_are_left_alone() -> None:
    before = {key: value for key, value in matplotlib.rcParams.items() if key != "backend"}  # chosen on first use
    svg.inline(class_figures.class_bars(["a"], np.array([0.5]), signed=False), "x", "by class")
    assert {key: matplotlib.rcParams[key] for key in before} == before


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_every_line_can_be_seen_on_its_card_by_day_and_by_night() -> None:
    """At least 3 : 1, what WCAG 2 asks of graphics (1.4.11)."""
    for light, dark in style.ON_DARK.items():
        assert contrast(light, "#f6f7f9") >= 3
        assert contrast(dark, "#1c2027") >= 3
    assert {style.GAIN, style.LOSS, style.NEITHER, *style.CYCLE, *style.OWN_COLORS.values()} <= style.ON_DARK.keys()


def test_no_two_configurations_of_a_panel_differ_by_colour_alone() -> None:
    styles = style.line_styles(["baseline", "teacher", "auxiliary", *(f"m{index}" for index in range(4))])
    assert len({each.dash for each in styles.values()}) == len(styles)
    many = style.line_styles([f"m{index}" for index in range(16)])
    assert len(set(many.values())) == 16


@pytest.mark.parametrize("count", [1, 3, 4, 5, 7])
def test_a_grid_of_panels_has_axes_for_them_alone(count: int) -> None:
    curve = Curve(np.arange(3.0), *np.full((3, 3), 0.5))
    panels = [figures.Panel(f"loss {index}", {"amid": curve}) for index in range(count)]
    drawn = figures.line_grid(panels, style.line_styles(["amid"])).axes
    assert [axes.get_title(loc="left") for axes in drawn] == [panel.title for panel in panels]


def test_a_single_epoch_is_a_whole_number() -> None:
    curve = Curve(np.array([3.0]), *np.full((3, 1), 0.5))
    figure = figures.lines(figures.Panel("a loss", {"amid": curve}), style.line_styles(["amid"]))
    figure.draw_without_rendering()
    assert "3" in (shown := [label.get_text() for label in figure.axes[0].get_xticklabels()])
    assert all(text.isdigit() for text in shown)


def test_each_epoch_s_column_tells_what_is_drawn_there() -> None:
    first = Curve(np.arange(3.0), np.array([0.1, 0.2, 0.3]), np.zeros(3), np.ones(3))
    second = Curve(np.array([0.0, 2.0]), np.array([0.5, 0.6]), np.zeros(2), np.ones(2))
    shown = figures.Panel("top-1", {"amid": first, "kd": second}, percent=True)
    figure = figures.lines(shown, style.line_styles(["amid", "kd"]))
    figure.draw_without_rendering()
    spots = figures.values_by_epoch(figure, shown)
    assert [spot.text for spot in spots] == [
        "epoch 0\namid: 10\nkd: 50",
        "epoch 1\namid: 20",
        "epoch 2\namid: 30\nkd: 60",
    ]
    [axes] = figure.axes
    for spot, epoch in zip(spots, range(3), strict=True):
        place = figure.transFigure.inverted().transform(axes.transData.transform((epoch, 0)))[0]
        assert 0 < spot.left < place < spot.right < 1
    assert "<title>epoch 1\namid: 20</title>" in svg.inline(figure, "x", "top-1", lambda: spots)
