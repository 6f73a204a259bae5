"""The page in a browser: nothing fetched or complained of, sorting by keyboard, no serious violation by axe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdistill.reports import (
    ChangedSample,
    Changes,
    RepresentationMap,
    RetrievalExample,
    RetrievedItem,
    SampleViews,
    write_report,
)
from tests.browser import MISSING, chromium
from tests.reports.synthetic import write_run

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    accuracies = {"baseline": (0.60, 0.61, 0.62), "amid": (0.70, 0.71, 0.725), "kd": (0.602, 0.65, 0.619)}
    folders = [
        write_run(root / f"{method}-{seed}", method, seed, {"student": accuracy})
        for method, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    folders += [write_run(root / f"teacher-{seed}", "teacher", seed, {"teacher": 0.8}) for seed in range(3)]
    picture = np.zeros((4, 6, 3), np.uint8)
    items = [RetrievedItem(picture, "run", "no. 3", False), RetrievedItem(picture, "walk", "no. 9", True)]
    examples = [RetrievalExample(picture, "walk", "query no. 1", {"amid": items})]
    changed = [ChangedSample("no. 4", "walk", "run", "walk", picture)]
    changes = Changes("amid", 0, 200, 30, 10, changed, [replace(changed[0], alone="walk", helped="sit")], (12, 14))
    points = np.random.default_rng(0).normal(size=(2, 40, 2))
    labels = np.arange(40) % 4
    shown = RepresentationMap(
        "amid", 0, dict(zip(("student", "teacher"), points, strict=True)), {"student": labels, "teacher": 0 * labels},
        labels, [f"no. {row}" for row in range(40)], 0.5, 200,
    )  # fmt: skip
    return write_report(
        folders, root / "report.html", SampleViews(examples, changes, shown), "crossdistill report runs"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_no_serious_violation(browser: Any, page: Path, scheme: str, width: int) -> None:
    from axe_core_python.selenium import Axe

    shown(browser, page, scheme, width)
    violations = Axe().run(browser)["violations"]
    serious = [each for each in violations if each["impact"] in ("serious", "critical")]
    assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in serious]


@pytest.mark.parametrize("width", [390, 768, 1000, 1200])
def test_no_word_of_a_tile_is_broken(browser: Any, page: Path, width: int) -> None:
    """Of the longest verdict, and of numbers of two digits."""
    shown(browser, page, "light", width)
    script = """
        const words = ["No significant difference", "−12.3 points", "69.5 → 81.2 %"], broken = [];
        for (const value of document.querySelectorAll(".tiles strong"))
            for (const text of words) {
                value.textContent = text;
                value.style.overflowWrap = "normal";
                if (value.scrollWidth > value.clientWidth) broken.push(text);
            }
        return broken;"""
    assert browser.execute_script(script) == []


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_the_page_is_no_wider_than_its_window(browser: Any, page: Path, width: int) -> None:
    shown(browser, page, "light", width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_nothing_is_fetched_and_nothing_is_complained_of(browser: Any, page: Path) -> None:
    browser.get_log("performance")
    shown(browser, page, "light", 1200)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]


def test_a_column_s_head_sorts_its_rows_by_keyboard(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    shown(browser, page, "light", 1200)
    table = browser.find_element(By.CSS_SELECTOR, "#headline table")
    head = next(each for each in table.find_elements(By.CSS_SELECTOR, "thead th") if each.text == "student top-1")
    button = head.find_element(By.TAG_NAME, "button")
    orders = []
    for _ in range(2):
        button.send_keys(Keys.ENTER)
        bodies = table.find_elements(By.TAG_NAME, "tbody")
        orders.append([[cell.text for cell in body.find_elements(By.CSS_SELECTOR, "th[scope=row]")] for body in bodies])
        assert head.get_attribute("aria-sort") == ("descending", "ascending")[len(orders) - 1]
    assert orders[0] == [["baseline", "teacher"], ["amid", "kd"]], "a teacher has no student: last"
    assert orders[1] == [["baseline", "teacher"], ["kd", "amid"]]


def test_what_is_folded_opens_for_a_printer(browser: Any, page: Path) -> None:
    shown(browser, page, "light", 1200)
    assert not browser.execute_script("return document.querySelector('details.figures').open")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return document.querySelector('details.figures').open")


def test_print_is_dark_on_light_whatever_the_screen(browser: Any, page: Path) -> None:
    shown(browser, page, "dark", 1200)
    assert background(browser) != "rgb(255, 255, 255)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": _features("dark")})
    assert background(browser) == "rgb(255, 255, 255)"


def shown(browser: Any, page: Path, scheme: str, width: int) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": _features(scheme)})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())


def background(browser: Any) -> str:
    return str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))


def _features(scheme: str) -> list[dict[str, str]]:
    return [{"name": "prefers-color-scheme", "value": scheme}]
