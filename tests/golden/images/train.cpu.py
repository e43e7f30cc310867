"""train. Target cpu.

net.py:6    z1 = einsum(abcde,def→abcf, windows(pad(x, [batch, 10, 10, 1])), W1) + b1
net.py:6    h1 = max(z1, 0)
net.py:7    p1 = max_axis3_axis4 windows(h1)
net.py:8    z2 = einsum(abcde,def→abcf, windows(reshape(p1, [batch, 4, 16])), reshape(W2, [3, 12, 6]))
            n3 = (z2 - sum_batch_axis1_axis2 z2 / (4 batch)) / √(sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))² / (4 batch) + 0.001)
net.py:9    h3 = n3 * gamma3 + beta3
net.py:10   h3_2 = max(h3, 0)
net.py:11   p3 = sum_axis1_axis2 h3_2 / 4
net.py:12   y = p3 W4 + b4
net.py:15   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    checked,
    contract,
    exp,
    f32,
    f64,
    floor_divide,
    i32,
    i64,
    inf,
    isfinite,
    kernel,
    local_array,
    log,
    matmul,
    matmul_nt,
    matmul_tn,
    maximum,
    prange,
    program,
    rows_in_order,
    sqrt,
    transposed,
    view,
    where,
)


# W2_transposed = permute(reshape(W2, [3, 12, 6]), (2, 0, 1))
@kernel
def k1_W2_transposed(W2, W2_transposed):
    W2_view = view(W2, (3, 12, 6))
    for i in range(6):
        for j in range(3):
            for k in range(12):
                W2_transposed[i, j, k] = W2_view[j, k, i]


# net.py:6   x_padded = pad(x, [batch, 10, 10, 1])
@kernel
def k2_x_padded(batch, x, x_padded):
    for first in prange(0, batch, 80):
        last = min(first + 80, batch)
        for i in range(first, last):
            for j in range(10):
                for k in range(10):
                    x_padded[i, j, k, 0] = f32(0.0)
            for j in range(8):
                place_ij = j + 1
                for k in range(8):
                    place_ijk = k + 1
                    x_padded[i, place_ij, place_ijk, 0] = x[i, j, k, 0]


# net.py:6   z1 = einsum(abcde,def→abcf, windows(pad(x, [batch, 10, 10, 1])), W1) + b1
# net.py:6   h1 = max(z1, 0)
# net.py:7   p1 = max_axis3_axis4 windows(h1)
@kernel
def k3_p1(batch, x_padded, W1, x_W1, b1, p1, total):
    x_padded_view = view(x_padded, (batch, 10, 10))
    W1_view = view(W1, (3, 3, 4))
    for first in prange(0, batch, 8):
        last = min(first + 8, batch)
        contract(
            "b x+u y+v, u v f -> b x y f", x_padded_view[first:last], W1_view, x_W1[first:last],
        )
        for i in range(first, last):
            for j in range(4):
                place_ij = j * 2
                for k in range(4):
                    place_ijk = k * 2
                    for l in range(4):
                        largest_h1 = f32(-inf)
                        b1_l = b1[l]
                        for m in range(2):
                            place_ijklm = place_ij + m
                            for n in range(2):
                                x_W1_il = x_W1[i, place_ijklm, place_ijk + n, l]
                                largest_h1 = maximum(largest_h1, maximum(x_W1_il + b1_l, f32(0.0)))
                        p1[i, j, k, l] = largest_h1
                    for l in range(4):
                        total[i, j, k, l] = f32(0.0)
                    for l in range(2):
                        place_ijkl = place_ij + l
                        for m in range(2):
                            place_ijklm_2 = place_ijk + m
                            for n in range(4):
                                x_W1_in = x_W1[i, place_ijkl, place_ijklm_2, n]
                                h1_ijklmn = maximum(x_W1_in + b1[n], f32(0.0))
                                test_ijklmn = f32(h1_ijklmn == p1[i, j, k, n])
                                total[i, j, k, n] = total[i, j, k, n] + test_ijklmn


# net.py:8    z2 = einsum(abcde,def→abcf, windows(reshape(p1, [batch, 4, 16])), reshape(W2, [3, 12, 6]))
#             n3 = (z2 - sum_batch_axis1_axis2 z2 / (4 batch)) / √(sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))² / (4 batch) + 0.001)
# net.py:9    h3 = n3 * gamma3 + beta3
# net.py:10   h3_2 = max(h3, 0)
# net.py:11   p3 = sum_axis1_axis2 h3_2 / 4
# net.py:9    moving_mean3 <- 0.99 moving_mean3 + 0.01 (sum_batch_axis1_axis2 z2) / (4 batch)
# net.py:9    moving_variance3 <- 0.99 moving_variance3 + 0.01 (sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))²) / (4 batch)
@kernel
def k4_p3(
    batch, p1, W2, z2, total_z2_parts, mean_z2, root_2, root, gamma3, beta3, total_h3_2,
    moving_mean3, moving_variance3, test_h3, p3,
):
    total_z2 = local_array((6,), f32)
    total_2 = local_array((6,), f32)
    p1_view = view(p1, (batch, 4, 16))
    W2_view = view(W2, (3, 12, 6))
    for first in prange(0, batch, 8):
        last = min(first + 8, batch)
        panel = first // 8
        contract("b x+u 4y+v, u v f -> b x y f", p1_view[first:last], W2_view, z2[first:last])
        for i in range(6):
            total_z2_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                for k in range(2):
                    for l in range(6):
                        total_z2_parts[panel, l] = total_z2_parts[panel, l] + z2[i, j, k, l]
    # The total_z2_parts of all panels, added up.
    for i in range(6):
        total_z2[i] = f32(0.0)
    for i in range((batch + 7) // 8):
        for j in range(6):
            total_z2[j] = total_z2[j] + total_z2_parts[i, j]
    for i in range(6):
        mean_z2_i = total_z2[i] / f32(4 * batch)
        mean_z2[0, 0, 0, i] = mean_z2_i
        moving_mean3[i] = f32(0.99) * moving_mean3[i] + f32(0.01) * mean_z2_i
    for i in range(6):
        total_2[i] = f32(0.0)
    for i in range(batch):
        for j in range(2):
            for k in range(2):
                for l in range(6):
                    z2_minus_mean_z2_ijkl = z2[i, j, k, l] - mean_z2[0, 0, 0, l]
                    total_2[l] = total_2[l] + z2_minus_mean_z2_ijkl * z2_minus_mean_z2_ijkl
    for i in range(6):
        ratio_i = total_2[i] / f32(4 * batch)
        root_2_i = sqrt(ratio_i + f32(0.001))
        root_2[i] = root_2_i
        root[0, 0, 0, i] = root_2_i
        moving_variance3[i] = f32(0.99) * moving_variance3[i] + f32(0.01) * ratio_i
    for i in range(batch):
        for j in range(6):
            total_h3_2[i, j] = f32(0.0)
        for j in range(2):
            for k in range(2):
                for l in range(6):
                    z2_minus_mean_z2_ijkl = z2[i, j, k, l] - mean_z2[0, 0, 0, l]
                    n3_times_gamma3_ijkl = z2_minus_mean_z2_ijkl / root[0, 0, 0, l] * gamma3[l]
                    h3_ijkl = n3_times_gamma3_ijkl + beta3[l]
                    total_h3_2[i, l] = total_h3_2[i, l] + maximum(h3_ijkl, f32(0.0))
                    test_h3[i, j, k, l] = h3_ijkl > f32(0.0)
        for j in range(6):
            p3[i, j] = total_h3_2[i, j] / f32(4.0)


# net.py:12   y = p3 W4 + b4
# net.py:15   dL/dy = (exp(y - max_axis1 y) / (sum_axis1 exp(y - max_axis1 y)) - onehot(t)) / batch
# net.py:12   dL/db4 = sum_batch dL/dy
# net.py:15   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch
# net.py:15   b4 <- b4 - learning_rate * dL/db4
@kernel
def k5_loss(batch, p3, W4, t, dL_dy, total_parts, dL_db4_parts, learning_rate, b4, loss, fault):
    dL_db4 = local_array((3,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        p3_W4 = local_array((32, 3), f32)
        exponential = local_array((3, 32), f32)
        places = local_array((32,), i64)
        p3_W4_columns = local_array((3, 32), f32)
        dL_dy_columns = local_array((3, 32), f32)
        matmul(p3[first:last], W4, p3_W4[0 : last - first])
        transposed(p3_W4[0 : last - first], p3_W4_columns)
        for i in range(first, last):
            places_i = checked(i64(t[i]), 3, fault, 1)
            places[i - first] = places_i
        sum_difference = f64(0.0)
        for i in range(3):
            dL_db4_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            largest_y = f32(-inf)
            for j in range(3):
                largest_y = maximum(largest_y, p3_W4_columns[j, i - first] + b4[j])
            sum_exponential = f64(0.0)
            for j in range(3):
                exponential_ij = exp(p3_W4_columns[j, i - first] + b4[j] - largest_y)
                exponential[j, i - first] = exponential_ij
                sum_exponential = accumulate(sum_exponential, f64(exponential_ij))
            total_3_i = f32(sum_exponential)
            places_i = places[i - first]
            difference_i = p3_W4_columns[places_i, i - first] + b4[places_i] - largest_y
            sum_difference = accumulate(sum_difference, f64(difference_i - log(total_3_i)))
            t_i = t[i]
            for j in range(3):
                difference_ij = exponential[j, i - first] / total_3_i - f32(i32(j) == t_i)
                dL_dy_ij = difference_ij / f32(batch)
                dL_dy_columns[j, i - first] = dL_dy_ij
                dL_db4_parts[panel, j] = accumulate(dL_db4_parts[panel, j], dL_dy_ij)
        total_parts[panel] = sum_difference
        transposed(dL_dy_columns, dL_dy[first:last])
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_4_0 = f32(sum_total_parts)
    # The dL_db4_parts of all panels, added up.
    for i in range(3):
        dL_db4[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(3):
            dL_db4[j] = dL_db4[j] + dL_db4_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        b4[i] = b4[i] - learning_rate_f32 * dL_db4[i]
    loss[0] = -(total_4_0 / f32(batch))


# net.py:12   dL/dp3 = dL/dy W4ᵀ
# net.py:9    dL/dn3 = [h3 > 0] * dL/dp3 * gamma3 / 4
# net.py:9    dL/dgamma3 = sum_batch_axis1_axis2 ([h3 > 0] * dL/dp3 * n3 / 4)
# net.py:10   dL/dh3 = [h3 > 0] * dL/dp3 / 4
# net.py:9    dL/dbeta3 = sum_batch_axis1_axis2 dL/dh3
#             dL/dz2 = (dL/dn3 - sum_batch_axis1_axis2 dL/dn3 / (4 batch) - n3 * (sum_batch_axis1_axis2 ([h3 > 0] * dL/dp3 * gamma3 * n3 / 4)) / (4 batch)) / √(sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))² / (4 batch) + 0.001)
# net.py:15   beta3 <- beta3 - learning_rate * dL/dbeta3
# net.py:15   gamma3 <- gamma3 - learning_rate * dL/dgamma3
@kernel
def k6_gamma3(
    batch, dL_dy, W4, test_h3, dL_dn3, z2, mean_z2, root, total_dL_dn3_parts, total_parts_2,
    dL_dgamma3_parts, dL_dbeta3_parts, learning_rate, root_2, beta3, gamma3, dL_dz2,
):
    dL_dbeta3 = local_array((6,), f32)
    dL_dgamma3 = local_array((6,), f32)
    total_5 = local_array((6,), f32)
    total_dL_dn3 = local_array((6,), f32)
    mean_dL_dn3 = local_array((6,), f32)
    ratio = local_array((6,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dp3 = local_array((32, 6), f32)
        matmul_nt(dL_dy[first:last], W4, dL_dp3[0 : last - first])
        for i in range(6):
            total_dL_dn3_parts[panel, i] = f32(0.0)
            total_parts_2[panel, i] = f32(0.0)
            dL_dgamma3_parts[panel, i] = f32(0.0)
            dL_dbeta3_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                for k in range(2):
                    for l in range(6):
                        test_h3_ijkl = test_h3[i, j, k, l]
                        scaled_dL_dp3_ijkl = dL_dp3[i - first, l] / f32(4.0)
                        product_ijkl = scaled_dL_dp3_ijkl * gamma3[l]
                        dL_dn3_ijkl = where(test_h3_ijkl, product_ijkl, f32(0.0))
                        dL_dn3[i, j, k, l] = dL_dn3_ijkl
                        total_dL_dn3_parts[panel, l] = total_dL_dn3_parts[panel, l] + dL_dn3_ijkl
                        z2_minus_mean_z2_ijkl = z2[i, j, k, l] - mean_z2[0, 0, 0, l]
                        n3_ijkl = z2_minus_mean_z2_ijkl / root[0, 0, 0, l]
                        scaled_n3_ijkl = product_ijkl * n3_ijkl
                        chosen_ijkl = where(test_h3_ijkl, scaled_n3_ijkl, f32(0.0))
                        total_parts_2[panel, l] = total_parts_2[panel, l] + chosen_ijkl
                        product_ijkl_2 = scaled_dL_dp3_ijkl * n3_ijkl
                        chosen_ijkl_2 = where(test_h3_ijkl, product_ijkl_2, f32(0.0))
                        dL_dgamma3_parts[panel, l] = dL_dgamma3_parts[panel, l] + chosen_ijkl_2
                        dL_dh3_ijkl = where(test_h3_ijkl, scaled_dL_dp3_ijkl, f32(0.0))
                        dL_dbeta3_parts[panel, l] = dL_dbeta3_parts[panel, l] + dL_dh3_ijkl
    # The total_dL_dn3_parts, total_parts_2, dL_dgamma3_parts and dL_dbeta3_parts of all panels, added
    # up.
    for i in range(6):
        total_dL_dn3[i] = f32(0.0)
        total_5[i] = f32(0.0)
        dL_dgamma3[i] = f32(0.0)
        dL_dbeta3[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(6):
            total_dL_dn3[j] = total_dL_dn3[j] + total_dL_dn3_parts[i, j]
            total_5[j] = total_5[j] + total_parts_2[i, j]
            dL_dgamma3[j] = dL_dgamma3[j] + dL_dgamma3_parts[i, j]
            dL_dbeta3[j] = dL_dbeta3[j] + dL_dbeta3_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(6):
        new_beta3 = beta3[i] - learning_rate_f32 * dL_dbeta3[i]
        new_gamma3 = gamma3[i] - learning_rate_f32 * dL_dgamma3[i]
        ratio[i] = total_5[i] / f32(4 * batch)
        mean_dL_dn3[i] = total_dL_dn3[i] / f32(4 * batch)
        beta3[i] = new_beta3
        gamma3[i] = new_gamma3
    for i in range(batch):
        for j in range(2):
            for k in range(2):
                for l in range(6):
                    z2_minus_mean_z2_ijkl_2 = z2[i, j, k, l] - mean_z2[0, 0, 0, l]
                    scaled_n3_ijkl_2 = z2_minus_mean_z2_ijkl_2 / root[0, 0, 0, l] * ratio[l]
                    difference_ijkl = dL_dn3[i, j, k, l] - mean_dL_dn3[l] - scaled_n3_ijkl_2
                    dL_dz2[i, j, k, l] = difference_ijkl / root_2[l]


# net.py:8    dL/dp1 = reshape(overlap_add(einsum(abcd,def→abcef, dL/dz2, permute(reshape(W2, [3, 12, 6]), (2, 0, 1)))), [batch, 4, 4, 4])
# net.py:7    dL/dh1 = overlap_add([windows(h1) == p1] * dL/dp1 / (sum_axis3_axis4 [windows(h1) == p1]))
# net.py:6    dL/dz1 = [z1 > 0] * dL/dh1
# net.py:6    dL/db1 = sum_batch_axis1_axis2 dL/dz1
# net.py:15   b1 <- b1 - learning_rate * dL/db1
@kernel
def k7_b1(batch, dL_dz2, W2_transposed, x_W1, p1, total, dL_dz1, dL_db1_parts, learning_rate, b1):
    dL_db1 = local_array((4,), f32)
    for first in prange(0, batch, 8):
        last = min(first + 8, batch)
        panel = first // 8
        overlapped = local_array((8, 4, 16), f32)
        overlapped_view = view(overlapped, (8, 4, 4, 4))
        contract(
            "b x y f, f u v -> b x+u 4y+v", dL_dz2[first:last], W2_transposed,
            overlapped[0 : last - first],
        )
        for i in range(4):
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(8):
                quotient_ij = floor_divide(j, 2)
                for k in range(8):
                    quotient_ijk = floor_divide(k, 2)
                    for l in range(4):
                        z1_ijkl = x_W1[i, j, k, l] + b1[l]
                        p1_il = p1[i, quotient_ij, quotient_ijk, l]
                        dL_dp1_ijkl = overlapped_view[i - first, quotient_ij, quotient_ijk, l]
                        scaled_dL_dp1_ijkl = dL_dp1_ijkl / total[i, quotient_ij, quotient_ijk, l]
                        test_ijkl = maximum(z1_ijkl, f32(0.0)) == p1_il
                        chosen_ijkl = where(test_ijkl, scaled_dL_dp1_ijkl, f32(0.0))
                        dL_dz1_ijkl = where(z1_ijkl > f32(0.0), chosen_ijkl, f32(0.0))
                        dL_dz1[i, j, k, l] = dL_dz1_ijkl
                        dL_db1_parts[panel, l] = dL_db1_parts[panel, l] + dL_dz1_ijkl
    # The dL_db1_parts of all panels, added up.
    for i in range(4):
        dL_db1[i] = f32(0.0)
    for i in range((batch + 7) // 8):
        for j in range(4):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(4):
        b1[i] = b1[i] - learning_rate_f32 * dL_db1[i]


# net.py:6    dL/dW1 = einsum(abcde,abcf→def, windows(pad(x, [batch, 10, 10, 1])), dL/dz1)
# net.py:15   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k8_W1(batch, x_padded, dL_dz1, learning_rate, x_dL_dz1, W1):
    x_padded_view = view(x_padded, (batch, 10, 10))
    contract("b x+u y+v, b x y f -> u v f", x_padded_view, dL_dz1, x_dL_dz1)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        for j in range(3):
            for k in range(4):
                W1[i, j, 0, k] = W1[i, j, 0, k] - learning_rate_f32 * x_dL_dz1[i, j, k]


# net.py:8    dL/dW2 = reshape(einsum(abcde,abcf→def, windows(reshape(p1, [batch, 4, 16])), dL/dz2), [3, 3, 4, 6])
# net.py:15   W2 <- W2 - learning_rate * dL/dW2
@kernel
def k9_W2(batch, p1, dL_dz2, learning_rate, p1_dL_dz2, W2):
    p1_view = view(p1, (batch, 4, 16))
    W2_flat = view(W2, (216,))
    p1_dL_dz2_flat = view(p1_dL_dz2, (216,))
    contract("b x+u 4y+v, b x y f -> u v f", p1_view, dL_dz2, p1_dL_dz2)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(216):
        W2_flat[i] = W2_flat[i] - learning_rate_f32 * p1_dL_dz2_flat[i]


# net.py:12   dL/dW4 = p3ᵀ dL/dy
# net.py:15   W4 <- W4 - learning_rate * dL/dW4
@kernel
def k10_W4(p3, dL_dy, learning_rate, W4):
    dL_dW4 = local_array((6, 3), f32)
    W4_flat = view(W4, (18,))
    dL_dW4_flat = view(dL_dW4, (18,))
    matmul_tn(p3, dL_dy, dL_dW4)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(18):
        W4_flat[i] = W4_flat[i] - learning_rate_f32 * dL_dW4_flat[i]


@program
def step(
    batch, x, t, learning_rate, W1, b1, W2, gamma3, beta3, W4, b4, moving_mean3, moving_variance3,
    loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6,
    scratch_7, scratch_8, scratch_9, scratch_10, scratch_11, scratch_12, scratch_13, scratch_14,
    scratch_15, scratch_16, scratch_17, scratch_18, scratch_19, scratch_20, fault,
):
    W2_transposed = view(scratch_1, (6, 3, 12))
    x_dL_dz1 = view(scratch_1, (3, 3, 4))
    p1_dL_dz2 = view(scratch_1, (3, 12, 6))
    x_padded = view(scratch_2, (batch, 10, 10, 1))
    x_W1 = view(scratch_3, (batch, 8, 8, 4))
    p1 = view(scratch_4, (batch, 4, 4, 4))
    total = view(scratch_5, (batch, 4, 4, 4))
    z2 = view(scratch_6, (batch, 2, 2, 6))
    dL_dz1 = view(scratch_6, (batch, 8, 8, 4))
    total_z2_parts = view(scratch_7, ((batch + 7) // 8, 6))
    dL_db1_parts = view(scratch_7, ((batch + 7) // 8, 4))
    mean_z2 = view(scratch_8, (1, 1, 1, 6))
    root = view(scratch_9, (1, 1, 1, 6))
    total_h3_2 = view(scratch_10, (batch, 6))
    dL_dy = view(scratch_10, (batch, 3))
    p3 = view(scratch_11, (batch, 6))
    test_h3 = view(scratch_12, (batch, 2, 2, 6))
    root_2 = view(scratch_13, (6,))
    total_parts = view(scratch_14, ((batch + 31) // 32,))
    dL_db4_parts = view(scratch_15, ((batch + 31) // 32, 3))
    total_dL_dn3_parts = view(scratch_15, ((batch + 31) // 32, 6))
    total_parts_2 = view(scratch_16, ((batch + 31) // 32, 6))
    dL_dgamma3_parts = view(scratch_17, ((batch + 31) // 32, 6))
    dL_dbeta3_parts = view(scratch_18, ((batch + 31) // 32, 6))
    dL_dn3 = view(scratch_19, (batch, 2, 2, 6))
    dL_dz2 = view(scratch_20, (batch, 2, 2, 6))
    k1_W2_transposed(W2, W2_transposed)
    k2_x_padded(batch, x, x_padded)
    k3_p1(batch, x_padded, W1, x_W1, b1, p1, total)
    k4_p3(
        batch, p1, W2, z2, total_z2_parts, mean_z2, root_2, root, gamma3, beta3, total_h3_2,
        moving_mean3, moving_variance3, test_h3, p3,
    )
    k5_loss(batch, p3, W4, t, dL_dy, total_parts, dL_db4_parts, learning_rate, b4, loss, fault)
    k6_gamma3(
        batch, dL_dy, W4, test_h3, dL_dn3, z2, mean_z2, root, total_dL_dn3_parts, total_parts_2,
        dL_dgamma3_parts, dL_dbeta3_parts, learning_rate, root_2, beta3, gamma3, dL_dz2,
    )
    k7_b1(batch, dL_dz2, W2_transposed, x_W1, p1, total, dL_dz1, dL_db1_parts, learning_rate, b1)
    k8_W1(batch, x_padded, dL_dz1, learning_rate, x_dL_dz1, W1)
    k9_W2(batch, p1, dL_dz2, learning_rate, p1_dL_dz2, W2)
    k10_W4(p3, dL_dy, learning_rate, W4)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, W2, gamma3, beta3,
    W4, b4, moving_mean3, moving_variance3, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, scratch_11,
    scratch_12, scratch_13, scratch_14, scratch_15, scratch_16, scratch_17, scratch_18, scratch_19,
    scratch_20, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 8, 8, 1)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows,)))
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, W2, gamma3, beta3, W4, b4, moving_mean3,
            moving_variance3, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4,
            scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, scratch_11,
            scratch_12, scratch_13, scratch_14, scratch_15, scratch_16, scratch_17, scratch_18,
            scratch_19, scratch_20, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
