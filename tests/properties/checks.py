"""What must hold of every random graph: its derivatives, its texts, its programs.

Values are compared at points that are moved by a few roundings, too: what such a move changes is
allowed for, and elements that it throws over (a rounding up or down, a comparison of equal numbers)
say nothing. So a difference is an error and not bad luck.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.compiler.ir import Graph, Node, const, evaluate, is_leaf, leaf, substitute, walk
from chainrule.compiler.lifting import lifted
from chainrule.compiler.ops.convert import cast, iota
from chainrule.compiler.ops.elementary import cos
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.random import DRAWS
from chainrule.compiler.ops.reduce import sum as summed
from chainrule.compiler.ops.shape import reshape
from chainrule.compiler.ops.steps import everywhere, with_steps
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.pipeline import compile, derive, lower
from chainrule.compiler.reference import shape_of
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import Size, TensorType
from chainrule.runtime.devices import load

from .growth import BATCH, Array, Growth, Sizes

Values = Mapping[Node, Any]
# By dtype: how far points are moved, what is allowed for beside, how much tells that an element is
# thrown over or badly conditioned.
MOVED = {"float64": 1e-13, "float32": 3e-6}
ALLOWED = {"float64": 1e-11, "float32": 3e-5}
BAD = {"float64": 1e-6, "float32": 1e-2}


@dataclass(slots=True)
class Tally:
    """How much was looked at.

    Attributes:
        compared: elements that were compared, by check.
        left: elements that said nothing.
    """

    compared: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, compared: int, left: int) -> None:
        """Count elements."""
        self.compared[name] = self.compared.get(name, 0) + compared
        self.left[name] = self.left.get(name, 0) + left


@dataclass(frozen=True, slots=True)
class Subject:
    """A random graph with everything that is asked of it.

    Attributes:
        growth: where it comes from.
        tops: its own results.
        xs: float inputs that it is differentiated for.
        inputs: all leaves; the last ones are directions, u and v for each of `xs`.
        outputs: the results, and derivatives, by name.
        given: values of the leaves, for each case.
    """

    growth: Growth
    tops: tuple[cr.Tensor, ...]
    xs: tuple[cr.Tensor, ...]
    inputs: tuple[Node, ...]
    outputs: dict[str, cr.Tensor]
    given: tuple[dict[Node, Array], ...]

    @property
    def graph(self) -> Graph:
        """As a request."""
        named = tuple((name, t.node) for name, t in self.outputs.items())
        return Graph("g", inputs=self.inputs, outputs=named)


def weighted(y: Node) -> Node:
    """A number that depends on every element of `y` differently."""
    flat = reshape(y, (y.type.size,))
    weights = cos(cast(iota(y.type.size, "int64"), y.dtype))
    return summed(flat * weights, axes=(0,))


def total(terms: Iterable[cr.Tensor], dtype: str) -> cr.Tensor:
    """The sum of numbers."""
    found = cr.full((), 0.0, dtype=dtype)
    for term in terms:
        found = found + term
    return found


def subject(g: Growth, tops: Sequence[cr.Tensor] | None = None, orders: int = 2) -> Subject:
    """Ask for values and derivatives of a random graph.

    Args:
        g: the graph.
        tops: its results; by default all.
        orders: of the derivatives, up to 2.
    """
    tops = tuple(g.tops() if tops is None else tops)
    outputs = {f"{g.name}y{i}": t for i, t in enumerate(tops)}
    floats = [t for t in tops if t.node.type.is_float]
    below = set(walk([t.node for t in floats]))
    xs = [cr.Tensor(x) for x in g.inputs if x in below and x.dtype == g.dtype] if orders else []
    directions: list[list[cr.Tensor]] = [[], []]
    given = g.given()
    for letter, found in zip("uv", directions, strict=True):
        for x in xs:
            named = f"{letter}_{x.node.attr('name')}"
            found.append(cr.Tensor(leaf(named, x.node.type, "input")))
            for values, sizes in zip(given, g.cases, strict=True):
                dims = shape_of(x.shape, sizes)
                values[found[-1].node] = g.drawn(dims, x.dtype, -1.0, 1.0)
    u, v = directions
    inputs = (*g.inputs, *(t.node for t in (*u, *v)))
    if xs:
        numbers = [cr.Tensor(cast(weighted(t.node), g.dtype)) for t in floats]
        loss = total(numbers, g.dtype)
        slopes = cr.grad(loss, xs)
        along = [total(map(dot, slopes, d), g.dtype) for d in (u, v)]
        outputs[f"{g.name}loss"] = loss
        outputs |= {f"{g.name}d{i}": d for i, d in enumerate(slopes)}
        outputs[f"{g.name}along_u"], outputs[f"{g.name}along_v"] = along
        forward = cr.jvp(floats, xs, v)
        changes = [cr.Tensor(cast(weighted(t.node), g.dtype)) for t in forward]
        outputs[f"{g.name}forward_v"] = total(changes, g.dtype)
        if orders == 2:
            bends = [cr.hvp(loss, xs, d) for d in (u, v)]
            outputs |= {f"{g.name}h{i}": h for i, h in enumerate(bends[1])}
            outputs[f"{g.name}bend_uv"] = total(map(dot, bends[1], u), g.dtype)
            outputs[f"{g.name}bend_vu"] = total(map(dot, bends[0], v), g.dtype)
    return Subject(g, tops, tuple(xs), inputs, outputs, tuple(given))


def dot(x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
    """The sum of products of elements."""
    return cr.sum(x * y)


# Comparing


@dataclass(frozen=True, slots=True)
class Expected:
    """Arrays, and how far others may be from them: infinitely where they say nothing."""

    arrays: tuple[Array, ...]
    allowed: tuple[Array, ...]


class Oracle:
    """The reference values of a request, the chain rule applied and nothing else."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.plain = everywhere(Differentiate(), subject.graph)
        self.derived = derive(subject.graph)
        self.lowered = {target: lower(self.derived, target) for target in ("numpy", "cpu")}
        single = any(x.dtype == "float32" for x in with_steps(walk(self.plain.roots)))
        self.precision = "float32" if single else "float64"
        # Forward mode leaves its cotangent in carries of loops that nobody reads.
        order = walk(self.plain.roots)
        self.unused = [x for x in order if is_leaf(x) and x.attr("role") == "placeholder"]
        self._known: dict[int, Expected] = {}

    def at(self, values: Values, sizes: Sizes) -> list[Array]:
        """The values at a point."""
        known = {x: np.full(shape_of(x.shape, sizes), np.nan, x.dtype) for x in self.unused}
        return [np.asarray(a) for a in evaluate(self.plain.roots, {**values, **known}, sizes)]

    def expected(self, case: int) -> Expected:
        """The values at a case, and what roundings of the inputs change."""
        if case not in self._known:
            self._known[case] = self._expected(case)
        return self._known[case]

    def _expected(self, case: int) -> Expected:
        values, sizes = self.subject.given[case], self.subject.growth.cases[case]
        base = self.at(values, sizes)
        generator = np.random.default_rng(0)
        by = MOVED[self.precision]
        moved = [self.at(nudged(values, by, generator), sizes) for _ in range(3)]
        allowed = []
        for i, array in enumerate(base):
            spread = np.zeros(array.shape)
            with np.errstate(all="ignore"):
                for other in moved:
                    apart = np.abs(other[i].astype(float) - array.astype(float))
                    spread = np.maximum(spread, np.where(other[i] == array, 0, apart))
            allowed.append(tolerance(array, spread, self.precision))
        return Expected(tuple(base), tuple(allowed))


