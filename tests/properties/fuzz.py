"""Random graphs for as long as is asked for: `python -m tests.properties.fuzz --minutes 20`.

Every check of `checks.py` on every graph, programs of several graphs for the cpu target, and
networks that are trained on both targets. What fails is told with its number, the check, and the
smallest graph that was found to fail as well.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence

import chainrule as cr
from chainrule.compiler.ir import Node, is_const, is_leaf, leaf, substitute, walk

from . import checks
from .checks import Oracle, Tally
from .growth import Growth, evaluated
from .lines import LINES, grown, several, trained
from .networks import compare

Check = Callable[[Oracle, Tally], object]
CHECKS: dict[str, Check] = {
    "derivatives": checks.derivatives,
    "texts": lambda oracle, tally: checks.texts(oracle),
    "stages": lambda oracle, tally: checks.stages(oracle, tally, (0, 1)),
    "numpy": lambda oracle, tally: checks.programs([oracle], "numpy", tally),
    "alone": lambda oracle, tally: checks.alone(oracle, "numpy", tally),
    "lifting": lambda oracle, tally: checks.lifting(oracle.subject, tally),
    "sources": lambda oracle, tally: checks.sources(oracle.subject),
}


def failure(check: Check, oracle: Oracle, tally: Tally) -> str | None:
    """What a check has against a graph."""
    try:
        check(oracle, tally)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def smallest(check: Check, g: Growth, tops: Sequence[cr.Tensor], steps: int = 60) -> Growth | None:
    """A small graph that fails, too: one result, inputs in place of what need not be computed.

    Its results are the pool's last tensors; None if no result fails alone.
    """

    def fails(growth: Growth, node: Node) -> bool:
        try:
            oracle = Oracle(checks.subject(growth, [cr.Tensor(node)]))
        except Exception:
            return True
        return failure(check, oracle, Tally()) is not None

    nodes = [x for x in walk([t.node for t in tops]) if not is_leaf(x) and not is_const(x)]
    root = next((x for x in nodes if fails(g, x)), None)
    if root is None:
        return None
    for _ in range(steps):
        for node in reversed(walk(root.operands)):
            if is_leaf(node) or is_const(node):
                continue
            cut = leaf(f"z{len(g.inputs)}", node.type, "input")
            other = copied(g)
            for known, sizes in zip(other.values, other.cases, strict=True):
                (known[cut],) = evaluated([node], known, sizes)
            other.inputs.append(cut)
            (new,) = substitute([root], {node: cut})
            if new is not root and fails(other, new):
                g, root = other, new
                break
        else:
            break
    g = copied(g)
    g.pool = [cr.Tensor(root)]
    below = set(walk([root]))
    g.inputs = [x for x in g.inputs if x in below]
    return g


def copied(g: Growth) -> Growth:
    """The graph, to be changed."""
    other = Growth(g.choose, g.dtype, g.cases, g.name)
    other.inputs, other.pool, other.declared = list(g.inputs), list(g.pool), g.declared
    other.values = [dict(known) for known in g.values]
    return other


def told(number: int, name: str, check: Check, g: Growth, message: str) -> None:
    """Print what failed."""
    print(f"FAILED {name} of {number}: {message[:600]}", flush=True)
    try:
        found = smallest(check, g, g.tops())
    except Exception as error:  # the report must not end the run
        print(f"  no smaller graph: {type(error).__name__}: {error}")
        return
    if found is not None:
        print(checks.subject(found, orders=0).graph, flush=True)


def one(number: int, tally: Tally, calls: Counter[str]) -> int:
    """Check a random graph; how many checks failed."""
    try:
        g = grown(number)
        oracle = Oracle(checks.subject(g))
    except Exception as error:
        print(f"FAILED growing {number}: {type(error).__name__}: {error}", flush=True)
        return 1
    calls.update(g.grown)
    failed = 0
    for name, check in CHECKS.items():
        message = failure(check, oracle, tally)
        if message is not None:
            failed += 1
            told(number, name, check, g, message)
    return failed


def native(number: int, tally: Tally) -> int:
    """Check a program of several random graphs, and training of one; how many checks failed."""

    def check(oracle: Oracle, tally: Tally) -> None:
        checks.programs([oracle], "cpu", tally)

    failed = 0
    oracles = several(number, count=4, orders=2)
    try:
        checks.programs(oracles, "cpu", tally)
    except Exception as error:
        print(f"FAILED cpu {number}: {type(error).__name__}: {str(error)[:600]}", flush=True)
        failed = 1
        for oracle in oracles:
            message = failure(check, oracle, tally)
            if message is not None:
                told(number, "cpu", check, oracle.subject.growth, message)
    try:
        g = trained(number)
        for target in ("numpy", "cpu"):
            checks.training(g, target, tally)
    except Exception as error:
        print(f"FAILED training {number}: {type(error).__name__}: {str(error)[:600]}", flush=True)
        failed += 1
    return failed


def network(number: int, is_large: bool) -> int:
    """Train a random network on both targets; how many failed."""
    try:
        compare(number, is_large)
    except Exception as error:
        print(f"FAILED network {number}: {type(error).__name__}: {str(error)[:2000]}", flush=True)
        return 1
    return 0


def main() -> None:
    """Go on until the time is over, and tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--first", type=int, default=10_000, help="the first graph's number")
    parser.add_argument(
        "--cpu", type=int, default=20, help="a native program after how many graphs"
    )
    parser.add_argument("--networks", type=int, default=5, help="a network after how many graphs")
    given = parser.parse_args()
    end, number, failed, programs = time.time() + 60 * given.minutes, given.first, 0, 0
    networks = 0
    tally, calls = Tally(), Counter[str]()
    while time.time() < end:
        failed += one(number, tally, calls)
        number += 1
        if given.cpu and number % given.cpu == 0:
            failed += native(number, tally)
            programs += 1
        if given.networks and number % given.networks == 0:
            failed += network(number, is_large=networks % 8 == 7)
            networks += 1
    print(f"{number - given.first} graphs, {sum(calls.values())} calls of {len(calls)} of")
    print(f"{len(LINES)} lines, {programs} native programs of 4 graphs,")
    print(f"{networks} networks, {failed} failures")
    for name, compared in tally.compared.items():
        print(f"  {name}: {compared} compared, {tally.left[name]} said nothing")


if __name__ == "__main__":
    main()
