"""The module of a program: its kernels, a step that calls them, and an epoch of steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import UsageError
from ...ir import Graph, Node
from ...ops.convert import LITERAL
from ...ops.steps import with_steps
from ...passes.alike import Pattern, passed, pattern
from ...passes.independent_rows import rows_of
from ...passes.loops import Kernel as Nest, Schedule
from ...passes.memory import plan
from ...passes.nests import loops
from ...passes.scalars import LETTERS, given, in_place
from ...passes.schedule import schedule
from ...passes.wholes import Core, Part, Repeat, parts_of
from ...passes.work import work
from ...program import Buffer, Kernel, Program, Role, Work
from ...types import Dim, Size, TensorType, Where, symbols
from ..spelling import Identifiers, comment
from .comments import Comments, Line, above, located
from .expressions import shape_text
from .kernel import KernelWriter
from .names import wanted
from .row_panel import RowPanel, panels
from .spelling import CALLS, WIDTH, call_text

LIBRARY = "chainrule.runtime.devices.cpu.library"
RESERVED = {
    *CALLS,
    *"accumulate checked constant contract f32 f64 i32 i64 rows_in_order inf nan".split(),
    *"kernel program view".split(),
    *"add_matmul_tn matmul matmul_halves matmul_nt matmul_tn matmul_tt".split(),
    *"philox_uniform_f32 philox_uniform_f64".split(),
    *"range bool min max step epoch fault order totals first last batch_size".split(),
    *"rows start done number panel local_array prange prefetch transposed".split(),
    *"argsort cholesky group_rows pivots rows_by_panel searchsorted solve solve_triangular".split(),
}
BATCH = "batch"
# A larger one is data, not text.
LARGEST_CONSTANT = 10**6


def emit(graph: Graph, fingerprint: str) -> Program:
    """The program of a lowered graph."""
    return _Module(schedule(graph)).program(fingerprint)


def layouts(graph: Graph) -> tuple[Program, list[_Module]]:
    """The program of a lowered graph, and its modules: those of graphs inside come first."""
    module = _Module(schedule(graph))
    return module.program(""), list(module.modules())


@dataclass(frozen=True, slots=True)
class _Argument:
    """A buffer of the program, and its name in the text."""

    buffer: Buffer
    text: str


@dataclass(frozen=True, slots=True)
class _Function:
    """A kernel's text, and what it takes beside arrays.

    Attributes:
        leader: the first use, in whose names it is written.
        varying: which of the numbers that kernels have for themselves differ from use to use.
        faults: whether it may report a fault.
    """

    name: str
    source: str
    sizes: tuple[str, ...]
    varying: tuple[int, ...]
    faults: bool
    leader: Nest

    def arguments(self, use: Kernel, nest: Nest, room: Sequence[str]) -> tuple[str, ...]:
        """What is passed for a use of it; `room` are the buffers of the graphs inside."""
        arrays = dict.fromkeys((*use.reads, *use.writes))
        numbers = passed(nest) if self.varying else ()
        varying = (str(numbers[i][1]) for i in self.varying)
        return (*self.sizes, *arrays, *varying, *room, *(["fault"] if self.faults else []))


class _Module:
    """A program, or a graph inside one, such as a loop's step: `outer` is the module around it."""

    def __init__(
        self,
        planned: Schedule,
        outer: _Module | None = None,
        part: Part | None = None,
    ) -> None:
        self.schedule, self.outer, self.part = planned, outer, part
        self.graph = graph = planned.graph
        self.stored = frozenset(planned.stored)
        self.comments = Comments(graph, self.stored)
        self.names = self.comments.names
        if outer is None:
            self.reserved = {*RESERVED, *LETTERS[: max(_deepest(planned), 1)]}
            self.identifiers = Identifiers(self.reserved)
            self.symbols = self._symbols()
            self.sizes = {name: self.identifiers.new(name) for name in self.symbols}
            self.library: set[str] = {"kernel", "program"}
        else:
            self.reserved, self.identifiers = outer.reserved, outer.identifiers
            self.symbols, self.sizes, self.library = outer.symbols, outer.sizes, outer.library
        self.arguments: list[_Argument] = []
        self.arrays: dict[Node, str] = {}
        self.views: dict[Node, str] = {}
        self.gathered: dict[Node, str] = {}
        self.title = "step"
        self._arguments()
        self.formulas = {x: self.comments.kernel(x, self.arrays) for x in planned.kernels}
        self.parts: dict[Part, _Module] = {
            part: _Module(part.planned, self, part)
            for nest in planned.kernels
            for part in parts_of(nest.core)
        }

    # Names and buffers

    def _symbols(self) -> tuple[str, ...]:
        found: set[str] = set()
        for node in with_steps(self.graph.nodes()):
            found |= symbols(node.shape)
            for _, value in node.attrs:
                for dim in value if isinstance(value, tuple) else (value,):
                    if isinstance(dim, Size):
                        found |= dim.symbols()
        # The batch first: it is what changes most.
        return tuple(sorted(found, key=lambda name: (name != BATCH, name)))

    def _batched(self, node: Node) -> bool:
        return (
            node.attr("role") == "input"
            and bool(node.shape)
            and isinstance(node.shape[0], Size)
            and str(node.shape[0]) == BATCH
        )

    @property
    def batch(self) -> str | None:
        """The symbol of the batch, if there is an epoch: something to gather and to add up."""
        gathered = self.outer is None and any(map(self._batched, self.graph.inputs))
        summed = any(not node.shape for _, node in self.graph.outputs)
        return BATCH if gathered and summed else None

    def _argument(self, name: str, role: Role, type: TensorType, where: Where | None) -> str:
        text = self.identifiers.new(name)
        self.arguments.append(_Argument(Buffer(name, role, type, where), text))
        return text

    def _scratch(self, wanted: str, type: TensorType) -> str:
        text = self.outer._scratch(wanted, type) if self.outer else self.identifiers.new(wanted)
        self.arguments.append(_Argument(Buffer(text, "scratch", type), text))
        return text

    def _arguments(self) -> None:
        graph = self.graph
        by_role = [
            *(x for x in graph.inputs if x.attr("role") == "input"),
            *(x for x in graph.inputs if x.attr("role") == "setting"),
            *graph.params,
            *graph.state,
        ]
        for x in by_role:
            self.arrays[x] = self._argument(x.attr("name"), x.attr("role"), x.type, x.where)
        for (name, node), tensor in zip(graph.outputs, self.schedule.outputs, strict=True):
            text = self._argument(name, "output", node.type, node.where)
            self.arrays[tensor] = text
        for x in self._literals():
            self.arrays[x] = self.identifiers.new(self.names.get(x, "constants"))
        if self.batch is not None:
            for x in filter(self._batched, graph.inputs):
                self.gathered[x] = self._scratch(f"{x.attr('name')}_batch", x.type)
        inner = [x for x in self.schedule.stored if x not in self.schedule.outputs]
        for x in inner:
            self.arrays[x] = self.identifiers.new(wanted(x, self.names, self.arrays))
        for number, slot in enumerate(plan(self.schedule.kernels, inner), 1):
            text = self._scratch(f"scratch_{number}", TensorType(slot.dtype, (slot.size,)))
            self.views.update(dict.fromkeys(slot.tensors, text))
        # Values that are never stored have names too.
        for nest in self.schedule.kernels:
            for x in nest.writes():
                if x not in self.arrays:
                    self.arrays[x] = self.identifiers.new(wanted(x, self.names, self.arrays))

    # Text

    def program(self, fingerprint: str) -> Program:
        """Everything together."""
        parts, kernels, constants = self._parts()
        if self.batch is not None:
            parts.append(self._epoch())
        head = [f'"""{self.comments.title("prange" in self.library)}"""', "", self._imports()]
        if constants:
            head += ["", "\n".join(constants)]
        source = "\n".join(head) + "\n\n\n" + "\n\n\n".join(parts) + "\n"
        return Program(
            name=self.graph.name,
            target="cpu",
            source=source,
            buffers=tuple(argument.buffer for argument in self.arguments),
            kernels=tuple(kernels),
            sizes=self.symbols,
            batch=self.batch,
            faults=self.schedule.faults,
            bounds=self.schedule.bounds,
            fingerprint=fingerprint,
        )

    def _parts(self) -> tuple[list[str], list[Kernel], list[str]]:
        """Functions, those of loops' steps first; the kernels among them; constant arrays."""
        modules = list(self._titled())
        functions = _functions(modules)
        parts: dict[str, None] = {}
        kernels: list[Kernel] = []
        constants: list[str] = []
        leaders = {function.leader for function in functions.values()}
        doubles = {
            part
            for module in modules
            for nest in module.schedule.kernels
            if nest not in leaders
            for part in parts_of(nest.core)
        }
        for module in modules:
            constants += [f"{module.arrays[x]} = {self._constant(x)}" for x in module._literals()]
            own, calls = module._kernels(functions)
            parts.update(dict.fromkeys(kernel.source for kernel in own))
            if module.part not in doubles:
                parts[module._step(calls)] = None
            kernels += own
        return list(parts), kernels, constants

    def modules(self) -> Iterator[_Module]:
        """The modules of the graphs inside, then this one."""
        for module in self.parts.values():
            yield from module.modules()
        yield self

    def _titled(self) -> Iterator[_Module]:
        """The same, which get their titles."""
        for nest in self.schedule.kernels:
            for part in parts_of(nest.core):
                assert nest.core is not None
                module, of = self.parts[part], self.arrays[nest.core.node]
                module.title = self.identifiers.new(f"{part.graph.name}_of_{of}")
                yield from module._titled()
        yield self

    def _imports(self) -> str:
        names = sorted(self.library, key=lambda name: (name.lower(), name))
        line = f"from {LIBRARY} import {', '.join(names)}"
        if len(line) <= WIDTH:
            return line
        return f"from {LIBRARY} import (\n" + "".join(f"    {name},\n" for name in names) + ")"

    def _literals(self) -> list[Node]:
        return [x for x in self.graph.nodes() if x.op is LITERAL]

    def _constant(self, node: Node) -> str:
        """An array that the text gives element by element."""
        data = node.attr("data")
        if len(data.content) > LARGEST_CONSTANT:
            raise UsageError(
                f"a constant array of {len(data.content):,} bytes",
                f"{node.type}; target cpu writes constants of up to {LARGEST_CONSTANT:,} bytes",
                "make it an input, and pass the array when you call",
                node.where,
            )
        self.library.add("constant")
        values = ", ".join(map(repr, data.array().ravel().tolist()))
        self.library |= {name for name in ("inf", "nan") if name in values}
        return f'constant("{node.dtype}", {shape_text(node.shape, {})}, [{values}])'

    def _called(self, part: Part, turn: str, margin: str, panel: RowPanel | None = None) -> str:
        """The lines that call a graph inside a kernel; of stacks it gets the element `turn`.

        With a panel, it gets those rows of everything that has rows.
        """
        module, outside, sizes = self.parts[part], {}, dict(self.sizes)
        own = (*part.graph.inputs, *part.graph.state, *module.schedule.outputs)
        for x, tensor in zip(own, (*part.given, *part.made), strict=True):
            text = self.arrays[tensor]
            if tensor.type.ndim > x.type.ndim:
                text += f"[{turn}]" if x.shape else f"[{turn}:{turn} + 1]"
            if panel is not None and x.shape and x.shape[0] == panel.rows:
                text += panel.part()
            outside[module.arrays[x]] = text
        if panel is not None:
            sizes[str(panel.rows)] = panel.size
            outside.update({x.name: x.name + panel.part_of(x.type.size) for x in module.room})
        texts = [outside.get(argument.text, argument.text) for argument in module.arguments]
        return call_text(f"{margin}{module.title}", [*sizes.values(), *texts, "fault"], "")

    def _rows(self, loop: Repeat) -> Size | None:
        return rows_of(loop, [x.type.size for x in self.parts[loop.step].room])

    @property
    def room(self) -> list[Buffer]:
        """The buffers to work in."""
        return [x.buffer for x in self.arguments if x.buffer.role == "scratch"]

    def _kernels(self, functions: Mapping[Nest, _Function]) -> tuple[list[Kernel], list[str]]:
        """A kernel and a call for each nest."""
        kernels, calls = [], []
        counted: dict[str, Work] = {}  # nests that are alike do the same
        for nest in self.schedule.kernels:
            function = functions[nest]
            if function.name not in counted:
                counted[function.name] = self._work(nest)
            reads, writes = self._traffic(nest)
            kernel = Kernel(
                function.name,
                function.source,
                tuple(self.arrays[x] for x in reads),
                tuple(self.arrays[x] for x in writes),
                "\n".join(located(self.formulas[nest])),
                nest.where,
                counted[function.name],
                tuple(self.arrays[x] for x in nest.own),
            )
            kernels.append(kernel)
            given = function.arguments(kernel, nest, self._room(nest))
            calls.append(call_text(f"    {function.name}", given, ""))
        return kernels, calls

    def _room(self, nest: Nest) -> list[str]:
        """The buffers of the graphs inside a nest."""
        return [x.name for part in parts_of(nest.core) for x in self.parts[part].room]

    def _traffic(self, nest: Nest) -> tuple[list[Node], list[Node]]:
        """The tensors that a nest reads from memory, and those that it writes there."""
        stored, made = self.stored, nest.writes()
        reads = [x for x in nest.reads() if x in stored or (given(x) and x not in made)]
        return reads, [x for x in made if x in stored or in_place(x)]

    def _work(self, nest: Nest) -> Work:
        """What a nest does in a call."""
        stored = self.stored
        reads = [x for x in nest.reads() if x in stored or given(x)]
        whole = work(nest, reads, [x for x in nest.writes() if x in stored or in_place(x)])
        return replace(whole, calls=self._panels())

    def _panels(self) -> Dim:
        """In how many panels of rows the step of a loop around is taken."""
        if self.outer is None:
            return 1
        loops = (nest.core for nest in self.outer.schedule.kernels)
        around = next(x for x in loops if self.part in parts_of(x))
        own = panels(self.outer._rows(around) if isinstance(around, Repeat) else None)
        return self.outer._panels() if own == 1 else own

    def function(self, place: int, nests: Sequence[Nest], uses: Sequence[list[Line]]) -> _Function:
        """The function of nests that are alike, in the names of the first."""
        nest = nests[0]
        taken = Identifiers((*self.reserved, *self.arrays.values(), *self.sizes.values()))
        numbers = list(zip(*map(passed, nests), strict=True))
        varying = tuple(i for i, each in enumerate(numbers) if len(set(each)) > 1)
        texts = {numbers[i][0]: taken.new(numbers[i][0][0]) for i in varying}
        writer = KernelWriter(
            nest,
            self.arrays,
            self.stored,
            self.schedule.names,
            self.sizes,
            texts,
            [*self.reserved, *self.arrays.values(), *self.sizes.values(), *texts.values()],
            self._called,
            self._rows,
        )
        self.library |= writer.library
        reads, writes = self._traffic(nest)
        sizes = tuple(self.sizes[name] for name in self.symbols if name in writer.symbols)
        arrays = tuple(dict.fromkeys(self.arrays[x] for x in (*reads, *writes)))
        name = self.identifiers.new(f"k{place}_{self.arrays[self._main(writes)]}")
        last = self._room(nest) + (["fault"] if writer.faults else [])
        head = call_text(f"def {name}", (*sizes, *arrays, *texts.values(), *last), ":")
        lines = [f"# {comment(line)}" for line in above(uses)]
        source = "\n".join([*lines, "@kernel", head, *(writer.lines or ["    pass"])])
        return _Function(name, source, sizes, varying, writer.faults, nest)

    def _main(self, writes: Sequence[Node]) -> Node:
        """The tensor after which a kernel is called."""
        outputs = [x for x in writes if x in self.schedule.outputs]
        params = [x for x in writes if x in self.graph.params]
        named = [x for x in writes if x in self.names]
        return (outputs or params or named or list(writes))[-1]

    def _step(self, calls: Sequence[str]) -> str:
        given = [*self.sizes.values(), *(argument.text for argument in self.arguments), "fault"]
        lines = ["@program", call_text(f"def {self.title}", given, ":")]
        used = {x for nest in self.schedule.kernels for x in (*nest.reads(), *nest.writes())}
        for x, flat in self.views.items():
            if x in used:
                self.library.add("view")
                shape = shape_text(x.shape, self.sizes)
                lines.append(f"    {self.arrays[x]} = view({flat}, {shape})")
        for x in self.schedule.outputs:
            if symbols(x.shape) and self.outer is None:
                # In an epoch the array has the rows of a full batch.
                self.library.add("view")
                shape = shape_text(x.shape, self.sizes)
                lines.append(f"    {self.arrays[x]} = view({self.arrays[x]}, {shape})")
        return "\n".join([*lines, *(calls or ["    pass"])])

    def _epoch(self) -> str:
        """Batches one after the other: take its rows, take a step, add up what has no axes."""
        self.library |= {"view", "rows_in_order", "f64"}
        texts = [argument.text for argument in self.arguments]
        given = ["first", "last", "batch_size", "order", *self.sizes.values(), "totals", *texts]
        lines = ["@program", call_text("def epoch", [*given, "fault"], ":"), "    done = 0"]
        lines.append("    for number in range(first, last):")
        lines.append("        start = number * batch_size")
        lines.append("        rows = min(batch_size, order.shape[0] - start)")
        passed = dict(zip(texts, texts, strict=True))
        sizes = {**self.sizes, BATCH: "rows"}
        for x, flat in self.gathered.items():
            name = self.identifiers.new(f"{x.attr('name')}_rows")
            shape = shape_text(x.shape, sizes)
            memory = f"view({flat}, {shape})"
            given = [self.arrays[x], "order", "start", memory]
            lines.append(call_text(f"        {name} = rows_in_order", given, ""))
            passed[self.arrays[x]] = name
        lines.append(call_text("        step", [*sizes.values(), *passed.values(), "fault"], ""))
        outputs = [argument for argument in self.arguments if argument.buffer.role == "output"]
        stop = "fault[0] != 0"
        first = outputs[0]
        if not first.buffer.type.shape and first.buffer.type.is_float:
            self.library.add("isfinite")
            stop += f" or not isfinite({first.text}[0])"
        lines += [f"        if {stop}:", "            break"]
        for i, output in enumerate(x for x in outputs if not x.buffer.type.shape):
            lines.append(f"        totals[{i}] += f64(rows) * f64({output.text}[0])")
        return "\n".join([*lines, "        done += 1", "    return done"])


