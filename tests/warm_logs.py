"""A log in two states, and models on it, for tests of warm starts."""

import dataclasses

import numpy as np
from small_data import dataset, two_tastes

from recpress_edge.data.interactions import Interactions
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.store import save_dataset
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import parse_name
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions

BEFORE = two_tastes(60, 80)
SHORT = {"epochs": 4, "evaluate_every": 2}


def grown():
    """Users and items in another order, six users more and four items more: the last of each with nobody."""
    users = [*reversed(range(60)), *range(60, 66)]
    items = [*range(80, 84), *range(80)]
    place_u, place_i = (np.argsort(order) for order in (users, items))

    def part(old: Interactions, more: list[tuple[int, int]]) -> Interactions:
        pairs = np.array([*zip(old.users(), old.indices, strict=True), *more])
        return Interactions.from_pairs(place_u[pairs[:, 0]], place_i[pairs[:, 1]], 66, 84)

    # User 60 + n is of taste n % 2; item 80 + n likewise, but for 83, whom nobody was with.
    more = [(60 + n, (n % 2) * 40 + at) for n in range(5) for at in range(5)]
    more += [(user, 80 + user % 2) for user in range(40)] + [(60, 82)]
    data = dataset(part(BEFORE.train, more), part(BEFORE.valid, []), part(BEFORE.test, []), "two-tastes")
    names = tuple(f"{user}" for user in users), tuple(f"{item}" for item in items)
    return dataclasses.replace(data, user_ids=names[0], item_ids=names[1])


AFTER = grown()


def made(name, data, work, earlier=None, **more):
    options = TrainOptions(earlier=earlier and str(earlier), **more)
    return ensure_model(ModelRequest(name=name, role="student", options=options), data, work, lambda _: None)


def first(name, work, teacher=None):
    training = {} if METHODS[parse_name(name).method].closed_form else {"epochs": 12}
    return made(name, BEFORE, work, training=training, teacher=teacher)


def save_dataset_of(data, work):
    """Stored under one name, whatever was there."""
    save_dataset(Prepared(dataclasses.replace(data, name="mine"), {}), work, force=True)
