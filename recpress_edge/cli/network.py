"""recpress-edge export of a student that is a network: what differs from two tables."""

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from recpress_edge.cli.export import Request
    from recpress_edge.data.interactions import Dataset
    from recpress_export.package import Exported


def network_export(
    request: "Request", args: argparse.Namespace, data: "Dataset", folder: Path
) -> "Callable[..., Exported]":
    """What writes and checks the bundle of a trained network, given all but its source."""
    from recpress_edge.cli.source import source_facts
    from recpress_edge.training.run import use_compute
    from recpress_export.networks.student import read_network
    from recpress_export.student import NetworkSource
    from recpress_export.subjects.network import export_network

    use_compute("cpu", args.threads)
    student = read_network(folder)
    source = NetworkSource(student=student, **source_facts(request, data, folder, student.facts))
    return functools.partial(export_network, source)
