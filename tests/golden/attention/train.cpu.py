"""attention. Target cpu.

net.py:9   y = einsum(abcd,adbe→acbe, exp(einsum(abcd,aecd→acbe, q, k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, q, k) / 2.828427)) / (sum_axis3 exp(einsum(abcd,aecd→acbe, q, k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, q, k) / 2.828427))), v)
net.py:8   gradient_q = einsum(abcd,adbe→acbe, …, k)
net.py:8   gradient_k = einsum(abcd,acbe→aecd, q, …)
net.py:9   gradient_v = einsum(abcd,acbe→adbe, exp(einsum(abcd,aecd→acbe, again(q), k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, again(q), k) / 2.828427)) / (sum_axis3 exp(einsum(abcd,aecd→acbe, again(q), k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, again(q), k) / 2.828427))), 2 y / (3200 batch))

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    add_matmul_tn,
    exp,
    f32,
    f64,
    inf,
    kernel,
    local_array,
    matmul,
    matmul_nt,
    matmul_tn,
    maximum,
    prange,
    program,
    view,
)


# net.py:9   y = einsum(abcd,adbe→acbe, exp(einsum(abcd,aecd→acbe, q, k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, q, k) / 2.828427)) / (sum_axis3 exp(einsum(abcd,aecd→acbe, q, k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, q, k) / 2.828427))), v)
@kernel
def k1_y(batch, q, k_2, v, y):
    for matrix in prange(2 * batch):
        i = matrix // 2
        j = matrix % 2
        q_k = local_array((40, 200), f32)
        ratio = local_array((40, 200), f32)
        exponential = local_array((40, 200), f32)
        for first in range(0, 200, 40):
            matmul_nt(q[i, first : first + 40, j], k_2[i, :, j], q_k)
            for k in range(first, first + 40):
                largest_scaled_q_k = f32(-inf)
                for l in range(200):
                    scaled_q_k_ijkl = q_k[k - first, l] / f32(2.828427)
                    largest_scaled_q_k = maximum(largest_scaled_q_k, scaled_q_k_ijkl)
                sum_exponential = f64(0.0)
                for l in range(200):
                    difference_ijkl = q_k[k - first, l] / f32(2.828427) - largest_scaled_q_k
                    exponential_ijkl = exp(difference_ijkl)
                    exponential[k - first, l] = exponential_ijkl
                    sum_exponential = accumulate(sum_exponential, f64(exponential_ijkl))
                total_ijk = f32(sum_exponential)
                for l in range(200):
                    ratio[k - first, l] = exponential[k - first, l] / total_ijk
            matmul(ratio, v[i, :, j], y[i, first : first + 40, j])


# net.py:10   scaled_twice_y = 2 y / (3200 batch)
@kernel
def k2_scaled_twice_y(batch, y, scaled_twice_y):
    y_flat = view(y, (3200 * batch,))
    scaled_twice_y_flat = view(scaled_twice_y, (3200 * batch,))
    for first in prange(0, batch, 2):
        last = min(first + 2, batch)
        for i in range(first * 3200, last * 3200):
            scaled_twice_y_flat[i] = f32(2.0) * y_flat[i] / f32(3200 * batch)


# net.py:8   gradient_q = einsum(abcd,adbe→acbe, …, k)
# net.py:8   gradient_k = einsum(abcd,acbe→aecd, q, …)
# net.py:9   gradient_v = einsum(abcd,acbe→adbe, exp(einsum(abcd,aecd→acbe, again(q), k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, again(q), k) / 2.828427)) / (sum_axis3 exp(einsum(abcd,aecd→acbe, again(q), k) / 2.828427 - max_axis3 (einsum(abcd,aecd→acbe, again(q), k) / 2.828427))), 2 y / (3200 batch))
@kernel
def k3_gradient_v(batch, q, k_2, scaled_twice_y, v, gradient_q, gradient_k, gradient_v):
    for matrix in prange(2 * batch):
        i = matrix // 2
        j = matrix % 2
        product = local_array((40, 200), f32)
        product_2 = local_array((40, 200), f32)
        ratio_3 = local_array((40, 200), f32)
        ratio_2 = local_array((40, 200), f32)
        exponential_2 = local_array((40, 200), f32)
        for k in range(200):
            for l in range(8):
                gradient_k[i, k, j, l] = f32(0.0)
        for k in range(200):
            for l in range(8):
                gradient_v[i, k, j, l] = f32(0.0)
        for first in range(0, 200, 40):
            matmul_nt(q[i, first : first + 40, j], k_2[i, :, j], product)
            for k in range(first, first + 40):
                largest_ratio = f32(-inf)
                for l in range(200):
                    largest_ratio = maximum(largest_ratio, product[k - first, l] / f32(2.828427))
                sum_exponential_2 = f64(0.0)
                for l in range(200):
                    difference_ijkl = product[k - first, l] / f32(2.828427) - largest_ratio
                    exponential_2_ijkl = exp(difference_ijkl)
                    exponential_2[k - first, l] = exponential_2_ijkl
                    sum_exponential_2 = accumulate(sum_exponential_2, f64(exponential_2_ijkl))
                total_2_ijk = f32(sum_exponential_2)
                for l in range(200):
                    ratio_2_ijkl = exponential_2[k - first, l] / total_2_ijk
                    ratio_2[k - first, l] = ratio_2_ijkl
            matmul_nt(scaled_twice_y[i, first : first + 40, j], v[i, :, j], product_2)
            for k in range(first, first + 40):
                sum_product = f64(0.0)
                for l in range(200):
                    product_ijkl = product_2[k - first, l] * ratio_2[k - first, l]
                    sum_product = accumulate(sum_product, f64(product_ijkl))
                total_3_ijk = f32(sum_product)
                for l in range(200):
                    difference_ijkl_2 = product_2[k - first, l] - total_3_ijk
                    product_ijkl_2 = ratio_2[k - first, l] * difference_ijkl_2
                    ratio_3[k - first, l] = product_ijkl_2 / f32(2.828427)
            matmul(ratio_3, k_2[i, :, j], gradient_q[i, first : first + 40, j])
            add_matmul_tn(ratio_3, q[i, first : first + 40, j], gradient_k[i, :, j])
            add_matmul_tn(ratio_2, scaled_twice_y[i, first : first + 40, j], gradient_v[i, :, j])


@program
def step(batch, q, k_2, v, y, gradient_q, gradient_k, gradient_v, scratch_1, fault):
    scaled_twice_y = view(scratch_1, (batch, 200, 2, 8))
    y = view(y, (batch, 200, 2, 8))
    gradient_q = view(gradient_q, (batch, 200, 2, 8))
    gradient_k = view(gradient_k, (batch, 200, 2, 8))
    gradient_v = view(gradient_v, (batch, 200, 2, 8))
    k1_y(batch, q, k_2, v, y)
    k2_scaled_twice_y(batch, y, scaled_twice_y)
    k3_gradient_v(batch, q, k_2, scaled_twice_y, v, gradient_q, gradient_k, gradient_v)
