"""Randomness is passed in: one named stream per purpose, so adding one never shifts another."""

import numpy as np


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A generator that depends only on the seed, its purpose and an index such as the epoch.

    Stateless on purpose: a run that resumes at epoch 40 asks for ``stream(seed, "negatives", 40)``
    and draws what an uninterrupted run would have drawn, with no generator state to store.
    """
    key = (len(purpose), *purpose.encode(), *index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def torch_seed(seed: int, purpose: str, *index: int) -> int:
    """A 63-bit seed for a torch generator, drawn from the stream of the same name."""
    return int(stream(seed, purpose, *index).integers(2**63 - 1))
