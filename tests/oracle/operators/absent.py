"""Operators of PyTorch's that the language does not have, by name, and why."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "complex numbers: tensors are real": """
        H angle cdouble cfloat chalf complex conj conj_physical imag isreal mH
        nn.functional.silu.complex polar real resolve_conj resolve_neg view_as_complex view_as_real
        """,
    "Fourier transforms: tensors are real": """
        fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.hfft2 fft.hfftn fft.ifft fft.ifft2
        fft.ifftn fft.ifftshift fft.ihfft fft.ihfft2 fft.ihfftn fft.irfft fft.irfft2 fft.irfftn
        fft.rfft fft.rfft2 fft.rfftn istft stft
        """,
    "sparse storage": "sparse.mm.reduce sparse.sampled_addmm to_sparse",
    "dtypes that there are not": "bfloat16 byte char half short",
    "quantized numbers": "torch._scaled_mm torch._scaled_mm_v2",
    "no float64 samples: integers": """
        __rand__ __ror__ __rxor__ bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
        bitwise_right_shift bitwise_xor broadcast_shapes gcd lcm nn.functional.one_hot tril_indices
        triu_indices unravel_index
        """,
    "no float64 samples: graphics cards": """
        nn.functional.batch_norm.without_cudnn torch.ops.aten._efficient_attention_forward
        torch.ops.aten._flash_attention_forward
        """,
    "random numbers, of which no two libraries draw the same": """
        bernoulli cauchy exponential geometric log_normal multinomial nn.functional.alpha_dropout
        nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d
        nn.functional.feature_alpha_dropout.with_train
        nn.functional.feature_alpha_dropout.without_train nn.functional.fractional_max_pool2d
        nn.functional.fractional_max_pool3d nn.functional.rrelu normal normal.in_place
        normal.number_mean pca_lowrank rand_like randint randint_like randn randn_like svd_lowrank
        uniform
        """,
    "memory that is not set": """
        empty empty_like empty_permuted empty_strided new_empty new_empty_strided
        """,
    "strides and sizes of memory, which tensors do not have": """
        as_strided as_strided.partial_views as_strided_copy as_strided_scatter resize_ resize_as_
        """,
    "in place": "zero_",
    "the shape of the result depends on values": """
        argwhere nonzero nonzero_static unique unique_consecutive
        """,
    "internals of PyTorch's": """
        _batch_norm_with_update _chunk_cat _native_batch_norm_legit _segment_reduce.lengths
        _segment_reduce.offsets _softmax_backward_data _unsafe_masked_index
        _unsafe_masked_index_put_accumulate bmm.triton_optimized hash_tensor item
        jiterator_2inputs_2outputs jiterator_4inputs_with_extra_args jiterator_binary
        jiterator_binary_return_by_ref jiterator_unary max_pool2d_with_indices_backward
        native_batch_norm native_dropout_backward nn.functional.linear_cross_entropy
        nn.functional.linear_cross_entropy.chunked nn.functional.linear_cross_entropy.chunked_none
        scalar_tensor torch.ops.aten._safe_softmax.default
        """,
    "parts of floats: no derivative": "frexp nextafter signbit",
    "no function of ours: special functions": """
        erfinv i0 igamma igammac polygamma.polygamma_n_0 polygamma.polygamma_n_1
        polygamma.polygamma_n_2 polygamma.polygamma_n_3 polygamma.polygamma_n_4 sinc
        special.airy_ai special.bessel_j0 special.bessel_j1 special.bessel_y0 special.bessel_y1
        special.chebyshev_polynomial_t special.chebyshev_polynomial_u
        special.chebyshev_polynomial_v special.chebyshev_polynomial_w special.erfcx
        special.hermite_polynomial_h special.hermite_polynomial_he special.i0e special.i1
        special.i1e special.laguerre_polynomial_l special.legendre_polynomial_p special.log_ndtr
        special.modified_bessel_i0 special.modified_bessel_i1 special.modified_bessel_k0
        special.modified_bessel_k1 special.ndtri
        special.polygamma.special_polygamma_n_0 special.scaled_modified_bessel_k0
        special.scaled_modified_bessel_k1 special.shifted_chebyshev_polynomial_t
        special.shifted_chebyshev_polynomial_u special.shifted_chebyshev_polynomial_v
        special.shifted_chebyshev_polynomial_w special.spherical_bessel_j0 special.zeta
        """,
    "no function of ours: eigenvalues, singular values and other factors": """
        geqrf linalg.cond linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh
        linalg.householder_product linalg.ldl_factor linalg.ldl_factor_ex linalg.ldl_solve
        linalg.lstsq linalg.lstsq.grad_oriented linalg.lu linalg.lu_factor linalg.lu_factor_ex
        linalg.lu_solve linalg.matrix_rank linalg.matrix_rank.hermitian linalg.pinv
        linalg.pinv.hermitian linalg.pinv.singular linalg.qr linalg.svd linalg.svdvals
        linalg.tensorsolve lu lu_solve lu_unpack matrix_exp norm.nuc ormqr pinverse qr svd
        """,
    "no function of ours: quantiles and running extremes": """
        cummax cummin kthvalue median mode nanmedian nanquantile quantile
        """,
    "no function of ours: writing at positions, other than adding": """
        diagonal_scatter index_copy index_fill index_reduce.amax index_reduce.amin index_reduce.mean
        index_reduce.prod masked_scatter put scatter scatter_reduce.amax scatter_reduce.amin
        scatter_reduce.mean scatter_reduce.prod scatter_reduce.sum select_scatter slice_scatter
        """,
    "no function of ours: histograms and sets": "histc histogram histogramdd isin",
    "no function of ours: resizing to any size": """
        _upsample_bilinear2d_aa grid_sampler_2d grid_sampler_3d nn.functional.grid_sample
        nn.functional.interpolate.area nn.functional.interpolate.bicubic
        nn.functional.interpolate.bilinear nn.functional.interpolate.linear
        nn.functional.interpolate.nearest nn.functional.interpolate.nearest-exact
        nn.functional.interpolate.trilinear nn.functional.upsample_bilinear
        nn.functional.upsample_nearest
        """,
    "no function of ours: padding with something else than a constant": """
        nn.functional.pad.circular nn.functional.pad.reflect nn.functional.pad.replicate
        nn.functional.pad.replicate_negative
        """,
    "no function of ours: undoing of a pooling": """
        nn.functional.max_unpool1d nn.functional.max_unpool1d.grad nn.functional.max_unpool2d
        nn.functional.max_unpool2d.grad nn.functional.max_unpool3d nn.functional.max_unpool3d.grad
        """,
    "no function of ours: these losses": """
        nn.functional.ctc_loss nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss
        nn.functional.multilabel_soft_margin_loss
        """,
    "a layer of ours, compared as a layer": """
        nn.functional.embedding_bag nn.functional.multi_head_attention_forward
        """,
    "no function of ours: rarely used": """
        combinations gradient logspace logspace.tensor_overload
        renorm round.decimals_3 round.decimals_neg_3
        signal.windows.bartlett signal.windows.blackman signal.windows.cosine
        signal.windows.exponential signal.windows.gaussian signal.windows.general_cosine
        signal.windows.general_hamming signal.windows.hamming signal.windows.hann
        signal.windows.kaiser signal.windows.nuttall
        """,
    "reductions with a mask: where chooses first, and the reduction is the same": """
        masked.amax masked.amin masked.argmax masked.argmin masked.cumprod masked.cumsum
        masked.log_softmax masked.logaddexp masked.logsumexp masked.mean masked.median
        masked.norm masked.normalize masked.prod masked.softmax masked.softmin masked.std
        masked.sum masked.var
        """,
}
ABSENT: dict[str, str] = {
    name: reason for reason, names in REASONS.items() for name in names.split()
}
