"""Many networks of one model: other first weights, other settings, the same programs."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from chainrule.compiler.errors import (
    DivergenceError,
    UnknownNameError,
    UsageError,
    caller,
    nearest,
    pinned,
)
from chainrule.frontend.formulas.updates import NON_NEGATIVE, SHARES
from chainrule.frontend.names import options
from chainrule.runtime.callbacks import Callback

from . import _build
from .model import Model

if TYPE_CHECKING:
    from chainrule.runtime.data import TrainingData
    from chainrule.runtime.devices.base import Executable

Array = np.ndarray[Any, Any]
OFTEN = 0.1  # seconds after which the main thread looks around
Makes = Callable[[], "Callback | Sequence[Callback]"]


class Sweep:
    """Many networks of one model, trained side by side.

    Each network has first weights of its own, drawn with its seed, and settings of the optimizer of
    its own. It is what `Model(..., seed=seed)` with these settings and `fit(..., seed=seed)` makes,
    bit for bit. The networks share the programs, and as many are trained at a time as there may be
    threads (`set_num_threads`), each from its first step to its last: its weights stay in the
    cache.

    Args:
        model: a compiled model; its layers, loss, metrics and optimizer are those of every network.
            Its own weights are neither used nor changed.
        n: how many networks; by default as many as the longest list says.
        seeds: of first weights, orders and Dropout, one for each network; 0, 1, ... by default.
        **settings: numbers of the optimizer, such as `learning_rate`: one for all networks, or a
            list with one for each.

    Attributes:
        models: the networks, which are models like any other.
        seeds: their seeds.
        settings: for each name that was given, the number of each network.
        history: for each quantity an array `(n, epochs)` of what `fit` reported last; NaN where a
            network ended earlier.

    Raises:
        UsageError: the model is not compiled, or comes from a file, which has no initializers; or
            lists differ in length.
        UnknownNameError: the optimizer has no such setting.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> model = cr.Sequential([cr.Input((3,)), cr.Dense(4, activation="tanh"), cr.Dense(1)])
        >>> model.compile("mse", "adam")
        >>> sweep = cr.Sweep(model, learning_rate=[1e-3, 1e-2, 1e-1])
        >>> x = np.random.default_rng(0).normal(size=(64, 3))
        >>> sweep.fit(x, x[:, :1], epochs=2, verbose=0)["loss"].shape
        (3, 2)
        >>> sweep.predict(x).shape
        (3, 64, 1)

    Source:
        Bergstra and Bengio 2012, "Random search for hyper-parameter optimization": which settings
        matter is not known beforehand, so that many are tried.
    """

    def __init__(
        self,
        model: Model,
        n: int | None = None,
        seeds: Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(model, Model):
            raise UsageError(
                f"Sweep of {type(model).__name__}",
                "expected a compiled model",
                "cr.Sweep(model, learning_rate=[1e-3, 1e-2])",
            )
        self._compiled = compiled = model._needed()
        if not model._draw and model._forward.params:
            raise UsageError(
                "Sweep of a model from a file",
                "a file has no initializers, from which other first weights could be drawn",
                "build the model anew",
            )
        for name in settings:
            if name not in compiled.settings:
                raise UnknownNameError(
                    f"Sweep: the optimizer has no setting {name!r}",
                    f"there are {', '.join(compiled.settings) or 'none'}",
                    nearest(name, list(compiled.settings)),
                )
        given = {name: _numbers(name, value) for name, value in settings.items()}
        listed = _seeds(seeds)
        count = _count(n, {**given, "seeds": listed})
        self.seeds = tuple(range(count)) if listed is None else tuple(listed)
        self.settings: dict[str, Array] = {
            name: np.full(count, value) if isinstance(value, float) else np.array(value)
            for name, value in given.items()
        }
        self.history: dict[str, Array] = {}
        self._diverged: dict[int, DivergenceError] = {}
        self._programs: list[dict[str, Executable]] = []
        self._stop = threading.Event()
        self.models = tuple(self._network(model, i) for i in range(count))

    def _network(self, model: Model, number: int) -> Model:
        """One of the networks, with its weights drawn."""
        made = Model.of(model.name, model._network, self.seeds[number])
        made._install(model._needed())
        for name, array in model.settings.items():
            own = self.settings.get(name)
            made.settings[name][...] = array if own is None else own[number]
        made._drawn()
        return made

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        swept = ", ".join(("seeds", *self.settings))
        return f"<Sweep of {len(self)} networks with {swept}: {self.models[0]!r}>"

    def __reduce__(self) -> NoReturn:
        """It has threads and programs of its own: a copy would be neither."""
        raise UsageError(
            "a sweep cannot be pickled or copied",
            f"it holds {len(self)} models, which are kept in files",
            "sweep.models[i].save(path) writes one; cr.Sweep(model, ...) makes another sweep",
        )

    # -- training -------------------------------------------------------------------------------

    @options
    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Makes | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> dict[str, Array]:
        """Train every network. Called again, it goes on from where they are.

        A network whose loss becomes NaN or infinite ends there, with its last finite weights; the
        others go on. Ctrl-C ends all between two steps.

        Args:
            x: samples, as in `Model.fit`.
            y: what to learn.
            batch_size: samples a step; 32 by default.
            epochs: passes over the data.
            verbose: 0 silent, 1 a line for each network when it is done.
            callbacks: a function that makes the callbacks of a network, new ones for each:
                `lambda: cr.EarlyStopping(patience=3)`. They are told of it in its own thread.
            validation_split: share of the samples to validate on, drawn with a network's seed.
            validation_data: `(x, y)` to validate on after each epoch.
            shuffle: whether each epoch has an order of its own, drawn with a network's seed.
            initial_epoch: the number of the first epoch.

        Returns:
            For each quantity an array `(n, epochs)`, which is also `sweep.history`.

        Raises:
            DataError: the data have NaN or infinity, no rows, labels out of range, other lengths.
            ShapeError: the data do not fit the model.
            KeyboardInterrupt: Ctrl-C; weights and histories are kept.
        """
        from chainrule.runtime.data import check_epochs, check_shuffle

        if verbose not in (0, 1):
            raise UsageError(
                f"Sweep.fit: verbose={verbose!r}", "expected 0 or 1", "1 is a line for each network"
            )
        if callbacks is not None and not callable(callbacks):
            raise UsageError(
                f"Sweep.fit: callbacks are {type(callbacks).__name__}",
                "expected a function that makes those of a network",
                "callbacks=lambda: cr.EarlyStopping()",
            )
        epochs, initial_epoch = check_epochs(epochs, initial_epoch)
        check_shuffle(shuffle)
        data = self._data(x, y, batch_size, validation_split, validation_data)

        validated = validation_data is not None or bool(validation_split)
        names = ("train", "evaluate") if validated else ("train",)
        self._diverged.clear()
        for network in self.models:
            network.history = None

        def train(number: int) -> None:
            made = () if callbacks is None else callbacks()
            own = made if isinstance(made, list | tuple) else [made]
            try:
                self.models[number]._trainer(*names).fit(
                    data(number),
                    epochs=epochs,
                    shuffle=shuffle,
                    seed=self.seeds[number],
                    callbacks=[*own, _Until(self._stop)],
                    verbose=0,
                    initial_epoch=initial_epoch,
                )
            except DivergenceError as error:
                self._diverged[number] = error

        try:
            for number in self._each(train, names):
                if verbose:
                    print(self._line(number), flush=True)
        finally:
            self.history = self._histories(initial_epoch, epochs)
        return self.history

    def _data(
        self, x: Any, y: Any, batch_size: int | None, share: float, validation: Any
    ) -> Callable[[int], TrainingData]:
        """What each network is trained on: the same arrays, of which its seed holds rows out."""
        from chainrule.runtime.data import check_split, samples, split, training_data

        inputs, targets = self.models[0]._slots("train")
        every = training_data(
            x, y, inputs, targets, batch_size=batch_size, validation_data=validation, seed=0
        )
        if not share:
            return lambda number: every
        if validation is not None:
            raise UsageError(
                "validation_data and validation_split are both given",
                f"validation_split is {share!r}",
                "pass one of them",
            )
        fraction = check_split(share, samples(every.train))

        def parts(number: int) -> TrainingData:
            train, held = split(every.train, fraction, self.seeds[number])
            size = min(every.batch_size, samples(train))
            return replace(every, train=train, validation=held, batch_size=size)

        return parts

    def _histories(self, first: int, epochs: int) -> dict[str, Array]:
        """What the networks reported, an epoch a column."""
        found: dict[str, Array] = {}
        for number, network in enumerate(self.models):
            if network.history is None:
                continue
            for name, values in network.history.history.items():
                whole = np.full((len(self), epochs - first), np.nan)
                at = np.array(network.history.epoch[-len(values) :]) - first
                found.setdefault(name, whole)[number, at] = values
        return found

    def _line(self, number: int) -> str:
        """What became of a network."""
        given = [f"seed {self.seeds[number]}"]
        given += [f"{name} {values[number]:g}" for name, values in self.settings.items()]
        history = self.models[number].history
        last = {} if history is None else history.history
        told = ", ".join(f"{name} {values[-1]:.4g}" for name, values in last.items())
        if number in self._diverged:
            told = f"{told}, then diverged" if told else "diverged"
        return f"network {number + 1} of {len(self)} ({', '.join(given)}): {told or 'nothing'}"

    # -- what came of it ------------------------------------------------------------------------

    @property
    def diverged(self) -> tuple[int, ...]:
        """The numbers of the networks whose loss became NaN or infinite in the last `fit`."""
        return tuple(sorted(self._diverged))

    @property
    def best(self) -> Model:
        """The network whose last `val_loss`, or `loss` where none is validated, is the smallest.

        Raises:
            UsageError: `fit` has not been called, or all networks diverged.
        """
        monitored = self.history.get("val_loss", self.history.get("loss"))
        scores: dict[int, float] = {}
        for number, values in enumerate(() if monitored is None else monitored):
            known = values[~np.isnan(values)]
            if len(known) and number not in self._diverged:
                scores[number] = float(known[-1])
        if not scores:
            raise UsageError(
                "no network is the best",
                f"{len(self._diverged)} of {len(self)} diverged"
                if self._diverged
                else "none has been trained",
                "call sweep.fit(x, y) first, with smaller learning rates if networks diverge",
            )
        return self.models[min(scores, key=scores.__getitem__)]

    @options
    def evaluate(self, x: Any, y: Any = None, batch_size: int | None = None) -> dict[str, Array]:
        """Loss and metrics of every network on the same data.

        Args:
            x: samples, as in `fit`.
            y: what they should give.
            batch_size: samples a call.

        Returns:
            For each quantity an array with a number for each network.
        """
        from chainrule.runtime.data import convert_all

        inputs, targets = self.models[0]._slots("evaluate")
        data = convert_all(("x", x, inputs), ("y", y, targets))
        scores: list[dict[str, float]] = [{} for _ in self.models]

        def score(number: int) -> None:
            trainer = self.models[number]._trainer("evaluate")
            scores[number] = trainer.evaluate(data, batch_size=batch_size, verbose=0)

        for _ in self._each(score, ("evaluate",)):
            pass
        return {name: np.array([each[name] for each in scores]) for name in scores[0]}

    @options
    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """The outputs of every network for the same samples.

        Args:
            x: samples, as in `fit`.
            batch_size: samples a call.

        Returns:
            An array `(n, samples, ...)`; for several outputs a list of them.
        """
        from chainrule.runtime.data import convert

        inputs, _ = self.models[0]._slots("predict")
        data = convert("x", x, inputs)
        results: list[Mapping[str, Array]] = [{} for _ in self.models]

        def run(number: int) -> None:
            trainer = self.models[number]._trainer("predict")
            results[number] = trainer.predict(data, batch_size=batch_size)

        for _ in self._each(run, ("predict",)):
            pass
        names = [name for name, _ in self.models[0]._forward.outputs]
        arrays = [np.stack([each[name] for each in results]) for name in names]
        return arrays[0] if len(arrays) == 1 else arrays

    # -- side by side ---------------------------------------------------------------------------

    def _each(self, work: Callable[[int], None], programs: Sequence[str]) -> Iterator[int]:
        """Do something with every network; their numbers, as they are done.

        Each thread has programs of its own, since a program is in one call at a time.
        """
        from chainrule.runtime.threads import get_num_threads

        first, where = self.models[0], caller()
        for number, network in enumerate(self.models):
            if network._compiled is not self._compiled:
                raise UsageError(
                    f"network {number + 1} of the sweep has been compiled anew",
                    "networks of a sweep share their programs",
                    "train it alone, or make a sweep of a model that is compiled so",
                )
        native = first._target() == "cpu"
        count = min(len(self), get_num_threads()) if native else 1
        while len(self._programs) < count:
            self._programs.append({})
        free: SimpleQueue[dict[str, Executable]] = SimpleQueue()
        for own in self._programs[:count]:
            for what in programs:
                if what not in own:
                    own[what] = _build.executable(first._request(what), first._target())
            free.put(own)
        self._stop.clear()

        def one(number: int) -> int:
            own = free.get()
            try:
                self.models[number]._programs.update(own)
                with pinned(where):
                    work(number)
            finally:
                free.put(own)
            return number

        if count == 1:
            yield from map(one, range(len(self)))
            return
        pool = ThreadPoolExecutor(count, "chainrule-sweep")
        try:
            pending = {pool.submit(one, number) for number in range(len(self))}
            while pending:
                # Ctrl-C does not end a wait for ever on every system.
                done, pending = wait(pending, OFTEN, FIRST_COMPLETED)
                yield from sorted(future.result() for future in done)
        finally:
            self._stop.set()
            for network in self.models:
                network.stop_training = True
            pool.shutdown(cancel_futures=True)


class _Until(Callback):
    """Ends a network's training when the sweep ends."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """An epoch begins, or not."""
        if self.stop.is_set():
            self.model.stop_training = True


