"""recpress-edge export of a student that is a network: what differs from two tables."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recpress_edge.cli.common import progress

if TYPE_CHECKING:
    from recpress_edge.cli.export import Request
    from recpress_edge.data.interactions import Dataset
    from recpress_export.package import Exported


def export_network_student(
    request: "Request", args: argparse.Namespace, data: "Dataset", folder: Path
) -> "Exported":
    """Write and check the bundle of a trained network. GateError when parity is below the gate."""
    import torch

    from recpress_edge.cli.source import source_facts
    from recpress_export.network_bundle import export_network
    from recpress_export.network_student import read_network
    from recpress_export.parity import load_gate
    from recpress_export.source import NetworkSource

    torch.set_num_threads(args.threads)
    student = read_network(folder)
    source = NetworkSource(student=student, **source_facts(request, data, folder, student.facts))
    with progress(args, "parity") as update:
        return export_network(
            source,
            request.recipe,
            request.target,
            gate=load_gate(request.recipe.name),
            force=request.force,
            update=update,
        )