def nudged(values: Values, by: float, generator: np.random.Generator) -> dict[Node, Array]:
    """The point, floats moved by roundings."""
    found = {}
    for node, array in values.items():
        if node.type.is_float:
            move = generator.uniform(-by, by, array.shape) * (np.abs(array) + 0.1)
            array = np.asarray(array + move, node.dtype)
        found[node] = array
    return found


def tolerance(array: Array, spread: Array, dtype: str) -> Array:
    """How far a value may be from the reference, for each element."""
    if array.dtype.kind != "f":  # positions, truth values: right or thrown over
        return np.where(spread > 0, np.inf, 0.0)
    scale = np.abs(array.astype(float), where=np.isfinite(array), out=np.zeros(array.shape))
    largest = float(np.max(scale, initial=0.0))
    with np.errstate(all="ignore"):
        bad = ~(spread <= BAD[dtype] * (1 + scale)) | ~np.isfinite(array) | (scale > 1e9)
        steady = float(np.max(np.where(bad, 0, spread), initial=0.0))
    allowed = 20 * steady + ALLOWED[dtype] * (1 + largest)
    return np.where(bad, np.inf, allowed)


def agree(
    check: str, names: Iterable[str], expected: Expected, found: Sequence[Array], tally: Tally
) -> None:
    """Every array is as expected.

    Raises:
        AssertionError: one is not.
    """
    for name, want, allowed, got in zip(
        names, expected.arrays, expected.allowed, found, strict=True
    ):
        got = np.asarray(got)
        assert (got.dtype, got.shape) == (want.dtype, want.shape), (
            f"{check}: {name} is {got.dtype}{got.shape}, expected {want.dtype}{want.shape}"
        )
        with np.errstate(all="ignore"):
            apart = np.abs(got.astype(float) - want.astype(float))
            wrong = ~(apart <= allowed) & np.isfinite(allowed)
        tally.add(check, int(np.isfinite(allowed).sum()), int((~np.isfinite(allowed)).sum()))
        if np.any(wrong):
            at = tuple(int(i[0]) for i in np.nonzero(wrong)) if want.ndim else ()
            raise AssertionError(
                f"{check}: {name}{list(at)} is {got[at]!r}, expected {want[at]!r} "
                f"within {allowed[at]:.2g}; {int(wrong.sum())} of {want.size} wrong"
            )


