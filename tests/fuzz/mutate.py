"""Damage a file, reproducibly: its bytes, or what is within its shell of gzip, zip or safetensors."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
from random import Random

WORDS = [
    struct.pack(f"<{code}", value)
    for code, values in (
        ("H", (0, 1, 0x7FFF, 0xFFFF)),
        ("I", (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)),
        ("f", (0.0, -1.0, 1e30, float("inf"), float("nan"))),
        ("Q", (0, 2**31, 2**63, 2**64 - 1)),
    )
    for value in values
]
TEXTS = [
    b"0",
    b"-1",
    b"1e30",
    b"nan",
    b"99999999999999999999",
    b"",
    b"[/b]",
    b"../..",
    b"\xff\xfe",
    b"[" * 3000,
]
HEAD = 400  # bytes, where most formats have their fields


def flip(content: bytes, random: Random) -> bytes:
    """Change single bits, many of them near the beginning."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 3, 20))):
        end = random.choice((HEAD, len(changed)))
        changed[random.randrange(min(end, len(changed)))] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(content: bytes, random: Random) -> bytes:
    """Cut off the end, or the beginning."""
    at = random.randrange(len(content))
    return content[:at] if random.random() < 0.8 else content[at:]


def insert(content: bytes, random: Random) -> bytes:
    """Repeat a part, or put noise in."""
    at, n = random.randrange(len(content)), random.choice((1, 4, 100))
    return content[:at] + random.choice((content[at : at + n], random.randbytes(n))) + content[at:]


def edit_word(content: bytes, random: Random) -> bytes:
    """Put an extreme number where a field of the header may be."""
    word = random.choice(WORDS)
    at = random.randrange(max(1, min(HEAD, len(content)) - len(word)))
    at -= at % len(word) if random.random() < 0.7 else 0
    return content[:at] + word + content[at + len(word) :]


def edit_text(content: bytes, random: Random) -> bytes:
    """Put something else where a number or a word of text is."""
    places = list(re.finditer(rb"-?\d+(?:\.\d+)?|[A-Za-z]{3,}", content[:20_000]))
    if not places:
        return edit_word(content, random)
    place = random.choice(places)
    return content[: place.start()] + random.choice(TEXTS) + content[place.end() :]


MUTATORS = (flip, truncate, insert, edit_word, edit_text, edit_text)


def mutate(content: bytes, random: Random) -> bytes:
    """Damage bytes in one way."""
    return random.choice(MUTATORS)(content, random) if content else random.randbytes(8)


def mutate_within(name: str, content: bytes, random: Random) -> bytes:
    """Damage what a file holds within its shell, so that checksum and length of the shell fit again."""
    if name.endswith(".gz"):
        return gzip.compress(mutate(gzip.decompress(content), random), mtime=0)
    if zipfile.is_zipfile(io.BytesIO(content)):
        return _mutate_member(content, random)
    if name.endswith(".safetensors"):
        end = 8 + int.from_bytes(content[:8], "little")
        header = mutate(content[8:end], random)
        return len(header).to_bytes(8, "little") + header + content[end:]
    return mutate(content, random)


def has_shell(name: str, content: bytes) -> bool:
    """Tell whether :func:`mutate_within` does other than :func:`mutate`."""
    return name.endswith((".gz", ".safetensors")) or zipfile.is_zipfile(io.BytesIO(content))


def _mutate_member(content: bytes, random: Random) -> bytes:
    """Damage one file of a zip, or leave it out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        chosen = random.choice(old.namelist())
        left_out = random.random() < 0.1
        for name in old.namelist():
            if name != chosen:
                new.writestr(name, old.read(name))
            elif not left_out:
                new.writestr(name, mutate(old.read(name), random))
    return buffer.getvalue()
