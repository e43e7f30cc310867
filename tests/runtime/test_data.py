"""What users pass becomes what programs read, or an error that says which array and which row."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from chainrule.compiler.errors import (
    ChainruleError,
    DataError,
    DTypeError,
    ShapeError,
    UnknownNameError,
    UsageError,
)
from chainrule.compiler.program import Buffer
from chainrule.compiler.types import TensorType, symbol
from chainrule.runtime import data as d


def slot(name: str = "x", dtype: str = "float32", *row: int, classes: int | None = None) -> d.Slot:
    return d.Slot(
        Buffer(f"{name}_", "input", TensorType(dtype, (symbol("batch"), *row))), name, classes
    )


X = slot("x", "float32", 3)
LABELS = slot("y", "int32", classes=10)


class Wrapped:
    """What data frames and tensors of other libraries are to NumPy."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.array, dtype=dtype)


class Interface:
    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.kept = array
        self.__array_interface__ = array.__array_interface__


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2, 3], [4, 5, 6]],
        ((1.0, 2, 3), (4, 5, 6)),
        np.array([[1, 2, 3], [4, 5, 6]], np.float64),
        np.array([[1, 2, 3], [4, 5, 6]], np.uint8),
        np.array([[1, 2, 3], [4, 5, 6]], ">f4"),
        np.array([[1, 4], [2, 5], [3, 6]], np.float32).T,
        np.array([[1, 0, 2, 0, 3], [4, 0, 5, 0, 6]], np.float32)[:, ::2],
        Wrapped(np.array([[1, 2, 3], [4, 5, 6]], np.float16)),
        Interface(np.array([[1, 2, 3], [4, 5, 6]])),
        np.ma.MaskedArray([[1, 2, 3], [4, 5, 6]]),
        {"x": [[1, 2, 3], [4, 5, 6]]},
    ],
)
def test_anything_numpy_understands_is_taken(value: object) -> None:
    array = d.convert("x", value, [X])["x_"]
    assert array.dtype == np.dtype("float32")
    assert array.flags.c_contiguous
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, [[1, 2, 3], [4, 5, 6]])


def test_an_array_that_is_as_wanted_is_not_copied() -> None:
    value = np.ones((4, 3), np.float32)
    assert np.shares_memory(d.convert("x", value, [X])["x_"], value)


@pytest.mark.parametrize(
    ("value", "row", "shape"),
    [(np.zeros(5), (1,), (5, 1)), (np.zeros((5, 1)), (), (5,)), (np.zeros((1, 1)), (), (1,))],
)
def test_a_last_axis_of_one_comes_and_goes(
    value: object, row: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    assert d.convert("y", value, [slot("y", "float32", *row)])["y_"].shape == shape


@pytest.mark.parametrize("values", [[0, 9, 3], [0.0, 9.0, 3.0], np.array([0, 9, 3], np.uint64)])
def test_labels_may_come_as_any_whole_numbers(values: object) -> None:
    labels = d.convert("y", values, [LABELS])["y_"]
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 9, 3]


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0]])
def test_booleans(values: object) -> None:
    assert d.convert("y", values, [slot("y", "bool")])["y_"].tolist() == [True, False]


def bad(value: float, row: int = 4) -> npt.NDArray[np.float64]:
    array = np.ones((10, 3))
    array[row, 1] = value
    return array


FLOATS = slot("y", "float32")
BOTH = [slot("a", "float32", 2), slot("b", "float32")]

