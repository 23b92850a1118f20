"""The bound on how far lists move from one version of a model to the next. No torch here."""

from typing import Final

from recpress_edge.core.errors import GateError
from recpress_edge.training.store import TrainedModel

OVERLAP: Final = "overlap@10"
"""Key of a record: what stays of each user's first ten."""


def check_overlap(model: TrainedModel, least: float) -> None:
    """GateError where the mean overlap with the earlier model is below ``least``; the model stays."""
    begun = model.metadata["from"]
    found = begun[OVERLAP]
    if found["mean"] < least:
        fewer = ", or train for fewer epochs (--epochs)" if "drawn" in begun["users"] else ""
        raise GateError(
            f"{OVERLAP} of {model.name} seed {model.metadata['seed']} with {begun['folder']} is "
            f"{found['mean']:.4f} on average (at most {found['lowest_decile']:.2f} for a tenth of "
            f"{found['users']:,} users), below --min-overlap {least:g}. The model is kept in {model.folder}: "
            f"export it by its folder all the same{fewer}. The next "
            "--from newest goes on from it; to go on from another, give its folder."
        )
