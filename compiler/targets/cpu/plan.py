"""The memory of a program of this target, as it is explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...explain.formulas import text
from ...explain.loops import shortened
from ...explain.plan import Choice, Held, Plan, Scratch, Tensor
from ...explain.sizes import checked
from ...ir import Graph, Node
from ...passes.loops import Schedule
from ...passes.memory import larger, lives
from ...program import Program, Role
from .module import layouts


def plan_of(graph: Graph, sizes: Mapping[str, int]) -> Plan:
    """What memory the program of a lowered graph uses.

    Args:
        graph: in ops that the target spells.
        sizes: numbers for sizes; others stay symbols.
    """
    sizes = checked(graph, sizes)
    program, modules = layouts(graph)
    tensors: dict[str, list[Tensor]] = {}
    choices: list[Choice] = []
    place = 0
    for module in modules:
        planned, arrays = module.schedule, module.arrays
        kernels = [x.name for x in program.kernels[place:][: len(planned.kernels)]]
        place += len(kernels)
        choices += _choices(planned, arrays)
        alive = lives(planned.kernels, module.views)
        for node, buffer in module.views.items():
            first, last = (kernels[i] for i in (alive[node].first, alive[node].last))
            tensor = Tensor(arrays[node], node.type, first, last)
            tensors.setdefault(buffer, []).append(tensor)
    return Plan(
        program.name,
        _held(program, "input", "setting"),
        _held(program, "param"),
        _held(program, "state"),
        _held(program, "output"),
        tuple(
            Scratch(x.name, x.type, tuple(tensors.get(x.name, ()))) for x in program.of("scratch")
        ),
        tuple(choices),
        sizes,
    )


def _held(program: Program, *roles: Role) -> tuple[Held, ...]:
    return tuple(Held(x.name, x.type) for x in program.of(*roles))


def _choices(schedule: Schedule, arrays: Mapping[Node, str]) -> Iterator[Choice]:
    """What was decided."""
    for x in schedule.decisions:
        stored = x.node in schedule.stored
        again = x.times != x.node.type.size and larger(x.times, x.node.type.size) == x.times
        if not stored and (x.stored or not again):
            continue  # its loops were joined: it is computed once, and not in memory
        name = arrays.get(x.node) if stored else schedule.names.get(x.node)
        formula = name or shortened(text(x.node, schedule.names))
        yield Choice(formula, x.node.type, stored, x.cost, x.times)
