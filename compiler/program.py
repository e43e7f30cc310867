"""The contract between compiler and runtime: source text, and what each buffer of it is.

A `Program` is plain data, so that it goes to a cache as JSON and comes back without SymPy, without
the pipeline and without pickle. Its source is a Python module.

On target `numpy` the module has

    step(<inputs>, <settings>, <params>, <state>)  ->  (<outputs>, <new params>, <new state>)

with the arrays of `buffers` in that order, sizes read off their shapes, nothing changed in place.

On target `cpu` it is in a small part of Python, which `runtime/devices/cpu/translate.py` describes,
and has

    step(<sizes>, <buffers>, fault)
    epoch(first, last, batch_size, order, <sizes>, <totals>, <buffers>, fault)  ->  batches done

where every buffer is a C-contiguous array; one of no axes comes as an array of one element, and a
scratch buffer as a flat array that is large enough. Parameters and state are updated in place,
outputs are written. `fault` is an int64 array of three elements. A kernel that finds something
wrong writes 1 + its position in `faults` to the first, and goes on in bounds, such as with a valid
index for one that lies outside its axis; that index and the size are the other two.

`epoch` runs the batches `first ... last - 1`: batch `k` is the rows
`order[k*batch_size : (k+1)*batch_size]` of every batched input (for which the whole data set is
passed; the rows are gathered into the scratch buffer `<name>_batch`), the last one as much smaller
as the data ask. After each batch `totals[i] += rows * outputs[i]` (float64) for each output of no
axes, in order. It returns early, without counting that batch, where the first output (the loss) is
not finite or `fault` is set.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import Bound, Fault
from .types import Dim, FloorDiv, Shape, Size, TensorType, Where, value

Role = Literal["input", "setting", "param", "state", "output", "scratch"]
FORMAT = 7


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array that a program reads or writes.

    `where` is the user's line that asked for it. A batched input is one whose first axis is the
    program's `batch` symbol.
    """

    name: str
    role: Role
    type: TensorType
    where: Where | None = None

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape as numbers."""
        return tuple(value(dim, sizes) for dim in self.type.shape)


@dataclass(frozen=True, slots=True)
class Work:
    """What a call of a kernel does, or several, in the program's sizes.

    Attributes:
        flops: operations on floating-point numbers.
        read: bytes of the arrays that it reads.
        written: bytes of those that it writes.
        calls: how many calls do all that together, each for its own rows.
    """

    flops: Dim = 0
    read: Dim = 0
    written: Dim = 0
    calls: Dim = 1


@dataclass(frozen=True, slots=True)
class Kernel:
    """A use of one of the program's functions: what it reads and writes, the formula it computes.

    Several uses may share one function: its name and its text, which is in the names of the first.
    `work` is what one call does, without the graphs inside it, such as the step of a loop; on
    target `numpy` nothing is counted.
    What is `local` is computed there and known to no other.
    """

    name: str
    source: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    formula: str
    where: Where | None = None
    work: Work = Work()
    local: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled graph: everything that the runtime needs, as data.

    Attributes:
        name: an identifier, part of the file's name.
        target: `numpy` or `cpu`.
        source: the module's text.
        buffers: every array of the entry points, in the order of their arguments.
        kernels: what the module's functions are called for, in order, with their provenance.
        sizes: names of the symbolic sizes, in the order of the entry points' arguments.
        batch: the symbol along which `epoch` slices its inputs, if any.
        faults: what each fault code stands for, 1 first.
        bounds: sizes that must not be negative in a call.
        fingerprint: hash of the graph that was asked for and of everything that shaped the text.
    """

    name: str
    target: str
    source: str
    buffers: tuple[Buffer, ...]
    kernels: tuple[Kernel, ...]
    sizes: tuple[str, ...]
    batch: str | None
    faults: tuple[Fault, ...]
    bounds: tuple[Bound, ...]
    fingerprint: str

    def of(self, *roles: Role) -> tuple[Buffer, ...]:
        """The buffers of these roles, in order."""
        return tuple(buffer for buffer in self.buffers if buffer.role in roles)

    def dumps(self) -> str:
        """The program as JSON; the text of a function that serves many uses is there once."""
        functions = {
            source: i for i, source in enumerate(dict.fromkeys(k.source for k in self.kernels))
        }
        data = _plain(self)
        for kernel in data["kernels"]:
            kernel["source"] = functions[kernel["source"]]
        return json.dumps({"format": FORMAT, "functions": list(functions), "program": data})

    @classmethod
    def loads(cls, text: str) -> Program:
        """The program that `dumps` wrote.

        Raises:
            ValueError, KeyError, TypeError, IndexError: it is not one.
        """
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"program format {data['format']}, expected {FORMAT}")
        p, functions = data["program"], data["functions"]
        return cls(
            name=p["name"],
            target=p["target"],
            source=p["source"],
            buffers=tuple(
                Buffer(b["name"], b["role"], _type(b["type"]), _where(b["where"]))
                for b in p["buffers"]
            ),
            kernels=tuple(
                Kernel(
                    k["name"],
                    functions[k["source"]],
                    tuple(k["reads"]),
                    tuple(k["writes"]),
                    k["formula"],
                    _where(k["where"]),
                    Work(*map(_dim, k["work"].values())),
                    tuple(k["local"]),
                )
                for k in p["kernels"]
            ),
            sizes=tuple(p["sizes"]),
            batch=p["batch"],
            faults=tuple(
                Fault(f["kind"], f["what"], _where(f["where"]), f["result"]) for f in p["faults"]
            ),
            bounds=tuple(
                Bound(_dim(b["size"]), b["what"], _where(b["where"])) for b in p["bounds"]
            ),
            fingerprint=p["fingerprint"],
        )


def _plain(thing: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists; a floor division is marked by its key."""
    if isinstance(thing, FloorDiv):
        return {"floordiv": _plain(thing.size), "by": thing.by}
    if dataclasses.is_dataclass(thing):
        return {
            field.name: _plain(getattr(thing, field.name)) for field in dataclasses.fields(thing)
        }
    if isinstance(thing, tuple | list):
        return [_plain(item) for item in thing]
    return thing


def _where(data: Any) -> Where | None:
    return None if data is None else Where(data["file"], data["line"], data["layer"])


def _atom(data: Any) -> str | FloorDiv:
    if isinstance(data, str):
        return data
    size = _dim(data["floordiv"])
    assert isinstance(size, Size)
    return FloorDiv(size, data["by"])


def _dim(data: Any) -> Dim:
    if isinstance(data, int):
        return data
    return Size(tuple((tuple(map(_atom, atoms)), factor) for atoms, factor in data["terms"]))


def _type(data: Any) -> TensorType:
    shape: Shape = tuple(map(_dim, data["shape"]))
    return TensorType(data["dtype"], shape)
