"""The public names and where they live: for type checkers, and for `__init__.py`."""

from chainrule.compiler import errors as errors
from chainrule.compiler.errors import ChainruleError as ChainruleError
from chainrule.frontend import (
    activations as activations,
    initializers as initializers,
    losses as losses,
    metrics as metrics,
    neurons as neurons,
    optimizers as optimizers,
    regularizers as regularizers,
)
from chainrule.frontend.activations import (
    elu as elu,
    gelu as gelu,
    hard_sigmoid as hard_sigmoid,
    leaky_relu as leaky_relu,
    linear as linear,
    mish as mish,
    selu as selu,
    silu as silu,
    softsign as softsign,
)
from chainrule.frontend.derivatives.custom import (
    custom_gradient as custom_gradient,
    straight_through as straight_through,
)
from chainrule.frontend.derivatives.gradients import (
    grad as grad,
    hvp as hvp,
    jvp as jvp,
    vjp as vjp,
)
from chainrule.frontend.derivatives.implicit import (
    argmin as argmin,
    fixed_point as fixed_point,
    root as root,
)
from chainrule.frontend.derivatives.matrices import (
    gauss_newton_vp as gauss_newton_vp,
    hessian as hessian,
    hessian_diagonal as hessian_diagonal,
    jacobian as jacobian,
    laplacian as laplacian,
)
from chainrule.frontend.derivatives.series import taylor as taylor
from chainrule.frontend.derivatives.sparse import SparseMatrix as SparseMatrix
from chainrule.frontend.formula import (
    PerInput as PerInput,
    Scalar as Scalar,
    State as State,
    Step as Step,
    activation as activation,
    loss as loss,
    metric as metric,
    neuron as neuron,
    optimizer as optimizer,
    regularizer as regularizer,
)
from chainrule.frontend.formulas.signature import PerUnit as PerUnit
from chainrule.frontend.functions import linalg as linalg, random as random
from chainrule.frontend.functions.arranging import (
    broadcast_arrays as broadcast_arrays,
    diff as diff,
    meshgrid as meshgrid,
    moveaxis as moveaxis,
    repeat as repeat,
    tile as tile,
    unstack as unstack,
)
from chainrule.frontend.functions.attention import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from chainrule.frontend.functions.control import (
    cond as cond,
    map as map,
    while_loop as while_loop,
)
from chainrule.frontend.functions.convolution import (
    average_pool as average_pool,
    conv as conv,
    conv_transpose as conv_transpose,
    max_pool as max_pool,
    windows as windows,
)
from chainrule.frontend.functions.creation import (
    arange as arange,
    asarray as asarray,
    eye as eye,
    full as full,
    full_like as full_like,
    linspace as linspace,
    ones as ones,
    ones_like as ones_like,
    zeros as zeros,
    zeros_like as zeros_like,
)
from chainrule.frontend.functions.elementwise import (
    abs as abs,
    acos as acos,
    acosh as acosh,
    add as add,
    asin as asin,
    asinh as asinh,
    astype as astype,
    atan as atan,
    atan2 as atan2,
    atanh as atanh,
    ceil as ceil,
    clip as clip,
    copysign as copysign,
    cos as cos,
    cosh as cosh,
    digamma as digamma,
    divide as divide,
    equal as equal,
    erf as erf,
    erfc as erfc,
    exp as exp,
    expm1 as expm1,
    floor as floor,
    floor_divide as floor_divide,
    greater as greater,
    greater_equal as greater_equal,
    hypot as hypot,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    less as less,
    less_equal as less_equal,
    lgamma as lgamma,
    log as log,
    log1p as log1p,
    log2 as log2,
    log10 as log10,
    logaddexp as logaddexp,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    maximum as maximum,
    minimum as minimum,
    multiply as multiply,
    negative as negative,
    not_equal as not_equal,
    positive as positive,
    pow as pow,
    reciprocal as reciprocal,
    relu as relu,
    remainder as remainder,
    round as round,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    sinh as sinh,
    softplus as softplus,
    sqrt as sqrt,
    square as square,
    stop_gradient as stop_gradient,
    subtract as subtract,
    tan as tan,
    tanh as tanh,
    trunc as trunc,
    where as where,
)
from chainrule.frontend.functions.gathering import (
    scatter_add as scatter_add,
    segment_sum as segment_sum,
)
from chainrule.frontend.functions.indexing import (
    one_hot as one_hot,
    take as take,
    take_along_axis as take_along_axis,
)
from chainrule.frontend.functions.linear import (
    einsum as einsum,
    matmul as matmul,
    matrix_transpose as matrix_transpose,
    tensordot as tensordot,
    vecdot as vecdot,
)
from chainrule.frontend.functions.loops import scan as scan
from chainrule.frontend.functions.ordering import (
    argsort as argsort,
    interp as interp,
    searchsorted as searchsorted,
    sort as sort,
    top_k as top_k,
)
from chainrule.frontend.functions.reductions import (
    all as all,
    any as any,
    argmax as argmax,
    count_nonzero as count_nonzero,
    cumulative_logsumexp as cumulative_logsumexp,
    cumulative_prod as cumulative_prod,
    cumulative_sum as cumulative_sum,
    max as max,
    min as min,
    prod as prod,
    sum as sum,
)
from chainrule.frontend.functions.shaping import (
    broadcast_to as broadcast_to,
    concat as concat,
    expand_dims as expand_dims,
    flip as flip,
    pad as pad,
    permute_dims as permute_dims,
    reshape as reshape,
    roll as roll,
    squeeze as squeeze,
    stack as stack,
    tril as tril,
    triu as triu,
)
from chainrule.frontend.functions.statistics import (
    log_softmax as log_softmax,
    logsumexp as logsumexp,
    mean as mean,
    softmax as softmax,
    std as std,
    var as var,
    vector_norm as vector_norm,
)
from chainrule.frontend.layers import (
    GRU as GRU,
    LSTM as LSTM,
    RNN as RNN,
    Activation as Activation,
    Add as Add,
    AlphaDropout as AlphaDropout,
    AveragePooling1D as AveragePooling1D,
    AveragePooling2D as AveragePooling2D,
    AveragePooling3D as AveragePooling3D,
    BaseLayer as BaseLayer,
    BatchNormalization as BatchNormalization,
    Bidirectional as Bidirectional,
    Concatenate as Concatenate,
    Conv1D as Conv1D,
    Conv1DTranspose as Conv1DTranspose,
    Conv2D as Conv2D,
    Conv2DTranspose as Conv2DTranspose,
    Conv3D as Conv3D,
    Conv3DTranspose as Conv3DTranspose,
    Cropping1D as Cropping1D,
    Cropping2D as Cropping2D,
    Dense as Dense,
    DepthwiseConv1D as DepthwiseConv1D,
    DepthwiseConv2D as DepthwiseConv2D,
    Dropout as Dropout,
    Embedding as Embedding,
    EmbeddingBag as EmbeddingBag,
    Flatten as Flatten,
    GaussianDropout as GaussianDropout,
    GaussianNoise as GaussianNoise,
    GlobalAveragePooling1D as GlobalAveragePooling1D,
    GlobalAveragePooling2D as GlobalAveragePooling2D,
    GlobalAveragePooling3D as GlobalAveragePooling3D,
    GlobalMaxPooling1D as GlobalMaxPooling1D,
    GlobalMaxPooling2D as GlobalMaxPooling2D,
    GlobalMaxPooling3D as GlobalMaxPooling3D,
    GroupNormalization as GroupNormalization,
    Input as Input,
    InstanceNormalization as InstanceNormalization,
    Layer as Layer,
    LayerNormalization as LayerNormalization,
    MaxPooling1D as MaxPooling1D,
    MaxPooling2D as MaxPooling2D,
    MaxPooling3D as MaxPooling3D,
    MultiHeadAttention as MultiHeadAttention,
    Multiply as Multiply,
    PositionEmbedding as PositionEmbedding,
    Reshape as Reshape,
    RMSNormalization as RMSNormalization,
    SeparableConv1D as SeparableConv1D,
    SeparableConv2D as SeparableConv2D,
    SimpleRNN as SimpleRNN,
    SinePositionEncoding as SinePositionEncoding,
    SpatialDropout1D as SpatialDropout1D,
    SpatialDropout2D as SpatialDropout2D,
    UpSampling1D as UpSampling1D,
    UpSampling2D as UpSampling2D,
    ZeroPadding1D as ZeroPadding1D,
    ZeroPadding2D as ZeroPadding2D,
)
from chainrule.frontend.losses import (
    binary_crossentropy as binary_crossentropy,
    binary_crossentropy_from_logits as binary_crossentropy_from_logits,
    categorical_crossentropy as categorical_crossentropy,
    categorical_crossentropy_from_logits as categorical_crossentropy_from_logits,
    hinge as hinge,
    huber as huber,
    kl_divergence as kl_divergence,
    log_cosh as log_cosh,
    mean_absolute_error as mean_absolute_error,
    mean_squared_error as mean_squared_error,
    poisson as poisson,
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
    sparse_categorical_crossentropy_from_logits as sparse_categorical_crossentropy_from_logits,
)
from chainrule.frontend.metrics import (
    accuracy as accuracy,
    root_mean_squared_error as root_mean_squared_error,
)
from chainrule.frontend.neurons import (
    radial as radial,
    weighted_sum as weighted_sum,
)
from chainrule.frontend.optimizers import (
    SGD as SGD,
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Adam as Adam,
    Adamax as Adamax,
    AdamW as AdamW,
    Lion as Lion,
    Nadam as Nadam,
    RMSprop as RMSprop,
)
from chainrule.frontend.regularizers import (
    L1 as L1,
    L1L2 as L1L2,
    L2 as L2,
)
from chainrule.frontend.tensor import (
    Tensor as Tensor,
    tensor as tensor,
)
from chainrule.runtime.cache import CacheWarning as CacheWarning
from chainrule.runtime.callbacks import Callback as Callback, EarlyStopping as EarlyStopping
from chainrule.runtime.history import History as History
from chainrule.runtime.threads import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
)

from . import datasets as datasets
from ._function import (
    function as function,
)
from .model import Model as Model, Sequential as Sequential
from .saving import load_model as load_model
from .sweep import Sweep as Sweep

__version__: str
