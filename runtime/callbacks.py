"""Hooks into training, under the names that Keras 3 gives them, and early stopping with them."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.compiler.errors import UnknownNameError, UsageError, nearest

from .data import natural

if TYPE_CHECKING:
    from .history import History

Logs: TypeAlias = dict[str, float]

# What methods were called before Keras 3, and are called now.
_RENAMED = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}
# How the names of quantities that are to be minimized and maximized end.
_DOWN = ("loss", "error", "entropy", "divergence", "mae", "mse", "rmse", "mape", "msle")
_UP = ("accuracy", "acc", "auc", "precision", "recall", "score", "similarity", "iou", "f1", "r2")


class Trainable(Protocol):
    """What the runtime needs of a model."""

    stop_training: bool
    history: History | None

    def get_weights(self) -> list[npt.NDArray[Any]]:
        """Copies of the weights."""

    def set_weights(self, weights: Sequence[npt.NDArray[Any]]) -> None:
        """Copy the weights into the model's arrays, in place."""


class Callback:
    """Something that happens at fixed points of training; override the methods you need.

    Methods for batches cost speed: with one, each batch is a call of its own, while otherwise
    many batches run in one native call.

    Attributes:
        model: the model that is trained.
        params: `epochs`, `steps`, `batch_size`, `samples`, `seed`, and `metrics`, the keys of logs.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Called once before training with the model."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Called once before training with its parameters."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch, with its logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch; epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch and its validation; the history keeps what it adds to `logs`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch; batches count from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch with the means of the epoch so far."""


