"""curvature. Target cpu.

net.py:8   y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   gradient_w = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    f32,
    f64,
    isfinite,
    kernel,
    local_array,
    log1p,
    matmul,
    matmul_tn,
    maximum,
    prange,
    program,
    rows_in_order,
    sigmoid,
    view,
)


# net.py:8   y = sum(max(x w, 0) + log1p(exp(-|x w|))) / batch
@kernel
def k1_y(batch, x, w, x_w, sigmoid_x_w, total_parts, scaled_sigmoid_x_w, y):
    w_view = view(w, (3, 1))
    x_w_view = view(x_w, (batch, 1))
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        matmul(x[first:last], w_view, x_w_view[first:last])
        sum_total = f64(0.0)
        for i in range(first, last):
            x_w_i = x_w[i]
            total_i = maximum(x_w_i, f32(0.0)) + log1p(exp(-abs(x_w_i)))
            sum_total = accumulate(sum_total, f64(total_i))
            sigmoid_x_w_i = sigmoid(x_w_i)
            sigmoid_x_w[i] = sigmoid_x_w_i
            scaled_sigmoid_x_w[i] = sigmoid_x_w_i / f32(batch)
        total_parts[panel] = sum_total
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    y[0] = total_0 / f32(batch)


# net.py:8   dy/dw = (sigmoid(x w) / batch) x
# likewise
# net.py:8   gradient_w
@kernel
def k2_dy_dw(batch, x, scaled_sigmoid_x_w, dy_dw):
    scaled_sigmoid_x_w_view = view(scaled_sigmoid_x_w, (batch, 1))
    dy_dw_view = view(dy_dw, (3, 1))
    matmul_tn(x, scaled_sigmoid_x_w_view, dy_dw_view)


# net.py:8   scaled_sigmoid_x_w_2 = sigmoid(x w) * sigmoid(-x w) * (x v) / batch
@kernel
def k3_scaled_sigmoid_x_w_2(batch, x, v, sigmoid_x_w, x_w, scaled_sigmoid_x_w_2):
    v_view = view(v, (3, 1))
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        x_v = local_array((32,), f32)
        x_v_view = view(x_v, (32, 1))
        matmul(x[first:last], v_view, x_v_view[0 : last - first])
        for i in range(first, last):
            ratio_i = sigmoid_x_w[i] * sigmoid(-x_w[i]) * x_v[i - first] / f32(batch)
            scaled_sigmoid_x_w_2[i] = ratio_i


@program
def step(
    batch, x, w, v, y, dy_dw, gradient_w, x_batch, scratch_1, scratch_2, scratch_3, scratch_4,
    fault,
):
    x_w = view(scratch_1, (batch,))
    total_parts = view(scratch_2, ((batch + 31) // 32,))
    scaled_sigmoid_x_w = view(scratch_3, (batch,))
    scaled_sigmoid_x_w_2 = view(scratch_3, (batch,))
    sigmoid_x_w = view(scratch_4, (batch,))
    k1_y(batch, x, w, x_w, sigmoid_x_w, total_parts, scaled_sigmoid_x_w, y)
    k2_dy_dw(batch, x, scaled_sigmoid_x_w, dy_dw)
    k3_scaled_sigmoid_x_w_2(batch, x, v, sigmoid_x_w, x_w, scaled_sigmoid_x_w_2)
    k2_dy_dw(batch, x, scaled_sigmoid_x_w_2, gradient_w)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, w, v, y, dy_dw, gradient_w, x_batch,
    scratch_1, scratch_2, scratch_3, scratch_4, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        step(
            rows, x_rows, w, v, y, dy_dw, gradient_w, x_batch, scratch_1, scratch_2, scratch_3,
            scratch_4, fault,
        )
        if fault[0] != 0 or not isfinite(y[0]):
            break
        totals[0] += f64(rows) * f64(y[0])
        done += 1
    return done
