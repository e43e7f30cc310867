"""The cpu device: native code, its threads and its buffers."""
