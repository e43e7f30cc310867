"""What is done with a model once it is built: training, and what it computes for samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compiler.errors import UsageError
from chainrule.frontend.names import options
from chainrule.frontend.tensor import Tensor
from chainrule.runtime.history import History
from chainrule.runtime.values import all_finite

from .alike import ALIKE, SELDOM, nothing
from .built import Array, Built
from .compiled import name_of

if TYPE_CHECKING:
    from chainrule.runtime.callbacks import Callback


class Trained(Built):
    """A model that is built, as its user has it."""

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
