"""What cells that are no numbers may mean by numbers: one with something around it, several, or that one is missing."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Literal, NamedTuple

from crossdistill.data.cells import is_number, is_time, number_of

Form = Literal[
    "number", "other", "plain", "thousands", "points", "spaces", "units", "error", "fraction", "pair", "several"
]
"""What makes a cell no number: `number` is one, `other` means none, `plain` is one in characters or in an order of its
own, or with a unit alone; `points` and `spaces` are between thousands; the rest say what is around it, or that there
are two numbers or any."""

_LONGEST = 60
"""Characters of a number with all that is around it; beyond, only lists are looked for."""

_ODD = {
    **dict.fromkeys("\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}\N{ACUTE ACCENT}\u02bc", "'"),
    **dict.fromkeys("\N{FRACTION SLASH}\N{DIVISION SLASH}", "/"),
    "\N{MINUS SIGN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{ARABIC DECIMAL SEPARATOR}": ".",
    "\N{ARABIC THOUSANDS SEPARATOR}": ",",
}

_ALIKE = {"Zs": " ", "Pd": "-", "Cf": ""}
"""Category of Unicode -> what its characters are: spaces, dashes, and what is not seen."""


class _Characters(dict[int, str]):
    """Characters outside ASCII -> those that plain numbers have: digits, spaces and dashes are many."""

    def __missing__(self, code: int) -> str:
        self[code] = meant = self._meant(chr(code))
        return meant

    @staticmethod
    def _meant(character: str) -> str:
        if character.isascii() or character in _ODD:
            return _ODD.get(character, character)
        if character.isdecimal():
            return str(unicodedata.decimal(character))
        if (category := unicodedata.category(character)) in _ALIKE:
            return _ALIKE[category]
        if "\N{FULLWIDTH EXCLAMATION MARK}" <= character <= "\N{FULLWIDTH TILDE}":
            return chr(ord(character) - 0xFEE0)
        alike = unicodedata.normalize("NFKC", character)
        return f" {alike}".replace("\N{FRACTION SLASH}", "/") if "\N{FRACTION SLASH}" in alike else character


_CHARACTERS = _Characters()

_DIGIT = re.compile(r"[\d\u00bc-\u00be\u2150-\u215e]")
"""A digit, or a fraction such as a half as one character."""

_VALUE = re.compile(
    r"(?P<sign>[+-]?) ?(?P<body>[0-9.,][0-9., '_]*?)"
    r"(?P<exponent>(?i:e)[+-]?[0-9]{1,3}|(?i:d)[+-][0-9]{1,3}| ?[xX*\N{MIDDLE DOT}] ?10"
    r"((?:\^|\*\*)[+-]?[0-9]{1,3}|[+-][0-9]{1,3}|[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,3}))?"
    r"(?P<behind>[+-]?)"
)
"""Number: a body of digits with whatever parts thousands, an exponent, a sign in front or behind."""
_NO_COINS = re.compile(r"(?<=[0-9])[.,]--?$")
"""A dash where a price has no smaller coins: 5.-"""
_RAISED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")
_POWER = re.compile(r" ?[xX*\N{MIDDLE DOT}] ?10(?:\^|\*\*)?|(?i:[ed])")

_GROUPED = re.compile(
    r"(?:[1-9][0-9]{0,2}(?P<by>[,. '_])[0-9]{3}(?:(?P=by)[0-9]{3})*|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})"
    r"(?P<part>(?:(?!(?P=by))[.,][0-9]*)?)"
)
"""Digits in groups of three, or as in India, with a decimal point or comma that does not part them."""

_BETWEEN: dict[str, Form] = {".": "points", " ": "spaces"}
"""What is between thousands and may mean something else -> the form of such numbers."""

_CURRENCY = (
    r"(?:US|AU|CA|NZ|HK|NT|MX|[ACRS])?[$\u00a2-\u00a5\u058f\u0e3f\u20a0-\u20cf\ufdfc]|(?i:USD|EUR|GBP|CHF)|[Rr]s\.?|[Kk]r\.?"
    r"|JPY|CNY|RMB|AUD|CAD|NZD|HKD|SGD|INR|KRW|BRL|MXN|RUB|TRY|ZAR|SEK|NOK|DKK|PLN|CZK|HUF|ILS|THB|TWD|IDR|MYR|PHP|AED"
    r"|SAR|EGP|NGN|KES|ARS|CLP|COP|PEN|VND|UAH|RON|BTC|ETH|zł"
)
_FRONT = re.compile(
    r"(?P<bound>(?:[<>=~\N{ALMOST EQUAL TO}\N{APPROXIMATELY EQUAL TO}\N{TILDE OPERATOR}\N{PLUS-MINUS SIGN}"
    r"\N{LESS-THAN OR EQUAL TO}\N{GREATER-THAN OR EQUAL TO}\u2a7d\u2a7e\u2266\u2267\u2272\u2273]{1,2}"
    r"|(?i:ca\.?|approx\.?|circa)(?=[\s0-9]))?)\s*"
    r"(?P<sign>[+-]?)\s?"
    rf"(?P<currency>(?:(?:{_CURRENCY})(?![^\W\d_]))?)\s?"
)
"""What stands before a number: a sign that it is a bound or about right, and a currency."""

_UNIT = re.compile(
    r"(?P<rest>.*[0-9.)\]])\s*(?P<bracket>[(\[]?)"
    r"(?P<unit>[^\s0-9.,;:/_+()\[\]-](?:[^\s0-9()\[\]]| / ){0,11}[23]?)[)\]]?",
    re.DOTALL,
)
"""Numbers with a unit behind: 50.5 kg, 20°C, 3 %, 5 [kg], 5 mg / dL."""
_ORDINAL = frozenset({"st", "nd", "rd", "th", "e", "er"})
"""What makes a place of a number: 1st, 2nd, 3e."""
KNOWN_UNIT = re.compile(
    r"%|‰|[°º][CFK]?|℃|℉|[kKM]|[\"'′″]"
    r"|(?:[kcdmhµμnpfMGTP]|da)?(?:g|m|s|Hz|Pa|mol|eV|bar|cal|Wh|Ω|Bq|Sv|lm|lx|bit|rad|min|b?ps)[²³23]?"
    r"|[kcdmµμn](?:N|J|W|V|A|B|L)|[MGT](?:W|B)|[cdmµμn]?l|[kMG]iB|[kmM]?t|[kh]a|A[Uh]|mAh|ac|cc|ct|sr|[kmM]"
    r"|[A-Za-zµμ]{1,5}(?:/| / )[A-Za-zµμ]{1,5}(?:[²³]|\^?[23])?"
    r"|h|hrs?|hours?|d|days?|wks?|weeks?|mos?|months?|y|yrs?|years?|mins?|minutes?|secs?|seconds?|msecs?"
    r"|in|inch(?:es)?|ft|feet|foot|yds?|yards?|mi|miles?|lbs?|pounds?|oz|ounces?|gal|gallons?|pt|qt|st|cups?|tbsp|tsp"
    r"|mph|kmh|kph|knots?|kts?|rpm|bpm|fps|dBA?|dBm|psi|atm|mmHg|pp[mb]|px|IU|dpi|degs?|degrees?"
    r"|met(?:er|re)s?|kilomet(?:er|re)s?|centimet(?:er|re)s?|millimet(?:er|re)s?|lit(?:er|re)s?|grams?|kilograms?|kilos?"
    r"|tons?|tonnes?|percent|pct|dollars?|euros?|cents?|bn|mn|[Mm]io|[Mm]rd|thousand|millions?|billions?"
)
"""Units of which a column may have several; of others only one makes it a column of numbers."""

_MEASURES = re.compile(r"(?:[0-9]+(?:[.,][0-9]+)? ?(?:[A-Za-z]{1,7}\.?|[\"'′″]) ?){2,4}")
"""Parts of one measure, such as 1h 30min or 5'11\"."""

