"""What a model is once it is built: graphs, arrays, and the programs that run on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError, nearest
from chainrule.compiler.ir import Graph, Node
from chainrule.compiler.types import value
from chainrule.frontend.initializers import Initializer, generator
from chainrule.frontend.names import options
from chainrule.frontend.network import Row
from chainrule.frontend.training import Reported, Target, Training
from chainrule.runtime.history import History

from . import _build
from .arrays import Arrays, fitting

if TYPE_CHECKING:
    from chainrule.compiler.explain.formulas import Formulas
    from chainrule.compiler.explain.loops import Loops
    from chainrule.compiler.explain.provenance import Explanation
    from chainrule.runtime.callbacks import Callback
    from chainrule.runtime.data import Slot
    from chainrule.runtime.devices.base import Executable
    from chainrule.runtime.trainer import Trainer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What `compile` chose: the graphs to run and what they start from."""

    train: Graph
    evaluate: Graph
    targets: tuple[Target, ...]
    reported: tuple[Reported, ...]
    settings: Mapping[str, float]
    state: Mapping[str, float]
    target: str

    @classmethod
    def of(cls, built: Training, target: str) -> Compiled:
        """The choice of these graphs and this target."""
        return cls(
            built.train,
            built.evaluate,
            built.targets,
            built.reported,
            built.settings,
            built.state,
            target,
        )

    @property
    def seeds(self) -> list[str]:
        """The settings that are seeds of random numbers."""
        return [_name(x) for x in self.train.inputs if _is(x, "setting", "int64")]

    @property
    def counters(self) -> list[str]:
        """The states that count draws of random numbers, rather than belong to the optimizer."""
        known = {*self.state, *self.kept}
        return [_name(x) for x in self.train.state if _name(x) not in known]

    @property
    def kept(self) -> list[str]:
        """The states that belong to layers: evaluation reads them too."""
        return [_name(x) for x in self.evaluate.state]


