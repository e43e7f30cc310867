"""Handwritten digits, 8 x 8 pixels: a network of one hidden layer, about ten seconds.

Run it with `python examples/digits.py`; `chainrule show examples/digits.py` prints its gradient.
"""

import chainrule as cr

(x, y), (x_test, y_test) = cr.datasets.digits(flat=True)

model = cr.Sequential(
    [
        cr.Input((64,)),
        cr.Dense(64, activation="relu"),
        cr.Dense(10),
    ]
)
model.compile(
    loss="sparse_categorical_crossentropy_from_logits",
    optimizer=cr.Adam(2e-3),
    metrics=["accuracy"],
)

if __name__ == "__main__":
    model.summary()
    model.fit(x, y, epochs=60, batch_size=32, validation_split=0.1, seed=0)
    scores = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on the held-out fifth: {scores['accuracy']:.1%}")
    print()
    print(model.gradients())
