"""Data types: the promotion tables of the array API standard, and where it leaves cases open."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DTypeError, UsageError
from chainrule.frontend.tensor import as_tensor, promote

DTYPES = ("bool", "int32", "int64", "float32", "float64")
TABLE = {  # rows and columns in the order of DTYPES; "" is an error
    "bool": ("bool", "", "", "", ""),
    "int32": ("", "int32", "int64", "float32", "float64"),
    "int64": ("", "int64", "int64", "float32", "float64"),
    "float32": ("", "float32", "float32", "float32", "float64"),
    "float64": ("", "float64", "float64", "float64", "float64"),
}
PAIRS = [(a, b, TABLE[a][i]) for a in DTYPES for i, b in enumerate(DTYPES)]


def made(dtype: str, shape: tuple[int, ...] = (2,)) -> cr.Tensor:
    return cr.tensor("x", shape, dtype)


@pytest.mark.parametrize(("a", "b", "both"), PAIRS)
def test_two_tensors(a: str, b: str, both: str) -> None:
    if both:
        (x, y), weak = promote(made(a), made(b))
        assert (x.dtype, y.dtype, weak) == (both, both, False)
    else:
        with pytest.raises(DTypeError, match="bool combines with bool alone"):
            promote(made(a), made(b))


@pytest.mark.parametrize(("a", "b", "both"), PAIRS)
def test_the_number_of_axes_changes_nothing(a: str, b: str, both: str) -> None:
    if both:
        (x, y), _ = promote(made(a), made(b, ()))
        assert (x.dtype, y.dtype) == (both, both)


@pytest.mark.parametrize(("a", "b", "both"), [x for x in PAIRS if x[2] and x[2] != "bool"])
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "remainder", "pow", "equal"])
def test_functions_promote(name: str, a: str, b: str, both: str) -> None:
    result = getattr(cr, name)(made(a), made(b))
    assert result.dtype == ("bool" if name == "equal" else both)


@pytest.mark.parametrize(
    ("dtype", "number", "result"),
    [
        ("bool", True, "bool"),
        ("bool", 1, ""),
        ("bool", 1.0, ""),
        ("int32", 1, "int32"),
        ("int64", 1, "int64"),
        ("int32", True, ""),
        ("int32", 1.0, "float32"),
        ("int64", 1.0, "float32"),
        ("float32", 1, "float32"),
        ("float32", 1.0, "float32"),
        ("float32", True, ""),
        ("float64", 1, "float64"),
        ("float64", 1.0, "float64"),
        ("float32", np.float64(1), "float32"),
        ("float64", np.float32(1), "float64"),
        ("int32", np.int64(1), "int32"),
    ],
)
def test_numbers_take_the_other_dtype(dtype: str, number: Any, result: str) -> None:
    for operands in ((made(dtype), number), (number, made(dtype))):
        if result:
            assert cr.equal(*operands).node.operands[0].dtype == result
        else:
            with pytest.raises(DTypeError):
                cr.equal(*operands)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_keep_their_dtype(dtype: str) -> None:
    assert as_tensor(np.ones(3, dtype)).dtype == dtype
    assert as_tensor(np.ones((), dtype)).dtype == dtype
    if dtype != "bool":
        assert (np.ones(3, dtype) + made("float64", (3,))).dtype == "float64"


def test_numbers_among_themselves_stay_weak() -> None:
    double = cr.exp(cr.multiply(2, 0.5))
    assert (double.dtype, double.weak) == ("float64", True)
    assert (double * made("float32")).dtype == "float32"
    assert float(double) == np.exp(1.0)


def test_a_choice_of_numbers_takes_the_dtype_of_what_it_is_combined_with() -> None:
    x, i = cr.tensor("x", ("n",)), cr.tensor("i", ("n",), dtype="int32")
    assert (x * cr.where(x > 0, 1.0, -1.0)).dtype == "float32"
    assert (x * cr.where(x > 0, 1, i)).dtype == "float32"
    assert cr.where(x > 0, 1, i).dtype == "int32"
    assert (i + cr.where(x > 0, 1, 0)).dtype == "int32"


def test_a_weak_tensor_is_cast_where_it_is_used() -> None:
    rate = cr.Tensor(made("float64", ()).node, weak=True)
    step = rate * made("float32")
    assert (step.dtype, step.weak) == ("float32", False)
    assert ((1 - rate) * 2).dtype == "float64"
    assert as_tensor(rate, made("float32")).dtype == "float32"


@pytest.mark.parametrize("name", ["exp", "sqrt", "sigmoid", "erf"])
def test_functions_of_floats_take_floats_only(name: str) -> None:
    for dtype in ("bool", "int32", "int64"):
        with pytest.raises(DTypeError, match=name):
            getattr(cr, name)(made(dtype))
    assert getattr(cr, name)(1).dtype == "float64"  # a Python number


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc"])
def test_rounding_leaves_integers_alone(name: str) -> None:
    x = made("int32")
    assert getattr(cr, name)(x).node is x.node


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_divide_as_floats(dtype: str) -> None:
    x = made(dtype)
    assert (x / x).dtype == (1 / x).dtype == (x / 2).dtype == "float32"
    assert (x // 2).dtype == (x % 2).dtype == (x**2).dtype == dtype
    assert (x**0.5).dtype == "float32"
    assert [f(x).dtype for f in (cr.isnan, cr.isinf, cr.isfinite)] == ["bool"] * 3


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("sum", ("int64", "int64", "int64", "float32", "float64")),
        ("prod", ("int64", "int64", "int64", "float32", "float64")),
        ("cumulative_sum", ("int64", "int64", "int64", "float32", "float64")),
        ("max", ("", "int32", "int64", "float32", "float64")),
        ("min", ("", "int32", "int64", "float32", "float64")),
        ("any", ("bool",) * 5),
        ("all", ("bool",) * 5),
        ("argmax", ("int64",) * 5),
        ("argmin", ("int64",) * 5),
        ("mean", ("", "", "", "float32", "float64")),
        ("var", ("", "", "", "float32", "float64")),
        ("std", ("", "", "", "float32", "float64")),
        ("logsumexp", ("", "", "", "float32", "float64")),
        ("softmax", ("", "", "", "float32", "float64")),
        ("vector_norm", ("", "", "", "float32", "float64")),
    ],
)
def test_reductions(name: str, results: tuple[str, ...]) -> None:
    for dtype, result in zip(DTYPES, results, strict=True):
        if result:
            assert getattr(cr, name)(made(dtype)).dtype == result
        else:
            with pytest.raises(DTypeError):
                getattr(cr, name)(made(dtype))


def test_sums_in_a_dtype_of_choice() -> None:
    x = made("float32")
    assert cr.sum(x, dtype="float64").dtype == "float64"
    assert cr.prod(made("int64"), dtype=np.int32).dtype == "int32"
    assert cr.cumulative_sum(x, dtype=np.float64).dtype == "float64"


@pytest.mark.parametrize(("a", "b"), [*itertools.product(DTYPES, repeat=2)])
def test_astype(a: str, b: str) -> None:
    values = {"bool": [False, True], "int32": [-2, 3], "int64": [-2, 3]}.get(a, [-2.7, 0.0])
    array = np.array(values, a)
    converted = np.asarray(cr.astype(array, b))
    np.testing.assert_array_equal(converted, array.astype(b))
    assert converted.dtype == b


def test_an_unknown_dtype() -> None:
    for dtype in ("float16", "complex64", "string", object, "float"):
        with pytest.raises(DTypeError, match="expected bool, int32, int64, float32, float64"):
            cr.tensor("x", (2,), dtype)


@pytest.mark.parametrize(
    "value", ["a", None, [1.0, 2.0], 1j, np.array(["a"]), np.longdouble(1), object()]
)
def test_no_tensors(value: Any) -> None:
    with pytest.raises(DTypeError):
        cr.exp(value)


def test_large_arrays_are_inputs() -> None:
    assert cr.asarray(np.zeros(4096)).shape == (4096,)
    with pytest.raises(UsageError, match="make it an input with"):
        made("float64", (4097,)) + np.zeros(4097)


@pytest.mark.parametrize(("dtype", "number"), [("int32", 2**31), ("int64", 2**63)])
def test_numbers_that_do_not_fit(dtype: str, number: int) -> None:
    with pytest.raises(DTypeError, match="does not fit"):
        made(dtype) + number


@pytest.mark.parametrize(
    ("value", "dtype", "result"),
    [
        ([1, 2], None, "int64"),
        ([1.0, 2.0], None, "float32"),
        ([True], None, "bool"),
        ([1, 2], "float64", "float64"),
        (np.ones(2), None, "float64"),
        (np.ones(2), "int32", "int32"),
        (1.5, None, "float32"),
    ],
)
def test_asarray(value: Any, dtype: str | None, result: str) -> None:
    assert cr.asarray(value, dtype=dtype).dtype == result


def test_constants_keep_the_values_of_the_moment() -> None:
    array = np.array([1.0, 2.0])
    constant = cr.asarray(array)
    array[0] = 5.0
    np.testing.assert_array_equal(np.asarray(constant), [1.0, 2.0])


def test_constants_of_equal_content_are_one_node() -> None:
    zero, minus = np.array([0.0]), np.array([-0.0])
    assert cr.asarray(zero).node is cr.asarray(zero.copy()).node
    assert cr.asarray(zero).node is not cr.asarray(minus).node
