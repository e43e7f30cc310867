"""Products in blocks: some rows of each matrix of a batch, one block after the other."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Node
from ...passes.scalars import LETTERS
from ...passes.wholes import Core, Places
from ...types import Dim, Shape, product
from .expressions import Expressions
from .spelling import ATOM, call_text, within

MARGIN = "    "


class Blocks(Expressions):
    """Writes what a kernel does for some rows of each matrix of a batch."""

    def _each_matrix(self, batch: Shape) -> Iterator[str]:
        """The head of a loop over the matrices, and where each of them is in the batch."""
        self.library.add("prange")
        count = self.size(product(batch))[0]
        if len(batch) == 1:
            yield f"{MARGIN}for {LETTERS[0]} in prange({count}):"
            return
        matrix = self.identifiers.new("matrix")
        yield f"{MARGIN}for {matrix} in prange({count}):"
        for depth, dim in enumerate(batch):
            behind = batch[depth + 1 :]
            text = f"{matrix} // {within(self.size(product(behind)), ATOM)}" if behind else matrix
            if depth:
                text += f" % {within(self.size(dim), ATOM)}"
            yield f"{MARGIN * 2}{LETTERS[depth]} = {text}"

    def _of_block(self, core: Core, name: str, margin: str) -> None:
        """A product of a block's rows, or what they add to a sum over all rows."""
        assert self.panel is not None
        adds = core.left_transposed
        if adds and self.panel.rows != self.panel.dim:
            name = f"add_{name}"
            self.library.add(name)
        given = [
            self._side(tensor, matrix, places, core.batch, has_rows)
            for (tensor, matrix), places, has_rows in zip(
                core.matrices, places_of(core), (True, adds, not adds), strict=True
            )
        ]
        self.lines.append(call_text(f"{margin}{name}", given, ""))

    def _side(
        self,
        tensor: Node,
        matrix: tuple[Dim, Dim],
        places: Places,
        batch: Shape,
        has_rows: bool,
    ) -> str:
        """The matrix of an operand or a result, or the block's rows of it."""
        assert self.panel is not None
        found = self.seen(tensor, dims_of(matrix, places, batch))
        start, stop = self.bounds(self.panel.dim)
        rows = ":"
        if self._is_part(tensor):
            partial = start != "0" and not self.panel.whole
            return f"{found}[0 : {stop} - {start}]" if partial else found
        if has_rows and start != "0":
            rows = f"{start}:{stop}" if stop.isidentifier() else f"{start} : {stop}"
        index = [":" if x is None else LETTERS[x] for x in places]
        index[places.index(None)] = rows
        while index[-1] == ":":
            index.pop()
        return f"{found}[{', '.join(index)}]"

    def _zeros_of(self, core: Core, margin: str) -> None:
        """Zeros where blocks add to a sum."""
        (tensor, matrix), places = core.matrices[2], places_of(core)[2]
        depth = len(core.batch)
        letters = iter(LETTERS[depth : depth + 2])
        index = [next(letters) if x is None else LETTERS[x] for x in places]
        for letter, dim in zip(LETTERS[depth : depth + 2], matrix, strict=True):
            self.lines.append(f"{margin}for {letter} in range({self.size(dim)[0]}):")
            margin += MARGIN
        zero = self.number(0, tensor.dtype)[0]
        element = self.element(tensor, index, dims_of(matrix, places, core.batch))
        self.lines.append(f"{margin}{element} = {zero}")


def places_of(core: Core) -> tuple[Places, ...]:
    """In what order axes lie."""
    return core.places or ((*range(len(core.batch)), None, None),) * 3


def dims_of(matrix: tuple[Dim, Dim], places: Places, batch: Shape) -> Shape:
    """The shape in which matrices are seen."""
    own = iter(matrix)
    return tuple(next(own) if x is None else batch[x] for x in places)
