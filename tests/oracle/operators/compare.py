"""One sample of one operator, in both languages: value, gradient, second gradient, forward mode.

Two numbers agree if they differ by at most RELATIVE times PyTorch's, and ABSOLUTE times its largest
(or 1). Where they do not, the formula is evaluated at many digits, and says which of them is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import chainrule as cr

from .arbiter import Exact, right
from .row import Array, Row, Uncompared
from .samples import SEED, differentiable, flat, moves, tree, with_tensors
from .theirs import Reference, Theirs

RELATIVE, ABSOLUTE = 1e-10, 1e-12
# What PyTorch has no second derivative of is compared with central differences of its gradient.
DIFFERENCES = 1e-6
LOST = 1e-5  # PyTorch is thought to be wrong by lost digits or NaN, by this much at most
WAYS = ("value", "gradient", "second gradient", "forward mode")
PLACES = ("device", "layout", "memory_format", "requires_grad", "pin_memory")


@dataclass(slots=True)
class Outcome:
    """What came of a sample.

    Attributes:
        wrong: a line for each way in which the two differ.
        reason: why it was not compared.
        inaccurate: lines of ways in which many digits say that PyTorch is wrong and ours is right.
        instead: the same where it is not PyTorch that is wrong but differences of its gradient.
    """

    wrong: list[str] = field(default_factory=list)
    reason: str = ""
    inaccurate: list[str] = field(default_factory=list)
    instead: list[str] = field(default_factory=list)


class Formula:
    """Our side of a sample: tensors, the arrays for them, and what is asked of them."""

    def __init__(self, row: Row, sample: Any, prefix: str = "") -> None:
        import torch

        self.prefix = prefix
        self.inputs: list[cr.Tensor] = []
        self.arrays: list[Array] = []
        self.points: list[cr.Tensor] = []
        self.moving: list[int] = []

        def leaf(x: Any) -> Any:
            if isinstance(x, torch.dtype):
                return str(x).removeprefix("torch.")
            if not isinstance(x, torch.Tensor):
                return x
            array = x.detach().numpy(force=True)
            whole = array.dtype.kind != "f"
            if array.dtype.kind in "iu" and array.dtype.name not in ("int32", "int64"):
                array = array.astype(np.int64)
            if array.dtype == np.float32:
                raise Uncompared("an argument of float32, in whose precision PyTorch computes")
            if whole and row.known:
                return array
            tensor = cr.tensor(f"{prefix}x{len(self.inputs)}", array.shape, array.dtype.name)
            if moves(x):
                self.moving.append(len(self.inputs))
                self.points.append(tensor)
            self.inputs.append(tensor)
            self.arrays.append(array)
            return tensor

        positional = [tree(x, leaf) for x in (sample.input, *sample.args)]
        named = {k: tree(x, leaf) for k, x in sample.kwargs.items() if k not in PLACES}
        self.results = flat(row.ours(*positional, **named))

    def outputs(self, places: Sequence[int]) -> tuple[list[cr.Tensor], list[cr.Tensor]]:
        """Values, gradients, second gradients, forward mode; and the inputs of the vectors."""
        values = [y if isinstance(y, cr.Tensor) else cr.asarray(y) for y in self.results]
        ys, xs = [values[i] for i in places], self.points
        if not ys:
            return values, []
        vs = [cr.tensor(f"{self.prefix}v{i}", y.shape, "float64") for i, y in enumerate(ys)]
        ts = [cr.tensor(f"{self.prefix}t{i}", x.shape, "float64") for i, x in enumerate(xs)]
        first = cr.vjp(ys, xs, vs)
        second = cr.vjp(first, xs, ts)
        forward = cr.jvp(ys, xs, ts)
        return [*values, *first, *second, *forward], [*vs, *ts]


@dataclass(slots=True)
class Case:
    """A sample ready to run: what to compute, from what, and what should come."""

    operator: Any
    row: Row
    sample: Any
    formula: Formula
    inputs: list[cr.Tensor]
    arrays: list[Array]
    outputs: list[cr.Tensor]
    theirs: Theirs
    tangents: list[Array]
    cotangents: list[Array]
    still: list[Array]


def prepare(operator: Any, row: Row, sample: Any, prefix: str = "") -> Case:
    """Trace our formula, and ask PyTorch.

    Raises:
        Uncompared: the sample asks for what ours does not have.
    """
    formula = Formula(row, sample, prefix)
    points = differentiable(sample)
    rng = np.random.default_rng(SEED)
    tangents = [rng.normal(size=tuple(x.shape)) for x in points]
    still = [np.zeros(tuple(x.shape), bool) for x in points]
    positional, named = with_tensors(sample, points)
    known = (
        tree(positional, as_array),
        {key: tree(x, as_array) for key, x in named.items() if key not in PLACES},
    )
    if row.directions and points:
        tangents = list(row.directions(tangents, *known[0], **known[1]))
    if row.kinks and points:
        masks = row.kinks(*known[0], **known[1])
        still = [mask | np.asarray(m) for mask, m in zip(still, masks, strict=True)]
    for t, mask in zip(tangents, still, strict=True):
        t[mask] = 0
    reference = Reference(operator, row, sample)
    theirs, cotangents = reference.evaluate(tangents, lambda shape: rng.normal(size=shape))
    if len(formula.results) != len(theirs.results):
        raise AssertionError(f"{len(formula.results)} results for {len(theirs.results)}")
    outputs, vectors = formula.outputs(theirs.places)
    arrays = [*formula.arrays, *((*cotangents, *tangents) if vectors else ())]
    inputs = [*formula.inputs, *vectors]
    return Case(
        operator, row, sample, formula, inputs, arrays, outputs, theirs, tangents, cotangents, still
    )


def as_array(x: Any) -> Any:
    """A tensor as an array, everything else as it is."""
    return x.detach().numpy(force=True) if hasattr(x, "detach") else x


def run(cases: Sequence[Case], target: str) -> list[list[Array]]:
    """The outputs of all cases, computed by one program."""
    inputs = [x for case in cases for x in case.inputs]
    outputs = [y for case in cases for y in case.outputs]
    arrays = [np.ascontiguousarray(a) for case in cases for a in case.arrays]
    shapes: list[Any] = [x.shape for x in inputs]
    arrays = [a.reshape(shape) for a, shape in zip(arrays, shapes, strict=True)]
    found = iter(cr.function(inputs, outputs, target=target)(*arrays))
    return [[next(found) for _ in case.outputs] for case in cases]


def judge(case: Case, found: Sequence[Array]) -> Outcome:
    """What came, against what should."""
    theirs, outcome = case.theirs, Outcome()
    n, count = len(theirs.results), len(theirs.gradients)
    nowhere = [np.zeros(y.shape, bool) for y in theirs.results]
    still = [nowhere[i] for i in theirs.places]
    parts = {
        "value": (found[:n], theirs.results, nowhere),
        "gradient": (found[n : n + count], theirs.gradients, case.still),
        "second gradient": (found[n + count : n + 2 * count], theirs.seconds, case.still),
        "forward mode": (found[n + 2 * count :], theirs.forward, still),
    }
    for way, (got, want, left_out) in parts.items():
        relative = DIFFERENCES if theirs.differences and way == "second gradient" else RELATIVE
        if way != "value" and len(found) == n:
            continue
        for i, (a, b, skip) in enumerate(zip(got, want, left_out, strict=True)):
            if a.shape != b.shape:
                outcome.wrong.append(f"{way}: shape {a.shape}, PyTorch has {b.shape}")
                break
            bad = differing(a, b, relative) & ~skip
            if not bad.any():
                continue
            at = tuple(np.argwhere(bad)[0])
            line = f"{way}: {int(bad.sum())} of {bad.size}, {a[at]} and PyTorch's {b[at]}"
            by_differences = theirs.differences and way == "second gradient"
            near = by_differences or case.row.inexact or not (bad & far(a, b)).any()
            if near and not outcome.wrong and ours_is_right(case, way, i, a, b, relative, bad):
                (outcome.instead if by_differences else outcome.inaccurate).append(line)
            else:
                outcome.wrong.append(line)
            break
    return outcome


def differing(got: Array, want: Array, relative: float) -> Array:
    """Where two arrays differ by more than rounding."""
    if want.dtype.kind != "f":
        return np.asarray(got != want)
    scale = size(want)
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= relative * np.abs(want) + ABSOLUTE * scale
    return np.asarray(~((got == want) | near | (np.isnan(got) & np.isnan(want))))


def size(want: Array) -> float:
    """The largest element, and at least 1: what the absolute tolerance is relative to."""
    finite = np.abs(want[np.isfinite(want)])
    return max(1.0, float(finite.max())) if finite.size else 1.0


def far(got: Array, want: Array) -> Array:
    """Where two arrays differ by more than lost digits: there the formula is another."""
    if want.dtype.kind != "f":
        return np.ones(want.shape, bool)
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(got - want) > LOST * size(want))


def ours_is_right(
    case: Case, way: str, i: int, got: Array, want: Array, relative: float, bad: Array
) -> bool:
    """Whether many digits say so; or, where they cannot, differences of PyTorch's own values."""
    if way == "forward mode" and case.row.inexact:
        reference = Reference(case.operator, case.row, case.sample)
        own = reference.value_differences(case.tangents, case.theirs.places)[i]
        return not differing(got, own, DIFFERENCES).any()
    formula, places = case.formula, case.theirs.places
    results = formula.results
    if case.row.plain:
        formula = Formula(Row(case.row.plain), case.sample, "plain")
        results = formula.results
    if case.row.inexact or want.dtype.kind != "f" or not (places or way == "value"):
        return False
    values = [y.node for y in results]
    true = Exact(
        values if way == "value" else [values[k] for k in places],
        [x.node for x in formula.inputs],
        formula.arrays,
        formula.moving,
        case.tangents,
        case.cotangents,
    )
    return right(true.of(way), i, got, want, (relative, ABSOLUTE * size(want)), bad)


def compare(operator: Any, row: Row, sample: Any, target: str = "numpy") -> Outcome:
    """One sample, in a program of its own."""
    try:
        case = prepare(operator, row, sample)
    except Uncompared as refused:
        return Outcome(reason=str(refused))
    return judge(case, run([case], target)[0])
