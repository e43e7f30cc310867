"""Data sets that examples and tests train on, as arrays ready for `fit`.

A file is looked for in the folder that the environment variable `CHAINRULE_DATA` names, then in
the cache directory; what is in neither is downloaded into the cache, once. Files are checked
against a SHA-256 digest every time they are read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.compiler.errors import UsageError

from .downloads import Listed, Remote, Table, fetch, given, read_arrays, read_rows, read_text

Rows: TypeAlias = tuple[NDArray[np.floating[Any]], NDArray[np.int64]]
Split: TypeAlias = tuple[Rows, Rows]

_MNIST = Remote(
    "mnist.npz",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    11_490_434,
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
_MNIST_TABLE = Table(
    ("x_train", "y_train", "x_test", "y_test"),
    70_000 * (28 * 28 + 1),
    "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
)
_SHAKESPEARE = Remote(
    "tinyshakespeare.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
_DIGITS_TABLE = Table(
    ("sk_digits__X", "sk_digits__y"),
    1797 * (64 + 2),
    "2b05e4c7dfd27d18979d351becda24b11a82db0bdfbae840b4d098a0c8d3790d",
    Listed("digits.csv.gz", 0, ("uint8", "int16")),
)
_BREAST_CANCER_TABLE = Table(
    ("sk_breast_cancer__X", "sk_breast_cancer__y"),
    569 * (30 * 8 + 2),
    "18cb484ccbac10aabf0f94dc9acea17d8095051d9ebec80538b944a7a82487d4",
    Listed("breast_cancer.csv", 1, ("float64", "int16")),
)


def mnist(*, flat: bool = False, dtype: DTypeLike = np.float32) -> Split:
    """Handwritten digits: 60,000 images to train on and 10,000 to test on.

    Reads `mnist.npz` (arrays `x_train`, `y_train`, `x_test`, `y_test`).

    Args:
        flat: whether an image is a row of 784 numbers rather than 28 rows of 28.
        dtype: floating-point type of the images.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `(n, 28, 28)` with values in [0, 1], and
        labels `(n,)`, int64, 0 to 9.

    Raises:
        FileError: the file is damaged, is another one, or cannot be downloaded.

    Source:
        LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document
        recognition, section III.A.
    """
    x_train, y_train, x_test, y_test = read_arrays(fetch(_MNIST), _MNIST_TABLE)
    return (
        (_pixels(x_train, 255, flat, dtype), y_train.astype(np.int64)),
        (_pixels(x_test, 255, flat, dtype), y_test.astype(np.int64)),
    )


def digits(*, flat: bool = False, dtype: DTypeLike = np.float32) -> Split:
    """Small handwritten digits: 1,797 images of 8 by 8, a fifth of them held out.

    The images come with scikit-learn; `tabular.npz` in the folder `CHAINRULE_DATA` (arrays
    `sk_digits__X`, `sk_digits__y`) is read instead where it exists. The split is always the same.

    Args:
        flat: whether an image is a row of 64 numbers rather than 8 rows of 8.
        dtype: floating-point type of the images.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `(n, 8, 8)` with values in [0, 1], and
        labels `(n,)`, int64, 0 to 9.

    Raises:
        FileError: the file is damaged or is another one.
        UsageError: there is neither the file nor scikit-learn.

    Example:
        >>> import chainrule as cr
        >>> (x_train, y_train), (x_test, y_test) = cr.datasets.digits()
        >>> x_train.shape, x_test.shape
        ((1438, 8, 8), (359, 8, 8))

    Source:
        Alpaydin, Kaynak 1998, Optical recognition of handwritten digits, UCI repository.
    """
    x, y = _bundled("digits", _DIGITS_TABLE)
    return _held_out_fifth(_pixels(x.reshape(-1, 8, 8), 16, flat, dtype), y)


def breast_cancer(*, dtype: DTypeLike = np.float32) -> Split:
    """Breast tumors: 569 rows of 30 measurements, malignant (0) or benign (1), a fifth held out.

    The rows come with scikit-learn; `tabular.npz` in the folder `CHAINRULE_DATA` (arrays
    `sk_breast_cancer__X`, `sk_breast_cancer__y`) is read instead where it exists. The split is
    always the same. The measurements are as taken, from thousandths to thousands: scale them.

    Args:
        dtype: floating-point type of the measurements.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: measurements `(n, 30)` and labels `(n,)`, int64.

    Raises:
        FileError: the file is damaged or is another one.
        UsageError: there is neither the file nor scikit-learn.

    Example:
        >>> import chainrule as cr
        >>> (x_train, y_train), (x_test, y_test) = cr.datasets.breast_cancer()
        >>> mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
        >>> x_train, x_test = (x_train - mean) / deviation, (x_test - mean) / deviation
        >>> x_train.shape, x_test.shape
        ((456, 30), (113, 30))

    Source:
        Street, Wolberg, Mangasarian 1993, Nuclear feature extraction for breast tumor diagnosis.
    """
    x, y = _bundled("breast_cancer", _BREAST_CANCER_TABLE)
    return _held_out_fifth(x.astype(dtype), y)


def tiny_shakespeare() -> tuple[str, str]:
    """A million characters of Shakespeare, for models of text.

    Reads `tinyshakespeare.txt` or `tinyshakespeare.txt.gz`.

    Returns:
        `train, test`: the first nine tenths of the text and the last tenth.

    Raises:
        FileError: the file is damaged, is another one, or cannot be downloaded.

    Source:
        Karpathy 2015, The unreasonable effectiveness of recurrent neural networks.
    """
    path = given(f"{_SHAKESPEARE.name}.gz") or fetch(_SHAKESPEARE)
    text = read_text(path, _SHAKESPEARE)
    cut = len(text) * 9 // 10
    return text[:cut], text[cut:]


def _pixels(
    images: NDArray[Any], white: int, flat: bool, dtype: DTypeLike
) -> NDArray[np.floating[Any]]:
    """Images with values in [0, 1]."""
    scaled: NDArray[np.floating[Any]] = np.divide(images, white, dtype=np.dtype(dtype))
    return scaled.reshape(len(images), -1) if flat else scaled


def _held_out_fifth(x: NDArray[np.floating[Any]], y: NDArray[Any]) -> Split:
    # The legacy generator: its stream is frozen, so every version of NumPy draws the same rows.
    order = np.random.RandomState(0).permutation(len(x))
    cut = len(x) - len(x) // 5
    train, test = order[:cut], order[cut:]
    labels = y.astype(np.int64)
    return (x[train], labels[train]), (x[test], labels[test])


def _bundled(name: str, table: Table) -> tuple[NDArray[Any], ...]:
    """All rows of a data set that comes with scikit-learn: `x` and `y`."""
    path = given("tabular.npz")
    if path is not None:
        return read_arrays(path, table)
    # Not imported: that takes longer than to read the rows and to train on them.
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise UsageError(
            f"{name}: scikit-learn is not installed",
            "the data come with scikit-learn, or as tabular.npz in the folder CHAINRULE_DATA",
            "pip install scikit-learn",
        )
    return read_rows(Path(found.origin).parent / "datasets" / "data", table)