_SIMPLE = r"[+-]?(?:[0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)(?:e[+-]?[0-9]{1,3})?"
_ERROR = re.compile(r"(?P<first>.{1,30}?)\s*(?P<by>\N{PLUS-MINUS SIGN}|\+/?-|\(|\[)\s*(?P<second>.{1,30}?)%?\s*[)\]]?")
"""A number and what it is known to within: 1.69±0.1, 1.69 (0.1)."""
_RANGE = re.compile(
    rf"(?i)(?P<first>{_SIMPLE})\s*(?:-|\bto\b|\.\.\.?|\N{{HORIZONTAL ELLIPSIS}})\s*(?P<second>{_SIMPLE})"
)
_FRACTION = re.compile(r"(?P<sign>[+-]?)(?:(?P<more>[0-9]+) +)?(?P<first>[0-9]+) ?/ ?(?P<second>[1-9][0-9]*)")
_PAIR = re.compile(rf"(?i)(?P<first>{_SIMPLE})(?: ?[/:] ?{_SIMPLE}|(?=[+-]){_SIMPLE}[ij]|(?: ?[x*] ?{_SIMPLE}){{1,3}})")
"""Two numbers such as 120/80 or 16:9, a complex one, or the sides of something, 1920x1080."""
_PHONE = re.compile(r"[0-9]{3}-[0-9]{4}")
_MONTH = re.compile(r"(?:0?[1-9]|1[0-2])/[12][0-9]{3}|[12][0-9]{3}/(?:0?[1-9]|1[0-2])")