# The checks


def derivatives(oracle: Oracle, tally: Tally) -> None:
    """Slopes are differences, forward and reverse agree, second derivatives are symmetric."""
    s = oracle.subject
    if not s.xs:
        return
    name, case, names = s.growth.name, 0, list(s.outputs)
    expected = oracle.expected(case)
    value_of = dict(zip(names, expected.arrays, strict=True))
    allowed = dict(zip(names, expected.allowed, strict=True))

    def same(check: str, left: str, right: str) -> None:
        within = 10 * max(float(allowed[name + left]), float(allowed[name + right]))
        a, b = float(value_of[name + left]), float(value_of[name + right])
        sound = np.isfinite(within)
        tally.add(check, int(sound), int(not sound))
        assert not sound or abs(a - b) <= within, f"{check}: {a!r} and {b!r}, within {within:.2g}"

    same("forward is reverse", "forward_v", "along_v")
    if s.growth.declared or oracle.precision != "float64":
        return
    pairs = [("slope", "loss", "along_v")]
    if f"{name}bend_uv" in value_of:
        same("symmetric", "bend_uv", "bend_vu")
        pairs.append(("bend", "along_u", "bend_uv"))
    sizes, values = s.growth.cases[case], s.given[case]
    leaves = {x.attr("name"): x for x in s.inputs}
    points = {}
    for step in (2e-4, 1e-4, 5e-5):
        for sign in (1, -1):
            moved = {
                x.node: values[x.node] + sign * step * values[leaves[f"v_{x.node.attr('name')}"]]
                for x in s.xs
            }
            found = oracle.at({**values, **moved}, sizes)
            points[step, sign] = dict(zip(names, found, strict=True))
    for check, of, slope in pairs:
        coarse, middle, fine = (
            (float(points[h, 1][name + of]) - float(points[h, -1][name + of])) / (2 * h)
            for h in (2e-4, 1e-4, 5e-5)
        )
        # Richardson's extrapolation: two of them disagree where there is a kink nearby.
        first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
        ours, scale = float(value_of[name + slope]), 1 + abs(float(value_of[name + of]))
        noise = 1e-11 * scale + float(np.nan_to_num(allowed[name + of], posinf=1e9)) / 1e-4
        error = 10 * abs(first - second) + noise + float(allowed[name + slope])
        trusted = error <= 1e-4 * (scale + abs(second))
        tally.add(check, int(trusted), int(not trusted))
        assert not trusted or abs(ours - second) <= 10 * error + 1e-6 * (scale + abs(second)), (
            f"{check}: {ours!r}, the difference quotient is {second!r}, within {error:.2g}"
        )


