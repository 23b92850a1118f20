"""What a NeuMF answers, in numpy and float64: slow, obvious, without torch and without any folding."""

import numpy as np

from recpress_edge.device.query import Query
from recpress_export.networks.student import NetworkStudent
from recpress_export.reference import Reference, Scores


def neumf_reference(student: NetworkStudent) -> Reference:
    """score(u, i) = w · [g_u ∘ g_i ; MLP([m_u ; m_i])] + b, for every user of the log."""
    p = {name: array.astype(np.float64) for name, array in student.arrays.items()}
    dim = p["item_gmf"].shape[1]

    def scores_of(asked: Query) -> Scores:
        user = asked.user
        of_user = np.broadcast_to(p["user_mlp"][user], p["item_mlp"].shape)
        pairs = np.hstack([of_user, p["item_mlp"]])  # (I, 4d)
        first = np.maximum(pairs @ p["hidden1_weight"].T + p["hidden1_bias"], 0.0)
        second = np.maximum(first @ p["hidden2_weight"].T + p["hidden2_bias"], 0.0)
        by_product = (p["user_gmf"][user] * p["item_gmf"]) @ p["output_weight"][:dim]
        return by_product + second @ p["output_weight"][dim:] + p["output_bias"], np.float32(1)

    return Reference(student.n_users, student.n_items, scores_of)
