"""The runtime: devices, the cache, training, and files. It knows the programs and no formula."""
