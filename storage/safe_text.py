"""Text from files made safe to show: a file name or an EXIF field may hold terminal commands."""

from __future__ import annotations

import re

# C0 and DEL drive terminals, C1 are the same in eight bits, bidirectional controls and line
# separators change how the rest of a line reads, surrogates can't be encoded at all.
# Zero-width spaces and joiners stay: Lao, Thai, Khmer and emoji are written with them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)


def display(raw: bytes | str) -> str:
    """`raw` as people see it: what a terminal would act on stands escaped, `\\x1b`, `\\u202e`.

    Bytes are read as UTF-8; those that are not, and the surrogates by which Python carries such
    bytes in file names, are shown as `\\xff`. The result holds no control character and no line end.
    """
    text = raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw
    return _UNSAFE.sub(lambda found: _escaped(ord(found.group())), text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
