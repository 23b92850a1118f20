"""The second of two stages: a DeepFM that ranks again what a retriever found."""
