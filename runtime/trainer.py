"""Training, evaluation and prediction: what goes on between the calls of native programs."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from chainrule.compiler.errors import UsageError

from . import progress
from .callbacks import Callback, Callbacks, Logs, Trainable
from .chunks import Pace, Quantity, Run, report
from .data import (
    INFERENCE_BATCH,
    Arrays,
    Slot,
    TrainingData,
    check_batch_size,
    check_epochs,
    check_seed,
    layer_seed,
    permutation,
    positive,
    samples,
)
from .devices.base import Array, Executable, Fixed
from .history import History, PartialEpoch
from .interrupts import Interrupts
from .rewind import Rewind
from .steps import Steps


class Trainer:
    """Runs a model's programs over data.

    Args:
        model: gets `history` and is asked for `stop_training`; callbacks see it.
        arrays: parameters, state and settings of the programs by buffer name, changed in place.
        quantities: what the programs report in their outputs without axes: the loss, then metrics.
        train: the program of a training step.
        evaluate: the program that reports the quantities and changes nothing.
        predict: the program of the model's outputs.
        params: names of the arrays that are parameters.
        seeds: names of integer settings that `fit` sets to a number made of its seed.
        counters: names of integer states that `fit` sets to the number of batches before it.
        rewind: copies of the arrays, to go back to, which one training leaves to the next.
    """

    def __init__(
        self,
        model: Trainable,
        arrays: Arrays,
        quantities: Sequence[Quantity],
        *,
        train: Executable | None = None,
        evaluate: Executable | None = None,
        predict: Executable | None = None,
        params: Collection[str] = (),
        seeds: Collection[str] = (),
        counters: Collection[str] = (),
        rewind: Rewind | None = None,
    ) -> None:
        """Nothing runs yet."""
        self.model, self.arrays, self._quantities = model, arrays, tuple(quantities)
        self._train, self._evaluate, self._predict = train, evaluate, predict
        self._params, self._seeds, self._counters = tuple(params), tuple(seeds), tuple(counters)
        self._rewind = rewind

    def fit(
        self,
        data: TrainingData,
        *,
        epochs: int = 1,
        shuffle: bool = True,
        seed: int | None = None,
        callbacks: Callback | Sequence[Callback] = (),
        verbose: progress.Verbose = "auto",
        initial_epoch: int = 0,
    ) -> History:
        """Train for epochs `initial_epoch ... epochs - 1`.

        The order of an epoch's rows depends on seed and epoch alone. Ctrl-C stops between two
        steps: weights and `model.history` are kept, and KeyboardInterrupt goes on to the caller.

        Args:
            data: the arrays to train and to validate on, and the batch size.
            epochs: the number of the epoch to stop before.
            shuffle: whether each epoch has an order of its own.
            seed: of the order and of the layers' random numbers; None draws one.
            callbacks: told of every epoch and, if they ask for it, of every batch.
            verbose: 0 nothing, 1 or `auto` a bar or lines, 2 lines.
            initial_epoch: the first epoch's number.

        Returns:
            The history, which is also `model.history`.

        Raises:
            DivergenceError: the loss became NaN or infinite; the weights are finite ones from
                before, and the error says which.
            KeyboardInterrupt: Ctrl-C.
        """
        epochs, initial_epoch = check_epochs(epochs, initial_epoch)
        seed = check_seed(seed)
        rows = samples(data.train)
        batch_size = check_batch_size(data.batch_size, rows)
        program = _needed(self._train, "train")
        history = self.model.history = History()
        history.params = {
            "epochs": epochs,
            "steps": -(-rows // batch_size),
            "batch_size": batch_size,
            "samples": rows,
            "seed": seed,
            "metrics": self._names(validated=data.validation is not None),
        }
        calls = Callbacks(callbacks, self.model, history.params)
        show = progress.display(verbose, rows=rows, epochs=epochs, first=initial_epoch)
        for name in self._seeds:
            self.arrays[name][...] = layer_seed(seed)
        for name in self._counters:
            self.arrays[name][...] = initial_epoch * history.params["steps"]
        self.model.stop_training = False
        with Interrupts() as interrupts, self._copies() as rewind, show:
            run = self._run(program, data.train, batch_size, interrupts, rewind)
            as_given = np.arange(rows)
            calls.train_begin()
            logs: Logs = {}
            for epoch in range(initial_epoch, epochs):
                if self.model.stop_training:
                    break
                order = permutation(seed, epoch, rows) if shuffle else as_given
                run.begin(epoch, order, one_by_one=calls.each_batch)
                try:
                    logs = self._epoch(epoch, run, calls, show)
                    if data.validation is not None:
                        scores = self._score(data.validation, batch_size, interrupts)
                        logs |= {f"val_{name}": value for name, value in scores.items()}
                except BaseException as error:
                    history.partial = PartialEpoch(epoch, run.done, run.batches, run.logs())
                    if isinstance(error, KeyboardInterrupt):
                        show.notice(f"stopped in {history.partial}; weights and history are kept")
                    raise
                try:
                    calls.epoch_end(epoch, logs)
                finally:
                    if run.done:  # else it was stopped before its first batch
                        history.append(epoch, logs)
                    show.end(logs)
            calls.train_end(logs)
        return history

    def _epoch(self, epoch: int, run: Run, calls: Callbacks, show: progress.Display) -> Logs:
        """Train on all batches, or until a callback says stop."""
        calls.epoch_begin(epoch)
        show.begin(epoch)
        while run.done < run.batches and not self.model.stop_training:
            calls.batch_begin(run.done)
            run.chunk()
            if show.step(run.rows_done):
                show.draw(run.logs())
            if calls.each_batch:
                calls.batch_end(run.done - 1, run.logs())
        run.check()
        return run.logs()

    def evaluate(
        self,
        data: Mapping[str, Array],
        *,
        batch_size: int | None = None,
        verbose: progress.Verbose = "auto",
    ) -> dict[str, float]:
        """Loss and metrics over all rows, as means that count each row once.

        Args:
            data: the arrays by buffer name.
            batch_size: rows of a batch; more than there are means all.
            verbose: as for `fit`.

        Returns:
            The quantities by name. A loss that is NaN or infinite is reported as it is.
        """
        rows = samples(data)
        show = progress.display(verbose, rows=rows, epochs=0, title="evaluate")
        with Interrupts() as interrupts, show:
            show.begin(0)
            logs = self._score(data, _inference_batch(batch_size, rows), interrupts, show)
            show.end(logs)
        return logs

    def predict(
        self, data: Mapping[str, Array], *, batch_size: int | None = None
    ) -> dict[str, Array]:
        """The model's outputs for all rows.

        Args:
            data: the inputs by buffer name.
            batch_size: rows that are computed at once; the result does not depend on it.

        Returns:
            The outputs by buffer name, each with a row for each row of the data.
        """
        program = _needed(self._predict, "predict")
        rows = samples(data)
        size = _inference_batch(batch_size, rows)
        results: Arrays = {}
        for first in range(0, rows, size):
            batch = {name: array[first : first + size] for name, array in data.items()}
            for name, value in program.run({**self.arrays, **batch}).items():
                if first == 0:
                    results[name] = np.empty((rows, *value.shape[1:]), value.dtype)
                results[name][first : first + size] = value
        return results

    def train_on_batch(self, data: Mapping[str, Array]) -> dict[str, float]:
        """One step on one batch, whatever its size.

        Args:
            data: the arrays by buffer name.

        Returns:
            Loss and metrics of the batch before the step.

        Raises:
            DivergenceError: the loss is NaN or infinite; the weights are as before.
        """
        with Interrupts() as interrupts, self._copies() as rewind:
            rows = samples(data)
            run = self._run(_needed(self._train, "train"), data, rows, interrupts, rewind)
            run.begin(0, np.arange(rows))
            run.chunk()
            run.check()
            return run.logs()

    def steps(self, slots: Sequence[Slot], tables: Mapping[str, Sequence[str]]) -> Steps:
        """For single steps on batches that are like each other.

        Args:
            slots: what users give for a batch, inputs first.
            tables: for arrays of which a step changes a few rows, the inputs that name them.
        """
        program = _needed(self._train, "train")
        return Steps(program, self.arrays, self._quantities, self._params, slots, tables)

    def _run(
        self,
        program: Executable,
        data: Mapping[str, Array],
        batch_size: int,
        interrupts: Interrupts,
        rewind: Rewind,
    ) -> Run:
        return Run(
            program,
            self.arrays,
            self._params,
            data,
            self._quantities,
            batch_size,
            interrupts,
            rewind,
        )

    def _copies(self) -> Rewind:
        return Rewind(self.arrays, self._params) if self._rewind is None else self._rewind

    def _names(self, validated: bool) -> list[str]:
        names = [quantity.name for quantity in self._quantities]
        return names + [f"val_{name}" for name in names] if validated else names

    def _score(
        self,
        data: Mapping[str, Array],
        batch_size: int,
        interrupts: Interrupts,
        show: progress.Display | None = None,
    ) -> dict[str, float]:
        program = _needed(self._evaluate, "evaluate")
        rows, arrays = samples(data), Fixed({**self.arrays, **data})
        batches, order, pace = -(-rows // batch_size), np.arange(rows), Pace()
        order.flags.writeable = False
        totals = np.zeros(len(self._quantities))
        first = 0
        while first < batches:
            last = first + pace.batches(batches - first)
            with interrupts.held:
                start = time.perf_counter()
                done = program.epoch(first, last, batch_size, order, arrays, totals)
                pace.took(max(done, 1), time.perf_counter() - start)
                if done < last - first:
                    rest = slice((first + done) * batch_size, (first + done + 1) * batch_size)
                    totals += self._batch_totals(program, data, rest)
                    done += 1
                first += done
            if show is not None and show.step(min(first * batch_size, rows)):
                show.draw(report(self._quantities, totals, show.work.done))
        return report(self._quantities, totals, rows)

    def _batch_totals(
        self, program: Executable, data: Mapping[str, Array], rows: slice
    ) -> npt.NDArray[np.float64]:
        """The sums over a batch whose loss is not finite, which `epoch` leaves out."""
        batch = {name: array[rows] for name, array in data.items()}
        outputs = program.run({**self.arrays, **batch}).values()
        values = [float(value) for value in outputs if value.ndim == 0]
        return np.asarray(values) * samples(batch)


def _needed(program: Executable | None, name: str) -> Executable:
    if program is None:
        raise UsageError(
            f"there is no program to {name} with",
            "the model has not been compiled for it",
            "call model.compile(loss=..., optimizer=...) first",
        )
    return program


def _inference_batch(batch_size: int | None, rows: int) -> int:
    size = INFERENCE_BATCH if batch_size is None else positive("batch_size", batch_size)
    return min(size, rows)
