"""Nodes as mathematics: `dL/dz1 = (dL/dy W2ᵀ) * (1 - h1²)`, in text and in LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..ir import Graph, Node, is_leaf, walk
from .latex import Latex
from .notation import Notation, Text
from .printer import Printer

__all__ = ["Equation", "Formulas", "equation", "latex", "text"]


def text(node: Node, names: Mapping[Node, str] | None = None, depth: int = 12) -> str:
    """A node as mathematics, in Unicode text.

    Args:
        node: what to print. It is opened even if it has a name.
        names: what nodes are called; named ones are not opened.
        depth: how many operations deep; below stands `…`.

    Returns:
        One line, such as `tanh(x W1 + b1)`.
    """
    return Printer(names or {}, Text(), depth).formula(node)


def latex(node: Node, names: Mapping[Node, str] | None = None, depth: int = 12) -> str:
    r"""A node as mathematics, in LaTeX: `\tanh\left(x W_1 + b_1\right)`. See `text`."""
    return Printer(names or {}, Latex(), depth).formula(node)


def equation(node: Node, names: Mapping[Node, str], notation: Notation | None = None) -> str:
    """A named node and what it is: `h1 = tanh(x W1 + b1)`."""
    printer = Printer(names, notation or Text())
    return f"{printer.name(names[node])} = {printer.formula(node)}"


@dataclass(frozen=True, slots=True, repr=False)
class Equation:
    """One line of mathematics: a name and what it stands for."""

    node: Node
    names: Mapping[Node, str]

    def __str__(self) -> str:
        return equation(self.node, self.names)

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return _inline(self.latex())

    def latex(self) -> str:
        """The equation in LaTeX."""
        return equation(self.node, self.names, Latex())


class Formulas(Mapping[str, tuple[Equation, ...]]):
    """The gradient of each parameter as equations, those it is made from first.

    `print` shows it as text; `.latex()` gives LaTeX, which notebooks show as mathematics.

    Args:
        wanted: for each name, the node that is to be explained.
        names: what nodes are called.
        known: nodes that need no equation, because the reader has them: those of the forward pass.
    """

    def __init__(
        self,
        wanted: Mapping[str, Node],
        names: Mapping[Node, str],
        known: Sequence[Node] = (),
    ) -> None:
        """Collect the equations."""
        given = frozenset(known) - frozenset(wanted.values())
        leaves = [node for node in walk(list(wanted.values())) if is_leaf(node)]
        self._names = {**{leaf: leaf.attr("name") for leaf in leaves}, **names}
        for name, node in wanted.items():
            if not is_leaf(node):
                self._names.setdefault(node, name)
        self._equations = {
            name: tuple(
                Equation(inner, self._names)
                for inner in walk([node], given)
                if (inner is node or inner in self._names)
                and not is_leaf(inner)
                and inner not in given
            )
            for name, node in wanted.items()
        }

    def __getitem__(self, name: str) -> tuple[Equation, ...]:
        """The equations of one parameter."""
        from ..errors import UnknownNameError, nearest

        if name not in self._equations:
            raise UnknownNameError(
                f"no formula for {name!r}",
                f"there are {', '.join(self._equations) or 'none'}",
                nearest(name, self._equations),
            )
        return self._equations[name]

    def __contains__(self, name: object) -> bool:
        return name in self._equations

    def __iter__(self) -> Iterator[str]:
        return iter(self._equations)

    def __len__(self) -> int:
        return len(self._equations)

    @property
    def equations(self) -> tuple[Equation, ...]:
        """Every equation once, in an order in which each is made of those above it."""
        seen: dict[Node, Equation] = {}
        for group in self._equations.values():
            for item in group:
                seen.setdefault(item.node, item)
        order = walk(list(seen))
        return tuple(seen[node] for node in order if node in seen)

    def __str__(self) -> str:
        parts = [str(item).split(" = ", 1) for item in self.equations]
        width = max((len(name) for name, _ in parts), default=0)
        return "\n".join(f"{name:<{width}} = {formula}" for name, formula in parts)

    def __repr__(self) -> str:
        return str(self)

    def latex(self) -> str:
        """All equations, aligned, in LaTeX."""
        lines = [item.latex().replace(" = ", " &= ", 1) for item in self.equations]
        joined = " \\\\\n".join(lines)
        return f"\\begin{{aligned}}\n{joined}\n\\end{{aligned}}"

    def _repr_latex_(self) -> str:
        return _inline(self.latex())

    def _repr_html_(self) -> str:
        # Notebooks prefer HTML to LaTeX, and typeset the mathematics in it.
        return (
            f"<div>{escape(self._repr_latex_())}</div>"
            f"<details><summary>as text</summary><pre>{escape(str(self))}</pre></details>"
        )


def _inline(mathematics: str) -> str:
    return f"$\\displaystyle {mathematics}$"


def gradients(graph: Graph) -> Formulas:
    """The gradients of a derived graph: one entry a parameter, in the parameters' order."""
    found = gradient_nodes(graph)
    return Formulas(
        {leaf.attr("name"): node for leaf, node in found.items()},
        display_names(graph),
        forward(graph),
    )


def gradient_nodes(graph: Graph) -> dict[Node, Node]:
    """For each parameter, the node that is named as the gradient of the first output for it."""
    by_name = {name: node for node, name in graph.names.items()}
    result = display_names(graph).get(graph.outputs[0][1], "") if graph.outputs else ""
    found = {}
    for leaf in graph.params:
        node = by_name.get(f"d{result}_d{leaf.attr('name')}")
        if node is not None:
            found[leaf] = node
    return found


def display_names(graph: Graph) -> dict[Node, str]:
    """What nodes are called: their names, those of outputs, those of leaves."""
    names = dict(graph.names)
    for name, node in graph.outputs:
        names.setdefault(node, name)
    found = walk((*graph.leaves, *graph.roots))
    names.update({leaf: leaf.attr("name") for leaf in found if is_leaf(leaf)})
    return names


def forward(graph: Graph) -> list[Node]:
    """The named nodes that the outputs are made of, and so are no part of a gradient."""
    outputs = [node for _, node in graph.outputs]
    return [node for node in walk(outputs) if node in graph.names]
