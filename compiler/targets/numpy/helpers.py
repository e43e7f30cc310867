"""Functions that a generated module brings along where it needs them."""

from __future__ import annotations

IN_RANGE = '''\
def in_range(positions, size):
    """The positions, if all lie in 0 ... size - 1."""
    if np.size(positions) and not 0 <= np.min(positions) <= np.max(positions) < size:
        found = f"{np.min(positions)} to {np.max(positions)}"
        raise IndexError(f"positions from {found} on an axis of size {size}")
    return positions'''

ADD_AT = '''\
def add_at(shape, positions, values, axis):
    """Zeros, to which values are added at positions along an axis."""
    total = np.zeros(shape, values.dtype)
    np.add.at(total, (slice(None),) * axis + (positions,), values)
    return total'''

ADD_ALONG = '''\
def add_along(shape, positions, values, axis):
    """Zeros, to which values are added at positions along an axis, row by row."""
    total = np.zeros(shape, values.dtype)
    places = list(np.indices(positions.shape, sparse=True))
    places[axis] = positions
    np.add.at(total, tuple(places), values)
    return total'''

SPREAD = '''\
def spread(x, shape, lows, inner, value):
    """`value` everywhere, and the elements of x from `lows` on with `inner` places between them."""
    result = np.full(shape, value, x.dtype)
    where = tuple(
        slice(low, low + (n - 1) * (gap + 1) + 1 if n else low, gap + 1)
        for low, n, gap in zip(lows, x.shape, inner)
    )
    result[where] = x
    return result'''

LOG_SOFTMAX = '''\
def log_softmax(x, axis):
    """x - log(sum(exp(x))) over an axis, or several. The largest is taken out and stays out."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))'''

UNIFORM = '''\
def uniform(seed, step, stream, shape, dtype):
    """Numbers in [0, 1): Philox4x32-10 (Salmon et al. 2011) of position, step, stream and seed."""
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    at = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64)
    c0, c1 = at & low, at >> shift
    c2, c3 = np.uint64(int(step) & 0xFFFFFFFF), np.uint64(stream & 0xFFFFFFFF)
    k0, k1 = int(seed) & 0xFFFFFFFF, int(seed) >> 32 & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> shift) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> shift) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    if dtype == np.float32:
        return ((c0 >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    return ((((c0 << shift) | c1) >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)'''

SCATTER_ADD = '''\
def scatter_add(shape, positions, values):
    """Zeros, to which values are added at positions along the leading axes."""
    total = np.zeros(shape, values.dtype)
    np.add.at(total, positions, values)
    return total'''

LINEAR_RECURRENCE = '''\
def linear_recurrence(a, b, axis):
    """y[0] = b[0], y[k] = a[k] y[k-1] + b[k] along an axis."""
    a, y = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0).copy()
    for k in range(1, len(y)):
        y[k] += a[k] * y[k - 1]
    return np.moveaxis(y, 0, axis)'''

SOLVE_TRIANGULAR = '''\
def solve_triangular(a, b, lower, transposed):
    """The x of a x = b, or of a' x = b, over leading axes; of a only one triangle is read."""
    x = np.empty_like(b)
    for at in np.ndindex(*a.shape[:-2]):
        x[at] = scipy.linalg.solve_triangular(
            a[at], b[at], trans=int(transposed), lower=lower, check_finite=False
        )
    return x'''

HELPERS = {
    "in_range": IN_RANGE,
    "add_at": ADD_AT,
    "add_along": ADD_ALONG,
    "spread": SPREAD,
    "log_softmax": LOG_SOFTMAX,
    "uniform": UNIFORM,
    "scatter_add": SCATTER_ADD,
    "linear_recurrence": LINEAR_RECURRENCE,
    "solve_triangular": SOLVE_TRIANGULAR,
}
