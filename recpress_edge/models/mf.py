"""Two embedding tables whose product is the score: the one torch module every model shares."""

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.core.rng import stream
from recpress_edge.models.method import Job


class MF(nn.Module):
    """Matrix factorisation: score(u, i) = user_emb[u] · item_emb[i].

    user_emb (U, D), item_emb (I, D), float32, drawn from N(0, init_std²) by the stream "init" of the seed.
    """

    def __init__(self, n_users: int, n_items: int, dim: int, seed: int, init_std: float) -> None:
        super().__init__()
        rng = stream(seed, "init")
        # Drawn by numpy, not torch, so that a model starts from the same numbers on CPU and CUDA.
        self.user_emb = nn.Parameter(_normal(rng, (n_users, dim), init_std))
        self.item_emb = nn.Parameter(_normal(rng, (n_items, dim), init_std))


def first_tables(job: Job, init_std: float) -> MF:
    """The tables a job begins with, on its device: those it is given, else drawn ones."""
    mf = MF(job.train.n_users, job.train.n_items, job.dim, job.seed, init_std)
    if job.start is not None:
        with torch.no_grad():
            mf.user_emb.copy_(torch.from_numpy(job.start.user_emb))
            mf.item_emb.copy_(torch.from_numpy(job.start.item_emb))
    return mf.to(job.device)


def _normal(rng: np.random.Generator, shape: tuple[int, int], std: float) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) * np.float32(std))
