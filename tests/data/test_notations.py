"""Numbers as tables write them beside the plain ones, which are no texts, and texts that have numbers in them."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import crossdistill
from crossdistill.cli.main import main
from crossdistill.data import from_arrays, read_manifest
from crossdistill.data.odd_numbers import number_written, odd_number
from crossdistill.data.readers import TextColumn
from crossdistill.data.wrappers import content_of
from crossdistill.types import InputError

EACH = "write a column for each number, w_1, w_2, or .npy files"
CURRENCY = "numbers have no currency:"
THOUSANDS = "numbers have nothing between thousands:"
POINTS = "take such points away in all cells (12.500 would be 12.5)"
POINT = "where the point parts thousands, {} where it is a decimal point"
COMMA = "where the comma parts thousands, {} where it is a decimal comma"
NAME = "in the column's name, if anywhere"
LESS = "where brackets mean less than 0"
CURRENCIES = "numbers have no currency: write all in one currency, and that in the column's name, if anywhere"
UNITS = "numbers have no unit: write all in one unit, and that in the column's name, if anywhere"
GAP = "mend it, or leave the cell empty"

NUMBERS = {
    "currency": (("$1.69", "$2", "$0.5"), "numbers have no currency: 1.69, and the currency in the column's name"),
    "currency, apart": (("€ 1.69", "€ 2", "€ 12.5"), "numbers have no currency: 1.69, and the currency"),
    "currency's code": (("USD 1.69", "USD 2", "USD 3"), "numbers have no currency: 1.69, and the currency"),
    "currency behind": (("1,69 €", "2 €", "0,5 €"), "numbers have no currency: 1.69, and the currency"),
    "currencies": (("$5", "€6", "USD 5"), CURRENCIES),
    "currencies, dot": (("5 kr", "6 kr."), f"{CURRENCY} 5, and the currency"),
    "currencies behind": (("5 €", "6 $", "7 EUR"), CURRENCIES),
    "currency, brackets": (("($5.00)", "$2.00"), f"numbers have no currency: 5.00, or -5.00 {LESS}, and the currency"),
    "currency, brackets, thousands": (("($1,234.50)", "$2"), f"{CURRENCY} 1234.50, or -1234.50 {LESS}, and"),
    "currency, point": (("12.500 €", "1.250.000 €"), f"{CURRENCY} 12500 {POINT.format('12.500')}, and"),
    "currency, no coins": (("CHF 5.-", "CHF 1'250.-"), "numbers have no currency: 5, and the currency"),
    "no coins": (("5.-", "12.-", "3,--"), "write 5 "),
    "currency, less than 0": (("-$1.69", "$2", "$-3"), "numbers have no currency: -1.69, and the currency"),
    "currency, thousands": (("US$1,686.10", "US$2,000", "US$3"), "numbers have no currency: 1686.10, and the currency"),
    "currency, millions": (("$1.69M", "$2M", "$3M"), "numbers have no unit: 1.69, and the unit"),
    "Swiss thousands": (("2'686.1", "1'000", "12'345'678.9"), "numbers have nothing between thousands: 2686.1"),
    "Swiss, typographic": (("2\u2019686.1", "1\u2019000"), "numbers have nothing between thousands: 2686.1"),
    "French thousands": (("2 686,1", "1 000,5", "12 345"), "numbers have nothing between thousands: 2686.1"),
    "French, thin": (("2\u2009686,1", "1\u2009000,5"), "numbers have nothing between thousands: 2686.1"),
    "French, no break": (("2\u202f686,1", "1\u00a0000,5"), "numbers have nothing between thousands: 2686.1"),
    "German thousands": (("2.686,1", "1.000,5"), "numbers have nothing between thousands: 2686.1"),
    "German thousands, points alone": (("12.500", "1.250.000", "3"), f"{THOUSANDS} 1250000; {POINTS} "),
    "German thousands beside decimals": (("12.500", "1.234,56"), f"{THOUSANDS} 1234.56; {POINTS} "),
    "thousands or two": (("100 200", "300 400"), f"{THOUSANDS} 100200, or {EACH} "),
    "thousands, brackets": (("(1,234)", "5", "6"), f"write 1234 {COMMA.format('1.234')}, with a minus {LESS} "),
    "Indian thousands": (("12,34,567", "1,00,000"), "numbers have nothing between thousands: 1234567"),
    "underscores": (("1_686", "2_000_000"), "numbers have nothing between thousands: 1686"),
    "decimal comma": (("1,69", "2,5"), "numbers have a decimal point: 1.69"),
    "one unit": (("1.69 kg", "2 kg", "3"), "numbers have no unit: 1.69, and the unit in the column's name"),
    "one unit, glued": (("1.6kg", "2.7kg", "3"), "numbers have no unit: 1.6, and the unit"),
    "one unit, decimal comma": (("1,69 kg", "2,5 kg"), "numbers have no unit: 1.69, and the unit"),
    "any unit": (("1.69 foos", "2 foos"), "numbers have no unit: 1.69, and the unit"),
    "several units": (("1.69 kg", "700 g", "2 kg", "1 lb"), UNITS),
    "unit's power": (("9.8 m/s^2", "1.2 m/s^2"), "numbers have no unit: 9.8, and the unit"),
    "unit in brackets": (("5 [kg]", "6 [kg]"), "numbers have no unit: 5, and the unit"),
    "unit in parentheses": (("5 (kg)", "6.5(kg)"), "numbers have no unit: 5, and the unit"),
    "unit, spaces": (("5 mg / dL", "6.5 mg / dL"), "numbers have no unit: 5, and the unit"),
    "units with errors": (("1.5±0.1 kg", "300±5 g"), UNITS),
    "unit, brackets": (("(5%)", "3%"), f"numbers have no unit: 5, or -5 {LESS}, and the unit"),
    "unit, point": (("1.234 kg", "2 kg"), f"numbers have no unit: 1234 {POINT.format('1.234')}, and the unit"),
    "unit, thousand": (("3k", "200", "5k"), f"{UNITS}; where k means 1,000, this is 3000 "),
    "unit, thousands": (("3.5k", "2k"), "numbers have no unit: 3.5, and the unit"),
    "units, millions": (("1,5 Mio", "200", "3 Mrd"), f"{UNITS}; where Mio means 1,000,000, this is 1500000 "),
    "units, thousand or a decimal": (("1,234k", "5k", "6"), f"{UNITS} "),
    "unit, a part": (("5%", "0.05", "7 %"), f"{UNITS} "),
    "units and bounds": (("<50K", ">1M"), f"{UNITS}; where K means 1,000, this is 50000, and what its sign says"),
    "unit and bounds": (("<50 kg", ">70 kg"), f"numbers have no unit: 50, and the unit {NAME}, and what its sign says"),
    "speeds": (("5 km/h", "3.5 m/s", "12 mph"), UNITS),
    "parts of units": (("1h 30min", "2h 5min", "45 min"), UNITS),
    "feet": (("5'11\"", "6'2\"", "5'8\""), UNITS),
    "vector": (("1.69 1.7", "2 0.5"), EACH),
    "vector, thousands": (("1,234;5,678", "2,345;1,234"), EACH),
    "vector, semicolons": (("1.69;1.7", "2;0.5"), EACH),
    "vector, bars": (("1.69|1.7", "2|0.5"), EACH),
    "vector, commas": (("1.69, 1.7", "2, 0.5"), EACH),
    "vector, commas alone": (("1.69,1.7,3", "2,0.5,4"), EACH),
    "vector, decimal commas": (("1,69;1,7", "2,5;0,5"), EACH),
    "vector, tab": (("1.69\t1.7", "2\t0.5"), EACH),
    "vector with gaps": (("1.69 nan", "nan 0.5 3"), EACH),
    "vector, exponents": (("1e-3 2e5", "1 2", "3 4 5e1"), EACH),
    "vector, whole": (("255 0 12", "1 20 128", "3 3 3"), EACH),
    "vector, one-hot": (("0 1 0", "1 0 0"), EACH),
    "vector, long": (tuple(" ".join(f"{n + m}.25" for m in range(300)) for n in range(3)), EACH),
    "tuple": (("(1.69, 1.0)", "(2, 0.5)"), EACH),
    "tuple of NumPy": (("(np.float64(1.69), np.float64(1.0))", "(np.float64(2.0), np.float64(0.5))"), EACH),
    "NumPy's number": (("np.float64(1.69)", "np.float64(2.0)"), "write 1.69"),
    "tensor": (("tensor(1.69)", "tensor(2., device='cuda:0')"), "write 1.69"),
    "tensor's gradient": (("tensor(1.69, grad_fn=<MeanBackward0>)", "tensor(2.)"), "write 1.69"),
    "decimal": (("Decimal('1.69')", "Decimal('2')"), "write 1.69"),
    "quotes": (("'1.69'", "'2'"), "write 1.69"),
    "list of one": (("[1.69]", "[2]"), "write 1.69"),
    "spreadsheet's text": (('="1.69"', '="2"'), "write 1.69"),
    "brackets": (("(1.69)", "2", "(3)"), "write 1.69, or -1.69 where brackets mean less than 0"),
    "error": (("1.69±0.1", "2±0.5"), "write 1.69, and 0.1 in a column of its own"),
    "error, ASCII": (("1.69 +/- 0.1", "2 +- 0.5"), "write 1.69, and 0.1 in a column"),
    "error, brackets": (("1.69 (0.1)", "2.0 (0.5)"), "write 1.69, and 0.1 in a column"),
    "interval": (("1.69 [1.2, 2.9]", "2 [1, 3]"), "write 1.69, and 1.2, 2.9 in a column"),
    "below": (("<1.69", "2", "< 3"), "write 1.69, and what its sign says in a column of its own"),
    "at least": ((">= 3", "≥4", ">2"), "write 3, and what its sign says"),
    "about": (("~2", "ca. 3", "≈ 4"), "write 2, and what its sign says"),
    "and more": (("65+", "70+", "12"), "write 65, and what its sign says"),
    "Fortran": (("1.69D+00", "2.5D-01"), "write 1.69e+00"),
    "power of ten": (("1.69×10^3", "2.5 x 10^-4", "3×10⁻³"), "write 1.69e3"),
    "full width": (("１.６９", "２", "\uff0d３．５"), "write 1.69"),
    "Arabic digits": (("١٫٦٩", "٢"), "write 1.69"),
    "fraction": (("3/4", "1/2"), "write 0.75, or a column for each number"),
    "fraction, mixed": (("1 1/2", "2½"), "write 1.5, or"),
    "fraction, less than 0": (("-1 1/2", "-2½"), "write -1.5, or"),
    "fraction, not in decimals": (("1/3", "2/3"), "write it as a decimal number, or a column for each number, w_1"),
    "fraction, long": (("1234567/2", "1/3"), "write 617283.5, or"),
    "fraction, longer": (("1234567891/2", "1/3"), "write it as a decimal number, or"),
    "blood pressure": (("120/80", "135/90"), "write 1.5, or a column for each number, w_1, w_2"),
    "sign behind": (("1.69-", "2", "3.5-"), "write -1.69"),
    "range": (("3-5", "4-10"), EACH),
    "range, dash": (("3\u20135", "4 \u2013 10"), EACH),
    "range, to": (("3 to 5", "-4 to 10"), EACH),
    "range with unit": (("3-5 kg", "4-10 kg"), EACH),
    "sides": (("1920x1080", "640 × 480", "3x4x5"), EACH),
    "ratio": (("16:9", "4:3"), EACH),
    "complex": (("(1+2j)", "0.5-1j"), EACH),
    "marks": (("7.5/10", "8/10"), EACH),
    "without width": (("\u200b1.69", "2\ufeff"), "write 1.69"),
    "filler, most": (("n/a", "1.69", "n/a", "2.5", "n/a"), GAP),
    "fillers": (("-", "?", "1.69", "2", "unknown", "nan"), GAP),
    "filler, half": (("missing", "1.69", "missing", "2"), GAP),
    "filler beside currency": (("n/a", "$1.69", "n/a", "$2", "n/a"), "numbers have no currency: 1.69, and"),
    "a few that are none": (("1.69", "oops", "2", "3"), GAP),
}  # fmt: skip

TEXTS = {
    "sentences": ("I have 3 dogs", "only $5 today", "12 of 15 were there, or 80 %"),
    "tweets": ("3 reasons to love Mondays", "10/10 would recommend", "24/7, no days off", "100% agree with this"),
    "poem": ("Two roads diverged in a yellow wood", "And sorry I could not travel both", "And be one traveler"),
    "words": ("two", "three", "seven"),
    "words and digits": ("two 2", "three 3", "four 4"),
    "digits as tokens": ("4 8 1 5", "1 5", "2 3 4"),
    "phone": ("555 123 4567", "555 987 6543", "800 555 1999"),
    "phone, 3 by 3": ("600 123 456", "601 222 333"),
    "phone, brackets": ("(555) 123-4567", "(212) 555-0199"),
    "phone, short": ("555-1234", "555-9876"),
    "phone, abroad": ("+1 555 123 4567", "+49 30 901820", "06 12 34 56 78", "0171 1234567"),
    "cards": ("4111 1111 1111 1111", "5500 1000 2000 1004"),
    "versions": ("1.2.3", "0.10.1", "2.0.0-1"),
    "versions, short": ("1.0-a1", "v1.2", "2.0-rc1"),
    "addresses of computers": ("192.168.0.1", "10.0.0.1"),
    "product codes": ("A12", "B7", "C133"),
    "packs": ("3-pack", "6-pack"),
    "codes between": ("12A4", "99B7", "31C2"),
    "codes with hyphens": ("12-AB-9", "44-CD-1"),
    "ids": ("001-002", "001-003"),
    "ids, underscores": ("01_02", "s01_03"),
    "streets": ("12 Main St", "7 Elm Road", "221B Baker Street"),
    "zip": ("12345-6789", "90210-1234"),
    "chess": ("e4 e5", "1. e4 e5", "Nf3 Nc6"),
    "results": ("1-0", "0-1", "1/2-1/2", "1-0"),
    "hex": ("4f2a9c1d", "00ff31aa", "deadbeef"),
    "hex, 0x": ("0x1f", "0x10", "0xff"),
    "colours": ("#ff0000", "#00ff00", "#123456"),
    "commits": ("04cffb2", "d17693b", "725c28a"),
    "ordinals": ("1st", "2nd", "3rd", "4th", "5th", "6th"),
    "one ordinal": ("4th", "5th", "6th"),
    "films": ("Alien (1979)", "12 Angry Men", "2001: A Space Odyssey"),
    "books": ("978-3-16-148410-0", "0-306-40615-7"),
    "bullets": ("- milk", "- 2 eggs", "- bread"),
    "numbered": ("1) apples", "2) pears", "(c) 3"),
    "recipes": ("2 eggs", "1 cup flour", "3 tbsp sugar"),
    "animals": ("3 dogs", "1 cat", "2 horses"),
    "months": ("5/2024", "10/2023", "12/2022"),
    "seats": ("12A", "12B", "13C", "14D", "9E"),
    "files": ("img 1", "scan_002", "IMG-0003"),
    "formulas": ("H2O", "CO2", "C6H12O6"),
    "sums": ("2 + 2 = 4", "7 - 2", "f(3)"),
    "Chinese": ("今天天气很好", "我有3只猫", "三人"),
    "Japanese": ("猫が2匹", "東京タワー", "1つだけ"),
    "emoji": ("5⭐", "🙂", "👍"),
    "quotes": ("'tis the season", "''", "'70s music"),
    "quarters": ("Q1 2024", "Q2 2024"),
    "fillers alone": ("-", "n/a", "?"),
    "one number": ("hello", "4", "hello"),
    "words between": ("3", "um", "um", "7", "um", "9"),
    "words, then numbers": ("good", "good", "good", "10", "9", "8"),
    "own filler": ("not taken", "1.69", "2", "not taken", "3", "Not taken"),
    "orders": ("try 3", "try 5", "2 pens"),
    "answers": ("3 (good)", "3 (bad)", "5 (ok)"),
    "few numbers": ("none", "4", "none of it", "5", "hi"),
}  # fmt: skip


def manifest(folder: Path, cells: tuple[str, ...], header: str = "w", ending: str = "csv") -> Path:
    frame = pd.DataFrame({"id": [f"s{row}" for row in range(len(cells))], "split": "train", header: cells})
    frame.insert(2, "label", ["ab"[row % 2] for row in range(len(cells))])
    path = folder / f"manifest.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(("cells", "fix"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_in_other_words_are_refused(cells: tuple[str, ...], fix: str, ending: str, tmp_path: Path) -> None:
    """One line: the place, the cell, why, what to write, and how to say that texts are meant."""
    path = manifest(tmp_path, cells, ending=ending)
    with pytest.raises(InputError) as caught:
        read_manifest(path).__getitems__([0])
    said = str(caught.value)
    where = rf"row \d+, column 'w': '.*' is no number, so all of the column is read as text; {re.escape(fix)}.*"
    assert re.search(where + r"\('w:text' as its header says that texts are meant\)$", said, re.DOTALL), said
    batch = read_manifest(manifest(tmp_path, cells, "w:text", ending)).__getitems__([0])
    assert batch.modalities["w"].shape == (1, 1024)  # type: ignore[union-attr]


@pytest.mark.parametrize("cells", TEXTS.values(), ids=TEXTS)
def test_texts_with_numbers_are_texts(cells: tuple[str, ...], tmp_path: Path) -> None:
    dataset = read_manifest(manifest(tmp_path, cells))
    assert isinstance(content_of(dataset.columns["w"]), TextColumn)
    dataset.__getitems__([0])
    assert not number_written(cells)


@pytest.mark.parametrize("cells", [("3 days 04:05:06.5", "0 days 00:00:01"), ("-1 day, 4:05:06", "00:01:02")], ids=str)
def test_durations_are_times(cells: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"column 'w': '{cells[0]}' is a time, read as text"):
        read_manifest(manifest(tmp_path, cells)).__getitems__([0])


def arrays(texts: list[str]) -> object:
    labels = ["ab"[row % 2] for row in range(len(texts))]
    return from_arrays({"w": texts, "x": [[0.0]] * len(texts)}, labels=labels, splits=["train"] * len(texts))


UNSURE = re.compile(
    ".*unit.*|speeds|feet|currency, millions|thousands or two|brackets|error, brackets|interval|below|at least|about"
    "|and more|fraction.*|blood pressure|range.*|sides|ratio|complex|marks|vector, (whole|one-hot)"
)
"""Those that are texts where nothing could say that texts are meant."""


@pytest.mark.parametrize("kind", NUMBERS)
def test_arrays_of_such_texts(kind: str) -> None:
    cells, _ = NUMBERS[kind]
    if UNSURE.fullmatch(kind):
        assert not number_written(cells)
        arrays(list(cells))
        return
    fix = "make numbers of them, or a manifest whose header says w:text"
    with pytest.raises(InputError, match=rf"(?s)w: expected numbers or texts, found (numbers|lists) as .*; {fix}$"):
        arrays(list(cells))


@pytest.mark.parametrize(
    "texts",
    [
        ["STOP", "STOP", "STOP", "50", "70", "80"],
        ["2", "no", "no", "no", "3", "no", "1", "no"],
        [*["hello"] * 6, "1", "2", "3"],
        ["3 4 1", "2 2 9", "1 0 5", "7 7 1"],
        ["3:16", "1:1", "2:4", "5:5"],
        ["3 - 1", "2:0", "1:1", "0:0"],
        ["4/5", "3/5", "5/5", "great"],
        ["18-24", "25-34", "35-44", "65+"],
        ["32x34", "30x32", "34x36", "32x30"],
        ["1;3", "2;4", "1;2", "3;4"],
        ["123 45", "114 55", "211 22", "413 01"],
    ],
    ids=str,
)
def test_arrays_of_texts_that_may_be_numbers(texts: list[str]) -> None:
    arrays(texts)


@pytest.mark.parametrize("text", ["1.5" + " " * 99, "tensor([1, 2])", "$ 5" + " " * 99], ids=str.strip)
def test_arrays_of_texts_that_are_numbers(text: str) -> None:
    with pytest.raises(InputError, match=r"found (numbers|lists) as texts"):
        arrays([text] * 3)


def test_the_command_ends_with_that_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = manifest(tmp_path, tuple(f"${number}.5" for number in range(12)))
    table = pd.read_csv(path)
    table["c"] = range(12)
    table.to_csv(path, index=False)
    options = ["--data.source", str(path), "--data.target", "w", "--data.auxiliary", "c", "--epochs", "1"]
    assert main(["train", "own", *options, "--data.evaluate_on", "none"]) == 2
    assert "row 2, column 'w': '$0.5' is no number" in " ".join(capsys.readouterr().err.split())


def drawn(chance: random.Random) -> list[float]:
    scale = 10 ** chance.uniform(-2, 4)
    return [abs(chance.gauss(0, scale)) + 0.01 for _ in range(chance.randint(3, 60))]


WRITTEN: dict[str, Callable[[float], str]] = {
    "dollars": lambda x: f"${x:,.2f}",
    "euros": lambda x: f"{x:.2f}".replace(".", ",") + " €",
    "francs": lambda x: f"CHF {x:,.2f}".replace(",", "'"),
    "Swiss": lambda x: f"{x + 1000:,.1f}".replace(",", "'"),
    "French": lambda x: f"{x + 1000:,.1f}".replace(",", "\u202f").replace(".", ","),
    "German": lambda x: f"{x + 1000:,.2f}".translate(str.maketrans(",.", ".,")),
    "grams": lambda x: f"{x:.3g} g" if x < 1000 else f"{x / 1000:.3g} kg",
    "pair": lambda x: f"{x:.2f} {2 * x:.1f}",
    "triple": lambda x: f"{x:.2f};{2 * x:.1f};0",
    "tuple": lambda x: str((round(x, 3), 1.0)),
    "NumPy": lambda x: f"np.float64({x!r})",
    "tensor": lambda x: f"tensor({x:.4f})",
    "error": lambda x: f"{x:.2f} ± {x / 10:.2f}",
    "below": lambda x: f"<{x:.2g}" if int(x) % 2 else f">= {x:.2f}",
    "about": lambda x: f"~{x:.1f}",
    "Fortran": lambda x: f"{x:.5e}".replace("e", "D"),
    "full width": lambda x: f"{x:.3f}".translate({code: code + 0xFEE0 for code in range(46, 58)}),
    "range": lambda x: f"{x:.1f}-{2 * x + 0.1:.1f}",
    "behind": lambda x: f"{x:.2f}-",
    "fraction": lambda x: f"{int(x) + 3001}/7",
    "missing": lambda x: f"{x:.3f}" if int(1000 * x) % 3 == 0 else "n/a",
}


@pytest.mark.parametrize("form", WRITTEN)
def test_any_numbers_so_written_are_refused(form: str) -> None:
    chance = random.Random(form)
    for _ in range(50):
        cells = [WRITTEN[form](number) for number in drawn(chance)]
        if form == "missing" and len({cell for cell in cells if cell != "n/a"}) < 2:
            continue
        assert odd_number(cells), cells


def test_any_texts_are_texts() -> None:
    """Words and lines of what this package itself says, with numbers strewn in."""
    chance, root = random.Random(0), Path(crossdistill.__file__).parent
    lines = [line.strip() for path in root.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if len(re.findall("[a-z]{2,}", line)) > 1 and '"""' not in line]
    words = sorted({word for line in lines for word in re.findall("[a-z]{3,}", line)})
    for _ in range(400):
        count = chance.randint(3, 40)
        texts = [" ".join(chance.choices(words, k=chance.randint(1, 6))) for _ in range(count)]
        strewn = [f"{text} {chance.randint(0, 99)} {chance.choice(words)}" for text in texts]
        begun = [f"{chance.randint(0, 2000)} {text} {chance.choice(words)}" for text in texts]
        for cells in (texts, strewn, begun, chance.sample(lines, count)):
            assert odd_number(cells) is None, cells
            assert not number_written(cells), cells


