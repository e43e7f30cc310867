"""Layers: functions of tensors that own parameters."""

from .base import BaseLayer
from .core import Activation, Add, Concatenate, Dropout, Flatten, Input, Multiply, Reshape
from .dense import Dense, Layer

__all__ = [
    "Activation",
    "Add",
    "BaseLayer",
    "Concatenate",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "Multiply",
    "Reshape",
]
