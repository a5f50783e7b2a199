"""Synthetic adults: people drawn from a seed and rendered with numpy from CC0 meshes."""

from .backdrop import BACKDROP_COUNT, backdrop, compose
from .identity import Identity, caption, make_identity
from .render import render
from .view import EXPRESSIONS, View, random_view

__all__ = [
    "BACKDROP_COUNT",
    "EXPRESSIONS",
    "Identity",
    "View",
    "backdrop",
    "caption",
    "compose",
    "make_identity",
    "random_view",
    "render",
]
