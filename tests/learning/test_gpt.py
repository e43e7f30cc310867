"""The character GPT of the example, on a text that repeats."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import FileError


def test_example_learns_a_text_and_writes_it(example: Callable[[str], ModuleType]) -> None:
    module = example("gpt")
    text = "pack my box with five dozen jugs of wine. " * 30
    characters = sorted(set(text))
    labels = np.array([characters.index(c) for c in text], np.int32)
    x, y = module.windows(labels, stride=1)
    np.testing.assert_array_equal(x[1:, 0], y[:-1, 0])
    model = module.gpt(len(characters))
    # Embedding and output, positions, five normalizations, and two layers of 12 width^2.
    assert model.count_params() == 2 * 64 * len(characters) + 64 * 32 + 5 * 128 + 2 * 12 * 64**2
    loss = "sparse_categorical_crossentropy_from_logits"
    model.compile(loss, cr.Adam(3e-3), target="numpy")
    model.fit(x, y, batch_size=32, epochs=1, seed=0, verbose=0)
    assert model.history.history["loss"][0] < 2
    assert model.evaluate(x[:64], y[:64], verbose=0)["loss"] < 0.2
    start = list(map(int, labels[:20]))
    written = module.write(model, start, length=30, temperature=0.1)
    assert "".join(characters[i] for i in written) == text[:50]


def test_without_shakespeare_there_is_another_text(
    example: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def missing() -> tuple[str, str]:
        raise FileError("tinyshakespeare.txt cannot be downloaded")

    monkeypatch.setattr(cr.datasets, "tiny_shakespeare", missing)
    learned, unseen = example("gpt").text()
    assert "learning from the source of argparse" in capsys.readouterr().out
    assert "class ArgumentParser" in learned + unseen
    assert 8 < len(learned) / len(unseen) < 10
