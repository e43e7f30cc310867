"""Tables of which a step updates the rows that it reads, and bags of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DivergenceError, IndexOutOfRange, UsageError
from chainrule.compiler.ops.rows import REPLACE_ROWS

Array = np.ndarray[Any, Any]
TARGETS = ("numpy", "cpu")
LABELS, WIDTH, LENGTH, SAMPLES = 40, 3, 4, 24
RANDOM = np.random.default_rng(3)
X = RANDOM.integers(0, LABELS // 2, (SAMPLES, LENGTH)).astype(np.int32)
T = RANDOM.integers(0, 2, SAMPLES)
LOSS = "sparse_categorical_crossentropy_from_logits"


def bags(optimizer: Any, target: str = "cpu", labels: int = LABELS, **given: Any) -> cr.Model:
    x = cr.Input((LENGTH,), dtype="int32")
    h = cr.EmbeddingBag(labels, WIDTH, **given)(x)
    model = cr.Model(x, cr.Dense(2)(h), seed=5)
    model.compile(loss=LOSS, optimizer=optimizer, target=target)
    return model


def trained(model: cr.Model, **given: Any) -> dict[str, Array]:
    """All arrays after some steps."""
    model.fit(X, T, batch_size=7, epochs=2, verbose=0, seed=1, **given)
    return {name: np.array(array) for name, array in model._arrays.items()}


def by_rows(model: cr.Model) -> set[str]:
    """What is updated by rows."""
    updates = model.graph("train").updates
    return {old.attr("name") for old, new in updates if new.op is REPLACE_ROWS}


OPTIMIZERS = {
    "sgd": lambda: cr.SGD(0.1),
    "momentum": lambda: cr.SGD(0.1, momentum=0.9),
    "adam": lambda: cr.Adam(0.01),
    "adamw": lambda: cr.AdamW(0.01),
    "rmsprop": lambda: cr.RMSprop(0.01, momentum=0.5, centered=True),
    "adadelta": lambda: cr.Adadelta(1.0),
    "nadam": lambda: cr.Nadam(0.01),
    "clipped": lambda: cr.Adam(0.01, clipvalue=0.01),
    "decayed": lambda: cr.SGD(0.1, weight_decay=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_that_are_not_read_stay(name: str) -> None:
    """Bit for bit, with their states; all others change; both targets agree."""
    first, *_, last = found = [bags(OPTIMIZERS[name](), target, sparse=True) for target in TARGETS]
    before = first.get_weights()[0]
    ours, native = map(trained, found)
    read = np.unique(X)
    others = np.setdiff1d(np.arange(LABELS), read)
    np.testing.assert_array_equal(ours["E1"][others], before[others])
    np.testing.assert_array_equal(native["E1"][others], before[others])
    assert (ours["E1"][read] != before[read]).any(axis=1).all()
    states = [x for x in by_rows(last) if x != "E1"]
    assert set(states) == {x for x in ours if x.endswith("_E1") and ours[x].ndim}
    for state in states:
        assert len(np.unique(native[state][others])) == 1, state
    for array in ours:
        np.testing.assert_allclose(native[array], ours[array], rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["sgd", "adam", "clipped"])
def test_a_table_of_one_row(name: str) -> None:
    found = []
    for target in TARGETS:
        model = bags(OPTIMIZERS[name](), target, labels=1, sparse=True)
        before = model.get_weights()[0]
        model.fit(0 * X, T, batch_size=7, verbose=0, seed=1)
        assert (model.get_weights()[0] != before).all()
        assert "E1" in by_rows(model)
        found.append(model.get_weights())
    for ours, native in zip(*found, strict=True):
        np.testing.assert_allclose(native, ours, rtol=2e-4, atol=2e-6)
    with pytest.raises(IndexOutOfRange, match="outside its axis"):
        model.train_on_batch(X, T)


def test_threads_change_nothing() -> None:
    """A table whose rows are updated by several threads, and rows for more than one of them."""
    before, rows = cr.get_num_threads(), RANDOM.integers(0, 5000, (2048, LENGTH)).astype(np.int32)
    found = []
    for threads in (1, 2):
        cr.set_num_threads(threads)
        model = bags(cr.Adam(0.01), labels=5000, sparse=True)
        for start in range(0, 2048, 512):
            model.train_on_batch(rows[start : start + 512], np.tile(T, 22)[:512])
        found.append(model.get_weights())
    cr.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_adam_of_rows_by_hand() -> None:
    """Duplicates are summed first; moments of other rows stay; the step counts for all."""
    model = bags(cr.Adam(0.05), sparse=True, mode="sum", dtype="float64")
    e, w, b = (np.array(x) for x in model.get_weights())
    m, v = np.zeros_like(e), np.zeros_like(e)
    for step in range(1, 4):
        rows = slice(7 * step, 7 * step + 7)
        x, t = X[rows], T[rows]
        model.train_on_batch(x, t)
        logits = e[x].sum(axis=1) @ w + b
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        grad = ((p - np.eye(2)[t]) / len(t)) @ w.T
        total = np.zeros_like(e)
        np.add.at(total, x, grad[:, None])
        i = np.unique(x)
        m[i] += 0.1 * (total[i] - m[i])
        v[i] += 0.001 * (total[i] ** 2 - v[i])
        rate = 0.05 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        e[i] -= rate * m[i] / (np.sqrt(v[i]) + 1e-7)
        np.testing.assert_allclose(model.parameters["E1"], e, rtol=1e-5)
        w, b = (np.array(x) for x in model.get_weights()[1:])


LARGE = 64 * LENGTH


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1), cr.Adagrad(0.1)])
def test_what_leaves_other_rows_anyway_goes_by_rows_unasked(
    optimizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results are those of the update of all rows, bit for bit."""
    sparse = bags(optimizer, labels=LARGE)
    monkeypatch.setattr("chainrule.frontend.rows.MANY", 10**6)
    dense = bags(optimizer, labels=LARGE)
    assert "E1" in by_rows(sparse)
    assert not by_rows(dense)
    ours, theirs = trained(sparse), trained(dense)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize(
    ("optimizer", "labels"),
    [
        (cr.SGD(0.1), LARGE - 1),
        (cr.SGD(0.1, momentum=0.9), LARGE),
        (cr.SGD(0.1, weight_decay=0.1), LARGE),
        (cr.SGD(0.1, global_clipnorm=1.0), LARGE),
        (cr.Adam(0.1), LARGE),
        (cr.RMSprop(0.1), LARGE),
        (cr.Lion(0.1), LARGE),
    ],
    ids=str,
)
def test_others_update_all_rows_unless_asked(optimizer: Any, labels: int) -> None:
    assert not by_rows(bags(optimizer, labels=labels))


