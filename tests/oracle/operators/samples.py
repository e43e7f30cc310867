"""PyTorch's operators and their samples, and what samples are made of."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

SEED = 0


def name_of(operator: Any) -> str:
    """The operator's name in the table."""
    variant = operator.variant_test_name
    return f"{operator.name}.{variant}" if variant else str(operator.name)


def database() -> dict[str, Any]:
    """PyTorch's operators by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return {name_of(operator): operator for operator in op_db}


def samples(operator: Any) -> Iterator[Any]:
    """All float64 samples of an operator, always the same.

    Those with gradients come first. Where PyTorch makes others for values alone, they follow.
    """
    import torch

    if torch.float64 not in operator.supported_dtypes("cpu"):
        return
    made = []
    for gradients in (True, False) if operator.supports_autograd else (False,):
        torch.manual_seed(SEED)
        random.seed(SEED)
        np.random.seed(SEED)
        made.append(list(operator.sample_inputs("cpu", torch.float64, requires_grad=gradients)))
    yield from made[0]
    if len(made) > 1 and len(made[0]) != len(made[1]):
        yield from made[1]


def first_samples(operator: Any, count: int) -> list[Any]:
    """The first of them, without making the others."""
    import torch

    torch.manual_seed(SEED)
    random.seed(SEED)
    np.random.seed(SEED)
    made = operator.sample_inputs("cpu", torch.float64, requires_grad=operator.supports_autograd)
    return list(islice(made, count))


def tree(given: Any, leaf: Callable[[Any], Any]) -> Any:
    """Nested lists and tuples with every leaf replaced."""
    if isinstance(given, list | tuple):
        return (
            [tree(x, leaf) for x in given]
            if isinstance(given, list)
            else tuple(tree(x, leaf) for x in given)
        )
    return leaf(given)


def flat(given: Any) -> list[Any]:
    """The leaves of nested lists and tuples."""
    if isinstance(given, list | tuple):
        return [x for part in given for x in flat(part)]
    return [given]


def arguments(sample: Any) -> list[Any]:
    """The arguments of a sample, those by name last."""
    return [sample.input, *sample.args, *sample.kwargs.values()]


def differentiable(sample: Any) -> list[Any]:
    """The tensors that a sample wants derivatives for."""
    return [x for x in flat(arguments(sample)) if moves(x)]


def moves(x: Any) -> bool:
    """Whether an argument is one that derivatives are wanted for."""
    import torch

    return isinstance(x, torch.Tensor) and x.requires_grad and x.dtype == torch.float64


def with_tensors(sample: Any, tensors: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, with other tensors for those that derivatives are wanted for."""
    rest = iter(tensors)

    def leaf(x: Any) -> Any:
        return next(rest) if moves(x) else x

    positional = [tree(x, leaf) for x in (sample.input, *sample.args)]
    return positional, {key: tree(x, leaf) for key, x in sample.kwargs.items()}
