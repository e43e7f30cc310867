"""What a model is once it is built: graphs, arrays, and the programs that run on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError, nearest
from chainrule.compiler.ir import Graph, Node
from chainrule.compiler.types import value
from chainrule.frontend.initializers import Initializer, generator
from chainrule.frontend.names import options
from chainrule.frontend.network import Row
from chainrule.frontend.tensor import Tensor
from chainrule.runtime.history import History
from chainrule.runtime.values import all_finite

from . import _build
from .alike import ALIKE, SELDOM, nothing
from .arrays import Arrays, enough_memory, fitting, room
from .compiled import Compiled, name_of
from .readable import Readable

if TYPE_CHECKING:
    from chainrule.runtime.callbacks import Callback
    from chainrule.runtime.data import Slot
    from chainrule.runtime.devices.base import Executable
    from chainrule.runtime.rewind import Rewind
    from chainrule.runtime.steps import Steps
    from chainrule.runtime.trainer import Trainer

Array = np.ndarray[Any, Any]


class Trained(Readable):
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
            DivergenceError: the loss became NaN or infinite; the weights are finite ones from
                before, and the error says which. Where weights and all that the optimizer keeps
                are more than 64 MB, only the weights are, and the optimizer starts anew.
            KeyboardInterrupt: Ctrl-C; weights and `model.history` are kept.
        """
        from chainrule.runtime.data import check_epochs, check_seed, check_shuffle, training_data
        from chainrule.runtime.progress import check_verbose

        self._needed()
        check_verbose(verbose)
        check_epochs(epochs, initial_epoch)
        check_shuffle(shuffle)
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
        if batch_size is None and isinstance(x, np.ndarray) and all_finite(x):
            found = self._direct(x)
            if found is None:
                found = self._again(x)
            if found is not None:
                return found
        return self._predicted(x, batch_size)

    def _predicted(self, x: Any, batch_size: int | None) -> Any:
        """The outputs for any samples."""
        from chainrule.runtime.data import INFERENCE_BATCH, convert, samples

        self._drawn()
        inputs, _ = self._slots("predict")
        data = convert("x", x, inputs)
        if batch_size is None and samples(data) <= INFERENCE_BATCH:
            return self._whole(data)
        results = self._trainer("predict").predict(data, batch_size=batch_size)
        arrays = [results[name] for name, _ in self._forward.outputs]
        return arrays[0] if len(arrays) == 1 else arrays

    def __call__(self, x: Any) -> Any:
        """The model's outputs for a batch of samples, at the least cost of a call.

        It is what `predict` computes, without what `predict` does beside it: nothing is split into
        batches, and values that are NaN or infinite go into the model as they are. Called again for
        an array of the same shape and of the model's dtype it takes a microsecond or two beside the
        kernels, and after 200 such calls, where input and output are one small array each, a
        quarter of one.

        Args:
            x: samples, as in `fit`.

        Returns:
            A new array `(n, ...)`; for several outputs a list of them.

        Raises:
            ShapeError: the samples do not fit the model.

        Example:
            >>> import chainrule as cr, numpy as np
            >>> model = cr.Sequential([cr.Input((3,)), cr.Dense(2)], seed=0)
            >>> model(np.ones((1, 3), np.float32)).shape
            (1, 2)
        """
        found = self._direct(x)
        if found is None:
            found = self._again(x)
        return self._called(x) if found is None else found

    def _called(self, x: Any) -> Any:
        """The outputs for a batch of any kind."""
        from chainrule.runtime.data import convert, samples

        if isinstance(x, Tensor):
            raise UsageError(
                f"{self.name} called on a tensor",
                f"came {x!r:.60}",
                "a model is called on arrays; what is called on tensors are layers",
            )
        self._drawn()
        inputs, _ = self._slots("predict")
        data = convert("x", x, inputs, finite=False)
        samples(data)
        return self._whole(data)

    def _whole(self, data: Mapping[str, Array]) -> Any:
        """The outputs for all rows in one call; those for others like them may take `_again`."""
        program = self._program("predict")
        names = [buffer.name for buffer in program.given]
        arrays = {**self._arrays, **data}
        outputs = program.call(*(arrays[name] for name in names))
        self._fixed = tuple(self._arrays[name] for name in names[len(data) :])
        return outputs[0] if len(outputs) == 1 else list(outputs)

    def _again(self, x: Any) -> Any:
        """The outputs for a batch that is like the one before; None if it is not."""
        if self._fixed is None:
            return None
        given = x if type(x) is list else (x,)
        program = self._programs["predict"]
        outputs = program.again(given, self._fixed)
        if outputs is None:
            return None
        self._alike += 1
        if self._alike == ALIKE:
            self._alike, self._direct = -SELDOM, program.direct(self._fixed) or nothing
        return outputs[0] if len(outputs) == 1 else list(outputs)

    def predict_on_batch(self, x: Any) -> Any:
        """The model's outputs for a batch of samples, as `model(x)` gives them.

        Args:
            x: samples, as in `fit`.

        Returns:
            A new array `(n, ...)`; for several outputs a list of them.

        Raises:
            ShapeError: the samples do not fit the model.
        """
        return self(x)

    @options
    def train_on_batch(self, x: Any, y: Any = None) -> dict[str, float]:
        """One step on all of the samples given.

        Returns:
            The loss and each metric, before the step.
        """
        logs = None if self._steps is None else self._steps.again(x, y)
        return self._stepped(x, y) if logs is None else logs

    def _stepped(self, x: Any, y: Any) -> dict[str, float]:
        """A step on any samples."""
        from chainrule.runtime.data import convert_all

        self._needed()
        self._drawn()
        inputs, targets = self._slots("train")
        data = convert_all(("x", x, inputs), ("y", y, targets))
        trainer = self._trainer("train")
        if self._steps is None:
            self._steps = trainer.steps([*inputs, *targets], self._needed().tables)
        logs = self._steps.take(data)
        # What went wrong, if anything did, the trainer finds out.
        return trainer.train_on_batch(data) if logs is None else logs

    def summary(self) -> None:
        """Print the layers: each with its formula, its output and how many numbers it trains."""
        from .summary import show

        owned = (
            {name_of(x): x.type for x in leaves}
            for leaves in (self._forward.params, self._forward.state)
        )
        show(self.name, self.rows, *owned)
