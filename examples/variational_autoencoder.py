"""A variational autoencoder of handwritten digits, 8 x 8 pixels, black or white.

A digit's code z is not a point but a cloud around a mean, and all clouds together are to look like
one standard normal distribution: then a draw from that is the code of a digit nobody wrote. What is
maximized is a bound of the log likelihood,

    log p(x) >= E[ log p(x | z) ] - KL(q(z | x), N(0, 1)),   z = mean + exp(logvar / 2) e,

whose first term is the loss, and whose second one the layer adds that draws e.

Source: Kingma and Welling 2013, "Auto-encoding variational Bayes".
"""

import numpy as np

import chainrule as cr

CODE = 8


class Sampling(cr.BaseLayer):
    """A code, drawn from the cloud that its inputs describe; its distance from N(0, 1) is added."""

    inputs = 0  # a list of them

    def describe(self):
        """As written."""
        return "Sampling()"

    def apply(self, mean, logvar):
        """Of the shape of the mean."""
        self.add_loss(0.5 * cr.sum(mean**2 + cr.exp(logvar) - logvar - 1, axis=-1))
        return mean + cr.exp(0.5 * logvar) * cr.random.normal(mean.shape)


@cr.loss
def bits(x, logits):
    """-log p(x | z): each pixel is black or white with a probability of its own, in nats."""
    return cr.sum(cr.softplus(logits) - x * logits, axis=-1)


def black_and_white():
    """Digits to learn from and digits to be judged by, each a row of 64 zeros and ones."""
    (x, _), (x_test, _) = cr.datasets.digits(flat=True)
    return (x > 0.5).astype(np.float32), (x_test > 0.5).astype(np.float32)


def network(seed=0):
    """The whole, from pixels to the logits of pixels; and its second half, from codes to those."""
    pixels = cr.Input((64,))
    h = cr.Dense(128, activation="relu")(pixels)
    z = Sampling()([cr.Dense(CODE, name="mean")(h), cr.Dense(CODE, name="logvar")(h)])
    hidden, drawn = cr.Dense(128, activation="relu"), cr.Dense(64)
    code = cr.Input((CODE,), name="z")
    model = cr.Model(pixels, drawn(hidden(z)), seed=seed)
    model.compile(loss=bits, optimizer=cr.Adam(2e-3))
    return model, cr.Model(code, drawn(hidden(code)))


def train(model, decoder, x, epochs=100, seed=0, verbose="auto"):
    """Train the whole; its second half takes over the weights."""
    model.fit(x, x, batch_size=32, epochs=epochs, seed=seed, verbose=verbose)
    decoder.set_weights(model.get_weights()[-4:])


def pixel_by_pixel(x, x_test):
    """-log p of digits whose pixels are independent, each as often black as in `x`: a yardstick."""
    p = np.clip(x.mean(axis=0), 1e-3, 1 - 1e-3)
    return -float(np.mean(np.sum(x_test * np.log(p) + (1 - x_test) * np.log(1 - p), axis=1)))


def imagine(decoder, count, seed=0):
    """Digits that nobody wrote: for each pixel the probability that it is black."""
    codes = np.random.default_rng(seed).standard_normal((count, CODE)).astype(np.float32)
    return 1 / (1 + np.exp(-decoder.predict(codes)))


def picture(images, path):
    """Write images as one picture, twenty in a row."""
    from matplotlib import image

    rows = images.reshape(-1, 20, 8, 8)
    framed = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1)))
    flat = framed.transpose(0, 2, 1, 3).reshape(len(rows) * 10, 200)
    image.imsave(path, np.kron(flat, np.ones((4, 4))), cmap="gray_r", vmin=0, vmax=1)


if __name__ == "__main__":
    x, x_test = black_and_white()
    model, decoder = network()
    model.summary()
    train(model, decoder, x)
    bound = model.evaluate(x_test, x_test, verbose=0)["loss"]
    print(f"held-out digits: {bound:.2f} nats at most; {pixel_by_pixel(x, x_test):.2f} as pixels")
    picture(imagine(decoder, 200), "imagined_digits.png")
    print("200 digits that nobody wrote are in imagined_digits.png")
