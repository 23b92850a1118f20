"""New items in a bundle, without training: from interactions, similar items or features."""
