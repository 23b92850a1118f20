"""Two stages as one bundle: one graph, its self-test and its gate."""