REFUSED: list[tuple[type[ChainruleError], object, list[d.Slot], list[str]]] = [
    # NaN and infinity: which array, which row, how many.
    (
        DataError,
        bad(np.nan),
        [X],
        ["Input x contains NaN.", "x[4, 1] = nan", "1 such values in 1 of 10"],
    ),
    (DataError, bad(np.inf), [X], ["Input x contains infinity.", "x[4, 1] = inf"]),
    (DataError, bad(-np.inf, 0), [X], ["x[0, 1] = -inf"]),
    (DataError, bad(1e300), [X], ["too large for float32", "x[4, 1] = 1e+300", "float64"]),
    (DataError, [1.0, np.nan, 2.0], [LABELS], ["Input x contains NaN.", "x[1] = nan"]),
    # Labels.
    (DataError, [0, 10, 3], [LABELS], ["label out of range", "0 to 9", "x[1] = 10", "11 units"]),
    (DataError, [0, 3, -1], [LABELS], ["x[2] = -1", "1 of 3 rows", "count from 0"]),
    (DataError, [1, 2, 10], [LABELS], ["x[2] = 10", "pass x - 1"]),
    (DataError, [0, 1.5], [LABELS], ["must hold integers", "x[1] = 1.5"]),
    (DataError, [2**31], [slot("y", "int32")], ["x[0] = 2147483648", "int32"]),
    (DataError, [2.0**63], [slot("y", "int64")], ["x[0] = 9.22", "int64"]),
    (DataError, np.array([2**63], np.uint64), [slot("y", "int64")], ["x[0] = 9223372036854775808"]),
    (DataError, [0, 2], [slot("y", "bool")], ["x[1] = 2", "0 or 1"]),
    # Dtypes.
    (DTypeError, ["a", "b"], [LABELS], ["does not hold real numbers", "'a'", "numpy.unique"]),
    (DTypeError, np.array([1, None, 2]), [FLOATS], ["dtype object"]),
    (DTypeError, [1 + 2j], [FLOATS], ["complex128", "imaginary"]),
    (DTypeError, np.array(["2020-01-01"], "M8[D]"), [FLOATS], ["dates"]),
    (DTypeError, object(), [FLOATS], ["a object", ".toarray()"]),
    (DTypeError, {1, 2}, [FLOATS], ["a set"]),
    # Shapes.
    (ShapeError, np.ones((60, 4)), [X], ["expected f32[batch, 3], got f64[60, 4]"]),
    (ShapeError, np.ones(3, np.float32), [X], ["got f32[3]", "x[None]"]),
    (ShapeError, np.ones((3, 9), np.int64), [X], ["got i64[3, 9]", "x.T"]),
    (ShapeError, np.ones((9, 1, 3), np.uint8), [X], ["got uint8[9, 1, 3]", "x.reshape(len(x), 3)"]),
    (ShapeError, np.ones((5, 2)), [FLOATS], ["expected f32[batch], got f64[5, 2]"]),
    (ShapeError, 1.0, [FLOATS], ["expected f32[batch], got f64[]"]),
    (DataError, [[1, 2, 3], [4, 5]], [X], ["equal rows", "inhomogeneous"]),
    # Nothing.
    (DataError, [], [X], ["x is empty", "f32[batch, 3]", "(0,)"]),
    (DataError, np.ones((0, 3)), [X], ["x is empty", "(0, 3)"]),
    (UsageError, None, [X], ["x is missing", "x: f32[batch, 3]"]),
    (UsageError, [1.0], [], ["x is given, but the model reads none"]),
    (DataError, np.ma.MaskedArray([[1.0, 2, 3]], [[False, True, False]]), [X], ["1 of 3 values"]),
    # Several.
    (UnknownNameError, {"a": [[1, 2]], "c": [1]}, BOTH, ["no array called 'c'"]),
    (UnknownNameError, {"X": [[1, 2]]}, [X], ["no array called 'X'", "known: x"]),
    (UnknownNameError, {"pixel": 1}, [slot("pixels")], ["did you mean 'pixels'?"]),
    (UsageError, {"a": [[1, 2]]}, BOTH, ["x['b'] is missing", "b: f32[batch]"]),
    (UsageError, [[1, 2]], BOTH, ["x must hold 2 arrays", "got 1 arrays"]),
    (UsageError, np.ones((2, 2)), BOTH, ["x must hold 2 arrays", "got one array"]),
    (
        DataError,
        {"a": [[1, np.nan]], "b": [1]},
        BOTH,
        ["x['a'] contains NaN", "x['a'][0, 1] = nan"],
    ),
    (DataError, ([[1, 2]], [np.inf]), BOTH, ["x[1] contains infinity", "x[1][0] = inf"]),
]


