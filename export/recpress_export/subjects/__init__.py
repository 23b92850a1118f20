"""What a bundle answers from: one module a profile."""
