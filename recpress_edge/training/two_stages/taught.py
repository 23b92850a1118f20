"""What a teacher that reads sequences says of the candidates."""

from typing import Final

import numpy as np
import torch

from recpress_edge.core.arrays import F32
from recpress_edge.models.outputs import StoredNetwork
from recpress_edge.models.sequences.sasrec import SASRec
from recpress_edge.models.two_stages.lists import CandidateLists
from recpress_edge.training.two_stages.candidates import Moments, runs_of

TEACHER_USERS: Final = 64
"""Users read together."""


@torch.inference_mode()
def taught_scores(teacher: StoredNetwork, moments: Moments, lists: CandidateLists) -> F32:
    """The teacher's scores of the candidates (N, C), each after what had been consumed before.

    One pass a user: the last items are read up to the last moment, so that earlier ones see fewer of them.
    """
    network = SASRec.stored(teacher)
    table, start = network.item_emb[:-1], len(network.item_emb) - 1
    found = np.empty(lists.items.shape, np.float32)
    runs = sorted(runs_of(moments.users), key=lambda run: moments.ends[run[2] - 1] - moments.starts[run[1]])
    for block in range(0, len(runs), TEACHER_USERS):
        part = runs[block : block + TEACHER_USERS]
        firsts = [_window(moments, run, network.length) for run in part]
        width = max(int(moments.ends[run[2] - 1]) - first for run, first in zip(part, firsts, strict=True))
        tokens = np.full((len(part), width + 1), start, np.int64)
        for row, (run, first) in enumerate(zip(part, firsts, strict=True)):
            read = moments.history[first : moments.ends[run[2] - 1]]
            tokens[row, 1 : 1 + read.size] = read
        states = network.hidden(torch.from_numpy(tokens))
        for row, (run, first) in enumerate(zip(part, firsts, strict=True)):
            at = slice(run[1], run[2])
            own = states[row, torch.from_numpy(moments.ends[at] - first)]  # (n, d)
            rows = table[torch.from_numpy(lists.items[at].astype(np.int64))]  # (n, C, d)
            found[at] = torch.einsum("nd,ncd->nc", own, rows).numpy()
    return found


def _window(moments: Moments, run: tuple[int, int, int], length: int) -> int:
    """Where what the teacher reads of a user begins: its last ``length`` − 1 items."""
    return max(int(moments.starts[run[1]]), int(moments.ends[run[2] - 1]) - (length - 1))
