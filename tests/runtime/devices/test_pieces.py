"""A large module is cut into pieces: the same programs, in several object files."""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import IndexOutOfRange, UsageError
from chainrule.compiler.program import Program
from chainrule.runtime.cache import Cache
from chainrule.runtime.devices.cpu import objects, pieces
from chainrule.runtime.devices.cpu.device import NativeExecutable


def network(seed: int = 1) -> cr.Model:
    """Kernels with library functions in common, loops for threads, tables, faults and checks."""
    x = cr.Input((6,), dtype="int64")
    h = cr.Flatten()(cr.Embedding(20, 8)(x))
    h = cr.BatchNormalization()(cr.Dense(48, activation="gelu")(h))
    model = cr.Model(x, cr.Dense(10, activation="softmax")(h))
    model.compile(loss="sparse_categorical_crossentropy", optimizer=cr.Adam(1e-2))
    model.seed = seed
    return model


def program(model: cr.Model) -> Program:
    """Its training step, which takes a fault of a row that is not there."""
    executable = model._program("train")
    assert isinstance(executable, NativeExecutable)
    return executable.program


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_function_is_in_a_piece_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LINES", ((1, count),))
    text = objects.translate(program(network()), "step.py")
    cut = pieces.pieces(text)
    assert len(cut) == count
    whole = llvm.parse_assembly(text, llvm.create_context())
    kept = {f.name for f in whole.functions if not f.is_declaration}
    seen: list[str] = []
    for piece in cut:
        module = llvm.parse_assembly(piece, llvm.create_context())
        module.verify()
        defined = [f for f in module.functions if not f.is_declaration]
        # What is internal to a piece may be in another one as well.
        seen += [f.name for f in defined if f.linkage != llvm.Linkage.internal]
        kept -= {f.name for f in defined}
    assert not kept
    assert len(seen) == len(set(seen))
    assert {"step", "epoch"} <= set(seen)


def test_a_small_module_stays_whole() -> None:
    text = "define i64 @step() {\n  ret i64 0\n}\n"
    assert pieces.pieces(text) == [text]


@pytest.mark.parametrize("threads", [1, 2])
def test_pieces_train_as_the_whole_does(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 20, (64, 6)), rng.integers(0, 10, 64)
    found = []
    before = cr.get_num_threads()
    try:
        cr.set_num_threads(threads)
        for count in (1, 4):
            monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / str(count)))
            monkeypatch.setattr(pieces, "LINES", ((1, count),))
            model = network()
            model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
            found.append(model.get_weights())
            with pytest.raises(IndexOutOfRange):
                model.train_on_batch(x + 20, y)
    finally:
        cr.set_num_threads(before)
    for whole, cut in zip(*found, strict=True):
        np.testing.assert_array_equal(whole, cut)


def test_pieces_are_the_same_whatever_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LINES", ((1, 3),))
    step, cache = program(network()), Cache(tmp_path)
    before, made = cr.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            cr.set_num_threads(threads)
            made.append(objects.compile_program(step, cache))
    finally:
        cr.set_num_threads(before)
    assert made[0] == made[1] == made[2]


def test_an_error_in_a_piece_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "pieces", lambda text: ["define what", text])
    with pytest.raises(UsageError, match="cannot be compiled"):
        objects.compile_program(program(network()), Cache(tmp_path))