_NONE = r"[+-]?(?:nan|inf|infinity)|none|null|na"
_WITH_POINTS = rf"(?:[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:e[+-]?[0-9]{{1,3}})?|\.\.\.|{_NONE})"
_WITH_COMMAS = rf"(?:[+-]?[0-9]++(?:,[0-9]++)?(?:e[+-]?[0-9]{{1,3}})?|{_NONE})"
_SEVERAL = re.compile(
    rf"(?i){_WITH_POINTS}(?:(?:\s*+[,;|]\s*+|\s++){_WITH_POINTS})++"
    rf"|{_WITH_COMMAS}(?:(?:\s*+[;|]\s*+|,?+\s++){_WITH_COMMAS})++"
)
"""Numbers with something between them."""
_WORDS = re.compile(r"[^\W\d_]{2}[^\W\d_]*+[,.;:]?\s+[^\W\d_]")
"""Two words in a row, as no number has."""

_LIKE_SEVERAL = re.compile(r"(?i)[-+0-9.,;|\saeinftyoul]*")
"""The characters of such."""
_WHOLE_CODE = re.compile(r"\+|(?<![0-9])0[0-9]|[0-9]{7}")
"""What no whole number of several has, and phone numbers have."""

_NAMED = (
    r"(?:np|numpy|torch|tf|jnp|cupy|decimal|fractions)\.\w+|array|tensor|decimal|fraction|float(?:16|32|64)?"
    r"|int(?:32|64)?|point"
)
_CALLED = re.compile(rf"(?i)[\s\[({{]*(?:{_NAMED}) ?\(")
_CALLS = re.compile(rf"(?i)\b(?:{_NAMED}) ?\(|,\s*(?:dtype|device|grad_fn|requires_grad|shape)=[^,)\]]*")
"""What NumPy, PyTorch and others write around numbers: np.float64(1.69), tensor(1.69, device='cuda:0')."""
_BRACKETS = str.maketrans(dict.fromkeys("()[]{}", " "))
_KEPT = re.compile(r"^=\"(.*)\"$|^'(?=[0-9.,+-])")
"""What keeps a spreadsheet from reading a number."""
_QUOTES = re.compile(r"(?<![0-9])[\"']|[\"'](?![0-9])")


class Meant(NamedTuple):
    """What a cell means: its number, or two as far as they are said, as they would be written, and what is around it.

    bound: whether the number is one, or about right; sure: whether it is no text where nothing could say so; length: of
    several, how many they are; whole: whether all of these are without a decimal point; shape: a cell that may be a
    code, with 9 for each digit
    """

    form: Form
    numbers: tuple[str, ...] = ()
    unit: str = ""
    currency: str = ""
    bound: bool = False
    sure: bool = False
    length: int = 1
    whole: bool = False
    shape: str = ""


OTHER = Meant("other")
ONE = frozenset({"plain", "thousands", "points", "spaces"})
"""Forms of one number, which a unit, a currency and a sign may be around."""


def meaning(cell: str) -> Meant:
    """What a cell means by itself, whatever others of its column are."""
    if number_of(cell) is not None:
        return Meant("number", (cell,), sure=True)
    cell = cell.strip()
    if not _DIGIT.search(cell[:_LONGEST]):
        return OTHER
    if len(cell) > _LONGEST:
        found = _several(_unwrapped(cell))
    else:
        text = (cell if cell.isascii() else cell.translate(_CHARACTERS)).strip()
        found = None if _WORDS.search(text) or is_time(text) else _short(text)
    return found._replace(sure=True) if found and _CALLED.match(cell) else found or OTHER


def _short(text: str) -> Meant | None:
    """What numbers in plain characters mean, with whatever is around them."""
    bare = _unwrapped(text)
    front = _FRONT.match(bare)
    assert front is not None  # nothing of it has to be there
    bound, sign, currency = front.groups()
    rest = sign + bare[front.end() :]
    found = _inner(rest)
    if found is None and (match := _UNIT.fullmatch(rest)) and (inner := _inner(match["rest"])):
        unit = match["unit"]
        if re.fullmatch(_CURRENCY, unit):
            found, currency = inner, currency or unit
        elif KNOWN_UNIT.fullmatch(unit) or (not match["bracket"] and _is_unit(unit)):
            found = inner._replace(unit=unit, sure=False)
    if found is None or found.form not in ONE:
        return found._replace(currency=currency) if found else _measure(rest)
    sure = bool(currency) or (found.sure and not text.startswith("("))
    bounded = bool(bound) or found.bound
    return found._replace(currency=currency, bound=bounded, sure=sure and not (bounded or found.unit))


