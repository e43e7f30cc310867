"""attention, for NumPy: a statement a node.

net.py:9   y = einsum(abcd,adbe→acbe, softmax(einsum(abcd,aecd→acbe, q, k) / 2.828427), v)
net.py:8   gradient_q = …
net.py:8   gradient_k = …
net.py:9   gradient_v = …

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def attention(q, k, v):
    # net.py:8    ratio = einsum(abcd,aecd→acbe, q, k) / 2.828427
    ratio = np.einsum("abcd,aecd->acbe", q, k) / 2.828427
    softmax = special.softmax(ratio, axis=3)          # net.py:9    softmax = softmax(ratio)
    y = np.einsum("abcd,adbe->acbe", softmax, v)  # y = einsum(abcd,adbe→acbe, softmax, v)
    scaled_twice_y = 2 * y / (3200 * q.shape[0])  # net.py:10   scaled_twice_y = 2 y / (3200 batch)
    # net.py:9    product = einsum(abcd,aecd→acbe, scaled_twice_y, v)
    product = np.einsum("abcd,aecd->acbe", scaled_twice_y, v)
    # difference = product - sum_axis3 (product * softmax)
    difference = product - np.sum(product * softmax, axis=3, keepdims=True)
    # net.py:8    scaled_softmax = softmax * difference / 2.828427
    scaled_softmax = softmax * difference / 2.828427
    # gradient_q = einsum(abcd,adbe→acbe, scaled_softmax, k)
    gradient_q = np.einsum("abcd,adbe->acbe", scaled_softmax, k)
    # gradient_k = einsum(abcd,acbe→aecd, q, scaled_softmax)
    gradient_k = np.einsum("abcd,acbe->aecd", q, scaled_softmax)
    # net.py:9    gradient_v = einsum(abcd,acbe→adbe, softmax, scaled_twice_y)
    gradient_v = np.einsum("abcd,acbe->adbe", softmax, scaled_twice_y)
    return y, gradient_q, gradient_k, gradient_v


def step(q, k, v):
    """Outputs, then every parameter and state, new where there is a new value."""
    y, gradient_q, gradient_k, gradient_v = attention(q, k, v)
    return y, gradient_q, gradient_k, gradient_v
