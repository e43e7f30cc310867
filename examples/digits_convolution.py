"""Handwritten digits, 8 x 8 pixels: a small convolutional network, about ten seconds.

Two convolutions, each with a pooling behind it, then two dense layers, in the order of LeCun et al.
1998. Most of the time goes into compiling, once; the training itself takes less than a second.
"""

import chainrule as cr

(x, y), (x_test, y_test) = cr.datasets.digits()
x, x_test = x[..., None], x_test[..., None]  # one channel

model = cr.Sequential(
    [
        cr.Input((8, 8, 1)),
        cr.Conv2D(16, 3, padding="same", activation="relu"),
        cr.MaxPooling2D(2),
        cr.Conv2D(32, 3, padding="same", activation="relu"),
        cr.MaxPooling2D(2),
        cr.Flatten(),
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
    model.fit(x, y, epochs=20, batch_size=32, seed=0)
    scores = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on the held-out fifth: {scores['accuracy']:.1%}")
    print()
    print(model.gradients())