def texts(oracle: Oracle) -> None:
    """What is printed is read back as the same graph."""
    graphs = {"request": oracle.subject.graph, "derived": oracle.derived}
    for stage, graph in {**graphs, "lowered": oracle.lowered["cpu"]}.items():
        text = show(graph)
        assert show(parse(text)) == text, f"text of the {stage} graph"


def sources(s: Subject, targets: Iterable[str] = ("numpy", "cpu")) -> None:
    """The program of a graph is that of the graph that is read back, but for comments."""
    request = s.graph
    again = parse(show(request))
    for target in targets:
        one, other = compile(request, target), compile(again, target)
        assert one.name == other.name, f"fingerprint for {target}"
        first, second = (statements(program.source) for program in (one, other))
        assert first == second, f"source for {target}"


def statements(source: str) -> list[str]:
    """What a module does: no comments, and no docstring, which names lines of the user's too."""
    return [ast.dump(statement) for statement in ast.parse(source).body[1:]]


def stages(oracle: Oracle, tally: Tally, cases: Iterable[int] = (0,)) -> None:
    """Every stage of the pipeline has the values of the request."""
    s = oracle.subject
    graphs = {"derive": oracle.derived}
    graphs |= {f"lower for {target}": graph for target, graph in oracle.lowered.items()}
    for case in cases:
        for name, graph in graphs.items():
            types = [y.type for y in graph.roots]
            assert types == [y.node.type for y in s.outputs.values()], name
            found = evaluate(graph.roots, s.given[case], s.growth.cases[case])
            agree(name, s.outputs, oracle.expected(case), found, tally)


def programs(oracles: Sequence[Oracle], target: str, tally: Tally) -> None:
    """One program of several graphs has the values of the requests, at every case."""
    subjects = [oracle.subject for oracle in oracles]
    inputs = tuple(x for s in subjects for x in s.inputs)
    outputs = tuple((name, t.node) for s in subjects for name, t in s.outputs.items())
    program = load(compile(Graph("g", inputs, outputs=outputs), target))
    for case in range(len(subjects[0].given)):
        arrays = [s.given[case][x] for s in subjects for x in s.inputs]
        found = iter(program.call(*arrays))
        for oracle in oracles:
            names = list(oracle.subject.outputs)
            arrays = [next(found) for _ in names]
            agree(f"target {target}", names, oracle.expected(case), arrays, tally)


def alone(oracle: Oracle, target: str, tally: Tally) -> None:
    """A result that is asked for alone has the value that it has among all."""
    s = oracle.subject
    i = s.growth.choose.randrange(len(s.outputs))
    name, t = list(s.outputs.items())[i]
    program = load(compile(Graph("g", s.inputs, outputs=((name, t.node),)), target))
    expected = oracle.expected(0)
    one = Expected((expected.arrays[i],), (expected.allowed[i],))
    found = program.call(*(s.given[0][x] for x in s.inputs))
    agree(f"alone on {target}", [name], one, found, tally)


