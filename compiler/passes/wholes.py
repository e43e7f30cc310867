"""What computes whole tensors at once: products, routines, and graphs inside a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..ir import Graph, Node
from ..types import Dim, Shape
from .loops import Schedule
from .scalars import label

# Of each axis of a tensor: which axis of a batch of matrices it is; None for a matrix' own two.
Places: TypeAlias = "tuple[int | None, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """A contraction as batches of matrix products, made by a routine that is named by `kind`.

    `out[b] = left[b] @ right[b]`, each matrix transposed where it says so.

    Attributes:
        kind: which routine; `gemm` is the library's.
        node: the contraction.
        left, right: tensors in memory.
        batch: sizes of the axes that the three share.
        m, k, n: rows of the result, the length of the sum, columns of the result.
        places: in what order the axes of left, right and result lie, where those of the batch are
            not in front of all three.
    """

    kind: Literal["gemm"]
    node: Node
    left: Node
    right: Node
    left_transposed: bool
    right_transposed: bool
    batch: Shape
    m: Dim
    k: Dim
    n: Dim
    places: tuple[Places, ...] = ()

    @property
    def operands(self) -> tuple[Node, ...]:
        """The tensors that are read."""
        return (self.left, self.right)

    @property
    def work(self) -> tuple[Node, ...]:
        """No tensors to work in."""
        return ()

    @property
    def matrices(self) -> tuple[tuple[Node, tuple[Dim, Dim]], ...]:
        """Left, right and result, each with the sizes of its matrices as they lie."""
        m, k, n = self.product
        left = (k, m) if self.left_transposed else (m, k)
        right = (n, k) if self.right_transposed else (k, n)
        return (self.left, left), (self.right, right), (self.node, (m, n))

    @property
    def product(self) -> tuple[Dim, Dim, Dim]:
        """Rows, length of the sums and columns."""
        return (self.m, self.k, self.n)

    def __str__(self) -> str:
        t = ("'" if self.left_transposed else "", "'" if self.right_transposed else "")
        sides = f"{label(self.left)}{t[0]} {label(self.right)}{t[1]}"
        return f"{self.kind}: {label(self.node)} = {sides}"


@dataclass(frozen=True, slots=True, eq=False)
class Routine:
    """A call of the library's that computes a whole tensor from whole tensors.

    Attributes:
        kind: the routine's name.
        node: the tensor that is computed.
        operands: tensors in memory.
        views: the shape in which the routine sees each operand, and the result.
        work: tensors that only the routine uses, as they are.
        options: more arguments.
        code: the fault that it may set, or 0.
        product: the sizes of a matrix product that costs as much, if it is such a routine.
        text: what it is told in words, before all other arguments.
        terms: how many products it adds up, where it is a contraction.
        rows: which of operands and result have the result's first axis as theirs, and with it make
            some rows of it from theirs alone; empty if there is more in these than rows.
    """

    kind: str
    node: Node
    operands: tuple[Node, ...]
    views: tuple[Shape, ...]
    work: tuple[Node, ...] = ()
    options: tuple[int, ...] = ()
    code: int = 0
    product: tuple[Dim, Dim, Dim] | None = None
    text: str = ""
    terms: Dim = 0
    rows: tuple[bool, ...] = ()

    def __str__(self) -> str:
        text = f" {self.text}:" if self.text else ""
        return f"{self.kind}:{text} {label(self.node)} of {', '.join(map(label, self.operands))}"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A graph inside a node, as kernels of its own.

    Attributes:
        graph: what is computed.
        planned: its kernels.
        given: the tensors outside that its inputs and its state are; one that has an axis more is
            a stack of them.
        made: the tensors outside that its outputs are, or are stacked in.
    """

    graph: Graph
    planned: Schedule
    given: tuple[Node, ...]
    made: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A step that is repeated: kernels of its own, called for one element of the stacks at a time.

    Attributes:
        results: the carries, which hold the first values before, then the stacks.
        sequences: tensors of which each step reads an element.
        constants: tensors that each step reads.
        step: the step, with the carries as state, and what is stacked as outputs.
        length: how many steps there are at most, if that is known.
        reverse: whether they go from the last element to the first.
        steps: the number of steps that are taken, if the loop is counted.
        test: whether to take another step, if that is a condition.
        holds: the condition, which the test computes.
        taken: the number of steps that were taken, if it is wanted.
        code: the fault if the condition holds after the last step, or 0.
    """

    results: tuple[Node, ...]
    sequences: tuple[Node, ...]
    constants: tuple[Node, ...]
    step: Part
    length: Dim | None
    reverse: bool
    steps: Node | None = None
    test: Part | None = None
    holds: Node | None = None
    taken: Node | None = None
    code: int = 0

    @property
    def operands(self) -> tuple[Node, ...]:
        """The tensors that are read."""
        steps = () if self.steps is None else (self.steps,)
        return (*self.sequences, *self.constants, *steps)

    @property
    def made(self) -> tuple[Node, ...]:
        """The tensors that are written."""
        more = (self.holds, self.taken)
        return (*(x for x in more if x is not None), *self.results)

    @property
    def node(self) -> Node:
        """The last of the tensors that are written."""
        return self.made[-1]

    @property
    def work(self) -> tuple[Node, ...]:
        """The others."""
        return self.made[:-1]

    @property
    def stacks(self) -> tuple[Node, ...]:
        """What has an element for every step."""
        return self.step.made

    @property
    def ends_early(self) -> bool:
        """Whether fewer steps may be taken than the stacks have room for."""
        return self.steps is not None or self.test is not None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The graphs inside."""
        return (self.step,) if self.test is None else (self.test, self.step)

    @property
    def product(self) -> None:
        """Matrix products are in the step, if there are any."""
        return None

    def __str__(self) -> str:
        made = ", ".join(map(label, self.made))
        length = "" if self.length is None else f" {self.length}"
        test = "" if self.test is None else f"while\n{_indented(self.test)}\n"
        return f"repeat{length}: {made}\n{test}{_indented(self.step)}"


@dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """Two graphs of which one is computed.

    Attributes:
        results: what either of them computes.
        condition: which one.
        constants: tensors that they read.
        then: the one where the condition holds.
        otherwise: the other.
    """

    results: tuple[Node, ...]
    condition: Node
    constants: tuple[Node, ...]
    then: Part
    otherwise: Part

    @property
    def operands(self) -> tuple[Node, ...]:
        """The tensors that are read."""
        return (self.condition, *self.constants)

    @property
    def made(self) -> tuple[Node, ...]:
        """The tensors that are written."""
        return self.results

    @property
    def node(self) -> Node:
        """The last of the tensors that are written."""
        return self.results[-1]

    @property
    def work(self) -> tuple[Node, ...]:
        """The others."""
        return self.results[:-1]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The graphs inside."""
        return (self.then, self.otherwise)

    @property
    def product(self) -> None:
        """Matrix products are inside, if there are any."""
        return None

    def __str__(self) -> str:
        made = ", ".join(map(label, self.made))
        head = f"if {label(self.condition)}: {made}"
        return f"{head}\n{_indented(self.then)}\nelse\n{_indented(self.otherwise)}"


def _indented(part: Part) -> str:
    return "\n".join(f"    {line}" for line in str(part.planned).splitlines())


# What computes whole tensors at once.
Whole: TypeAlias = Core | Routine | Repeat | Branches


def parts_of(core: Whole | None) -> tuple[Part, ...]:
    """The graphs inside."""
    return core.parts if isinstance(core, Repeat | Branches) else ()
