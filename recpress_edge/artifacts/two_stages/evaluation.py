"""evaluation.npz of a two-stage bundle: test requests with what was taken, on which a device measures it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.artifacts.clicks.fields import NO_VALUE
from recpress_edge.artifacts.evaluation import Evaluation, read_evaluation
from recpress_edge.artifacts.manifest import EVALUATION_FILE
from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.core.arrays import I32
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.npz import plain_npz_bytes, read_integers

_ROWS: Final = "rows"


@dataclass(frozen=True, slots=True, eq=False)
class StageEvaluation:
    """Requests of test users (B,), and what each took."""

    asked: Evaluation
    rows: I32
    """What each states, as rows of the fields' tables (B, W)."""

    def to_bytes(self) -> bytes:
        """The file's content."""
        arrays = {field.name: getattr(self.asked, field.name) for field in fields(Evaluation)}
        return plain_npz_bytes({**arrays, _ROWS: self.rows.astype(np.int32).ravel()})


def read_staged_rows(folder: Path, contract: TwoStageContract) -> StageEvaluation:
    """The rows of a bundle; ArtifactError where they do not fit each other or its contract."""
    where = folder / EVALUATION_FILE
    asked = read_evaluation(folder, contract.first)
    flat, width = read_integers(where, (_ROWS,))[_ROWS], contract.width
    if not asked.users.size or flat.size != asked.users.size * width:
        raise ArtifactError(
            f"{where}: {flat.size} row numbers do not fit {asked.users.size} users and {width} columns",
            fault="content",
        )
    rows = flat.reshape(asked.users.size, width)
    most = np.repeat([field.size for field in contract.fields], [field.width for field in contract.fields])
    spare = [field.kind == "many" and place > 0 for field in contract.fields for place in range(field.width)]
    least = np.where(spare, NO_VALUE, 0)  # the first place of a field always has a row
    if ((rows < least) | (rows >= most)).any():
        raise ArtifactError(f"{where}: a row is outside its field's table", fault="range")
    if (np.diff(asked.relevant_indptr) == 0).any():
        raise ArtifactError(f"{where}: a user took nothing", fault="content")
    return StageEvaluation(asked, rows.astype(np.int32))
