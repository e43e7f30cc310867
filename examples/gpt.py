"""A character GPT on Shakespeare: 2 layers, width 64, context 32, about 109,000 parameters.

Run it with `python examples/gpt.py`: it trains for a few minutes, prints the loss on text that it
has not seen, and writes on its own. Where Shakespeare cannot be had, it learns from the source of
Python's `argparse`.
"""

import argparse
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.compiler.errors import FileError

CONTEXT, WIDTH, HEADS, LAYERS = 32, 64, 4, 2


def text() -> tuple[str, str]:
    """Text to learn from, and text to be judged by."""
    try:
        return cr.datasets.tiny_shakespeare()
    except FileError as error:
        print(f"{error}\nlearning from the source of argparse instead")
        source = Path(argparse.__file__).read_text(encoding="utf-8")
        cut = len(source) * 9 // 10
        return source[:cut], source[cut:]


def gpt(characters: int) -> cr.Model:
    """The network: for each position, scores of the character that follows."""
    x = cr.Input((CONTEXT,), dtype="int32")
    e = cr.Embedding(characters, WIDTH)(x)
    h = cr.Add()([e, cr.PositionEmbedding(CONTEXT, initializer="uniform")(e)])
    for _ in range(LAYERS):
        attention = cr.MultiHeadAttention(HEADS, key_dim=WIDTH // HEADS, use_bias=False)
        h = cr.Add()([h, attention(cr.LayerNormalization()(h), use_causal_mask=True)])
        wide = cr.Dense(4 * WIDTH, activation="gelu", use_bias=False)
        m = cr.Dense(WIDTH, use_bias=False)(wide(cr.LayerNormalization()(h)))
        h = cr.Add()([h, m])
    y = cr.Dense(characters, use_bias=False)(cr.LayerNormalization()(h))
    model = cr.Model(x, y, name="gpt")
    model.compile(
        loss="sparse_categorical_crossentropy_from_logits", optimizer=cr.Adam(3e-3), target="cpu"
    )
    return model


def windows(labels: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of a text, and for each character in them the next one."""
    pieces = np.lib.stride_tricks.sliding_window_view(labels, CONTEXT + 1)[::stride]
    return pieces[:, :-1], pieces[:, 1:]


def write(model: cr.Model, labels: list[int], length: int, temperature: float) -> list[int]:
    """Continue a text, each character drawn with probability softmax(scores / temperature)."""
    random = np.random.default_rng(0)
    written = list(labels)
    for _ in range(length):
        known = written[-CONTEXT:]
        x = np.zeros((1, CONTEXT), np.int32)
        x[0, : len(known)] = known
        scores = model.predict(x)[0, len(known) - 1] / temperature
        chances = np.exp(scores - scores.max())
        written.append(int(random.choice(len(chances), p=chances / chances.sum())))
    return written


if __name__ == "__main__":
    learned, unseen = text()
    characters = sorted(set(learned + unseen))
    label = {character: i for i, character in enumerate(characters)}
    x, y = windows(np.array([label[c] for c in learned], np.int32), stride=16)
    x_test, y_test = windows(np.array([label[c] for c in unseen], np.int32), stride=CONTEXT)

    model = gpt(len(characters))
    model.summary()
    model.fit(x, y, batch_size=32, epochs=1, seed=0)
    loss = model.evaluate(x_test, y_test, verbose=0)["loss"]
    print(f"loss on unseen text: {loss:.3f} nats a character, {np.exp(loss):.2f} choices")
    start = [label[c] for c in learned[:16]]
    print("".join(characters[i] for i in write(model, start, length=400, temperature=0.8)))
