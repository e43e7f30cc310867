"""What a model is once it is built: its graphs, its arrays, and the programs that run on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError, nearest
from chainrule.compiler.ir import Graph, Node
from chainrule.compiler.types import value
from chainrule.frontend.initializers import Initializer, generator
from chainrule.frontend.network import Row
from chainrule.runtime.history import History

from . import _build
from .alike import nothing
from .arrays import Arrays, enough_memory, fitting, room
from .compiled import Compiled, name_of
from .readable import Readable

if TYPE_CHECKING:
    from chainrule.runtime.data import Slot
    from chainrule.runtime.devices.base import Executable
    from chainrule.runtime.rewind import Rewind
    from chainrule.runtime.steps import Steps
    from chainrule.runtime.trainer import Trainer

Array = np.ndarray[Any, Any]


class Built(Readable):
    """A model's graphs, arrays and programs."""

    def __init__(
        self, name: str, forward: Graph, rows: Sequence[Row], seed: int | None = None
    ) -> None:
        if seed is not None:
            from chainrule.runtime.data import check_seed

            seed = check_seed(seed)
        self.name, self.seed = name, seed
        self.history: History | None = None
        self.stop_training = False
        self.rows = tuple(rows)
        self._forward = forward
        self._compiled: Compiled | None = None
        self._arrays: dict[str, Array] = {}
        self._draw: Mapping[str, Initializer] = {}
        self._programs: dict[str, Executable] = {}
        self._fixed: tuple[Array, ...] | None = None  # what predicting reads of these arrays
        self._direct: Callable[[object], Array | None] = nothing
        self._alike = 0  # calls without it, since it was made
        self._steps: Steps | None = None
        self._rewind: Rewind | None = None

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name_of(x)}: {x.type}" for x in self._forward.inputs)
        outputs = ", ".join(f"{name}: {x.type}" for name, x in self._forward.outputs)
        numbers = f"{self.count_params():,} parameters"
        return f"<{type(self).__name__} {self.name}({inputs}) -> {outputs}, {numbers}>"

    # -- arrays ---------------------------------------------------------------------------------

    @property
    def parameters(self) -> Arrays:
        """The arrays that are trained, by name. They are the model's own: changes take effect."""
        self._drawn()
        return Arrays({name_of(p): self._arrays[name_of(p)] for p in self._forward.params})

    @property
    def state(self) -> Arrays:
        """The arrays that layers keep and training changes without a gradient, by name."""
        self._drawn()
        return Arrays({name_of(x): self._arrays[name_of(x)] for x in self._forward.state})

    @property
    def settings(self) -> Arrays:
        """The optimizer's numbers: `model.settings["learning_rate"] = 1e-4` takes effect."""
        return Arrays({name: self._arrays[name] for name in self._needed().settings})

    def get_weights(self) -> list[Array]:
        """Copies of the parameters, then of the layers' state, in order."""
        return [array.copy() for array in (*self.parameters.values(), *self.state.values())]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take parameters and state from arrays in the order of `get_weights`.

        No first values are drawn for a model that has none yet.

        Raises:
            ShapeError: there are too many or too few, or one has another shape.
        """
        own = {name_of(p): self._array(p) for p in self._forward.params + self._forward.state}
        listed = isinstance(weights, list | tuple)
        if not listed or len(weights) != len(own):
            raise ShapeError(
                f"set_weights of {len(weights) if listed else type(weights).__name__} arrays",
                f"the model has {len(own)}: {', '.join(own)}",
                "get_weights gives them in order",
            )
        arrays = [fitting(name, w, own[name]) for name, w in zip(own, weights, strict=True)]
        for array, given in zip(own.values(), arrays, strict=True):
            array[...] = given
        self._arrays |= own

    def count_params(self) -> int:
        """How many numbers are trained."""
        return sum(value(p.type.size, {}) for p in self._forward.params)

    def _drawn(self, seed: int | None = None) -> None:
        """Draw the first values of parameters and layers' state, unless they are there."""
        owned = self._forward.params + self._forward.state
        missing = [p for p in owned if name_of(p) not in self._arrays]
        if not missing:
            return
        if self.seed is None:
            from chainrule.runtime.data import check_seed

            self.seed = check_seed(seed)
        for p in missing:
            array = self._array(p)
            random = generator(self.seed, name_of(p))
            with enough_memory(p):
                array[...] = self._draw[name_of(p)].draw(random, array.shape)
            self._arrays[name_of(p)] = array

    def _array(self, p: Node) -> Array:
        """The array of a parameter or a layer's state, or a new one without values."""
        found = self._arrays.get(name_of(p))
        return room(p) if found is None else found

    # -- programs -------------------------------------------------------------------------------

    def _install(self, compiled: Compiled) -> None:
        """Take what `compile` chose; the optimizer starts anew."""
        self._compiled = compiled
        self._programs, self._fixed, self._steps, self._rewind = {}, None, None, None
        self._direct, self._alike = nothing, 0
        from chainrule.runtime.memory import filled

        owned = {name_of(p) for p in self._forward.params + self._forward.state}
        self._arrays = {name: array for name, array in self._arrays.items() if name in owned}
        for leaf in (*compiled.train.inputs, *compiled.train.state):
            if leaf.attr("role") == "input" or name_of(leaf) in owned:
                continue
            start = compiled.settings.get(name_of(leaf), compiled.state.get(name_of(leaf), 0))
            shape = tuple(value(dim, {}) for dim in leaf.shape)
            self._arrays[name_of(leaf)] = filled(start, shape, leaf.dtype)

    def _needed(self) -> Compiled:
        if self._compiled is None:
            raise UsageError(
                "the model is not compiled",
                "it has no loss and no optimizer yet",
                'call model.compile(loss="mse", optimizer="adam")',
            )
        return self._compiled

    def _request(self, what: str) -> Graph:
        graphs = {"predict": self._forward}
        if self._compiled is not None:
            graphs |= {"train": self._compiled.train, "evaluate": self._compiled.evaluate}
        if what not in ("predict", "train", "evaluate"):
            raise UnknownNameError(
                f"a model has no program {what!r}",
                "expected predict, train or evaluate",
                nearest(what, ("predict", "train", "evaluate")),
            )
        if what not in graphs:
            self._needed()
        return graphs[what]

    @property
    def _main(self) -> str:
        return "predict" if self._compiled is None else "train"

    def _target(self) -> str:
        return self._compiled.target if self._compiled is not None else "cpu"

    def _program(self, what: str, verbose: object = 0) -> Executable:
        """A program, ready to run."""
        if what not in self._programs:
            request, target = self._request(what), self._target()
            if verbose and not _build.is_compiled(request, target):
                print(f"compiling {what} for {target} (once) ...", flush=True)
            self._programs[what] = _build.executable(request, target)
        return self._programs[what]

    def _trainer(self, *programs: str, verbose: object = 0) -> Trainer:
        from chainrule.runtime.chunks import Quantity
        from chainrule.runtime.rewind import Rewind
        from chainrule.runtime.trainer import Trainer

        ready = {what: self._program(what, verbose) for what in programs}
        compiled = self._compiled
        params = [name_of(p) for p in self._forward.params]
        # A training that a callback begins has copies of its own.
        wanted = self._rewind is None or self._rewind.busy
        if wanted and compiled is not None and "train" in ready:
            self._rewind = Rewind(self._arrays, params, compiled.state)
        quantities = [
            Quantity(r.name, r.conclude if r.finish is not None else None)
            for r in (compiled.reported if compiled else ())
        ]
        return Trainer(
            self,
            self._arrays,
            quantities,
            train=ready.get("train"),
            evaluate=ready.get("evaluate"),
            predict=ready.get("predict"),
            params=params,
            seeds=compiled.seeds if compiled else (),
            counters=compiled.counters if compiled else (),
            rewind=self._rewind,
        )

    def _slots(self, what: str) -> tuple[list[Slot], list[Slot]]:
        """What is asked of the user for a program: inputs and targets. Nothing is compiled yet."""
        from chainrule.compiler.program import Buffer
        from chainrule.runtime.data import Slot

        buffers = {
            name_of(x): Buffer(name_of(x), "input", x.type, x.where)
            for x in self._request(what).inputs
        }
        inputs = [Slot(buffers[name_of(x)], name_of(x)) for x in self._forward.inputs]
        targets = []
        if self._compiled is not None and what != "predict":
            for t in self._compiled.targets:
                targets.append(Slot(buffers[t.name], t.output, t.classes))
        return inputs, targets

    def _batch(self, what: str, x: Any, y: Any, batch_size: int | None) -> dict[str, Array]:
        """The arrays that a program is given for a batch of the first samples."""
        from chainrule.runtime.data import check_batch_size, convert_all, samples

        inputs, targets = self._slots(what)
        self._drawn()
        data = convert_all(("x", x, inputs), ("y", y, targets))
        rows = check_batch_size(batch_size, samples(data))
        return {**self._arrays, **{name: array[:rows] for name, array in data.items()}}
