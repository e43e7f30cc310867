"""What users do wrong: three lines that name what, where in their own file, and a hint."""

import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    DataError,
    DivergenceError,
    DTypeError,
    ShapeError,
    UnknownNameError,
    UsageError,
)

Wrong = Callable[[], object]
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((50, 4)).astype(np.float32)
Y = RANDOM.integers(0, 3, 50)
LOSS = "sparse_categorical_crossentropy_from_logits"
NAN, INF = X.copy(), X.copy()
NAN[7, 2], INF[9, 0] = np.nan, np.inf


def net(loss: Any = LOSS, optimizer: Any = "sgd", **options: Any) -> cr.Model:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(3)], seed=0)
    model.compile(loss, optimizer, **{"target": "numpy", **options})
    return model


def plain() -> cr.Model:
    return cr.Sequential([cr.Input((4,)), cr.Dense(3)])


def pair(a: tuple[Any, ...] = (3,), b: tuple[Any, ...] = (3,), **kind: Any) -> list[cr.Tensor]:
    return [cr.Input(a, name="a"), cr.Input(b, name="b", **kind)]


def told(kind: type[ChainruleError], wrong: Wrong, *parts: str) -> None:
    """The error has three lines, begins with a line of this file, and says what it should."""
    with pytest.raises(kind) as caught:
        wrong()
    message = str(caught.value)
    lines = message.splitlines()
    assert len(lines) == 3, message
    number = lines[0].removeprefix("test_bad_input.py:").partition(":")[0]
    assert number.isdigit(), message
    assert lines[1].startswith("    "), message
    assert lines[2].startswith("    hint: "), message
    for part in parts:
        assert part in message, message
    # Numba and SymPy have no say in it.
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert not [f for f in frames if "/numba/" in f.filename or "/sympy/" in f.filename]


# -- names --------------------------------------------------------------------------------------

HOSTILE = ["x); import os", "lambda", "__class__", "", "é", "a b", "_x", "1a", "x" * 100, "x\ny"]


def an_option(name: str) -> dict[str, Any]:
    return {name: 1}


NAMED: dict[str, Callable[[str], object]] = {
    "input": lambda name: cr.Input((3,), name=name),
    "tensor": lambda name: cr.tensor(name, (3,)),
    "size of a tensor": lambda name: cr.tensor("x", (name, 3)),
    "size of an input": lambda name: cr.Input((name, 3)),
    "layer": lambda name: cr.Dense(3, name=name),
    "model": lambda name: cr.Sequential([cr.Input((3,)), cr.Dense(1)], name=name),
    "activation": lambda name: cr.activation(lambda z: z * 2, name=name),
    "loss": lambda name: cr.loss(lambda y, p: y - p, name=name),
    "metric": lambda name: cr.metric(lambda y, p: y - p, name=name),
    "neuron": lambda name: cr.neuron(lambda x: cr.sum(x), name=name),
    "optimizer": lambda name: cr.optimizer(lambda p, g: p - g, name=name),
    "regularizer": lambda name: cr.regularizer(lambda w: cr.sum(w), name=name),
    "data": lambda name: net().fit({name: X}, Y, verbose=0),
    "targets": lambda name: net().fit(X, {name: Y}, verbose=0),
    "loss by output": lambda name: plain().compile({name: "mse"}),
    "weight by output": lambda name: plain().compile("mse", loss_weights={name: 1.0}),
    "metric by output": lambda name: plain().compile("mse", metrics={name: "mae"}),
    "loss by name": lambda name: plain().compile(name),
    "optimizer by name": lambda name: plain().compile("mse", name),
    "metric by name": lambda name: plain().compile("mse", metrics=[name]),
    "target by name": lambda name: plain().compile("mse", target=name),
    "activation by name": lambda name: cr.Dense(3, activation=name),
    "initializer by name": lambda name: cr.Dense(3, kernel_initializer=name),
    "regularizer by name": lambda name: cr.Dense(3, kernel_regularizer=name),
    "neuron by name": lambda name: cr.Layer(name, 3),
    "initializer of a parameter": lambda name: cr.Layer(
        "weighted_sum", 3, initializers={name: "zeros"}
    ),
    "setting of an optimizer": lambda name: cr.Adam(**{name: 1.0}),
    "setting of an activation": lambda name: cr.activation("elu")(**{name: 1.0}),
    "option of a layer": lambda name: cr.Dense(3, **an_option(name)),
    "option of fit": lambda name: net().fit(X, Y, **an_option(name)),
    "setting of a model": lambda name: net().settings[name],
    "parameter of a model": lambda name: net().parameters[name],
    "gradient": lambda name: net().explain(name),
    "target of source": lambda name: net().source(name),
    "program": lambda name: net().source(what=name),
    "monitor": lambda name: net().fit(
        X, Y, validation_split=0.2, callbacks=[cr.EarlyStopping(name)], verbose=0
    ),
}


