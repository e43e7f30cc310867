"""MNIST: softmax regression, then a network of 300 hidden units.

LeCun et al. 1998, "Gradient-based learning applied to document recognition", table I, have 12.0 %
and 4.7 % errors for a linear classifier and a network of 300 hidden units.
"""

import chainrule as cr

LOSS = "sparse_categorical_crossentropy_from_logits"


def linear() -> cr.Sequential:
    """Softmax regression: one layer of weighted sums."""
    model = cr.Sequential([cr.Input((784,)), cr.Dense(10)])
    model.compile(loss=LOSS, optimizer=cr.Adam(2e-3), metrics=["accuracy"])
    return model


def hidden() -> cr.Sequential:
    """A network of 300 hidden units."""
    model = cr.Sequential([cr.Input((784,)), cr.Dense(300, activation="relu"), cr.Dense(10)])
    model.compile(loss=LOSS, optimizer=cr.Adam(2e-3), metrics=["accuracy"])
    return model


def train(model: cr.Sequential, x, y, verbose="auto") -> None:
    """Seven epochs of long steps, three of short ones: the same program, another number."""
    model.fit(x, y, epochs=7, batch_size=128, seed=0, verbose=verbose)
    model.settings["learning_rate"] = 1e-4
    model.fit(x, y, epochs=10, initial_epoch=7, batch_size=128, seed=0, verbose=verbose)


if __name__ == "__main__":
    (x, y), (x_test, y_test) = cr.datasets.mnist(flat=True)
    for model in (linear(), hidden()):
        model.summary()
        train(model, x, y)
        print(f"error on the test set: {1 - model.evaluate(x_test, y_test)['accuracy']:.2%}")
