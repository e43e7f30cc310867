"""Control flow in the graph: loops that end by a condition. Nothing is unrolled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Node, const, leaf, substitute, walk
from chainrule.compiler.ops.broadcasting import zeros_like
from chainrule.compiler.ops.convert import cast as convert
from chainrule.compiler.ops.phase import phase
from chainrule.compiler.ops.scan import scan
from chainrule.compiler.types import Dim, Size, symbol

from ..calls import Effects, Step, tracing
from ..tensor import Tensor, as_tensor, public
from .loops import hold, states
from .nests import Nest, form, kept, leaves, like, numbered, strong


@public
def while_loop(
    cond: Callable[[Nest], Any],
    body: Callable[[Nest], Nest],
    init: Nest,
    max_steps: int | str | Size | None = None,
    at_bound: Literal["error", "stop"] = "error",
    return_steps: bool = False,
) -> Nest:
    """Repeat a step for as long as a condition holds: while cond(c): c = body(c).

    Both functions are traced once; the loop is a loop of the program, and takes as many steps as it
    needs. They may use tensors from outside, hold other loops, and call layers, as the step of
    `scan` may. Nests are tensors, or tuples, lists and dictionaries of them.

    With `max_steps` the loop may be differentiated any number of times, for as many steps as it has
    taken; the number of steps counts as a constant. What the reverse needs of each step is kept in
    arrays that have room for `max_steps`. Without, there is no bound to what would have to be kept:
    the loop has a value and no gradient, and it must end by itself.

    In a formula that is lifted over a batch each sample has a loop of its own, one after the other.

    Args:
        cond: a function of the carry that returns whether to go on, a bool of no axes.
        body: a function of the carry that returns the next one, of the same form, shapes and
            dtypes.
        init: the first carry, a nest.
        max_steps: how many steps the loop takes at most.
        at_bound: what happens if the condition still holds after `max_steps`: "error", or "stop",
            which takes the carry as it is then.
        return_steps: whether to return the number of steps too.

    Returns:
        The carry for which the condition no longer holds, in the form of `init`; with
        `return_steps` a pair of it and the number of steps, an int64 of no axes.

    Raises:
        UsageError: the condition is no bool of no axes, the step returns a nest of another form
            than `init`, or `max_steps` is no number of steps.
        ShapeError: a carry changes its shape.
        DTypeError: a carry changes its dtype.
        LoopError: when the program runs, the condition still holds after `max_steps`.

    Example:
        >>> import chainrule as cr
        >>> a = cr.tensor("a", (), "float64")
        >>> root = cr.while_loop(
        ...     lambda x: cr.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a, max_steps=50
        ... )
        >>> f = cr.function([a], [root, cr.grad(root, a)], target="numpy")
        >>> [round(float(value), 9) for value in f(4.0)]
        [2.0, 0.25]

    Source:
        Bradbury et al. 2018, JAX, `jax.lax.while_loop`, whose conventions these are; Christianson
        1994, "Reverse accumulation and attractive fixed points", for the derivative.
    """
    bound = _bound(max_steps, at_bound)
    inits = [as_tensor(x) for x in leaves(init)]
    starts = [t.node for t in inits]
    if not starts:
        raise UsageError(
            "while_loop carries nothing",
            f"init is {form(init)}",
            "the condition is of the carry: begin with what it looks at",
        )
    # A number takes the dtype that the step makes of it, which a first trace shows.
    weak = [t.weak for t in inits]
    if any(weak):
        _, carry = _carry(body, init, starts, weak)
        with tracing(bound):
            results = [as_tensor(x) for x in leaves(_stepped(body, carry, init))]
        starts = [
            convert(x, strong(new)) if free else x
            for x, new, free in zip(starts, results, weak, strict=True)
        ]
    inputs, carry = _carry(body, init, starts, [False] * len(starts))
    with tracing(bound) as traced:
        holds = condition("while_loop", "condition", cond(carry))
        results = [as_tensor(x) for x in leaves(_stepped(body, carry, init))]
    outputs = [kept("while_loop", x, x.type, new) for x, new in zip(inputs, results, strict=True)]
    strict = bound is not None and at_bound == "error"
    made = _loop(inputs, outputs, holds, starts, bound, strict, traced)
    last = like(init, iter([Tensor(node) for node in made]))
    return (last, Tensor(made[-1])) if return_steps else last


def _loop(
    inputs: list[Node],
    carries: list[Node],
    holds: Node,
    starts: list[Node],
    bound: Dim | None,
    strict: bool,
    traced: Step,
) -> tuple[Node, ...]:
    """The results of a loop, which also carries along what layers do beside their results."""
    n, terms = len(starts), traced.losses
    own, new = states(traced)
    sums = [leaf("loss", x.type, "placeholder") for x in terms]
    inputs = [*inputs, *own.values(), *sums]
    outputs = substitute([*carries, *new.values(), *terms, holds], own)
    holds = outputs.pop()
    for i, held in enumerate(own.values(), n):
        outputs[i] = phase(outputs[i], held)
    for i, so_far in enumerate(sums, n + len(own)):
        outputs[i] = so_far + outputs[i]
    starts = [*starts, *own, *map(zeros_like, terms)]
    if traced.own in walk([*outputs, holds]):
        inputs.append(traced.own)
        outputs.append(traced.own + 1)
        starts.append(const(0, "int64"))
    made = scan(inputs, outputs, starts, [], bound, False, holds, strict)
    after, added = made[n : n + len(own)], made[n + len(own) : n + len(own) + len(terms)]
    inside = (*carries, *new.values(), *terms, holds)
    hold(made, inside, Effects(tuple(zip(own, after, strict=True)), added))
    return made


def _bound(max_steps: int | str | Size | None, at_bound: str) -> Dim | None:
    """The most steps that a loop takes."""
    if at_bound not in ("error", "stop"):
        raise UsageError(
            f"while_loop with at_bound={at_bound!r}",
            "expected 'error' or 'stop'",
            "'stop' takes the carry as it is after max_steps",
        )
    given = symbol(max_steps) if isinstance(max_steps, str) else max_steps
    fits = isinstance(given, Size) or (isinstance(given, int) and given >= 0)
    if given is not None and (isinstance(given, bool) or not fits):
        raise UsageError(
            f"while_loop with max_steps={max_steps!r}",
            "expected how many steps it takes at most, at least 0",
            "such as 100",
        )
    return given


def _carry(
    body: Callable[[Nest], Nest], init: Nest, starts: list[Node], weak: list[bool]
) -> tuple[list[Node], Nest]:
    """Leaves for the carry, and the carry made of them."""
    try:
        found = [name for name in inspect.signature(body).parameters if name.isidentifier()]
    except (TypeError, ValueError):
        found = []
    names = numbered(found[0] if found else "carry", init)
    inputs = [leaf(name, x.type, "placeholder") for name, x in zip(names, starts, strict=True)]
    return inputs, like(init, iter([Tensor(x, w) for x, w in zip(inputs, weak, strict=True)]))


def _stepped(body: Callable[[Nest], Nest], carry: Nest, init: Nest) -> Nest:
    new = body(carry)
    if form(new) != form(init):
        raise UsageError(
            "a step of while_loop returned a carry of another form",
            f"it began as {form(init)} and became {form(new)}",
            "return what init is, in the same order",
        )
    return new


def condition(function: str, what: str, value: Any) -> Node:
    """A bool of no axes."""
    node = as_tensor(value).node
    if node.dtype != "bool" or node.shape:
        raise UsageError(
            f"{function}: the {what} is {node.type}",
            "expected one bool, of no axes",
            "cr.all and cr.any make one of many; cr.where chooses element by element",
        )
    return node
