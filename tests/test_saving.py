"""Models in files: what comes back, and what files may contain that nobody wrote with `save`."""

import copy
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import FileError, UsageError
from chainrule.runtime import checkpoint

Array = np.ndarray[Any, Any]
Config: TypeAlias = dict[str, Any]
X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 2, 40)


def build(target: str = "numpy", dropout: float = 0.2) -> cr.Model:
    swish = cr.activation(lambda z: z * cr.sigmoid(z), name="my_swish")

    @cr.neuron
    def radial(x: cr.Tensor, c: cr.PerInput, gamma: cr.Scalar = 0.3) -> cr.Tensor:
        return cr.exp(-gamma * cr.sum((x - c) ** 2))

    dense = cr.Dense(4, activation=swish, kernel_regularizer=cr.L2(0.01))
    hidden = [cr.Layer(radial, 5), dense, cr.Dropout(dropout)]
    model = cr.Sequential([cr.Input((3,)), *hidden, cr.Dense(2)], name="bells", seed=0)
    square = cr.metric(lambda t, p: cr.mean(p**2, axis=-1), name="size")
    root = cr.metric(lambda t, p: cr.mean(p**2, axis=-1), name="rms_size", finish=cr.sqrt)
    loss = "sparse_categorical_crossentropy_from_logits"
    model.compile(loss, cr.Adam(1e-2), ["accuracy", square, root], target)
    return model


def bits(model: Any) -> list[bytes]:
    return [array.tobytes() for array in model.get_weights()]


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_training_goes_on_as_if_nothing_had_happened(target: str, tmp_path: Path) -> None:
    """Weights, the optimizer's state and settings are in the file; formulas of one's own too."""
    model = build(target)
    model.fit(X, Y, epochs=3, seed=0, verbose=0)
    model.settings["learning_rate"] = 3e-3
    model.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    assert loaded.name == "bells"
    assert bits(loaded) == bits(model)
    assert loaded.settings["learning_rate"] == 3e-3
    assert loaded.count_params() == model.count_params()
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    histories = [
        m.fit(X, Y, epochs=5, initial_epoch=3, validation_split=0.1, seed=0, verbose=0)
        for m in (model, loaded)
    ]
    assert histories[0].history == histories[1].history
    assert set(histories[0].history) >= {"accuracy", "size", "rms_size", "val_rms_size"}
    assert bits(loaded) == bits(model)


def test_what_is_read_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = build()
    model.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    assert loaded.source("numpy") == model.source("numpy")
    assert str(loaded.gradients()) == str(model.gradients())
    assert str(loaded.explain("dL_dW2")) == str(model.explain("dL_dW2"))
    capsys.readouterr()
    model.summary()
    table = capsys.readouterr().out
    loaded.summary()
    assert capsys.readouterr().out == table
    assert "my_swish" in table
    loaded.save(tmp_path / "again")
    first, again = (checkpoint.load(tmp_path / name) for name in ("model", "again"))
    assert first[1] == again[1]
    assert {k: a.tobytes() for k, a in first[0].items()} == {
        k: a.tobytes() for k, a in again[0].items()
    }


def test_a_model_that_is_not_compiled(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Input((3,)), cr.Dense(2)], seed=1)
    model.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(UsageError, match="not compiled"):
        loaded.fit(X, Y)


def test_saving_into_nowhere_keeps_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot write") as caught:
        build().save(tmp_path / "no" / "folder" / "model")
    assert_three_lines(caught.value)


def assert_three_lines(error: Exception) -> None:
    first, _, hint = str(error).splitlines()
    assert first.startswith("test_saving.py:")
    assert hint.startswith("    hint: ")
    assert error.__suppress_context__ or error.__cause__ is not None or error.__context__ is None


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model"
    model = build()
    model.train_on_batch(X, Y)
    model.save(path)
    return path


def refused(path: Path) -> FileError:
    start = time.process_time()
    with pytest.raises(FileError) as caught:
        cr.load_model(path)
    assert time.process_time() - start < 2
    assert_three_lines(caught.value)
    return caught.value


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_truncated(saved: Path, share: float, tmp_path: Path) -> None:
    content = saved.read_bytes()
    (tmp_path / "model").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "model")