@pytest.mark.parametrize(("error", "value", "slots", "parts"), REFUSED)
def test_refused_in_three_lines(
    error: type[ChainruleError], value: object, slots: list[d.Slot], parts: list[str]
) -> None:
    with pytest.raises(error) as caught:
        d.convert("x", value, slots)
    text = str(caught.value)
    assert text.startswith("test_data.py:")
    assert len(text.splitlines()) == 3
    for part in parts:
        assert part in text


def test_several_arrays_by_name_or_in_order() -> None:
    by_name = d.convert("x", {"b": [5, 6], "a": [[1, 2], [3, 4]]}, BOTH)
    in_order = d.convert("x", ([[1, 2], [3, 4]], [5, 6]), BOTH)
    assert list(by_name) == list(in_order) == ["a_", "b_"]
    for name, array in by_name.items():
        np.testing.assert_array_equal(array, in_order[name])


def test_a_list_of_one_array_is_that_array() -> None:
    x = np.ones((3, 2), np.float32)
    assert np.shares_memory(d.convert("x", [x], [slot("x", "float32", 2)])["x_"], x)
    row = d.convert("x", [x[0]], [slot("x", "float32", 2)])["x_"]
    assert row.shape == (1, 2)  # a list of rows, of which there is one


@pytest.mark.parametrize(
    ("value", "wanted", "hint"),
    [
        (np.eye(3), ("int32",), "of one-hot rows, numpy.argmax(y, axis=-1)"),
        (np.arange(5), ("float32", 3), "class numbers go with the sparse_ losses"),
        (np.ones((3, 2)), ("float32", 3), "y.T has the right shape"),
    ],
)
def test_labels_in_the_other_form(
    value: npt.NDArray[Any], wanted: tuple[Any, ...], hint: str
) -> None:
    with pytest.raises(ShapeError, match=re.escape(hint)):
        d.convert("y", value, [slot("y", *wanted)])


def test_a_large_sum_of_finite_numbers_is_finite() -> None:
    value = np.full((4, 3), 3e38, np.float32)
    np.testing.assert_array_equal(d.convert("x", value, [X])["x_"], value)


def test_rows_must_agree() -> None:
    with pytest.raises(DataError, match=r"inconsistent numbers of samples: \[60, 59\]") as caught:
        d.training_data(np.ones((60, 3)), np.zeros(59), [X], [LABELS], seed=0)
    assert "rows: x has 60, y has 59\n" in str(caught.value)  # in the user's words
    with pytest.raises(DataError, match=r"rows: validation_data\[0\] has 1, "):
        prepared(validation_data=([[1, 2, 3]], [1, 2]))


def prepared(**options: Any) -> d.TrainingData:
    rows = options.pop("rows", 50)
    x = np.arange(rows * 3).reshape(rows, 3)
    return d.training_data(
        x, np.arange(rows) % 10, [X], [LABELS], seed=options.pop("seed", 0), **options
    )


