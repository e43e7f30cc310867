"""A declared derivative against differences of its formula, at sample points in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Node, evaluate
from chainrule.compiler.passes.differentiate import derived
from chainrule.compiler.types import TensorType, symbols, value

if TYPE_CHECKING:
    import numpy as np

    from .custom import Traced

    Array = np.ndarray[Any, Any]

# Where arguments lie: some formulas are defined for positive numbers alone, or above 1.
RANGES = ((-1.0, 1.0), (-3.0, 3.0), (0.1, 2.0), (1.05, 5.0), (-0.9, 0.9))
ELEMENTS = 3  # of each argument, at each point
# The stencil is exact to h^4 f'''''/30, about 1e-13, and to 1e-16/h of the value, the same.
STEP = 1e-3
TOLERANCE = 1e-6
SMOOTH = 1e-7  # slopes with h and h/2 agree to this, or there is a kink between


@dataclass(frozen=True, slots=True)
class _Slope:
    """A slope of the weighted result, found by differences, and where."""

    argument: Node
    place: tuple[int, ...]
    at: float
    number: float
    size: float


def compare(
    name: str, trace: Callable[[Sequence[TensorType]], Traced], types: Sequence[TensorType]
) -> None:
    """Whether declared rules are the derivatives of a formula.

    Args:
        name: what the message calls it.
        trace: gives formula and rules for arguments of some types.
        types: those of the arguments; floats are compared as float64.

    Raises:
        UsageError: a rule is off, by how much and where; or the formula is finite nowhere.
    """
    import numpy as np

    exact = [TensorType("float64", t.shape) if t.is_float else t for t in types]
    traced = trace(exact)
    known = traced.declaration
    rules = [derived(node) for node in (*known.grads, *([known.change] if known.change else []))]
    out = derived(known.value)
    names = sorted(symbols(tuple(dim for t in (*exact, out.type) for dim in t.shape)))
    sizes = {symbol: 2 + i for i, symbol in enumerate(names)}
    rng = np.random.default_rng(20)
    found = 0
    for low, high in RANGES:
        point = {x: _sample(rng, x.type, sizes, low, high) for x in traced.arguments}
        (result,) = evaluate([out], point, sizes)
        if not np.all(np.isfinite(result)):
            continue
        weights = rng.uniform(0.5, 1.5, result.shape)
        given = {**point, known.cotangent: weights, known.result: result}
        grads = evaluate(rules[: len(known.grads)], given, sizes)
        declared = dict(zip(known.xs, grads, strict=True))
        tangents = dict(zip(known.xs, known.tangents, strict=False))
        still = {t: np.zeros(np.shape(point[x])) for x, t in tangents.items()}
        for slope in _slopes(rng, traced, out, point, weights, sizes):
            found, x = found + 1, slope.argument
            says = float(declared[x][slope.place]) if x in declared else 0.0
            _agree(name, "vjp", says, slope)
            if x in tangents:
                hot = still[tangents[x]].copy()
                hot[slope.place] = 1.0
                (change,) = evaluate(rules[-1:], {**given, **still, tangents[x]: hot}, sizes)
                _agree(name, "jvp", float(np.sum(weights * change)), slope)
    if not found and any(t.is_float and value(t.size, sizes) for t in exact):
        raise UsageError(
            f"the derivative of {name} cannot be compared with the formula",
            f"it is not finite and smooth at samples in {', '.join(map(str, RANGES))}",
            "check=False takes the rule as it is",
        )


def _sample(rng: Any, type_: TensorType, sizes: dict[str, int], low: float, high: float) -> Array:
    import numpy as np

    shape = tuple(value(dim, sizes) for dim in type_.shape)
    if type_.is_float:
        return np.asarray(rng.uniform(low, high, shape))
    return np.asarray(rng.integers(0, 2, shape)).astype(type_.dtype)


def _slopes(
    rng: Any,
    traced: Traced,
    out: Node,
    point: dict[Node, Array],
    weights: Array,
    sizes: dict[str, int],
) -> Iterator[_Slope]:
    """Slopes for a few elements of each argument, where the formula is smooth."""
    import numpy as np

    for x in traced.arguments:
        if not x.type.is_float:
            continue
        here = point[x]

        def weighted(place: tuple[int, ...], change: float, x: Node = x, here: Any = here) -> float:
            moved = here.copy()
            moved[place] += change
            (result,) = evaluate([out], {**point, x: moved}, sizes)
            return float(np.sum(weights * result))

        places = list(np.ndindex(here.shape))
        for n in rng.permutation(len(places))[:ELEMENTS]:
            place = places[n]
            coarse, fine = (_stencil(weighted, place, h) for h in (STEP, STEP / 2))
            size = abs(weighted(place, 0.0))
            near = SMOOTH * max(abs(fine), 1e-2 * size, 1e-6)
            if np.isfinite(coarse) and np.isfinite(fine) and abs(coarse - fine) <= near:
                yield _Slope(x, place, float(here[place]), fine, size)


def _stencil(f: Callable[..., float], place: tuple[int, ...], h: float) -> float:
    """The slope from five points, Abramowitz and Stegun 25.3.6."""
    return (8 * (f(place, h) - f(place, -h)) - (f(place, 2 * h) - f(place, -2 * h))) / (12 * h)


def _agree(name: str, rule: str, declared: float, slope: _Slope) -> None:
    off = abs(declared - slope.number)
    if off <= TOLERANCE * max(abs(slope.number), 1e-2 * slope.size, 1e-3):
        return
    which = slope.argument.attr("name")
    at = f"{which}[{', '.join(map(str, slope.place))}]" if slope.place else which
    raise UsageError(
        f"the {rule} of {name} is off by {off:.3g}",
        f"at {at} = {slope.at:.6g} it says {declared:.6g}, the formula's slope is "
        f"{slope.number:.6g}",
        "correct it; or check=False, if it is meant to differ",
    )