@pytest.mark.parametrize("seed", range(20))
def test_a_bit_is_flipped(saved: Path, seed: int, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    at = int(np.random.default_rng(seed).integers(len(content)))
    content[at] ^= 1 << seed % 8
    (tmp_path / "model").write_bytes(content)
    refused(tmp_path / "model")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 1000, b"{}", b"PK\x03\x04", b"\x80\x04\x95", b"\xff" * 64, b"hello " * 100],
)
def test_foreign(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(content)
    refused(tmp_path / "model")
    refused(tmp_path / "missing")
    refused(tmp_path)


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    import pickle

    (tmp_path / "model").write_bytes(pickle.dumps(Touch()))
    refused(tmp_path / "model")
    assert not (tmp_path / "executed").exists()


GRAPHS = ("forward", "training", "terms", "train", "evaluate")
HUGE = "*".join("[" + " + ".join(f"s{i}" for i in range(26)) + " // 1]" for _ in range(12))
EVIL = "x); import os; os.mkdir('executed')"
EVIL_LINE = "x\\nimport os; os.mkdir('executed')\\n#"

# What stands in the file's graphs, as a regular expression, and what is put there.
HOSTILE: dict[str, tuple[str, str]] = {
    "an input's name": (r"= input x ", f'= input "{EVIL}" '),
    "an input called __class__": (r"= input x ", "= input __class__ "),
    "a parameter called lambda": (r"= param W3 ", "= param lambda "),
    "a graph's name": (r"graph (bells|terms|train|evaluate)", f'graph "{EVIL_LINE}"'),
    "a graph's name that is a path": (r"graph (bells|terms|train|evaluate)", 'graph "../../x"'),
    "an output's name": (r"output (y|accuracy) ", f'output "{EVIL_LINE}" '),
    "a result's name": (r"%h2 = (.*\])", rf'%77 = \1 as "{EVIL_LINE}"'),
    "a size's name": ("batch", f"`{EVIL}`"),
    "a size called lambda": ("batch", "lambda"),
    "a place": (r"@ test_saving\.py", f'@ "{EVIL_LINE}"'),
    "a place's layer": (r"(@ test_saving\.py:\d+).*", rf'\1 "{EVIL_LINE}"'),
    "a formula's name": (r"(row my_swish\(.*\)) {", rf'\1 name="{EVIL}" {{'),
    "a formula that is a function of NumPy": (
        r"(row my_swish\(.*\)) {", r'\1 numpy="load" {',
    ),
    "a formula that is code": (
        r"(row my_swish\(.*\)) {", r"""\1 numpy="exp(__import__('os').mkdir('executed'))" {""",
    ),
    "a formula of itself": (r"= sigmoid\(%x\) : f64", "= my_swish(%x) : f64"),
    "a formula called like a function": (r"my_swish\(", "tanh("),
    "no formula": (r"\n  formula .*", ""),
    "an op that is none": (r"= add\(", "= sytem("),
    "an op called __import__": (r"= add\(", "= __import__("),
    "a huge input": (r"f32\[batch, 3\]", "f32[batch, 1000000000000000000000]"),
    "a huge parameter": (r"f32\[5, 4\]", "f32[5000000000000, 4]"),
    "a size of many terms": (r"f32\[batch, 3\]", f"f32[{HUGE}, 3]"),
    "a size of many digits": (r"f32\[batch, 3\]", f"f32[batch, {'9' * 5000}]"),
    "a negative size": (r"f32\[batch, 3\]", "f32[batch, -3]"),
    "a deep size": (r"f32\[batch, 3\]", f"f32[{'[' * 20_000}batch{' // 2]' * 20_000}, 3]"),
    "a deep tuple": (r"axes=\([^)]*\)", f"axes={'(' * 50_000}1{')' * 50_000}"),
    "no outputs": (r"\noutput (?!training).*", ""),
    "no inputs": (r"\ninputs .*", ""),
    "half of the text": (r"(?s)^(.{300}).*$", r"\1"),
    "no text": (r"(?s)^.*$", ""),
    "a null": (r"= add", "= a\0dd"),
}  # fmt: skip


def rewrite(saved: Path, path: Path, change: Callable[[Config, dict[str, Array]], object]) -> None:
    """A file with another content and a right checksum: whoever sends it can compute that."""
    arrays, config = checkpoint.load(saved)
    config = copy.deepcopy(config)
    change(config, arrays)
    checkpoint.save(path, arrays, config)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_graphs(
    saved: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each graph that a change is possible in is changed alone."""
    pattern, replacement = HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    changed = []
    for graph in GRAPHS:

        def change(config: Config, _: dict[str, Array], graph: str = graph) -> None:
            graphs = config if graph in config else config["compiled"]
            before = graphs[graph]
            graphs[graph] = re.sub(pattern, replacement, before)
            if graphs[graph] != before:
                changed.append(graph)

        rewrite(saved, tmp_path / "model", change)
        if graph in changed:
            refused(tmp_path / "model")
    assert changed
    assert not (tmp_path / "executed").exists()


WRONG: dict[str, Callable[[Config, dict[str, Array]], object]] = {
    "no array": lambda config, arrays: arrays.pop("W2"),
    "one array too many": lambda config, arrays: arrays.update(W9=arrays["W2"]),
    "a transposed array": lambda config, arrays: arrays.update(W2=arrays["W2"].T.copy()),
    "an array in float64": lambda config, arrays: arrays.update(W2=arrays["W2"].astype(float)),
    "a model's name": lambda config, arrays: config.update(name=EVIL),
    "a target": lambda config, arrays: config["compiled"].update(target="os"),
    "a setting": lambda config, arrays: config["compiled"]["settings"].update({EVIL: 1.0}),
    "a state": lambda config, arrays: config["compiled"]["state"].clear(),
    "a metric's name": lambda config, arrays: config["compiled"]["reported"][1].__setitem__(0, "x"),
    "a metric's end": lambda config, arrays: config["compiled"]["reported"][1].__setitem__(
        1,
        "graph finish\n%m = input mean : f64[]\n"
        "%1 = broadcast_to(%m) shape=(1000000000000) : f64[1000000000000]\n"
        "%2 = sum(%1) axes=(0) : f64[]\ninputs %m\noutput value %2\n",
    ),
    "training of another model": lambda config, arrays: config.update(
        training=config["training"].replace("output y", "output z")
    ),
    "a term of what is not there": lambda config, arrays: config.update(
        terms=config["terms"].replace("param W2", "param W9")
    ),
    "a term that is no number": lambda config, arrays: config.update(
        terms=config["terms"].replace("output training_1 ", "output training_1 %W2\noutput x ")
    ),
    "a term in training alone": lambda config, arrays: config.update(
        terms=config["terms"].partition("output outside_1")[0]
    ),
    "a target of no output": lambda config, arrays: config["compiled"]["targets"][0].__setitem__(
        1, "z"
    ),
    "a row with escapes": lambda config, arrays: config["rows"][0].__setitem__(0, "\x1b[2J"),
    "a row with a long place": lambda config, arrays: config["rows"][0].__setitem__(4, ["a\nb", 1]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_descriptions(saved: Path, name: str, tmp_path: Path) -> None:
    rewrite(saved, tmp_path / "model", WRONG[name])
    refused(tmp_path / "model")


@pytest.mark.parametrize("value", [3, "x", [], {}, [[]], True, 1e308])
@pytest.mark.parametrize("key", [*GRAPHS, "compiled", "settings", "state", "reported", "targets"])
def test_values_of_other_kinds(saved: Path, key: str, value: object, tmp_path: Path) -> None:
    def change(config: Config, _: dict[str, Array]) -> None:
        (config if key in config else config["compiled"])[key] = value

    rewrite(saved, tmp_path / "model", change)
    refused(tmp_path / "model")


@pytest.mark.parametrize("key", ["name", "seed", "rows", "compiled", *GRAPHS[:3]])
def test_missing_values(saved: Path, key: str, tmp_path: Path) -> None:
    rewrite(saved, tmp_path / "model", lambda config, _: config.pop(key))
    refused(tmp_path / "model")


def test_models_say_what_they_are(tmp_path: Path) -> None:
    model = cr.Sequential([cr.Input((3,)), cr.Dense(2)], name="net")
    assert repr(model) == "<Sequential net(x: f32[batch, 3]) -> y: f32[batch, 2], 8 parameters>"
    model.save(tmp_path / "net")
    assert "net(x: f32[batch, 3]) -> y: f32[batch, 2], 8" in repr(cr.load_model(tmp_path / "net"))


class Small(cr.BaseLayer):
    """Wants small activations."""

    def describe(self) -> str:
        return "Small()"

    def apply(self, *given: cr.Tensor) -> cr.Tensor:
        self.add_loss(given[0] ** 2)
        return given[0]


@pytest.mark.parametrize("compiled", [True, False])
def test_a_model_from_a_file_is_compiled_anew(compiled: bool, tmp_path: Path) -> None:
    """For another loss and optimizer: noise, regularizers and layers' state are in the file."""
    halve = cr.regularizer(lambda w: cr.sum(cr.abs(w)) / 2, name="halve")
    hidden = cr.Dense(4, activation="tanh", kernel_regularizer=cr.L2(0.1), bias_regularizer=halve)
    noisy = [hidden, cr.BatchNormalization(), cr.Dropout(0.2), Small()]
    model = cr.Sequential([cr.Input((3,)), *noisy, cr.Dense(2)], name="net", seed=0)
    if compiled:
        model.compile("mse", cr.SGD(0.1), target="numpy")
        model.fit(X, X[:, :2], epochs=1, seed=0, verbose=0)
    model.save(tmp_path / "net")
    loaded = cr.load_model(tmp_path / "net")
    assert isinstance(loaded, cr.Model)
    for each in (model, loaded):
        each.compile("mae", cr.Adam(1e-2), ["mse"], target="numpy")
    assert str(loaded.gradients()) == str(model.gradients())
    first, second = (
        each.fit(X, X[:, :2], epochs=3, validation_split=0.2, seed=1, verbose=0).history
        for each in (model, loaded)
    )
    assert first == second
    assert bits(loaded) == bits(model)
    loaded.save(tmp_path / "again")
    assert bits(cr.load_model(tmp_path / "again")) == bits(model)
