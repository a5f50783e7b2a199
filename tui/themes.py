"""The app's colours: dark, light, and of high contrast."""

from __future__ import annotations

from textual.theme import Theme

THEMES = (
    Theme(
        name="dark",
        primary="#8ab4d8",
        secondary="#8d939e",
        accent="#e0b15a",
        foreground="#d6d8dc",
        background="#111318",
        surface="#171a20",
        panel="#232831",
        success="#86bf8c",
        warning="#e0b15a",
        error="#e07a6a",
    ),
    Theme(
        name="light",
        dark=False,
        primary="#245f95",
        secondary="#62676f",
        accent="#8a5a00",
        foreground="#20242a",
        background="#fbfaf7",
        surface="#f4f2ec",
        panel="#e4e1d8",
        success="#27692f",
        warning="#8a5a00",
        error="#a32a1c",
    ),
    Theme(
        name="high contrast",
        primary="#ffff00",
        secondary="#c8c8c8",
        accent="#00ffff",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#303030",
        success="#00ff66",
        warning="#ffd000",
        error="#ff6060",
    ),
)
