"""The operations: a row or a small class each, with shape, gradient and reference."""
