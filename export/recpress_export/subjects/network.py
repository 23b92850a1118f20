"""A network: traced, compared with numpy or with its fp32 file, and self-tested."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.registry import named
from recpress_edge.device.verify import REQUANTISED_SCORE
from recpress_export.exactness import spread_users
from recpress_export.graph import ExcludeSeen, Graph, ReadTokens, RunNetwork, SelectTop, contract_for
from recpress_export.networks.student import NetworkModel
from recpress_export.ranking import Question, Recommends
from recpress_export.selftest import FLOAT_TOLERANCE, made_histories, spread_questions
from recpress_export.student import StudentData, versions_of
from recpress_export.subjects import Encoding, Subject

FLOAT_ERROR: Final = 10 * FLOAT_TOLERANCE
"""Hundreds of float32 operations follow each other: errors of 1e-5 of the largest score were seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Network(Subject[NetworkModel]):
    """A network, once traced for all its recipes."""

    traced: bytes
    """The float32 network as a file of ``data.file_format``."""

    @property
    def profile(self) -> str:
        return self.data.model.row.profile

    @property
    def user_ids(self) -> Sequence[str]:
        return self.data.user_ids if self.data.model.n_users else ()

    @property
    def provenance(self) -> Mapping[str, Any]:
        """How the network got into the file."""
        row, model = FORMATS[self.data.file_format], self.data.model
        if model.row.network:
            return {"network": {"kind": model.kind, "versions": {}, **model.facts["imported"]}}
        facts = named(row.trace_facts) if row.trace_facts else {}
        return {"network": {"kind": model.kind, "versions": versions_of(row.trace_packages), **facts}}

    def encode(self, recipe: Recipe) -> Encoding:
        """An int8 network is compared by its rankings: activations are rounded as they come."""
        model = self.data.model
        contract = network_contract(model, recipe, self.data.file_format)
        plain = recipe.name == "fp32"
        return Encoding(
            graph=network_graph(contract, in_recipe(self.traced, contract), tokens=model.row.tokens),
            reference=named(model.row.reference)(model),
            truth=model.row.truth,
            tolerance=FLOAT_ERROR if plain else REQUANTISED_SCORE,
            error=FLOAT_ERROR if plain else None,
        )

    def rows(self, rows: Evaluation) -> Evaluation:
        return rows if self.data.model.n_users else rows.anonymous()

    def questions(self) -> Sequence[Question]:
        """Users with what the test split masks, or drawn histories."""
        model = self.data.model
        if model.n_users:
            return spread_questions(model.n_users, self.data.test)
        return [(None, items.tolist()) for items in made_histories(model.n_items, in_order=False)]

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        rows = self.rows(self.data.valid)
        return [(rows.user(row), rows.seen(row).tolist()) for row in spread_users(rows.users.size)]


def traced_network(data: StudentData[NetworkModel]) -> Network:
    """The subject of a trained network. torch is loaded here, for networks alone."""
    return Network(data, trace(data.model, data.file_format))


def trace(model: NetworkModel, file_format: str) -> bytes:
    """The float32 network as a file of its own."""
    traced: bytes = named(model.row.network or FORMATS[file_format].trace)(model)
    return traced


def in_recipe(traced: bytes, contract: Contract) -> bytes:
    """The traced network as the contract's recipe stores it."""
    if contract.recipe == "fp32":
        return traced
    rounded: bytes = named(FORMATS[contract.format].trace_int8)(traced)
    return rounded


def network_contract(model: NetworkModel, recipe: Recipe, file_format: str) -> Contract:
    """What the file takes: a user where the network knows its users, else a history in its order."""
    profile = model.row.profile
    return dataclasses.replace(
        contract_for(recipe, file_format, n_users=model.n_users, n_items=model.n_items, dim=model.dim),
        profile=profile,
        user_input="" if profile == HISTORY else "user",
        history_length=model.items_read,
        retired=model.retired,
    )


def network_graph(contract: Contract, network: bytes, *, tokens: bool = True) -> Graph:
    """The request: history or user -> the network -> exclusion and top-K, as for any student.

    ``tokens``: whether a network of histories reads a start token first.
    """
    length = contract.history_length if tokens else 0
    read = (ReadTokens(contract.n_items, length + 1),) if length else ()
    return Graph(contract, (*read, RunNetwork(network), ExcludeSeen(-np.inf, contract.retired), SelectTop()))
