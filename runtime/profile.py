"""What the kernels of a program cost: time, operations, bytes, the share of what is possible."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chainrule.compiler.errors import UsageError
from chainrule.compiler.program import Kernel, Program
from chainrule.compiler.types import Where, value

from .cache import Cache
from .devices.base import Array, Executable

COLUMNS = ("kernel", "calls", "µs", "%", "MFLOP", "GFLOP/s", "% of peak", "GB/s")
LINES = 3  # of a kernel's formulas that are printed
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Row:
    """A kernel in a step.

    Attributes:
        kernel: the name of its function.
        level: in how many loops or choices of the program it stands.
        calls: how often a step calls it.
        seconds: of all calls in a step, what is inside included: the median over steps.
        share: of the step's time.
        flops: operations on floating-point numbers in a step.
        bytes: of arrays that it reads and writes in a step.
        of_peak: the share of the additions and multiplications that are possible in its time.
        formula: what it computes, behind the user's lines.
        where: the first of those lines.
    """

    kernel: str
    level: int
    calls: float
    seconds: float
    share: float
    flops: float
    bytes: float
    of_peak: float
    formula: str
    where: Where | None

    @property
    def flops_per_second(self) -> float:
        """Operations a second."""
        return self.flops / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Bytes a second; more than memory gives where arrays stay in a cache."""
        return self.bytes / self.seconds if self.seconds else 0.0

    def cells(self) -> list[str]:
        """The row as texts, in the order of `COLUMNS`."""
        return [
            "  " * self.level + self.kernel,
            f"{self.calls:,.0f}" if self.calls != 1 else "",
            f"{1e6 * self.seconds:,.2f}",
            f"{100 * self.share:.1f}",
            f"{self.flops / 1e6:,.3f}",
            f"{self.flops_per_second / 1e9:,.1f}",
            f"{100 * self.of_peak:.1f}",
            f"{self.bytes_per_second / 1e9:,.1f}",
        ]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the kernels of a program cost; prints as a table.

    Attributes:
        name: the program's.
        sizes: numbers of the named sizes.
        seconds: of a step: the medians of its kernels, and of what is between them.
        steps: how many were timed.
        threads: how many there were: one, or all if they took clearly less time.
        rows: a kernel each, in the order of the step; those inside another come behind it.
        peak_flops: additions and multiplications a second that so many threads can do.
        peak_bytes: bytes a second that copies in memory read and write.
    """

    name: str
    sizes: Mapping[str, int]
    seconds: float
    steps: int
    threads: int
    rows: tuple[Row, ...]
    peak_flops: float
    peak_bytes: float

    @property
    def flops(self) -> float:
        """Operations on floating-point numbers in a step."""
        return sum(row.flops for row in self.rows if not row.level)

    @property
    def bytes(self) -> float:
        """Bytes that kernels read and write in a step."""
        return sum(row.bytes for row in self.rows if not row.level)

    @property
    def of_peak(self) -> float:
        """The share of the additions and multiplications that are possible in a step's time."""
        return self.flops / self.seconds / self.peak_flops

    def _head(self) -> list[str]:
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        sizes = "".join(f", {name} {size:,}" for name, size in self.sizes.items())
        rate, peak = self.flops / self.seconds / 1e9, self.peak_flops / 1e9
        return [
            f"{self.name}{sizes}: {1e6 * self.seconds:,.1f} µs a step on {threads}",
            f"{self.flops / 1e6:,.3f} MFLOP, {rate:,.1f} GFLOP/s: {100 * self.of_peak:.1f} % "
            f"of the {peak:,.0f} that are possible",
            f"a copy in memory moves {self.peak_bytes / 1e9:,.0f} GB/s",
        ]

    def __str__(self) -> str:
        cells = [list(COLUMNS), *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        formulas = [["formula"], *(list(_shortened(row.formula)) for row in self.rows)]
        lines = [*self._head(), ""]
        for row, formula in zip(cells, formulas, strict=True):
            name, *numbers = row
            texts = [name.ljust(widths[0])]
            texts += [x.rjust(width) for x, width in zip(numbers, widths[1:], strict=True)]
            margin = "  ".join(texts)
            for line in formula or [""]:
                lines.append(f"{margin}   {line}"[:WIDTH].rstrip())
                margin = " " * len(margin)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        lines = ["<p>" + "<br>".join(map(html.escape, self._head())) + "</p>", "<table>"]
        lines.append(_html_row("th", [*COLUMNS, "formula"]))
        for row in self.rows:
            lines.append(_html_row("td", [*row.cells(), row.formula]))
        return "\n".join([*lines, "</table>"])


def _shortened(formula: str) -> Iterator[str]:
    lines = formula.splitlines()
    shown = lines if len(lines) <= LINES + 1 else lines[:LINES]
    yield from shown
    if len(shown) < len(lines):
        yield f"and {len(lines) - len(shown)} more"


def _html_row(tag: str, texts: Sequence[str]) -> str:
    style = ' style="white-space: pre; text-align: left"'
    return "<tr>" + "".join(f"<{tag}{style}>{html.escape(x)}</{tag}>" for x in texts) + "</tr>"


def profile(executable: Executable, arrays: Sequence[Array]) -> Profile:
    """Time the kernels of a program on arrays, none of which is changed.

    Args:
        executable: a program of target `cpu`.
        arrays: as for a call.

    Raises:
        UsageError: it is for another target.
        ChainruleError: the arrays do not fit, or a step finds a fault.
    """
    program = executable.program
    if program.target != "cpu":
        raise UsageError(
            f"{program.name}: a profile of target {program.target}",
            "its statements are NumPy's; kernels are those of target cpu",
            'compile it with target="cpu"',
        )
    from .devices.cpu import peak
    from .devices.cpu.timing import timed

    timing = timed(executable, arrays, Cache.open())
    sizes = {name: executable.bind(arrays)[name] for name in program.sizes}
    single = any(buffer.type.dtype == "float32" for buffer in program.buffers)
    flops = peak.flops_per_second("float32" if single else "float64", timing.threads)
    tree = _Tree(program, sizes)
    for site in timing.sites:
        tree.add(site.caller, site.kernel, site.calls, site.seconds)
    rows = tuple(
        replace(
            row,
            share=row.seconds / timing.seconds,
            of_peak=row.flops_per_second / flops,
        )
        for row in tree.rows("step", 0)
    )
    return Profile(
        program.name,
        sizes,
        timing.seconds,
        timing.steps,
        timing.threads,
        rows,
        flops,
        peak.bytes_per_second(timing.threads),
    )


@dataclass(slots=True)
class _Tree:
    """The calls in the steps of a program, by the step that makes them."""

    program: Program
    sizes: Mapping[str, int]
    calls: dict[str, list[tuple[str, float, float]]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def add(self, caller: str, kernel: str, calls: float, seconds: float) -> None:
        """One more call, in the order of the text."""
        self.order.append(caller)
        self.calls.setdefault(caller, []).append((kernel, calls, seconds))

    def rows(self, caller: str, level: int) -> Iterator[Row]:
        """The rows of the calls in a step, each before those of the calls inside it."""
        for (_, calls, seconds), kernel in zip(
            self.calls.get(caller, ()), self._kernels(caller), strict=True
        ):
            inside = [
                row
                for other in self.calls
                if other != caller and f" {other}(" in kernel.source
                for row in self.rows(other, level + 1)
            ]
            own = [row for row in inside if row.level == level + 1]
            work = kernel.work
            whole = calls / max(value(work.calls, self.sizes), 1)
            flops = whole * value(work.flops, self.sizes)
            moved = whole * (value(work.read, self.sizes) + value(work.written, self.sizes))
            yield Row(
                kernel.name,
                level,
                calls,
                seconds,
                0.0,
                flops + sum(row.flops for row in own),
                moved + sum(row.bytes for row in own),
                0.0,
                kernel.formula,
                kernel.where,
            )
            yield from inside

    def _kernels(self, caller: str) -> Sequence[Kernel]:
        """The kernels that a step calls: a run of the program's, where inner steps come first.

        A step that is like another before it is not in the text, while its kernels are listed.
        """
        kernels, place = self.program.kernels, 0
        last = {name: i for i, name in enumerate(self.order)}
        for name in sorted(last, key=last.__getitem__):
            wanted = [kernel for kernel, _, _ in self.calls[name]]
            while [x.name for x in kernels[place : place + len(wanted)]] != wanted:
                place += 1
                assert place < len(kernels), f"the calls of {name} are not listed"
            if name == caller:
                break
            place += len(wanted)
        return kernels[place : place + len(self.calls[caller])]