def test_a_table_of_two_inputs() -> None:
    """Both uses add up, and a row that one of them reads is updated."""
    found = []
    for target in TARGETS:
        x, u = cr.Input((2,), dtype="int32"), cr.Input((3,), dtype="int64")
        table = cr.Embedding(LABELS, WIDTH, sparse=True, dtype="float64")
        h = cr.Concatenate()([cr.Flatten()(table(x)), cr.Flatten()(table(u))])
        model = cr.Model([x, u], cr.Dense(2)(h), seed=5)
        model.compile(loss=LOSS, optimizer=cr.Adam(0.01), target=target)
        before = model.get_weights()[0]
        model.fit([X[:, :2], X[:, 1:] + 20], T, batch_size=5, epochs=2, verbose=0, seed=1)
        after = model.get_weights()[0]
        read = set(X[:, :2].ravel()) | set(X[:, 1:].ravel() + 20)
        assert set(np.flatnonzero((after != before).any(axis=1))) == read
        found.append(after)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def whole(p: cr.Tensor, g: cr.Tensor, rate: float = 0.1) -> cr.Tensor:
    return p - rate * g / cr.max(cr.abs(g))


def tied() -> cr.Model:
    x = cr.Input((LENGTH,), dtype="int32")
    table = cr.Embedding(LABELS, WIDTH, sparse=True)
    e = table(x)
    (parameter,) = (cr.Tensor(p.node) for p in table.parameters)
    return cr.Model(x, cr.matmul(e[:, 0], cr.permute_dims(parameter, (1, 0))))