def _seeds(given: Any) -> list[int] | None:
    """A seed for each network."""
    from chainrule.runtime.data import check_seed

    if given is None:
        return None
    if not np.iterable(given) or isinstance(given, str | Mapping):
        raise UsageError(
            f"Sweep: seeds={given!r:.60}", "expected a list with one for each network", "range(8)"
        )
    return [check_seed(seed) for seed in given]


def _numbers(name: str, given: Any) -> float | list[float]:
    """A setting's number, or one for each network."""
    share = name in SHARES
    try:
        listed = np.ndim(given) > 0
        numbers = [float(x) for x in (given if listed else [given])]
        fits = np.ndim(given) < 2 and all(map(math.isfinite, numbers))
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise UsageError(
            f"Sweep: {name}={given!r:.60}",
            "expected a number, or a list with one for each network",
            f"{name}=[1e-3, 1e-2]",
        )
    if any((share and x >= 1) or (x < 0 and (share or name in NON_NEGATIVE)) for x in numbers):
        raise UsageError(
            f"Sweep: {name}={given!r:.60}",
            f"expected 0 <= {name} < 1" if share else "expected numbers of 0 or more",
            "as the optimizer takes it",
        )
    return numbers if listed else numbers[0]


def _count(n: int | None, given: Mapping[str, Any]) -> int:
    """How many networks there are."""
    sizes = {name: len(values) for name, values in given.items() if isinstance(values, list)}
    if n is not None:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise UsageError(f"Sweep: n={n!r}", "expected a positive integer", "n=32")
        sizes = {"n": int(n), **sizes}
    if len(set(sizes.values())) > 1 or 0 in sizes.values():
        told = ", ".join(f"{name}: {size}" for name, size in sizes.items())
        raise UsageError(
            "Sweep: lists of other lengths than there are networks", told, "one for each network"
        )
    if not sizes:
        raise UsageError(
            "Sweep of how many networks", "neither n nor a list is given", "cr.Sweep(model, n=32)"
        )
    return next(iter(sizes.values()))