LONG = {
    "digits": "1" * 8_000_000,
    "numbers, then a word": "1.5 " * 2_000_000 + "x",
    "whole numbers": "15 " * 2_500_000 + "1",
    "space": "1" + " " * 8_000_000 + "x",
    "brackets": "[" * 8_000_000,
    "open brackets": "[1 " * 2_500_000 + "]",
    "calls": "np.float64(1)" * 600_000,
    "more calls": "tensor(" * 1_000_000 + "1)",
    "full width": "１" * 4_000_000,
    "commas": "1," * 4_000_000,
    "dogs": "3 dogs " * 1_000_000,
    "quotes": "'" * 8_000_000 + "1)",
    "a spreadsheet's text": '="' + "1" * 8_000_000,
    "exponents": "1e" * 4_000_000,
}


@pytest.mark.parametrize("cell", LONG.values(), ids=LONG)
def test_long_cells_are_read_in_one_pass(cell: str) -> None:
    started = time.perf_counter()
    odd_number([cell])
    assert time.perf_counter() - started < 20, "a second or two; anything that goes back takes hours"


def test_short_cells_are_read_without_going_back() -> None:
    tails = [f"{sign * 40}x" for sign in "',.e$k()/:±- "] + [sign * 20 for sign in (" 1", "- ", "_1", "(1", "1:", "1x")]
    cells = [(head * count + tail)[:60] for head in ("1", "1 ", ",1", "+") for count in range(30) for tail in tails]
    started = time.perf_counter()
    odd_number(cells)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("cell", ["this is the text {} of many", "${}.5", "{} kg", "{} Main St", "{}.5 1"])
def test_many_rows(cell: str) -> None:
    started = time.perf_counter()
    odd_number([cell.format(row) for row in range(100_000)])
    assert time.perf_counter() - started < 20, "about 10 to 30 µs a cell"
