"""MNIST with the network of LeCun et al. 1998: two convolutions, two poolings, three dense layers.

The paper's LeNet-5 has 0.95 % errors on the test set ("Gradient-based learning applied to document
recognition", table I). Here rectified units and maxima stand where it has sigmoids and averages,
and all channels are connected.
"""

import chainrule as cr


def lenet() -> cr.Sequential:
    """LeNet-5 on images of 28 x 28 pixels."""
    model = cr.Sequential(
        [
            cr.Input((28, 28, 1)),
            cr.Conv2D(6, 5, padding="same", activation="relu"),
            cr.MaxPooling2D(2),
            cr.Conv2D(16, 5, activation="relu"),
            cr.MaxPooling2D(2),
            cr.Flatten(),
            cr.Dense(120, activation="relu"),
            cr.Dense(84, activation="relu"),
            cr.Dense(10),
        ]
    )
    model.compile(
        loss="sparse_categorical_crossentropy_from_logits",
        optimizer=cr.Adam(1e-3),
        metrics=["accuracy"],
    )
    return model


def train(model: cr.Sequential, x, y, verbose="auto") -> None:
    """Five epochs of long steps, two of short ones: the same program, another number."""
    model.fit(x, y, epochs=5, batch_size=64, seed=0, verbose=verbose)
    model.settings["learning_rate"][...] = 1e-4
    model.fit(x, y, epochs=7, initial_epoch=5, batch_size=64, seed=0, verbose=verbose)


if __name__ == "__main__":
    (x, y), (x_test, y_test) = cr.datasets.mnist()
    model = lenet()
    model.summary()
    train(model, x[..., None], y)
    scores = model.evaluate(x_test[..., None], y_test)
    print(f"error on the test set: {1 - scores['accuracy']:.2%}")
