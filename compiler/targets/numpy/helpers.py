"""Functions that a generated module brings along where it needs them."""

from __future__ import annotations

IN_RANGE = '''\
def in_range(positions, size):
    """The positions, if all lie in 0 ... size - 1."""
    wrong = np.extract((positions < 0) | (positions >= size), positions)
    if wrong.size:
        raise IndexError(f"position {wrong[0]} on an axis of size {size}")
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

REPLACE_ROWS = '''\
def replace_rows(old, new, *positions):
    """The old rows, with new ones at positions."""
    result = old.copy()
    for places in positions:
        result[places] = new[places]
    return result'''

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
def uniform(seed, step, stream, shape, dtype, first=0):
    """Numbers in [0, 1): Philox4x32-10 (Salmon et al. 2011) of position, step, stream and seed."""
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    at = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64) + np.uint64(first)
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

WINDOWS = '''\
def windows(x, axis, size, stride=1, dilation=1):
    """Sliding windows along axes from `axis` on: their places, then the places inside them."""
    stop = axis + len(size)
    stride, dilation = np.broadcast_to(stride, len(size)), np.broadcast_to(dilation, len(size))
    reach = tuple((k - 1) * gap + 1 for k, gap in zip(size, dilation))
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, tuple(range(axis, stop)))
    seen = np.transpose(seen, (*range(stop), *range(x.ndim, seen.ndim), *range(stop, x.ndim)))
    steps = tuple(slice(None, None, step) for step in (*stride, *dilation))
    return seen[(slice(None),) * axis + steps]'''

OVERLAP_ADD = '''\
def overlap_add(seen, axis, dims, stride=1, dilation=1):
    """The transpose of windows: what each place of axes of sizes `dims` is seen with, added."""
    rank = len(dims)
    stride, dilation = np.broadcast_to(stride, rank), np.broadcast_to(dilation, rank)
    out, size = seen.shape[axis : axis + rank], seen.shape[axis + rank : axis + 2 * rank]
    shape = (*seen.shape[:axis], *dims, *seen.shape[axis + 2 * rank :])
    total = np.zeros(shape, seen.dtype)
    for inside in np.ndindex(*size):
        to = tuple(
            slice(k * gap, k * gap + (n - 1) * step + 1 if n else 0, step)
            for k, gap, n, step in zip(inside, dilation, out, stride)
        )
        total[(slice(None),) * axis + to] += seen[(slice(None),) * (axis + rank) + inside]
    return total'''

PADDED = '''\
def padded(x, padding):
    """x with zeros around its spatial axes."""
    sides = np.broadcast_to(padding, (x.ndim - 2, 2))
    return np.pad(x, ((0, 0), *sides, (0, 0)))'''

CONVOLUTION = '''\
def convolution(x, w, stride=1, padding=0, dilation=1, groups=1):
    """y[b, o, f] = sum over k, c of x[b, o*stride + k*dilation - padding, c] w[k, c, f]."""
    rank = w.ndim - 2
    seen = windows(padded(x, padding), 1, w.shape[:rank], stride, dilation)
    parts = zip(np.split(seen, groups, axis=-1), np.split(w, groups, axis=-1))
    return np.concatenate([np.tensordot(a, b, rank + 1) for a, b in parts], axis=-1)'''

CONVOLUTION_TRANSPOSE = '''\
def convolution_transpose(y, w, dims, stride=1, padding=0, dilation=1, groups=1):
    """x[b, p, c] = sum over o, k, f with o*stride + k*dilation - padding = p of y w[k, c, f]."""
    parts = zip(np.split(y, groups, axis=-1), np.split(w, groups, axis=-1))
    seen = np.concatenate([np.tensordot(a, b, (-1, -1)) for a, b in parts], axis=-1)
    sides = np.broadcast_to(padding, (len(dims), 2))
    whole = tuple(n + low + high for n, (low, high) in zip(dims, sides))
    inside = tuple(slice(low, low + n) for n, (low, high) in zip(dims, sides))
    return overlap_add(seen, 1, whole, stride, dilation)[(slice(None), *inside)]'''

CORRELATION = '''\
def correlation(x, y, size, stride=1, padding=0, dilation=1, groups=1):
    """w[k, c, f] = sum over b, o of x[b, o*stride + k*dilation - padding, c] y[b, o, f]."""
    seen, over = windows(padded(x, padding), 1, size, stride, dilation), tuple(range(y.ndim - 1))
    parts = zip(np.split(seen, groups, axis=-1), np.split(y, groups, axis=-1))
    return np.concatenate([np.tensordot(a, b, (over, over)) for a, b in parts], axis=-1)'''

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

SIGNDET = '''\
def signdet(x):
    """The sign of the determinant; NaN where that is."""
    sign, logarithm = np.linalg.slogdet(x)
    return np.where(np.isnan(logarithm), logarithm, sign)'''

HELPERS = {
    "in_range": IN_RANGE,
    "add_at": ADD_AT,
    "add_along": ADD_ALONG,
    "replace_rows": REPLACE_ROWS,
    "spread": SPREAD,
    "log_softmax": LOG_SOFTMAX,
    "uniform": UNIFORM,
    "scatter_add": SCATTER_ADD,
    "linear_recurrence": LINEAR_RECURRENCE,
    "solve_triangular": SOLVE_TRIANGULAR,
    "signdet": SIGNDET,
    "windows": WINDOWS,
    "overlap_add": OVERLAP_ADD,
    "padded": PADDED,
    "convolution": CONVOLUTION,
    "convolution_transpose": CONVOLUTION_TRANSPOSE,
    "correlation": CORRELATION,
}
