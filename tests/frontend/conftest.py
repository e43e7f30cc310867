"""What the tests of the frontend share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import evaluate, walk

Array = np.ndarray[Any, Any]


@pytest.fixture
def value() -> Callable[..., Array]:
    """The value of a tensor, its leaves given by name."""

    def value_of(tensor: cr.Tensor, **given: Any) -> Array:
        leaves = {x.attr("name"): x for x in walk([tensor.node]) if x.op.name == "leaf"}
        (found,) = evaluate([tensor.node], {leaves[name]: v for name, v in given.items()})
        return found

    return value_of
