"""The language: tensors, formulas, layers and networks. It knows the compiler and no runtime."""