def lifting(s: Subject, tally: Tally) -> None:
    """A graph under a leading axis is the graph for each element of that axis."""
    g, sizes = s.growth, s.growth.cases[0]
    named = tuple((f"y{i}", t.node) for i, t in enumerate(s.tops))
    roots = everywhere(Differentiate(), Graph("g", outputs=named)).roots
    order = list(with_steps(walk(roots)))
    random = any(x.op in DRAWS for x in order)
    precision = "float32" if any(x.dtype == "float32" for x in order) else "float64"
    moving = [x for x in g.inputs if x.type.is_float or not random]
    wide = {x: leaf(x.attr("name"), TensorType(x.dtype, (2, *x.shape)), "input") for x in moving}
    values = s.given[0]
    others = nudged_far(values, np.random.default_rng(1))
    rows = [values, {**values, **{x: others[x] for x in moving}}]
    known = {**values, **{wide[x]: np.stack([row[x] for row in rows]) for x in moving}}
    for (name, _), root in zip(named, roots, strict=True):
        if not any(x in wide for x in walk([root])):
            continue
        high = lifted(root, wide, 1)
        (found,) = evaluate([high], known, sizes)
        found = np.broadcast_to(found, (2, *found.shape[1:]))
        for i, row in enumerate(rows):
            (want,) = (np.asarray(a) for a in evaluate([root], row, sizes))
            spread = np.zeros(want.shape)
            generator = np.random.default_rng(2)
            for _ in range(3):
                (other,) = evaluate([root], nudged(row, MOVED[precision], generator), sizes)
                with np.errstate(all="ignore"):
                    apart = np.abs(np.asarray(other).astype(float) - want.astype(float))
                spread = np.maximum(spread, np.where(other == want, 0, apart))
            expected = Expected((want,), (tolerance(want, spread, precision),))
            agree("lifting", [name], expected, [found[i]], tally)


def nudged_far(values: Values, generator: np.random.Generator) -> dict[Node, Array]:
    """Another point, integers and truth values the same."""
    return {
        node: np.asarray(array * generator.uniform(0.8, 1.1, array.shape), node.dtype)
        if node.type.is_float
        else array
        for node, array in values.items()
    }


def training(g: Growth, target: str, tally: Tally) -> None:
    """An epoch is its steps: batches in order, the last one smaller, totals weighted by rows."""
    request, values = trainable(g)
    program = load(compile(request, target))
    order = g.generator.permutation(5)[:5]
    state = [{x.attr("name"): np.array(values[x], order="C") for x in request.leaves} for _ in "ab"]
    batched = [x.attr("name") for x in request.inputs if x.shape[:1] == (BATCH,)]
    expected, totals = 0.0, np.zeros(1)
    for rows in (order[:2], order[2:4], order[4:]):
        step = {**state[0], **{name: state[0][name][rows] for name in batched}}
        expected += len(rows) * float(program.run(step)["loss"])
    done = program.epoch(0, 3, 2, np.asarray(order, np.int64), state[1], totals)
    tally.add(f"epoch on {target}", 1 + len(request.params), 0)
    assert done == 3
    np.testing.assert_allclose(totals[0], expected, rtol=1e-12, err_msg="totals")
    for name in (x.attr("name") for x in request.params):
        np.testing.assert_array_equal(state[1][name], state[0][name], err_msg=name)


def trainable(g: Growth) -> tuple[Graph, dict[Node, Array]]:
    """A loss of a random graph, a step of gradient descent, and five rows of data."""
    loss = total((cr.mean(cr.tanh(t.astype(g.dtype) * 0.3)) for t in g.tops()), g.dtype)
    below = set(walk([loss.node]))
    known = {
        x: leaf(x.attr("name"), x.type, "param")
        for x in g.inputs
        if x in below and x.type.is_float and not any(isinstance(d, Size) for d in x.shape)
    }
    wanted = {x: gradient(loss.node, x, const(1, g.dtype)) for x in known if x.dtype == g.dtype}
    new, *slopes = substitute([loss.node, *wanted.values()], known)
    updates = tuple(
        (known[x], known[x] - 0.1 * slope) for x, slope in zip(wanted, slopes, strict=True)
    )
    inputs = tuple(x for x in g.inputs if x not in known)
    request = Graph(
        "train", inputs, tuple(known.values()), outputs=(("loss", new),), updates=updates
    )
    sizes = {"batch": 5, "n": 2}
    values = {}
    for x in g.inputs:
        dims = shape_of(x.shape, sizes)
        values[known.get(x, x)] = g.drawn(dims, x.dtype, -1.0, 1.0)
    return request, values