class Callbacks:
    """Several callbacks, called in order.

    Args:
        callbacks: one or several.
        model: the model that is trained.
        params: what they are told of the training.

    Raises:
        UsageError: something that is no callback, or one with a method that is never called.
    """

    def __init__(
        self, callbacks: Callback | Sequence[Callback], model: Any, params: Mapping[str, Any]
    ) -> None:
        """Check them, and tell each of the model."""
        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        for callback in given:
            if not isinstance(callback, Callback):
                raise UsageError(
                    "callbacks must be instances of Callback",
                    f"got {callback!r}",
                    "pass an instance, not the class"
                    if isinstance(callback, type)
                    else "derive its class from Callback",
                )
            _check_names(callback)
        self._all = given
        self._begin = [c for c in given if _overrides(c, "on_train_batch_begin")]
        self._end = [c for c in given if _overrides(c, "on_train_batch_end")]
        for callback in given:
            callback.set_params(params)
            callback.set_model(model)

    @property
    def each_batch(self) -> bool:
        """Whether any of them wants to be called for every batch."""
        return bool(self._begin or self._end)

    def train_begin(self) -> None:
        """Before the first epoch."""
        for callback in self._all:
            callback.on_train_begin({})

    def train_end(self, logs: Logs) -> None:
        """After the last epoch."""
        for callback in self._all:
            callback.on_train_end(logs)

    def epoch_begin(self, epoch: int) -> None:
        """Before an epoch."""
        for callback in self._all:
            callback.on_epoch_begin(epoch, {})

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch."""
        for callback in self._all:
            callback.on_epoch_end(epoch, logs)

    def batch_begin(self, batch: int) -> None:
        """Before a batch."""
        for callback in self._begin:
            callback.on_train_batch_begin(batch, {})

    def batch_end(self, batch: int, logs: Logs) -> None:
        """After a batch."""
        for callback in self._end:
            callback.on_train_batch_end(batch, logs)


def _overrides(callback: Callback, method: str) -> bool:
    # An instance may carry the method too: `callback.on_train_batch_end = print_it`.
    return method in vars(callback) or getattr(type(callback), method) is not getattr(
        Callback, method
    )


def _check_names(callback: Callback) -> None:
    """No method has only a name that was used once, as it would never be called."""
    for old, new in _RENAMED.items():
        if hasattr(callback, old) and not _overrides(callback, new):
            raise UsageError(
                f"{type(callback).__name__}.{old} is never called",
                f"it is an older name of {new}",
                f"call it {new}",
            )


class EarlyStopping(Callback):
    """Stop when a quantity has not improved for some epochs.

    An epoch improves on the best one `b` if its value `v` has `v < b - min_delta`, or
    `v > b + min_delta` where more is better. Training stops after `patience` epochs without.

    Args:
        monitor: a key of the logs.
        min_delta: the least change that counts.
        patience: epochs without improvement to wait.
        verbose: 1 says when it stops.
        mode: `min`, `max`, or `auto`: by the name of the quantity.
        baseline: a value to improve on, beside the best one so far.
        restore_best_weights: go back to the best epoch's weights at the end of training.
        start_from_epoch: epochs to leave out of account at the beginning.

    Raises:
        UsageError: an unknown mode, a name whose direction `auto` does not know, a number that is
            negative or none.
        UnknownNameError: at the start of training, a quantity that it does not report.

    Example:
        >>> EarlyStopping(monitor="val_accuracy", patience=3).mode
        'max'

    Source:
        Prechelt 1998, Early Stopping - But When?, section 2; as `EarlyStopping` in Keras 3.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        """Settle the direction."""
        self.monitor, self.verbose = monitor, verbose
        self.patience = natural("EarlyStopping: patience", patience)
        self.start_from_epoch = natural("EarlyStopping: start_from_epoch", start_from_epoch)
        self.min_delta = abs(_finite("min_delta", min_delta))
        self.baseline = None if baseline is None else _finite("baseline", baseline)
        self.restore_best_weights = restore_best_weights
        self.mode = _direction(monitor, mode)
        self._reset()

    def _reset(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training."""
        self._reset()
        known = self.params.get("metrics", (self.monitor,))
        if self.monitor not in known:
            hint = nearest(self.monitor, known)
            if self.monitor.startswith("val_") and not any(k.startswith("val_") for k in known):
                hint = "pass validation_data or validation_split, or monitor the loss"
            raise UnknownNameError(
                f"EarlyStopping monitors {self.monitor!r}, which is not reported",
                f"reported: {', '.join(known)}",
                hint,
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare with the best epoch, and stop if there was none better for too long."""
        current = (logs or {}).get(self.monitor)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self._improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self._keep(epoch)
            if self.baseline is None or self._improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Go back to the best weights, if asked to."""
        if self.stopped_epoch and self.verbose:
            print(f"epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"weights of epoch {self.best_epoch + 1}, the best, are restored")
            self.model.set_weights(self.best_weights)

    def _keep(self, epoch: int) -> None:
        self.best_weights, self.best_epoch = self.model.get_weights(), epoch

    def _improves(self, current: float, reference: float) -> bool:
        better: Callable[[float, float], bool] = operator.lt if self.mode == "min" else operator.gt
        delta = self.min_delta if self.mode == "min" else -self.min_delta
        return bool(better(float(np.float64(current)) + delta, reference))


def _finite(name: str, given: object) -> float:
    number = math.nan
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        number = float(given)
    if not math.isfinite(number):
        raise UsageError(
            f"EarlyStopping: {name} must be a finite number",
            f"got {given!r}",
            "it is compared with values of what is monitored",
        )
    return number


def _direction(monitor: str, mode: str) -> str:
    if mode in ("min", "max"):
        return mode
    if mode != "auto":
        raise UsageError(
            f"EarlyStopping has no mode {mode!r}",
            "expected 'auto', 'min' or 'max'",
            nearest(mode, ("auto", "min", "max")),
        )
    words = monitor.lower().split("_")
    if words[-1] in _DOWN:
        return "min"
    if words[-1] in _UP:
        return "max"
    # A name that is nearly one whose direction is known was probably mistyped.
    near = difflib.get_close_matches(words[-1], [*_DOWN, *_UP], n=1)
    meant = f"did you mean {'_'.join([*words[:-1], *near])!r}? if not, " if near else ""
    raise UsageError(
        f"EarlyStopping cannot tell whether {monitor!r} should be small or large",
        "mode is 'auto'",
        f"{meant}pass mode='min' or mode='max'",
    )
