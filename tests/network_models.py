"""Small networks for the export tests: random parameters, of the sizes that their kind wants."""

from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.cell import Cell
from recpress_edge.artifacts.model_folder import NETWORK_PREFIX, write_model
from recpress_edge.core.rng import stream
from recpress_export.networks.cells import cell_shapes
from recpress_export.networks.student import NetworkStudent, read_network

N_USERS, N_ITEMS, DIM, LENGTH = 20, 60, 8, 10
CELLS = 2
ARCHITECTURES = {"sasrec": {"heads": 2}, "bert4rec": {"heads": 2}, "lrh": {"history_length": 4}}


def neumf_arrays(seed: int = 0, n_users: int = N_USERS, n_items: int = N_ITEMS) -> dict[str, np.ndarray]:
    shapes = {
        "user_gmf": (n_users, DIM),
        "item_gmf": (n_items, DIM),
        "user_mlp": (n_users, 2 * DIM),
        "item_mlp": (n_items, 2 * DIM),
        "hidden1_weight": (2 * DIM, 4 * DIM),
        "hidden1_bias": (2 * DIM,),
        "hidden2_weight": (DIM, 2 * DIM),
        "hidden2_bias": (DIM,),
        "output_weight": (2 * DIM,),
        "output_bias": (1,),
    }
    return _drawn(shapes, seed)


def sasrec_arrays(seed: int = 0, n_items: int = N_ITEMS, n_layers: int = 2) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "item_emb": (n_items + 1, DIM),
        "position_emb": (LENGTH, DIM),
        "final_gain": (DIM,),
        "final_shift": (DIM,),
    }
    for number in range(n_layers):
        layer = {
            "qkv_weight": (3 * DIM, DIM),
            "mix_weight": (DIM, DIM),
            "up_weight": (2 * DIM, DIM),
            "down_weight": (DIM, 2 * DIM),
            "qkv_bias": (3 * DIM,),
            "mix_bias": (DIM,),
            "up_bias": (2 * DIM,),
            "down_bias": (DIM,),
            "attention_gain": (DIM,),
            "attention_shift": (DIM,),
            "forward_gain": (DIM,),
            "forward_shift": (DIM,),
        }
        shapes |= {f"layers.{number}.{name}": shape for name, shape in layer.items()}
    return _drawn(shapes, seed)


def bert4rec_arrays(seed: int = 0, n_items: int = N_ITEMS) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "head_weight": (DIM, DIM),
        "head_bias": (DIM,),
        "head_gain": (DIM,),
        "head_shift": (DIM,),
        "item_bias": (n_items,),
    }
    return sasrec_arrays(seed, n_items) | _drawn(shapes, seed + 1)


def lrh_arrays(seed: int = 0, n_items: int = N_ITEMS) -> dict[str, np.ndarray]:
    drawn = _drawn({"item_emb": (n_items, DIM), "history_emb": (n_items, DIM), "prior": (DIM,)}, seed)
    return drawn | {"decay": np.linspace(0.1, 0.98, DIM, dtype=np.float32)}


def ae_arrays(seed: int = 0, n_items: int = N_ITEMS) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "item_emb": (n_items, DIM),
        "history_emb": (n_items, DIM),
        "prior": (DIM,),
        "item_bias": (n_items,),
    }
    return _drawn(shapes, seed)


def _drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    rng = stream(seed, "test network")
    return {name: 0.5 * rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def write_network(folder: Path, kind: str, arrays: dict[str, np.ndarray], **facts: Any) -> Path:
    """A model folder as training writes it."""
    known = {
        "name": f"{kind}_dim{DIM}",
        "method": kind,
        "dim": DIM,
        "seed": 0,
        "architecture": {"kind": kind} | ARCHITECTURES.get(kind, {}),
        "dataset": {"name": "toy", "digest": "d" * 64, "protocol": "leave-one-out by time"},
        "teacher": None,
        "metrics": {"valid": {"recall@50": 0.3}, "test": {"recall@50": 0.2}},
    }
    stored = {f"{NETWORK_PREFIX}{name}": array for name, array in arrays.items()}
    write_model(folder, known | facts, stored)
    return folder


def read_neumf(folder: Path, **arrays: np.ndarray) -> NetworkStudent:
    return read_network(write_network(folder, "neumf", neumf_arrays() | arrays))


def read_sasrec(folder: Path, **arrays: np.ndarray) -> NetworkStudent:
    return read_network(write_network(folder, "sasrec", sasrec_arrays() | arrays))


def read_bert4rec(folder: Path, **arrays: np.ndarray) -> NetworkStudent:
    return read_network(write_network(folder, "bert4rec", bert4rec_arrays() | arrays))


def read_lrh(folder: Path, **arrays: np.ndarray) -> NetworkStudent:
    return read_network(write_network(folder, "lrh", lrh_arrays() | arrays))


def adarec_arrays(cell: str = "conv3+skip+max3", seed: int = 0, nodes: int = 2) -> dict[str, np.ndarray]:
    """Of two cells of two nodes."""
    shapes: dict[str, tuple[int, ...]] = {
        "item_emb": (N_ITEMS + 1, DIM),
        "final_gain": (DIM,),
        "final_shift": (DIM,),
    }
    letters = {"d": DIM, "L": LENGTH, "K": nodes}
    architecture = {"operations": cell.split("+"), "nodes": nodes, "cells": CELLS}
    for name, axes in cell_shapes(architecture).items():
        shapes[name] = tuple(letters.get(axis) or DIM * int(axis[:-1]) for axis in axes)
    return _drawn(shapes, seed)


def adarec_architecture(cell: str = "conv3+skip+max3", nodes: int = 2) -> dict[str, Any]:
    known = Cell.named(cell, nodes, CELLS)
    return {"kind": "adarec", **known.facts(), "history_length": known.items_read(LENGTH) + 1}


def read_adarec(folder: Path, cell: str = "conv3+skip+max3") -> NetworkStudent:
    facts = {"architecture": adarec_architecture(cell)}
    return read_network(write_network(folder, "adarec", adarec_arrays(cell), **facts))


def read_ae(folder: Path, **arrays: np.ndarray) -> NetworkStudent:
    return read_network(write_network(folder, "ae", ae_arrays() | arrays))