REFUSED: dict[str, tuple[Callable[[], cr.Model], Any, str]] = {
    "tied": (tied, "adam", "E1 is also used whole, in transpose"),
    "regularizer": (
        lambda: unbuilt(embeddings_regularizer="l2"), "adam", "E1 is also used whole, in"
    ),
    "norm": (lambda: unbuilt(), cr.Adam(clipnorm=1.0), "clipnorm looks at all rows"),
    "norm of all": (lambda: unbuilt(), cr.Adam(global_clipnorm=1.0), "global_clipnorm looks at"),
    "formula": (lambda: unbuilt(), cr.optimizer(whole), "the optimizer's formula has max"),
}  # fmt: skip


def unbuilt(**given: Any) -> cr.Model:
    x = cr.Input((LENGTH,), dtype="int32")
    e = cr.Embedding(LABELS, WIDTH, sparse=True, **given)(x)
    return cr.Model(x, cr.Dense(2)(cr.Flatten()(e)))


@pytest.mark.parametrize("name", REFUSED)
def test_what_looks_at_all_rows_is_refused(name: str) -> None:
    make, optimizer, why = REFUSED[name]
    model = make()
    with pytest.raises(UsageError) as caught:
        model.compile(loss=LOSS, optimizer=optimizer)
    first, detail, hint = str(caught.value).splitlines()
    assert "test_sparse_embeddings.py" in first
    assert f"Embedding({LABELS}, {WIDTH}, sparse=True): its rows cannot be updated alone" in first
    assert why in detail
    assert "without sparse=True" in hint


def test_a_table_that_is_used_whole_is_dense_unasked() -> None:
    x = cr.Input((1,), dtype="int32")
    table = cr.Embedding(LARGE, WIDTH, embeddings_regularizer="l2")
    model = cr.Model(x, cr.Dense(2)(cr.Flatten()(table(x))))
    model.compile(loss=LOSS, optimizer=cr.SGD(0.1))
    assert not by_rows(model)


@pytest.mark.parametrize("target", TARGETS)
def test_a_label_outside_is_an_error_on_both_targets(target: str) -> None:
    model = bags(cr.Adam(0.1), target, sparse=True)
    wrong = X.copy()
    wrong[9, 2] = LABELS
    with pytest.raises(IndexOutOfRange, match=f"{LABELS}") as caught:
        model.fit(wrong, T, batch_size=7, verbose=0, seed=1)
    assert len(str(caught.value).splitlines()) == 3


def test_a_model_from_a_file_trains_on_by_rows(tmp_path: Path) -> None:
    model = bags(cr.Adam(0.01), sparse=True)
    trained(model)
    model.save(tmp_path / "model.safetensors")
    loaded = cr.load_model(tmp_path / "model.safetensors")
    assert by_rows(loaded) == by_rows(model)
    ours, theirs = trained(model), trained(loaded)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
    loaded.compile(loss=LOSS, optimizer=cr.RMSprop(0.01))
    assert by_rows(loaded) == {"E1", "rmsprop_v_E1"}


@pytest.mark.parametrize("padding", [None, 0])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags(mode: str, padding: int | None) -> None:
    x = X.copy()
    x[0] = 0
    given = cr.Input((LENGTH,), dtype="int32")
    layer = cr.EmbeddingBag(LABELS, WIDTH, mode=mode, padding_idx=padding)
    model = cr.Model(given, layer(given), seed=2)
    found, e = model.predict(x), model.get_weights()[0]
    for labels, y in zip(x, found, strict=True):
        counted = e[labels[labels != padding]] if padding is not None else e[labels]
        if len(counted):
            expected = {"sum": counted.sum, "mean": counted.mean, "max": counted.max}[mode](axis=0)
        else:
            expected = np.zeros(WIDTH, np.float32)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_padding_has_no_gradient(mode: str) -> None:
    x = np.where(X % 3 == 0, 7, X)
    x[0] = 7
    model = bags(cr.SGD(0.5), mode=mode, padding_idx=7)
    before = model.get_weights()[0]
    model.fit(x, T, batch_size=7, epochs=2, verbose=0, seed=1)
    after = model.get_weights()[0]
    np.testing.assert_array_equal(after[7], before[7])
    assert np.isfinite(after).all()
    assert (after[x[x != 7]] != before[x[x != 7]]).any()


def test_bags_in_rows_of_bags() -> None:
    assert cr.EmbeddingBag(9, 2)(cr.Input((5, 4), dtype="int64")).shape[1:] == (5, 2)


