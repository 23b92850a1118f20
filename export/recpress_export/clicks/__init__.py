"""Click models as bundles: the folded graph, its self-test and its gate."""
