"""An autoencoder of digits, 8 x 8 pixels, beside principal components of the same width.

Both describe a digit by eight numbers and draw it again from these. Principal components do it
linearly, and no linear way is better; the network bends, and halves the error on digits that it has
not seen.
"""

import numpy as np

import chainrule as cr

CODE = 8

(x, _), (x_test, _) = cr.datasets.digits(flat=True)


def network(seed=0):
    """From pixels to a code, and from the code to pixels; and the first half alone."""
    pixels = cr.Input((64,))
    h = cr.Dense(128, activation="relu")(pixels)
    h = cr.Dense(64, activation="relu")(h)
    code = cr.Dense(CODE, name="code")(h)
    h = cr.Dense(64, activation="relu")(code)
    h = cr.Dense(128, activation="relu")(h)
    drawn = cr.Dense(64, activation="sigmoid")(h)
    model = cr.Model(pixels, drawn, seed=seed)
    model.compile(loss="mse", optimizer=cr.Adam(2e-3))
    return model, cr.Model(pixels, code)


def train(model, seed=0, verbose="auto"):
    """Sixty epochs of long steps, fifteen of short ones; the error on digits that were held out."""
    model.fit(x, x, epochs=60, batch_size=32, seed=seed, verbose=verbose)
    model.settings["learning_rate"] = 3e-4
    model.fit(x, x, epochs=75, initial_epoch=60, batch_size=32, seed=seed, verbose=verbose)
    return model.evaluate(x_test, x_test, verbose=0)["loss"]


def principal_components():
    """The error on the same digits with as many principal components."""
    mean = x.mean(axis=0)
    directions = np.linalg.svd(x - mean, full_matrices=False)[2][:CODE]
    drawn = (x_test - mean) @ directions.T @ directions + mean
    return float(np.mean((drawn - x_test) ** 2))


if __name__ == "__main__":
    model, encoder = network()
    model.summary()
    error, linear = train(model), principal_components()
    print(f"squared error on held-out digits: {error:.5f}; of principal components {linear:.5f}")
    encoder.set_weights(model.get_weights()[:6])
    print(f"the first digit's code: {np.round(encoder.predict(x_test[:1])[0], 2)}")