def test_vectors_of_labels_are_not_stored() -> None:
    """No buffer has a row for each label of each sample."""
    program = bags(cr.Adam(0.1), sparse=True)
    sizes = [line for line in program.source(what="predict").splitlines() if "view(scratch" in line]
    assert sizes
    assert not [line for line in sizes if f"{LENGTH}, {WIDTH}" in line]


YES: Any = "yes"
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "mode": (lambda: cr.EmbeddingBag(9, 2, mode="avg"), "expected sum, mean, max"),
    "padding": (lambda: cr.EmbeddingBag(9, 2, padding_idx=9), "expected a label, 0 to 8"),
    "sparse": (lambda: cr.Embedding(9, 2, sparse=YES), "expected True or False"),
    "size": (lambda: cr.EmbeddingBag(0, 2), "EmbeddingBag with input_dim=0"),
    "one label": (
        lambda: cr.EmbeddingBag(9, 2)(cr.Input((), dtype="int32")),
        "expected bags: batch, ..., labels",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_bag_is(name: str) -> None:
    make, why = WRONG[name]
    with pytest.raises(cr.ChainruleError, match=why) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 3


def test_the_layer_as_written() -> None:
    assert repr(cr.EmbeddingBag(9, 2)) == "EmbeddingBag(9, 2)"
    bag = cr.EmbeddingBag(9, 2, mode="max", padding_idx=0, sparse=True)
    assert repr(bag) == 'EmbeddingBag(9, 2, mode="max", padding_idx=0, sparse=True)'
    assert repr(cr.Embedding(9, 2, sparse=True)) == "Embedding(9, 2, sparse=True)"


def test_its_gradient_is_explained() -> None:
    model = bags(cr.Adam(0.1), sparse=True)
    told = str(model.explain("dL_dE1"))
    assert "add_at" in told
    assert "dL_dE1[k] = dL_dE1[k] + " in told
    assert "local_array" not in told
    assert "E1[x] ← " in model.source(target="numpy")


@pytest.mark.parametrize("target", TARGETS)
def test_a_single_step_looks_at_the_rows_that_the_batch_names(target: str) -> None:
    """Others may hold whatever they do; those of a step that goes wrong are as before."""
    model = bags(cr.Adam(0.01), target, labels=1000, sparse=True)
    model.train_on_batch(X, T)
    steps = model._steps
    assert steps is not None
    assert max(array.size for array, _ in steps._copies) < 1000
    model._arrays["E1"][999] = np.nan
    before = {name: np.array(array) for name, array in model._arrays.items()}
    model.train_on_batch(X, T)
    assert not np.array_equal(model._arrays["E1"][X[0, 0]], before["E1"][X[0, 0]])
    model._arrays["E1"][999] = 0
    before = {name: np.array(array) for name, array in model._arrays.items()}
    wrong = X.copy()
    wrong[-1, -1] = 1000
    with pytest.raises(IndexOutOfRange):
        model.train_on_batch(wrong, T)
    model.settings["learning_rate"] = before["learning_rate"][...] = np.inf
    with pytest.raises(DivergenceError):
        model.train_on_batch(X, T)
    for name, array in model._arrays.items():
        np.testing.assert_array_equal(array, before[name])


def test_two_inputs_name_rows_of_one_table() -> None:
    table = cr.EmbeddingBag(LABELS, WIDTH, sparse=True)
    a, b = (cr.Input((LENGTH,), dtype="int32", name=name) for name in "ab")
    model = cr.Model([a, b], cr.Dense(2)(table(a) + table(b)), seed=5)
    model.compile(loss=LOSS, optimizer=cr.SGD(0.1, momentum=0.9))
    assert model._compiled is not None
    assert {tuple(inputs) for inputs in model._compiled.tables.values()} == {("a", "b")}
    other = (X + LABELS // 2).astype(np.int32)
    before = np.array(
        model.parameters["E3"] if "E3" in model.parameters else model.get_weights()[0]
    )
    model.train_on_batch([X, other], T)
    after = model.get_weights()[0]
    for rows in (X, other):
        assert (after[np.unique(rows)] != before[np.unique(rows)]).any(axis=1).all()
