"""When calls of a model are so alike that they get a function of their own."""

from __future__ import annotations

ALIKE = 200  # calls for arrays of one form, after which there is a function for them
SELDOM = 5000  # calls for which it has to be of no use before there is another


def nothing(x: object) -> None:
    """What such a function gives for other arrays, and this one for all."""
