"""Texts as files, headers and cards from elsewhere may hold them."""

from __future__ import annotations

HOSTILE = (
    *("p1[/b]", "[bold]x", "p1[left]", ":smile:", "%s %(x)s {0}", "../..", "$\\frac$"),
    *("\x1b[31mred", "\x1b]0;title\x07", "one\ntwo", "one\rtwo", "nul\x00", "half \udc80", "\u202efdp.exe"),
    *("<b>bold</b>", "<a href='http://127.0.0.1/'>link</a>", "<!-- -->", "&lt;b>"),
    *("=cmd|'/C calc'!A0", "@x", "+1+1", "-x", "\t=1"),
    "x" * 5000,
)
