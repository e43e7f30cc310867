"""The numpy target: one readable statement a node, the meaning of the graph."""