@pytest.mark.parametrize(
    ("error", "options", "part"),
    [
        (DataError, {"batch_size": 51}, "batch_size is 51, and there are 50 rows"),
        (DataError, {"batch_size": 46, "validation_split": 0.1}, "there are 45 rows"),
        (UsageError, {"batch_size": 0}, "must be a positive integer"),
        (UsageError, {"batch_size": -1}, "got -1"),
        (UsageError, {"batch_size": 2.0}, "got 2.0"),
        (UsageError, {"batch_size": True}, "got True"),
        (UsageError, {"batch_size": "8"}, "got '8'"),
        (UsageError, {"validation_split": 1.0}, "between 0 and 1"),
        (UsageError, {"validation_split": -0.1}, "got -0.1"),
        (UsageError, {"validation_split": np.nan}, "got nan"),
        (UsageError, {"validation_split": "0.1"}, "got '0.1'"),
        (UsageError, {"validation_split": True}, "got True"),
        (DataError, {"validation_split": 0.5, "rows": 1}, "too few rows"),
        (UsageError, {"validation_data": np.ones(3)}, "must be a pair"),
        (UsageError, {"validation_data": (1, 2, 3)}, "got a tuple of 3"),
        (UsageError, {"validation_data": (1, 2), "validation_split": 0.1}, "both"),
        (
            ShapeError,
            {"validation_data": ([[1, 2]], [1])},
            "validation_data[0] has the wrong shape",
        ),
        (DataError, {"validation_data": ([[1, 2, 3]], [11])}, "validation_data[1][0] = 11"),
        (DataError, {"validation_data": ([[1, 2, 3]], [1, 2])}, "inconsistent"),
    ],
)
def test_arguments_that_make_no_sense(
    error: type[ChainruleError], options: dict[str, Any], part: str
) -> None:
    with pytest.raises(error) as caught:
        prepared(**options)
    assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("options", "size"), [({}, 32), ({"rows": 7}, 7), ({"batch_size": np.int64(50)}, 50)]
)
def test_batch_size(options: dict[str, Any], size: int) -> None:
    assert prepared(**options).batch_size == size


def test_validation_data_is_converted() -> None:
    validation = prepared(validation_data=([[1, 2, 3]], [4])).validation
    assert validation is not None
    assert validation["y_"].dtype == np.int32


@given(rows=st.integers(2, 200), fraction=st.floats(0.001, 0.999), seed=st.integers(0, 2**70))
def test_split_parts_the_rows(rows: int, fraction: float, seed: int) -> None:
    arrays = {"x": np.arange(rows), "y": -np.arange(rows)}
    train, held = d.split(arrays, fraction, seed)
    again = d.split(arrays, fraction, seed)
    np.testing.assert_array_equal(train["x"], again[0]["x"])
    for part in (train, held):
        np.testing.assert_array_equal(part["x"], -part["y"])
        assert (np.diff(part["x"]) > 0).all()
        assert len(part["x"])
    assert sorted([*train["x"], *held["x"]]) == list(range(rows))
    assert abs(len(held["x"]) - rows * fraction) <= 1


def test_split_is_drawn_and_not_the_end() -> None:
    held = [d.split({"x": np.arange(1000)}, 0.2, seed)[1]["x"] for seed in range(2)]
    assert not np.array_equal(held[0], held[1])
    assert all(300 < rows.mean() < 700 for rows in held)


def test_permutation_is_a_function_of_seed_and_epoch() -> None:
    orders = {(s, e): d.permutation(s, e, 50) for s in range(3) for e in range(3)}
    assert len({order.tobytes() for order in orders.values()}) == len(orders)
    for (seed, epoch), order in orders.items():
        assert order.dtype == np.int64
        assert sorted(order) == list(range(50))
        np.testing.assert_array_equal(order, d.permutation(seed, epoch, 50))


def test_permutation_stays_what_it_is() -> None:
    # From NumPy 2.4; another order would give everybody other results.
    assert d.permutation(0, 0, 8).tolist() == [7, 0, 1, 6, 5, 2, 3, 4]


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_seeds_are_non_negative_integers(seed: Any) -> None:
    with pytest.raises(UsageError, match="non-negative integer"):
        d.check_seed(seed)


def test_a_missing_seed_is_drawn() -> None:
    assert d.check_seed(2**80) == 2**80
    assert len({d.check_seed(None) for _ in range(4)}) == 4


def test_layer_seeds_fit_int32() -> None:
    seeds = {d.layer_seed(seed) for seed in (0, 1, 2**31, 2**80)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
