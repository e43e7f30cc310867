"""Control flow in the graph: branches, maps, and loops that end by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, const, fresh, is_const, leaf, substitute, walk
from chainrule.compiler.ops.broadcasting import zeros_like
from chainrule.compiler.ops.choice import choose
from chainrule.compiler.ops.convert import cast as convert
from chainrule.compiler.ops.phase import phase
from chainrule.compiler.ops.scan import scan as looped
from chainrule.compiler.ops.shape import transpose
from chainrule.compiler.types import Dim, Size

from ..calls import Effects, Step, branching, tracing
from ..tensor import Tensor, as_tensor, promote, public
from .callables import parameters
from .loops import hold, number_of_steps, scan, sized, states, unequal
from .nests import Nest, form, kept, leaves, like, numbered, same_form, settled, strong
from .reductions import normal_axis


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
    the loop has a value and no gradient, and it must end by itself: on target cpu nothing stops it.

    In a formula that is lifted over a batch each sample has a loop of its own, one after the other,
    unless the condition depends on nothing that differs between samples.

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
    if not inits:
        raise UsageError(
            "while_loop carries nothing",
            f"init is {form(init)}",
            "the condition is of the carry: begin with what it looks at",
        )
    parameters("while_loop: the condition", cond, 1, "the carry", "lambda x: x < 100")

    def tried(starts: list[Node], weak: list[bool]) -> list[Tensor]:
        _, carry = _carry(body, init, starts, weak)
        with tracing(bound):
            return [as_tensor(x) for x in leaves(_stepped(body, carry, init))]

    starts = settled(inits, tried)
    inputs, carry = _carry(body, init, starts, [False] * len(starts))
    with tracing(bound) as traced:
        holds = condition("while_loop", "condition", cond(carry))
        results = [as_tensor(x) for x in leaves(_stepped(body, carry, init))]
    outputs = [kept("while_loop", x, x.type, new) for x, new in zip(inputs, results, strict=True)]
    strict = "while_loop" if bound is not None and at_bound == "error" else ""
    made = _loop(inputs, outputs, holds, starts, bound, strict, traced)
    last = like(init, iter([Tensor(node) for node in made]))
    return (last, Tensor(made[-1])) if return_steps else last


def _loop(
    inputs: list[Node],
    carries: list[Node],
    holds: Node,
    starts: list[Node],
    bound: Dim | None,
    strict: str,
    traced: Step,
) -> tuple[Node, ...]:
    """The results of a loop, which also carries along what layers do beside their results."""
    n, terms = len(starts), traced.losses
    own, new = states(traced)
    sums = [leaf("loss", x.type, "placeholder") for x in terms]
    inputs = [*inputs, *own.values(), *sums]
    *outputs, goes_on = substitute([*carries, *new.values(), *terms, holds], own)
    for i, held in enumerate(own.values(), n):
        outputs[i] = phase(outputs[i], held)
    for i, so_far in enumerate(sums, n + len(own)):
        outputs[i] = so_far + outputs[i]
    starts = [*starts, *own, *(zeros_like(x) for x in terms)]
    if traced.own in walk([*outputs, goes_on]):
        inputs.append(traced.own)
        outputs.append(traced.own + 1)
        starts.append(const(0, "int64"))
    made = looped(inputs, outputs, starts, [], bound, False, goes_on, strict)
    after, added = made[n : n + len(own)], made[n + len(own) : n + len(own) + len(terms)]
    inside = (*carries, *new.values(), *terms, holds)
    hold(made, inside, Effects(tuple(zip(own, after, strict=True)), added))
    return made


@public
def cond(
    pred: Any, true_fn: Callable[..., Nest], false_fn: Callable[..., Nest], *operands: Nest
) -> Nest:
    """One of two results, and only that one is computed: true_fn() if pred else false_fn().

    Both functions are traced, once each. They may use tensors from outside, hold loops and other
    branches, and call layers. What they compute themselves is computed where it is wanted, what
    they only use is computed outside. The derivative is that of the branch that is taken, which is
    computed once more for it: values and slopes of the other, such as log(x) and 1/x below 0, take
    no part.

    In a formula that is lifted over a batch each sample takes its own branch, one after the other,
    if the predicate differs between them; `where` computes both branches, for all at once.

    Args:
        pred: whether to take the first branch, a bool of no axes.
        true_fn: a function of the operands that returns a nest of tensors.
        false_fn: one that returns a nest of the same form, shapes and dtypes.
        *operands: nests that the functions are given.

    Returns:
        A nest of the form that the functions return.

    Raises:
        UsageError: `pred` is no bool of no axes, or the nests are of different forms.
        ShapeError: the branches give different shapes.
        DTypeError: the branches give different dtypes.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (), "float64")
        >>> y = cr.cond(x > 0, lambda: x * cr.log(x), lambda: cr.exp(x) - 1)
        >>> f = cr.function([x], [y, cr.grad(y, x)], target="numpy")
        >>> [[float(value) for value in f(at)] for at in (1.0, 0.0)]
        [[0.0, 1.0], [0.0, 1.0]]

    Source:
        Bradbury et al. 2018, JAX, `jax.lax.cond`, whose conventions these are.
    """
    for branch in (true_fn, false_fn):
        hint = "cond(p, lambda x: x, lambda x: -x, x); without operands: lambda: x"
        parameters("cond: a branch", branch, len(operands), f"{len(operands)} operands", hint)
    test = condition("cond", "predicate", pred)
    if is_const(test):
        return (true_fn if test.attr("value") else false_fn)(*operands)
    with fresh() as made:
        with branching() as first:
            then = true_fn(*operands)
        with branching() as second:
            otherwise = false_fn(*operands)
        if form(then) != form(otherwise):
            raise UsageError(
                "cond: the branches return nests of different forms",
                f"{form(then)} and {form(otherwise)}",
                "either may be taken: return the same form from both",
            )
        pairs = zip(leaves(then), leaves(otherwise), strict=True)
        results = [_alike(x, y) for x, y in pairs]
        changed, terms = _effects(first, second)
    n, both = len(results), [*results, *changed.values(), *terms]
    if not both:
        return then
    sides = [pair[0] for pair in both], [pair[1] for pair in both]
    chosen = choose(test, *sides, made)
    updates = tuple(zip(changed, chosen[n:], strict=False))
    effects = Effects(updates, chosen[n + len(changed) :])
    hold(chosen, (*sides[0], *sides[1]), effects)
    return like(then, iter([Tensor(node) for node in chosen]))


def _alike(x: Any, y: Any) -> tuple[Node, Node]:
    """Results of two branches; numbers take the dtype of the other one's."""
    a, b = as_tensor(x), as_tensor(y)
    if a.shape != b.shape:
        raise ShapeError(
            "cond: the branches give different shapes",
            f"{a.node.type} and {b.node.type}",
            "either may be taken: cr.broadcast_to makes one shape of them",
        )
    if a.dtype != b.dtype and not (a.weak or b.weak):
        raise DTypeError(
            "cond: the branches give different dtypes",
            f"{a.node.type} and {b.node.type}",
            "convert one of them with astype",
        )
    (first, second), weak = promote(a, b)
    dtype = strong(Tensor(first, weak))
    return convert(first, dtype), convert(second, dtype)


