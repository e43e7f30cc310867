"""A row of the table: how the arguments of one of PyTorch's operators become ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array = np.ndarray[Any, Any]
Tensor: TypeAlias = Any  # one of ours, all of whose sizes are integers


class Uncompared(Exception):
    """A sample that asks for what our function does not have; says what that is."""


def refuse(reason: str) -> Any:
    """Leave a sample out, and say why: an expression, for use in the short functions of rows."""
    raise Uncompared(reason)


@dataclass(frozen=True, slots=True)
class Row:
    """What is compared for one operator.

    Attributes:
        ours: our function of the sample's arguments; floats come as tensors, and whole numbers and
            truth values too.
        why: what differs on purpose, and why.
        known: whether whole numbers and truth values come as arrays instead: where they decide
            about shapes.
        theirs: which of PyTorch's results are compared.
        directions: where matrices must be symmetric or triangular: from the tangents and the
            arguments, tangents that are so too.
        kinks: for each float argument where it stands at a point without a derivative, where
            subgradients differ; these elements stand still, and their gradients are left out.
        plain: the formula that is evaluated at many digits, where ours has no value there.
        inexact: whether the formula has no value at many digits, so that differences of PyTorch's
            own values decide who is right in forward mode.
    """

    ours: Callable[..., Any]
    why: str = ""
    known: bool = False
    theirs: Callable[[Any], Any] | None = None
    directions: Callable[..., Sequence[Array]] | None = None
    kinks: Callable[..., Sequence[Array | bool]] | None = None
    plain: Callable[..., Any] | None = None
    inexact: bool = False


Table = dict[str, Row | Callable[..., Any]]
