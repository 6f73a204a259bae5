"""Damage to bytes, whatever they mean."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

NUMBERS = (0, 1, -1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, 1 << 63)
WORDS = (b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\x1b[2J", "\u202e".encode(), b"\xc3\x28", b"9" * 400, b"[" * 300)


def flipped(content: bytes, random: Random) -> bytes:
    """One to sixteen bits the other way round, half the time in the first 200 bytes, where headers are."""
    damaged = bytearray(content)
    end = len(content) if random.random() < 0.5 else min(200, len(content))
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        damaged[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def overwritten(content: bytes, random: Random) -> bytes:
    """A number of another size than that which stands there, in either order of bytes."""
    size = random.choice((1, 2, 4, 8))
    number = random.choice(NUMBERS) & ((1 << 8 * size) - 1)
    place = random.randrange(len(content) if random.random() < 0.5 else min(200, len(content)))
    return content[:place] + number.to_bytes(size, random.choice(("little", "big"))) + content[place + size :]


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def removed(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    return content[:start] + content[start + random.choice((1, 2, 7, 64, 1000)) :]


def doubled(content: bytes, random: Random) -> bytes:
    """A part of it once more."""
    start, size = random.randrange(len(content)), random.choice((1, 4, 64, 1000))
    return content[: start + size] + content[start:]


def inserted(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice((*WORDS, random.randbytes(9))) + content[place:]


def zeroed(content: bytes, random: Random) -> bytes:
    """A hole, as a disk that lost a block leaves it."""
    start, size = random.randrange(len(content)), random.choice((16, 512, 4096))
    return (content[:start] + bytes(size) + content[start + size :])[: len(content)]


def spliced(content: bytes, random: Random) -> bytes:
    """Its beginning before its own end, joined elsewhere."""
    return content[: random.randrange(len(content))] + content[random.randrange(len(content)) :]


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    flipped, flipped, overwritten, cut, removed, doubled, inserted, zeroed, spliced,
)  # fmt: skip


def damaged(content: bytes, random: Random) -> bytes:
    """The content damaged in one to three ways."""
    for _ in range(random.choice((1, 1, 2, 3))):
        if not content:
            return b""
        content = random.choice(DAMAGES)(content, random)
    return content
