"""Loops that stay loops: a step is traced once, and repeated when the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node, leaf, substitute, walk
from chainrule.compiler.ops.convert import cast as convert, iota
from chainrule.compiler.ops.phase import phase
from chainrule.compiler.ops.reduce import sum as total
from chainrule.compiler.ops.scan import scan as looped
from chainrule.compiler.types import Dim, Size, TensorType, symbol

from ..calls import LOOPS, Effects, Loop, Step, beside, tracing
from ..integers import count, integer
from ..names import identifier
from ..tensor import Tensor, as_tensor, public
from .callables import parameters
from .nests import Nest, kept, leaves, like, numbered, same_form, settled, strong


@public
def scan(
    step: Callable[[Nest, Nest], tuple[Nest, Nest]],
    init: Nest,
    xs: Nest = None,
    length: int | str | Size | None = None,
    reverse: bool = False,
    checkpoint: int | None = None,
) -> tuple[Nest, Nest]:
    """Repeat a step that carries values along: c, y[t] = step(c, x[t]) for t = 0, 1, ...

    The step is traced once, whatever the length, which need not be known: a loop of 10,000 steps
    compiles as fast as one of 10. It may use tensors from outside, be differentiated any number of
    times, and hold other loops. It may call layers: they are the model's, as anywhere; each step
    draws random numbers of its own, and starts from the states that the one before left behind.
    Nests are tensors, or tuples, lists and dictionaries of them.

    Args:
        step: a function of carry and x that returns the next carry and y. A carry keeps its shape
            and dtype; y may be None.
        init: the first carry, a nest.
        xs: a nest of tensors with an axis of one length in front, of which each step gets one
            element; None gives None to every step.
        length: how many steps; needed where xs is None.
        reverse: whether to go from the last element to the first. `ys[t]` belongs to `xs[t]`.
        checkpoint: how many carries are kept for the gradient, k of them for n steps: those
            before every (n // k)-th step. From each the steps up to the next are computed once
            more, and of these alone everything is kept that the gradient needs. So at any time
            there is room for k + n // k steps (and for the carries of the n % k last ones), not
            for n, at the cost of one more evaluation of the step; k near the root of n needs the
            least. None keeps the carries and what is expensive of all n steps. Values and
            gradients are the same. `loops()` of a function or model says what is stored.

    Returns:
        The last carry, and ys: for each y a tensor with an axis of the length in front.

    Raises:
        UsageError: the step returns no pair, or a nest of another form than `init`; or there is no
            length.
        ShapeError: lengths differ, or a carry changes its shape.
        DTypeError: a carry changes its dtype.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x, a = cr.tensor("x", ("n",)), cr.tensor("a", ())
        >>> def smooth(mean, x):
        ...     mean = a * mean + (1 - a) * x
        ...     return mean, mean
        >>> last, means = cr.scan(smooth, 0.0, x)
        >>> f = cr.function([x, a], [means, cr.grad(last, a)], target="numpy")
        >>> f(np.array([1.0, 2.0, 4.0], np.float32), 0.5)
        [array([0.5  , 1.25 , 2.625], dtype=float32), array(-3.75, dtype=float32)]

    Source:
        Bradbury et al. 2018, JAX, `jax.lax.scan`, whose conventions these are; Chen et al. 2016,
        "Training deep nets with sublinear memory cost", section 4, for `checkpoint`.
    """
    sequences = [_sequence(x) for x in leaves(xs)]
    steps = _length(sequences, length)
    inits = [as_tensor(x) for x in leaves(init)]
    names = _names(step)

    def tried(starts: list[Node], weak: list[bool]) -> list[Tensor]:
        with tracing(steps):
            return _traced(step, init, xs, starts, sequences, names, weak)[1]

    starts = settled(inits, tried)
    with tracing(steps) as traced:
        inputs, results, ys = _traced(step, init, xs, starts, sequences, names)
    carries = [
        kept("scan", x, old.type, new) for x, old, new in zip(inputs, starts, results, strict=False)
    ]
    stacked = [convert(y.node, strong(y)) for y in map(as_tensor, leaves(ys))]
    if not (carries or stacked or traced.effects):
        return init, ys
    made = _loop(
        inputs, carries, stacked, starts, [t.node for t in sequences], traced,
        length=steps, reverse=bool(reverse), checkpoint=kept_carries("scan", checkpoint),
    )  # fmt: skip
    tensors = iter([Tensor(node) for node in made])
    return like(init, tensors), like(ys, tensors)


def _loop(
    inputs: list[Node],
    carries: list[Node],
    stacked: list[Node],
    starts: list[Node],
    sequences: list[Node],
    traced: Step,
    length: Dim,
    **how: Any,
) -> list[Node]:
    """The results of a loop, which also does what layers do beside their results in its step."""
    n = len(starts)
    own, new = states(traced)
    outputs = substitute([*carries, *new.values(), *stacked, *traced.losses], own)
    for i, held in enumerate(own.values(), n):
        outputs[i] = phase(outputs[i], held)
    inputs = [*inputs[:n], *own.values(), *inputs[n:]]
    if traced.own in walk(outputs):
        inputs.append(traced.own)
        sequences = [*sequences, iota(length)]
    made = looped(inputs, outputs, [*starts, *own], sequences, length, **how)
    after, ys = made[n : n + len(own)], made[n + len(own) :]
    terms = [total(x, axes=(0,)) for x in ys[len(stacked) :]]
    inside = (*carries, *stacked, *new.values(), *traced.losses)
    hold(made, inside, Effects(tuple(zip(own, after, strict=True)), tuple(terms)))
    return [*made[:n], *ys[: len(stacked)]]


def states(traced: Step) -> tuple[dict[Node, Node], dict[Node, Node]]:
    """For each state that a step changes, a leaf for what it is before, and what it becomes."""
    new: dict[Node, Node] = {}
    for old, state in traced.updates:  # the calls of a shared layer, one after the other
        (new[old],) = substitute([state], {old: new.get(old, old)})
    return {old: leaf(old.attr("name"), old.type, "placeholder") for old in new}, new


def hold(made: Sequence[Node], inside: tuple[Node, ...], effects: Effects) -> None:
    """Remember of a loop's results what its step was made of, and what happens beside them."""
    loop = Loop(inside, beside(effects))
    # What the memory itself holds is no key, or it would be remembered for ever.
    held = {*(new for _, new in loop.effects.updates), *loop.effects.losses}
    held.update(*(term.operands for term in loop.effects.losses))
    LOOPS.update(dict.fromkeys((x for x in made if x not in held), loop))


def kept_carries(what: str, checkpoint: int | None) -> int | None:
    """A budget, if it is one."""
    return None if checkpoint is None else integer(what, "checkpoint", checkpoint, 1)


def number_of_steps(loop: str, what: str, given: int | str | Size) -> Dim:
    """How many steps: an integer from 0, a size of a tensor, or a name for any number."""
    if isinstance(given, str):
        return symbol(identifier(given, "a size's name"))
    return count(loop, what, given)


def _sequence(x: Any) -> Tensor:
    found = as_tensor(x)
    if not found.ndim:
        raise ShapeError(
            f"scan over {found.node.type}",
            "a sequence has an axis of steps in front",
            "what is the same in every step, the step may use as it is",
        )
    return Tensor(convert(found.node, strong(found)))


def _length(sequences: list[Tensor], length: int | str | Size | None) -> Dim:
    """How many steps there are."""
    found = [t.shape[0] for t in sequences]
    if length is not None:
        found.insert(0, number_of_steps("scan", "length", length))
    if not found:
        raise UsageError(
            "scan of no length", "there are no sequences and no length", "say length=10"
        )
    if any(dim != found[0] for dim in found):
        asked = [] if length is None else [f"length is {length}"]
        raise unequal("scan", [*asked, *(sized(t, 0) for t in sequences)])
    return found[0]


def sized(t: Tensor, axis: int) -> str:
    """What a message says of the length of a sequence."""
    return f"{t.shape[axis]} on axis {axis} of {t.node.type}"


def unequal(what: str, lengths: Iterable[str]) -> ShapeError:
    """The error of sequences that are not of one length."""
    return ShapeError(
        f"{what}: lengths differ",
        ", ".join(dict.fromkeys(lengths)),
        "every sequence has an element for every step; equal sizes have one name",
    )


def _names(step: Callable[..., Any]) -> tuple[str, str]:
    """What the step calls its carry and its x."""
    hint = "where there are no sequences, x is None: lambda carry, _: (2 * carry, None)"
    found = parameters("scan: the step", step, 2, "the carry and an element x", hint)
    return (found[0], found[1]) if len(found) >= 2 else ("carry", "x")


def _traced(
    step: Callable[[Nest, Nest], Any],
    init: Nest,
    xs: Nest,
    starts: list[Node],
    sequences: list[Tensor],
    names: tuple[str, str],
    weak: list[bool] | None = None,
) -> tuple[list[Node], list[Tensor], Nest]:
    """The leaves of the step, the carries that it returns, and its ys."""
    carried = [
        leaf(name, x.type, "placeholder")
        for name, x in zip(numbered(names[0], init), starts, strict=True)
    ]
    elements = [
        leaf(name, TensorType(t.dtype, t.shape[1:]), "placeholder")
        for name, t in zip(numbered(names[1], xs), sequences, strict=True)
    ]
    free = weak or [False] * len(carried)
    carry = like(init, iter([Tensor(x, w) for x, w in zip(carried, free, strict=True)]))
    result = step(carry, like(xs, map(Tensor, elements)))
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError(
            f"a step of scan returned {type(result).__name__}",
            "expected a pair: the next carry, and what is stacked",
            "return carry, None where nothing is stacked",
        )
    new, ys = result
    same_form("scan", init, new)
    return [*carried, *elements], [as_tensor(x) for x in leaves(new)], ys