def _functions(modules: Sequence[_Module]) -> dict[Nest, _Function]:
    """The function of each nest of a program; nests that are alike have one."""
    uses: dict[Pattern, list[tuple[_Module, Nest]]] = {}
    for module in modules:
        for nest in module.schedule.kernels:
            uses.setdefault(pattern(nest, module.stored), []).append((module, nest))
    places: Counter[_Module] = Counter()
    functions: dict[Nest, _Function] = {}
    for group in uses.values():
        first, nests = group[0][0], [nest for _, nest in group]
        places[first] += 1
        lines = [module.formulas[nest] for module, nest in group]
        functions.update(dict.fromkeys(nests, first.function(places[first], nests, lines)))
    return functions


def _deepest(planned: Schedule) -> int:
    """How many loops stand inside each other, at most; those of steps stand alone."""
    found = [loops(nest.entries) for nest in planned.kernels]
    found += [
        len(core.batch) + 2
        for nest in planned.kernels
        for core in nest.wholes
        if isinstance(core, Core) and core.batch
    ]
    for nest in planned.kernels:
        found += [_deepest(part.planned) for part in parts_of(nest.core)]
        if isinstance(nest.core, Repeat) and nest.core.ends_early:
            found += [stack.type.ndim for stack in nest.core.stacks]
    return max(found, default=0)
