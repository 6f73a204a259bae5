"""Text files from others: UTF-8, of a size that somebody could mean."""

from __future__ import annotations

from pathlib import Path

from crossdistill.types import InputError

__all__ = ["read_bytes", "read_text"]

MOST_BYTES = 64 << 20
"""Of a file that is read as a whole: ten times ActivityNet's annotations."""


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises OSError where it cannot be read, and InputError where it is larger than any such file.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from crossdistill.plain_text import read_bytes
    >>> path = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = path.write_text("{}")
    >>> read_bytes(path)
    b'{}'
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path}: expected at most {MOST_BYTES:,} bytes of text, found more")
    return content


def read_text(path: Path) -> str:
    """The UTF-8 text in a file of bounded size, line ends as \\\\n. Raises UnicodeDecodeError where it is none.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from crossdistill.plain_text import read_text
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> _ = path.write_bytes("é\\\\r\\\\n".encode())
    >>> read_text(path)
    'é\\\\n'
    """
    return read_bytes(path).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