class Trained:
    """A model's graphs and arrays, and what is done with them once the model is built."""

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

    def __repr__(self) -> str:
        inputs = ", ".join(f"{_name(x)}: {x.type}" for x in self._forward.inputs)
        outputs = ", ".join(f"{name}: {x.type}" for name, x in self._forward.outputs)
        numbers = f"{self.count_params():,} parameters"
        return f"<{type(self).__name__} {self.name}({inputs}) -> {outputs}, {numbers}>"

    # -- arrays ---------------------------------------------------------------------------------

    @property
    def parameters(self) -> Arrays:
        """The arrays that are trained, by name. They are the model's own: changes take effect."""
        self._drawn()
        return Arrays({_name(p): self._arrays[_name(p)] for p in self._forward.params})

    @property
    def state(self) -> Arrays:
        """The arrays that layers keep and training changes without a gradient, by name."""
        self._drawn()
        return Arrays({_name(x): self._arrays[_name(x)] for x in self._forward.state})

    @property
    def settings(self) -> Arrays:
        """The optimizer's numbers: `model.settings["learning_rate"] = 1e-4` takes effect."""
        return Arrays({name: self._arrays[name] for name in self._needed().settings})

    def get_weights(self) -> list[Array]:
        """Copies of the parameters, then of the layers' state, in order."""
        return [array.copy() for array in (*self.parameters.values(), *self.state.values())]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take parameters and state from arrays in the order of `get_weights`.

        Raises:
            ShapeError: there are too many or too few, or one has another shape.
        """
        own = {**self.parameters, **self.state}
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

    def count_params(self) -> int:
        """How many numbers are trained."""
        return sum(value(p.type.size, {}) for p in self._forward.params)

    def _drawn(self, seed: int | None = None) -> None:
        """Draw the first values of parameters and layers' state, unless they are there."""
        owned = self._forward.params + self._forward.state
        missing = [p for p in owned if _name(p) not in self._arrays]
        if not missing:
            return
        if self.seed is None:
            from chainrule.runtime.data import check_seed

            self.seed = check_seed(seed)
        for p in missing:
            shape = tuple(value(dim, {}) for dim in p.shape)
            random = generator(self.seed, _name(p))
            try:
                self._arrays[_name(p)] = self._draw[_name(p)](random, shape, p.dtype)
            except MemoryError as error:
                raise UsageError(
                    f"{_name(p)} does not fit into memory",
                    f"{p.type}: {value(p.type.size, {}):,} numbers",
                    "make the layer smaller",
                    p.where,
                ) from error

    # -- programs -------------------------------------------------------------------------------

    def _install(self, compiled: Compiled) -> None:
        """Take what `compile` chose; the optimizer starts anew."""
        self._compiled = compiled
        self._programs = {}
        owned = {_name(p) for p in self._forward.params + self._forward.state}
        self._arrays = {name: array for name, array in self._arrays.items() if name in owned}
        for leaf in (*compiled.train.inputs, *compiled.train.state):
            if leaf.attr("role") == "input" or _name(leaf) in owned:
                continue
            start = compiled.settings.get(_name(leaf), compiled.state.get(_name(leaf), 0))
            shape = tuple(value(dim, {}) for dim in leaf.shape)
            self._arrays[_name(leaf)] = np.full(shape, start, leaf.dtype)

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
        from chainrule.runtime.trainer import Trainer

        ready = {what: self._program(what, verbose) for what in programs}
        compiled = self._compiled
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
            params=[_name(p) for p in self._forward.params],
            seeds=compiled.seeds if compiled else (),
            counters=compiled.counters if compiled else (),
        )

    def _slots(self, what: str) -> tuple[list[Slot], list[Slot]]:
        """What is asked of the user for a program: inputs and targets. Nothing is compiled yet."""
        from chainrule.compiler.program import Buffer
        from chainrule.runtime.data import Slot

        buffers = {
            _name(x): Buffer(_name(x), "input", x.type, x.where) for x in self._request(what).inputs
        }
        inputs = [Slot(buffers[_name(x)], _name(x)) for x in self._forward.inputs]
        targets = []
        if self._compiled is not None and what != "predict":
            for t in self._compiled.targets:
                targets.append(Slot(buffers[t.name], t.output, t.classes))
        return inputs, targets

    # -- training -------------------------------------------------------------------------------

    @options
    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Callback | Sequence[Callback] = (),
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        seed: int | None = None,
    ) -> History:
        """Train.

        Args:
            x: samples, an array `(n, ...)`; for several inputs a list, or a dictionary by name.
            y: what to learn: class numbers or values, as the loss has it.
            batch_size: samples a step; 32 by default. The last batch of an epoch may be smaller.
            epochs: passes over the data.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch, "auto" as the terminal allows.
            callbacks: told of every epoch and batch.
            validation_split: share of the samples, drawn with the seed, to validate on.
            validation_data: `(x, y)` to validate on after each epoch.
            shuffle: whether each epoch has an order of its own.
            initial_epoch: the number of the first epoch.
            seed: of the first weights, if they are not drawn yet, the order, the validation rows
                and Dropout. The same seed gives the same weights, bit for bit.

        Returns:
            The history: losses and metrics of every epoch. It is also `model.history`.

        Raises:
            DataError: the data have NaN or infinity, no rows, labels out of range, other lengths.
            ShapeError: the data do not fit the model.
            DivergenceError: the loss became NaN or infinite; the weights are the last finite ones.
            KeyboardInterrupt: Ctrl-C; weights and `model.history` are kept.
        """
        from chainrule.runtime.data import check_epochs, check_seed, training_data
        from chainrule.runtime.progress import check_verbose

        self._needed()
        check_verbose(verbose)
        check_epochs(epochs, initial_epoch)
        if not isinstance(shuffle, bool | np.bool_):
            raise UsageError(
                f"shuffle={shuffle!r}", "expected True or False", "rows are shuffled one by one"
            )
        chosen = check_seed(seed)
        self._drawn(chosen)
        inputs, targets = self._slots("train")
        data = training_data(
            x,
            y,
            inputs,
            targets,
            batch_size=batch_size,
            validation_data=validation_data,
            validation_split=validation_split,
            seed=chosen,
        )
        programs = ["train"] if data.validation is None else ["train", "evaluate"]
        self.history = History()  # Ctrl-C may come while the programs are compiled
        trainer = self._trainer(*programs, verbose=verbose)
        return trainer.fit(
            data,
            epochs=epochs,
            shuffle=shuffle,
            seed=chosen,
            callbacks=callbacks,
            verbose=verbose,
            initial_epoch=initial_epoch,
        )

    @options
    def evaluate(
        self, x: Any, y: Any = None, batch_size: int | None = None, verbose: Any = "auto"
    ) -> dict[str, float]:
        """Loss and metrics on data.

        Args:
            x: samples, as in `fit`.
            y: what they should give.
            batch_size: samples a call; the result does not depend on it but for rounding.
            verbose: 0 silent.

        Returns:
            The loss and each metric by name.
        """
        from chainrule.runtime.data import convert_all
        from chainrule.runtime.progress import check_verbose

        self._needed()
        check_verbose(verbose)
        self._drawn()
        inputs, targets = self._slots("evaluate")
        data = convert_all(("x", x, inputs), ("y", y, targets))
        trainer = self._trainer("evaluate", verbose=verbose)
        return trainer.evaluate(data, batch_size=batch_size, verbose=verbose)

    @options
    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """The model's outputs for samples.

        Args:
            x: samples, as in `fit`.
            batch_size: samples a call.

        Returns:
            An array `(n, ...)`; for several outputs a list of them.
        """
        from chainrule.runtime.data import convert

        self._drawn()
        inputs, _ = self._slots("predict")
        results = self._trainer("predict").predict(convert("x", x, inputs), batch_size=batch_size)
        arrays = [results[name] for name, _ in self._forward.outputs]
        return arrays[0] if len(arrays) == 1 else arrays

    @options
    def train_on_batch(self, x: Any, y: Any = None) -> dict[str, float]:
        """One step on all of the samples given.

        Returns:
            The loss and each metric, before the step.
        """
        from chainrule.runtime.data import convert_all

        self._needed()
        self._drawn()
        inputs, targets = self._slots("train")
        data = convert_all(("x", x, inputs), ("y", y, targets))
        return self._trainer("train").train_on_batch(data)

    # -- reading --------------------------------------------------------------------------------

    def graph(self, what: str = "train") -> Graph:
        """The graph of a program, its gradients taken: "train", "evaluate" or "predict"."""
        from chainrule.compiler.pipeline import derive

        return derive(self._request(what))

    def gradients(self) -> Formulas:
        """The gradient of the loss for each parameter, as formulas in the model's own names."""
        from chainrule.compiler.explain.formulas import gradients

        self._needed()
        return gradients(self.graph("train"))

    def source(self, target: str | None = None, what: str | None = None) -> str:
        """The code that runs.

        Args:
            target: "numpy" or "cpu"; by default the one that the model is compiled for.
            what: "train", "evaluate" or "predict"; by default "train" if the model is compiled.

        Returns:
            A Python module, with the formula and the model's line above each kernel.
        """
        if what is None:
            what = "predict" if self._compiled is None else "train"
        chosen = self._target() if target is None else _build.check_target(target)
        return _build.program(self._request(what), chosen).source

    def explain(self, name: str) -> Explanation:
        """How a gradient came about: each step of the chain rule, each rule, the lines of code.

        Args:
            name: such as "dL_dW1".

        Raises:
            UnknownNameError: no gradient has that name; the nearest one is in the message.
        """
        from chainrule.compiler.explain.provenance import explain
        from chainrule.compiler.pipeline import derive
        from chainrule.compiler.trace import Trace

        trace = Trace()
        request = self._request("train")
        graph = derive(request, trace)
        return explain(name, graph, trace, _build.program(request, self._target()))

    def loops(self, what: str | None = None, **sizes: int) -> Loops:
        """What each loop stores, in bytes, and what is computed again on the way back instead.

        Args:
            what: "train", "evaluate" or "predict"; by default "train" if the model is compiled.
            **sizes: numbers for named sizes, such as `batch=32`; others stay symbols.

        Returns:
            The loops, to be printed. Those of loops in loops are stored for one step at a time.
        """
        from chainrule.compiler.explain.loops import loops

        chosen = what or ("predict" if self._compiled is None else "train")
        return loops(self.graph(chosen), sizes)

    def summary(self) -> None:
        """Print the layers: each with its formula, its output and how many numbers it trains."""
        from .summary import show

        owned = (
            {_name(x): x.type for x in leaves}
            for leaves in (self._forward.params, self._forward.state)
        )
        show(self.name, self.rows, *owned)


def _name(leaf: Node) -> str:
    name: str = leaf.attr("name")
    return name


def _is(leaf: Node, role: str, dtype: str) -> bool:
    return bool(leaf.attr("role") == role and leaf.dtype == dtype)
