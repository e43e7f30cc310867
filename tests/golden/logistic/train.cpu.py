"""train. Target cpu.

net.py:5   z1 = x W1 + b1
           L = sum((max(-z1, 0) + log1p(exp(-|-z1|))) * t + (max(z1, 0) + log1p(exp(-|z1|))) * (1 - t)) / batch
net.py:5   y = sigmoid(z1)
           accuracy = sum([[y > 0.5] == t]) / batch
"""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    f64,
    gather_rows,
    isfinite,
    kernel,
    local_array,
    log1p,
    maximum,
    program,
    sigmoid,
    view,
)


# net.py:5   z1 = x W1 + b1
# net.py:5   y = sigmoid(z1)
# net.py:6   dL/dz1 = ((1 - t) * y - sigmoid(-z1) * t) / batch
# net.py:5   dL/dW1 = xᵀ dL/dz1
# net.py:5   dL/db1 = sum_batch dL/dz1
#            accuracy = sum([[y > 0.5] == t]) / batch
#            L = sum((max(-z1, 0) + log1p(exp(-|-z1|))) * t + (max(z1, 0) + log1p(exp(-|z1|))) * (1 - t)) / batch
# net.py:6   b1 <- b1 - learning_rate * dL/db1
# net.py:6   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k1_loss(batch, x, t, learning_rate, b1, W1, accuracy, loss):
    dL_dW1 = local_array((3, 1), f64)
    sum_plus = f64(0.0)
    sum_test = f64(0.0)
    for i in range(3):
        dL_dW1[i, 0] = f64(0.0)
    sum_dL_dz1 = f64(0.0)
    b1_0 = b1[0]
    for i in range(batch):
        sum_product = f64(0.0)
        for j in range(3):
            sum_product = accumulate(sum_product, x[i, j] * W1[j, 0])
        z1_i = sum_product + b1_0
        minus_i = -z1_i
        t_i = t[i, 0]
        difference_i = f64(1.0) - t_i
        product_i = (maximum(z1_i, f64(0.0)) + log1p(exp(-abs(z1_i)))) * difference_i
        product_i_2 = (maximum(minus_i, f64(0.0)) + log1p(exp(-abs(minus_i)))) * t_i
        sum_plus = accumulate(sum_plus, product_i_2 + product_i)
        y_i = sigmoid(z1_i)
        sum_test = accumulate(sum_test, f64(f64(y_i > f64(0.5)) == t_i))
        dL_dz1_i = difference_i / f64(batch) * y_i - sigmoid(minus_i) * t_i / f64(batch)
        for j in range(3):
            dL_dW1[j, 0] = dL_dW1[j, 0] + x[i, j] * dL_dz1_i
        sum_dL_dz1 = accumulate(sum_dL_dz1, dL_dz1_i)
    b1[0] = b1_0 - learning_rate[0] * sum_dL_dz1
    learning_rate_0 = learning_rate[0]
    for i in range(3):
        W1[i, 0] = W1[i, 0] - learning_rate_0 * dL_dW1[i, 0]
    accuracy[0] = sum_test / f64(batch)
    loss[0] = sum_plus / f64(batch)


@program
def step(batch, x, t, learning_rate, W1, b1, loss, accuracy, x_batch, t_batch, fault):
    k1_loss(batch, x, t, learning_rate, b1, W1, accuracy, loss)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, loss, accuracy,
    x_batch, t_batch, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 3))
        gather_rows(x, order, start, x_rows)
        t_rows = view(t_batch, (rows, 1))
        gather_rows(t, order, start, t_rows)
        step(rows, x_rows, t_rows, learning_rate, W1, b1, loss, accuracy, x_batch, t_batch, fault)
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        totals[1] += f64(rows) * f64(accuracy[0])
        done += 1
    return done
