"""The adding problem: two of many numbers are marked, and their sum is asked for at the end.

A plain recurrent network forgets the first number before the second one comes; an LSTM learns to
keep it. Always answering 1 has a mean squared error of 1/6.

Source: Hochreiter and Schmidhuber 1997, "Long short-term memory", section 5.4.
"""

import numpy as np

import chainrule as cr

STEPS = 50


def draw(samples, seed):
    """Sequences of numbers in [0, 1), one marked in each half, and the sums of the two."""
    random = np.random.default_rng(seed)
    numbers = random.random((samples, STEPS))
    marks = np.zeros((samples, STEPS))
    rows = np.arange(samples)
    for half in (0, STEPS // 2):
        marks[rows, half + random.integers(0, STEPS // 2, samples)] = 1
    sums = np.sum(numbers * marks, axis=1, keepdims=True)
    return np.stack([numbers, marks], axis=-1).astype(np.float32), sums.astype(np.float32)


model = cr.Sequential([cr.Input((None, 2)), cr.LSTM(32), cr.Dense(1)])
model.compile(loss="mse", optimizer=cr.Adam(1e-2, clipnorm=1.0))

if __name__ == "__main__":
    model.summary()
    x, y = draw(10_000, seed=0)
    model.fit(x, y, epochs=15, batch_size=50, seed=0)
    print(f"error on new sequences: {model.evaluate(*draw(1000, seed=1))['loss']:.4f}")
