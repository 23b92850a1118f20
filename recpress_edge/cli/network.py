"""recpress-edge export of a student that is a network: what differs from two tables."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recpress_edge.cli.export import Request
    from recpress_edge.data.interactions import Dataset
    from recpress_export.subjects.network import Network


def network_subject(request: "Request", args: argparse.Namespace, data: "Dataset", folder: Path) -> "Network":
    """The bundle's subject, of a trained network."""
    import torch

    from recpress_edge.cli.source import source_facts
    from recpress_export.networks.student import read_network
    from recpress_export.student import StudentData
    from recpress_export.subjects.network import traced_network

    torch.set_num_threads(args.threads)
    student = read_network(folder)
    return traced_network(StudentData(model=student, **source_facts(request, data, folder, student.facts)))