def _effects(
    first: Step, second: Step
) -> tuple[dict[Node, tuple[Node, Node]], list[tuple[Node, Node]]]:
    """What states become in each branch, and terms of the loss: without a layer nothing happens."""
    then, otherwise = (states(step)[1] for step in (first, second))
    changed = {
        old: (then.get(old, old), otherwise.get(old, old))
        for old in dict.fromkeys([*then, *otherwise])
    }
    terms = [(x, zeros_like(x)) for x in first.losses]
    return changed, [*terms, *((zeros_like(x), x) for x in second.losses)]


@public
def map(f: Callable[[Nest], Nest], xs: Nest, axis: int = 0) -> Nest:
    """A function of each part of tensors along an axis: y[t] = f(x[t]), one after the other.

    The function is traced once, whatever the length, and may do what the step of `scan` may. It is
    for what has no form with an axis more, or would need too much memory for all parts at once.

    Args:
        f: a function of a nest that returns one.
        xs: a nest of tensors, of which each has the axis.
        axis: the axis along which the parts are taken, the same for all.

    Returns:
        What f returns, each tensor with an axis of all parts in front.

    Raises:
        ShapeError: lengths differ, or a tensor has no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x, k = cr.tensor("x", ("n", 2), "float64"), cr.tensor("k", (), "float64")
        >>> y = cr.map(lambda row: cr.sum(row) ** k, x)
        >>> f = cr.function([x, k], [y, cr.grad(cr.sum(y), x)], target="numpy")
        >>> [array.tolist() for array in f(np.array([[1.0, 2.0], [3.0, 0.0]]), 2.0)]
        [[9.0, 9.0], [[6.0, 6.0], [6.0, 6.0]]]

    Source:
        Bradbury et al. 2018, JAX, `jax.lax.map`.
    """
    given = [as_tensor(x) for x in leaves(xs)]
    places = [normal_axis("map", t.node, axis) for t in given]
    parts = [_in_front(t, place) for t, place in zip(given, places, strict=True)]
    parameters("map: the function", f, 1, "one part", "lambda x: cr.sum(x)")
    if len({t.shape[0] for t in parts}) > 1:
        raise unequal("map", (sized(t, place) for t, place in zip(given, places, strict=True)))
    if not parts:
        raise UsageError("map over nothing", f"xs is {form(xs)}", "give it tensors with an axis")
    _, ys = scan(lambda _, x: (None, f(x)), None, like(xs, iter(parts)))
    return ys


def _in_front(x: Tensor, place: int) -> Tensor:
    """The tensor with an axis in front of the others."""
    order = (place, *(other for other in range(x.ndim) if other != place))
    return Tensor(transpose(x.node, axes=order), x.weak)


def _bound(max_steps: int | str | Size | None, at_bound: str) -> Dim | None:
    """The most steps that a loop takes."""
    if at_bound not in ("error", "stop"):
        raise UsageError(
            f"while_loop with at_bound={at_bound!r}",
            "expected 'error' or 'stop'",
            "'stop' takes the carry as it is after max_steps",
        )
    return None if max_steps is None else number_of_steps("while_loop", "max_steps", max_steps)


def _carry(
    body: Callable[[Nest], Nest], init: Nest, starts: list[Node], weak: list[bool]
) -> tuple[list[Node], Nest]:
    """Leaves for the carry, and the carry made of them."""
    found = parameters("while_loop: the step", body, 1, "the carry", "lambda x: 2 * x")
    names = numbered(found[0] if found else "carry", init)
    inputs = [leaf(name, x.type, "placeholder") for name, x in zip(names, starts, strict=True)]
    return inputs, like(init, iter([Tensor(x, w) for x, w in zip(inputs, weak, strict=True)]))


def _stepped(body: Callable[[Nest], Nest], carry: Nest, init: Nest) -> Nest:
    new = body(carry)
    same_form("while_loop", init, new)
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
