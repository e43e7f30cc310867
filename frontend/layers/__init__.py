"""Layers: neurons replicated side by side, and what joins them."""
