"""Layers: functions of tensors that own parameters."""

from .attention import MultiHeadAttention
from .base import BaseLayer
from .core import Activation, Add, Concatenate, Dropout, Flatten, Input, Multiply, Reshape
from .dense import Dense, Layer
from .embedding import Embedding, PositionEmbedding, SinePositionEncoding
from .noise import AlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D
from .normalization import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    RMSNormalization,
)

__all__ = [
    "Activation",
    "Add",
    "AlphaDropout",
    "BaseLayer",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "Input",
    "InstanceNormalization",
    "Layer",
    "LayerNormalization",
    "MultiHeadAttention",
    "Multiply",
    "PositionEmbedding",
    "RMSNormalization",
    "Reshape",
    "SinePositionEncoding",
    "SpatialDropout1D",
    "SpatialDropout2D",
]
