"""What a parser says of a value that it does not take, in this library's words."""

from __future__ import annotations

import re

from crossdistill.types import one_line

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
}
_WRONG = re.compile(r"Parser key \"(?P<key>[^\"]+)\": Expected an? (?P<type>.+?)\. Got value: ?(?P<value>.*)")
_UNION = re.compile(
    r"Parser key \"(?P<key>[^\"]+)\": Does not validate against any of the Union subtypes "
    r"Subtypes: .* Errors: - (?P<errors>.*) Given value type: .* Given value: ?(?P<value>.*)"
)
_CHOICE = re.compile(r"argument (?P<key>\S+): invalid choice: (?P<value>.*) \(choose from (?P<known>.*)\)")
_LONGEST = 200


def told(error: Exception, dashes: str = "") -> str:
    """One line of what is wrong; dashes: before the name of a field, where fields are options.

    >>> told(ValueError("Parser key \"epochs\":\\n  Expected a <class 'int'>. Got value: x"), dashes="--")
    "--epochs: expected a whole number, found 'x'"
    >>> told(ValueError("Parser key \"task\":\\n  Expected a typing.Literal['a', 'b']. Got value: x"))
    "task: expected one of a, b, found 'x'"
    """
    message = one_line(error)
    if wrong := _WRONG.fullmatch(message):
        return f"{dashes}{wrong['key']}: expected {_kind(wrong['type'])}, found {_quoted(wrong['value'])}"
    if union := _UNION.fullmatch(message):
        kinds = [re.sub(r"Expected an? ", "", part) for part in union["errors"].split(" - ")]
        expected = " or ".join(_kind(kind) for kind in kinds if "NoneType" not in kind)
        return f"{dashes}{union['key']}: expected {expected}, found {_quoted(union['value'])}"
    if choice := _CHOICE.fullmatch(message):
        return f"{choice['key']}: expected one of {_unquoted(choice['known'])}, found {_quoted(choice['value'])}"
    return message.replace("<class '", "").replace("'>", "")


def _kind(kind: str) -> str:
    """A type as people call it."""
    if literal := re.fullmatch(r"typing\.Literal\[(.*)\]", kind):
        known = _unquoted(literal[1])
        return f"one of {known}" if "," in known else known
    name = re.sub(r"<class '(.*)'>", r"\1", kind)
    return _TYPES.get(name, name)


def _unquoted(names: str) -> str:
    return names.replace("'", "")


def _quoted(value: str) -> str:
    value = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    return value if value.startswith("'") else f"'{value}'"