@pytest.mark.parametrize("what", NAMED)
def test_hostile_names(what: str) -> None:
    """No name is code, wherever it is given."""
    for name in HOSTILE:
        kind = UsageError if what == "monitor" else UnknownNameError
        told(kind, lambda name=name: NAMED[what](name))  # type: ignore[misc]


def renamed(function: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """A function whose arguments have names that the language does not allow."""
    code: CodeType = function.__code__
    function.__code__ = code.replace(co_varnames=names)
    return function


@pytest.mark.parametrize("name", ["x); import os", "lambda", "__class__"])
def test_hostile_arguments_of_formulas(name: str) -> None:
    def weigh(x: cr.Tensor, w: cr.PerInput) -> cr.Tensor:
        return cr.sum(x * w)

    hostile = renamed(weigh, "x", name)
    hostile.__annotations__ = {name: cr.PerInput}
    told(ChainruleError, lambda: cr.Layer(hostile, 2))
    with_rate = renamed(lambda p, g, rate=0.1: p - rate * g, "p", "g", name)
    told(ChainruleError, lambda: cr.optimizer(with_rate))


MISTYPED: dict[str, tuple[Wrong, str]] = {
    "loss": (lambda: net("mean_squred_error"), "mean_squared_error"),
    "optimizer": (lambda: net(optimizer="adamm"), "adam"),
    "metric": (lambda: net(metrics=["acuracy"]), "accuracy"),
    "target": (lambda: net(target="nunpy"), "numpy"),
    "activation": (lambda: cr.Dense(3, activation="rellu"), "relu"),
    "initializer": (lambda: cr.Dense(3, kernel_initializer="glorot_unifrm"), "glorot_uniform"),
    "regularizer": (lambda: cr.Dense(3, kernel_regularizer="l1l"), "l1"),
    "layer option": (lambda: cr.Dense(3, activaton="relu"), "activation"),  # type: ignore[call-arg]
    "input option": (lambda: cr.Input((3,), dtyp="float64"), "dtype"),  # type: ignore[call-arg]
    "model option": (lambda: cr.Model([], [], nme="x"), "name"),  # type: ignore[call-arg]
    "compile option": (lambda: net(metric=["mae"]), "metrics"),
    "fit option": (lambda: net().fit(X, Y, epoch=3), "epochs"),  # type: ignore[call-arg]
    "optimizer setting": (lambda: cr.Adam(learning_rat=0.1), "learning_rate"),
    "setting": (lambda: net().settings["learning_rat"], "learning_rate"),
    "setting written": (
        lambda: net().settings.__setitem__("learning_rat", 0.1),
        "learning_rate",
    ),
    "initials": (lambda: cr.Adam(lr=0.1), "did you mean 'learning_rate'"),
    "program": (lambda: net().source(what="trian"), "train"),
    "gradient": (lambda: net().explain("dL_dW2"), "dL_dW1"),
    "monitor": (
        lambda: net().fit(
            X, Y, validation_split=0.2, callbacks=[cr.EarlyStopping("val_los")], verbose=0
        ),
        "val_loss",
    ),
    "input": (
        lambda: cr.Model(pair(), cr.Dense(1)(cr.Concatenate()(pair()))),
        "not among the inputs",
    ),
    "data": (lambda: net().fit({"X": X}, Y), "x"),
}


@pytest.mark.parametrize("what", MISTYPED)
def test_the_nearest_name_is_in_the_message(what: str) -> None:
    wrong, meant = MISTYPED[what]
    told(ChainruleError, wrong, meant)


def test_a_public_name() -> None:
    with pytest.raises(AttributeError, match="did you mean 'Dense'"):
        getattr(cr, "Densee")  # noqa: B009 - type checkers know that there is none


# -- graph building -----------------------------------------------------------------------------

BUILDING: dict[str, tuple[type[ChainruleError], Wrong, str]] = {
    "no units": (UsageError, lambda: cr.Dense(0), "positive integer"),
    "units that are no integer": (UsageError, lambda: cr.Dense(3.0), "3.0"),  # type: ignore[arg-type]
    "units as text": (UsageError, lambda: cr.Dense("3"), "'3'"),  # type: ignore[arg-type]
    "too many units": (
        UsageError,
        lambda: cr.Sequential([cr.Input((4,)), cr.Dense(10**14)]).get_weights(),
        "memory",
    ),
    "input by a number": (ShapeError, lambda: cr.Input(3), "cr.Input((784,))"),  # type: ignore[arg-type]
    "input by text": (ShapeError, lambda: cr.Input("abc"), "'abc'"),
    "input of nothing": (ShapeError, lambda: cr.Input((0,)), "at least 1"),
    "input of a negative size": (ShapeError, lambda: cr.Input((-3,)), "-3"),
    "input of a fraction": (ShapeError, lambda: cr.Input((3.5,)), "3.5"),  # type: ignore[arg-type]
    "input in float16": (DTypeError, lambda: cr.Input((3,), dtype="float16"), "float16"),
    "input of objects": (DTypeError, lambda: cr.Input((3,), dtype=object), "object"),  # type: ignore[arg-type]
    "Dense on integers": (
        DTypeError, lambda: cr.Dense(3)(cr.Input((3,), dtype="int64")), "i64[batch, 3]",
    ),
    "Dense on any size": (ShapeError, lambda: cr.Dense(3)(cr.Input((None,))), "last axis"),
    "Dense on one axis": (ShapeError, lambda: cr.Dense(3)(cr.Input(())), "last axis"),
    "Dense on an array": (UsageError, lambda: cr.Dense(3)(X), "ndarray"),  # type: ignore[arg-type]
    "Dense on nothing": (UsageError, lambda: cr.Dense(3)(None), "NoneType"),  # type: ignore[arg-type]
    "Dense on two": (UsageError, lambda: cr.Dense(3)(pair()), "one tensor"),
    "Add of different sizes": (ShapeError, lambda: cr.Add()(pair((3,), (4,))), "[batch, 4]"),
    "Add of nothing": (UsageError, lambda: cr.Add()([]), "Add()"),
    "Concatenate of nothing": (UsageError, lambda: cr.Concatenate()([]), "Concatenate()"),
    "Concatenate of different sizes": (
        ShapeError, lambda: cr.Concatenate()(pair((3, 2), (4, 2))), "concat",
    ),
    "Concatenate along the batch": (ShapeError, lambda: cr.Concatenate(0)(pair()), "batch"),
    "Concatenate along no axis": (ChainruleError, lambda: cr.Concatenate(5)(pair()), "5"),
    "Concatenate along text": (UsageError, lambda: cr.Concatenate("x"), "'x'"),  # type: ignore[arg-type]
    "Reshape to another size": (ShapeError, lambda: cr.Reshape((5,))(cr.Input((4,))), "reshape"),
    "Reshape to a number": (ShapeError, lambda: cr.Reshape(4), "cr.Reshape((8, 8))"),  # type: ignore[arg-type]
    "Dropout of everything": (UsageError, lambda: cr.Dropout(1.0), "0 <= rate < 1"),
    "Dropout of NaN": (UsageError, lambda: cr.Dropout(float("nan")), "0 <= rate < 1"),
    "Sequential without an input": (UsageError, lambda: cr.Sequential([cr.Dense(3)]), "Dense"),
    "Sequential of a class": (
        UsageError,
        lambda: cr.Sequential([cr.Input((3,)), cr.Dense]),  # type: ignore[list-item]
        "cr.Dense(...) makes one",
    ),
    "Sequential without brackets": (
        UsageError,
        lambda: cr.Sequential(cr.Input((3,)), cr.Dense(1)),  # type: ignore[arg-type]
        "Sequential takes a list of layers",
    ),
    "Sequential of nothing": (UsageError, lambda: cr.Sequential([]), "nothing"),
    "Sequential of None": (UsageError, lambda: cr.Sequential(None), "None"),  # type: ignore[arg-type]
    "Sequential with a name": (
        UsageError, lambda: cr.Sequential([cr.Input((3,)), "relu"]), 'cr.Activation("relu")',  # type: ignore[list-item]
    ),
    "Model of None": (UsageError, lambda: cr.Model(None, None), "NoneType"),  # type: ignore[arg-type]
    "Model of nothing": (UsageError, lambda: cr.Model([], []), "0 inputs"),
    "Model of a layer": (UsageError, lambda: cr.Model(cr.Input((3,)), cr.Dense(3)), "Dense"),  # type: ignore[arg-type]
    "Model of arrays": (UsageError, lambda: cr.Model(X, X), "ndarray"),  # type: ignore[arg-type]
    "Model seed": (UsageError, lambda: cr.Sequential([cr.Input((3,))], seed=-1), "seed"),
    "no parameters": (
        UsageError, lambda: cr.Sequential([cr.Input((3,))]).compile("mse"), "no parameters",
    ),
    "a loss of None": (UsageError, lambda: net(None), "loss"),
    "an optimizer of None": (UsageError, lambda: net(optimizer=None), "optimizer"),
    "a target of None": (UnknownNameError, lambda: net(target=None), "target"),
    "a loss that is a number": (UsageError, lambda: net(3), "came int"),
    "a loss of one argument": (UsageError, lambda: net(lambda y: y), "target, prediction"),
    "a loss by NumPy": (UsageError, lambda: net(lambda y, p: np.exp(y - p)), "cr.exp"),
    "a loss by NumPy's mean": (ChainruleError, lambda: net(lambda y, p: np.mean(y - p)), ""),
    "a loss that decides": (
        ChainruleError, lambda: net(lambda y, p: y if y > p else p), "cr.where",
    ),
    "a loss that returns nothing": (UsageError, lambda: net(lambda y, p: None), "return"),
    "a loss of other shapes": (ShapeError, lambda: net(lambda y, p: p @ p), "matmul"),
    "two losses for one output": (UsageError, lambda: net(["mse", "mse"]), "2 entries"),
    "no loss for the output": (UsageError, lambda: net({}), "y"),
    "weights as text": (UsageError, lambda: net(loss_weights="a"), "'a'"),
    "a weight of NaN": (UsageError, lambda: net(loss_weights=[float("nan")]), "nan"),
    "a rate as text": (ChainruleError, lambda: cr.Adam("0.1"), "0.1"),
    "a rate of NaN": (ChainruleError, lambda: cr.Adam(float("nan")), "nan"),
    "two ways of clipping": (
        UsageError, lambda: cr.SGD(0.1, clipnorm=1.0, clipvalue=1.0), "at most one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BUILDING)
def test_building(what: str) -> None:
    kind, wrong, part = BUILDING[what]
    told(kind, wrong, part)


# -- data ---------------------------------------------------------------------------------------

DATA: dict[str, tuple[type[ChainruleError], Wrong, str]] = {
    "NaN": (DataError, lambda: net().fit(NAN, Y), "x[7, 2] = nan"),
    "infinity": (DataError, lambda: net().fit(INF, Y), "x[9, 0] = inf"),
    "NaN to validate on": (
        DataError, lambda: net().fit(X, Y, validation_data=(NAN, Y)), "validation_data[0][7, 2]",
    ),
    "NaN to predict": (DataError, lambda: net().predict(NAN), "x[7, 2] = nan"),
    "NaN in targets": (DataError, lambda: net("mse").fit(X, NAN[:, :3]), "y[7, 2] = nan"),
    "labels from 1": (DataError, lambda: net().fit(X, Y + 1), "y - 1"),
    "negative labels": (DataError, lambda: net().fit(X, Y - 1), "= -1"),
    "labels that are fractions": (DataError, lambda: net().fit(X, Y + 0.5), "integers"),
    "labels as text": (DTypeError, lambda: net().fit(X, Y.astype(str)), "numpy.unique"),
    "labels that are one-hot": (ShapeError, lambda: net().fit(X, np.eye(3)[Y]), "i32[batch]"),
    "nothing": (DataError, lambda: net().fit(X[:0], Y[:0]), "empty"),
    "nothing to predict": (DataError, lambda: net().predict(X[:0]), "empty"),
    "nothing to validate on": (
        DataError, lambda: net().fit(X, Y, validation_data=(X[:0], Y[:0])), "empty",
    ),
    "other lengths": (DataError, lambda: net().fit(X, Y[:-1]), "[50, 49]"),
    "other lengths to evaluate": (DataError, lambda: net().evaluate(X, Y[:3]), "[50, 3]"),
    "a batch larger than the data": (DataError, lambda: net().fit(X, Y, batch_size=51), "50 rows"),
    "a batch of nothing": (UsageError, lambda: net().fit(X, Y, batch_size=0), "batch_size"),
    "no epochs": (UsageError, lambda: net().fit(X, Y, epochs=0), "epochs"),
    "three features": (ShapeError, lambda: net().fit(X[:, :3], Y), "f32[batch, 4]"),
    "three features to predict": (ShapeError, lambda: net().predict(X[:, :3]), "f32[50, 3]"),
    "one sample": (ShapeError, lambda: net().predict(X[0]), "x[None]"),
    "columns for rows": (ShapeError, lambda: net().predict(X.T), "x.T"),
    "no targets": (UsageError, lambda: net().fit(X), "y is missing"),
    "no targets to evaluate": (UsageError, lambda: net().evaluate(X), "y is missing"),
    "no targets for a step": (UsageError, lambda: net().train_on_batch(X), "y is missing"),
    "no samples": (UsageError, lambda: net().fit(None, Y), "x is missing"),
    "two arrays for one output": (ChainruleError, lambda: net().fit(X, [Y, Y]), "y"),
    "a generator": (DTypeError, lambda: net().fit((row for row in X), Y), "generator"),
    "a set": (DTypeError, lambda: net().fit({1, 2}, Y), "set"),
    "text": (DTypeError, lambda: net().predict("abc"), "str"),
    "rows of different lengths": (DataError, lambda: net().fit([[1, 2], [1]], Y[:2]), "rows"),
    "objects": (DTypeError, lambda: net().fit(X.astype(object), Y), "object"),
    "complex numbers": (DTypeError, lambda: net().fit(X + 1j, Y), "complex"),
    "all rows to validate on": (UsageError, lambda: net().fit(X, Y, validation_split=1.0), "0.1"),
    "validation data without targets": (
        UsageError, lambda: net().fit(X, Y, validation_data=X), "(x, y)",
    ),
    "a negative seed": (UsageError, lambda: net().fit(X, Y, seed=-1), "seed"),
    "another verbosity": (UsageError, lambda: net().fit(X, Y, verbose="loud"), "verbose"),
    "shuffling by name": (UsageError, lambda: net().fit(X, Y, shuffle="batch"), "shuffle"),  # type: ignore[arg-type]
    "a callback's class": (
        UsageError, lambda: net().fit(X, Y, callbacks=[cr.EarlyStopping]), "EarlyStopping",  # type: ignore[list-item]
    ),
    "a callback's name": (UsageError, lambda: net().fit(X, Y, callbacks="early"), "Callback"),  # type: ignore[arg-type]
    "fit before compile": (UsageError, lambda: plain().fit(X, Y), "model.compile"),
    "evaluate before compile": (UsageError, lambda: plain().evaluate(X, Y), "model.compile"),
    "gradients before compile": (UsageError, lambda: plain().gradients(), "model.compile"),
    "settings before compile": (UsageError, lambda: plain().settings, "model.compile"),
    "too few weights": (ShapeError, lambda: net().set_weights([X]), "W1, b1"),
    "weights of another shape": (ShapeError, lambda: net().set_weights([X, Y]), "(4, 3)"),
    "weights as text": (DTypeError, lambda: net().set_weights(["a", "b"]), "W1"),
    "weights of None": (ShapeError, lambda: net().set_weights(None), "NoneType"),  # type: ignore[arg-type]
    "a parameter as text": (DTypeError, lambda: net().parameters.__setitem__("b1", "x"), "b1"),
    "a parameter of another shape": (
        ShapeError, lambda: net().parameters.__setitem__("b1", [1, 2]), "(3,)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DATA)
def test_data(what: str) -> None:
    kind, wrong, part = DATA[what]
    told(kind, wrong, part)


@pytest.mark.parametrize("what", ["NaN", "labels from 1", "three features", "other lengths"])
def test_nothing_is_lost(what: str) -> None:
    """After a refused fit, a model trains as if it had not been asked."""
    wrong = {
        "NaN": (NAN, Y), "labels from 1": (X, Y + 1), "three features": (X[:, :3], Y),
        "other lengths": (X, Y[:-1]),
    }  # fmt: skip
    model, other = net(), net()
    first = model.fit(X, Y, epochs=2, seed=0, verbose=0)
    other.fit(X, Y, epochs=2, seed=0, verbose=0)
    with pytest.raises(ChainruleError):
        model.fit(*wrong[what])
    assert model.history is first
    for m in (model, other):
        m.fit(X, Y, seed=1, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lists_and_tensors_of_other_libraries_are_arrays() -> None:
    expected = net().predict(X)
    np.testing.assert_array_equal(net().predict(X.tolist()), expected)
    np.testing.assert_array_equal(net().predict([X]), expected)


@pytest.mark.oracle
def test_a_torch_tensor_is_an_array() -> None:
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(net().predict(torch.tensor(X)), net().predict(X))
    model = net()
    model.fit(torch.tensor(X), torch.tensor(Y), verbose=0)
    wanted = torch.tensor(X, requires_grad=True)
    told(DataError, lambda: net().predict(wanted), "x", "detach")


# -- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["cpu", "numpy"])
def test_divergence(target: str) -> None:
    """It stops at the step, says the likely cause, and the weights are finite."""
    model = net("mse", cr.SGD(1e6), target=target)
    told(
        DivergenceError,
        lambda: model.fit(X, X[:, :3], epochs=100, batch_size=10, seed=0, verbose=0),
        "batch",
        "learning rate is too high",
    )
    assert all(np.isfinite(array).all() for array in model.get_weights())
    assert model.history is not None
    assert model.history.partial is not None
    model.compile("mse", cr.SGD(1e-2), target=target)
    for array in model.parameters.values():
        array[...] = 0
    assert model.fit(X, X[:, :3], epochs=2, seed=0, verbose=0).history["loss"][-1] < 1.5


def test_weights_that_are_not_finite() -> None:
    model = net()
    model.parameters["W1"] = np.nan
    told(DivergenceError, lambda: model.fit(X, Y, verbose=0), "W1")


def test_a_callback_that_raises_is_the_users_error() -> None:
    class Broken(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise RuntimeError("mine")

    model, other = net(), net()
    with pytest.raises(RuntimeError, match="mine"):
        model.fit(X, Y, epochs=5, callbacks=[Broken()], seed=0, verbose=0)
    assert model.history is not None
    assert model.history.epoch == [0, 1]
    other.fit(X, Y, epochs=2, seed=0, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_error_in_a_formula_is_the_users_error() -> None:
    with pytest.raises(ZeroDivisionError):
        net(lambda y, p: p * (1 / 0))


def test_a_setting_is_written_and_not_replaced() -> None:
    x, still = net(), net()
    x.settings["learning_rate"] = 0.0
    before = x.get_weights()
    for model in (x, still):
        model.train_on_batch(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(before, x.get_weights(), strict=True))
    assert not np.array_equal(before[0], still.get_weights()[0])