def _is_unit(text: str) -> bool:
    """Whether what is behind a number may be a unit that is not known: no end of an ordinal, and no digits."""
    return text.casefold() not in _ORDINAL and not text[-1].isdigit()


def _measure(text: str) -> Meant | None:
    """A measure in parts with units of their own, such as 1h 30min."""
    units = re.findall("[^0-9 .,]+", text) if _MEASURES.fullmatch(text) else []
    return Meant("units", unit=units[0]) if units and all(map(KNOWN_UNIT.fullmatch, units)) else None


def _unwrapped(text: str) -> str:
    """A text without the brackets, quotes and calls that are around all of it."""
    if text[-1:] in (")", "]") and _CALLED.match(text):
        text = _CALLS.sub(" ", text)
    elif text[:1] not in ("(", "[", "{", '"', "'") or text[-1:] not in (")", "]", "}", '"', "'"):
        return _KEPT.sub(r"\1", text) if text[:1] in ("=", "'") else text
    return _QUOTES.sub("", text.translate(_BRACKETS)).strip(" ,")


def _inner(text: str) -> Meant | None:
    """The number or numbers that a text without units and currencies means."""
    if found := _value(text):
        return found
    if (match := _ERROR.fullmatch(text)) and (first := _value(match["first"])) and (second := _inner(match["second"])):
        error = match["second"] if len(second.numbers) != 1 else second.numbers[0]
        return Meant("error", (*first.numbers, error), sure=match["by"] not in "([")
    if _MONTH.fullmatch(text) or _PHONE.fullmatch(text):
        return None
    if match := _FRACTION.fullmatch(text):
        exact = Fraction(int(match["first"]), int(match["second"])) + int(match["more"] or 0)
        number = f"{float(exact):.9g}"
        return Meant("fraction", (match["sign"].strip("+") + number,) if Fraction(number) == exact else ())
    if match := _RANGE.fullmatch(text):
        first_number, second_number = (part.replace(",", ".") for part in match.groups())
        is_range = float(first_number) <= float(second_number) and not re.match("0[0-9]", first_number)
        return Meant("pair") if is_range else None
    return Meant("pair") if _PAIR.fullmatch(text) and not text.startswith("0x") else _several(text)


def _value(text: str) -> Meant | None:
    """The one number that a text means; `5.-` is five, without smaller coins."""
    text = _NO_COINS.sub("", text)
    if is_number(text):
        return Meant("plain", (text,), sure=True)
    match = _VALUE.fullmatch(text)
    if not match or (match["sign"] and match["behind"]):
        return None
    body, shape, sure = match["body"], "", True
    form: Form = "plain"
    if not is_number(body) and (grouped := _GROUPED.fullmatch(body)):
        by, part = grouped["by"] or ",", grouped["part"]
        form, sure = _BETWEEN.get(by, "thousands"), by in ",'_" or part != ""
        shape = re.sub("[0-9]", "9", body) if by == " " and body.count(" ") > 1 and not part else ""
        body = re.sub("[,. '_]", "", body.removesuffix(part)) + part
    exponent = _POWER.sub("e", (match["exponent"] or "").translate(_RAISED), count=1)
    number = f"{'-' if match['behind'] == '-' else match['sign']}{body.replace(',', '.', 1)}{exponent}"
    return Meant(form, (number,), bound=match["behind"] == "+", sure=sure, shape=shape) if is_number(number) else None


def _several(text: str) -> Meant | None:
    """The several numbers that a text means, which may be long."""
    if not _LIKE_SEVERAL.fullmatch(text[:_LONGEST].translate(_CHARACTERS)):
        return None
    text = text if text.isascii() else text.translate(_CHARACTERS)
    if not _SEVERAL.fullmatch(text):
        return None
    if "." in text or re.search("(?i)[0-9]e|[0-9],[0-9]++[;| ]", text):
        return Meant("several", sure=True)
    if _WHOLE_CODE.search(text):
        return None
    length = len(re.sub("[,;|]", " ", text).split())
    return Meant("several", length=length, whole=True, shape=re.sub("[0-9]", "9", text[:_LONGEST]))
