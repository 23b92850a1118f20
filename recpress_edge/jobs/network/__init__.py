"""A network of another program as a model folder: an ONNX file, or a torch module of the user's own code."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.core.files import check_there, sha256_file
from recpress_edge.core.progress import Note, OnEvent, silent
from recpress_edge.data.holdout import Split, holdout, sequence_holdout
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.vectors.arrays import parted
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.network.places import PlaceFlags, check_columns, places_of
from recpress_edge.jobs.network.record import NetworkSource
from recpress_edge.training.store import TrainedModel
from recpress_export.networks.order import check_order, check_side
from recpress_export.networks.outside import Asked, open_onnx
from recpress_export.networks.soundness import (
    Trials,
    agreement,
    check_batches,
    check_finite,
    check_padding,
    check_reads,
    check_repeats,
)
from recpress_export.networks.source_file import self_contained, tried_apart
from recpress_export.networks.wiring import ROLES, SCORES, VECTOR, Empty, Pad, Wiring, feed, parse_pairs
from recpress_export.onnx.network import TRACED, opset_of

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class NetworkImportResult:
    """A model folder, and what was found in the network."""

    model: TrainedModel

    def checks(self) -> list[str]:
        """What was checked, in words."""
        found = self.model.metadata["imported"]["checks"]
        traced = found["traced"]
        lines = [
            "scores are finite; no neighbouring order of the ids and no other padding finds far more",
            "a history scores the same at every place of a batch"
            if found["batches"]
            else "one request at a time is taken: places of a batch were not compared",
            {
                "unread": "padding is not read",
                "counts": "padding may be read (--padding-counts)",
                "none": "nothing is padded",
                "unknown": "no table of tokens was found: whether padding is read was not checked",
            }[found["padding"]],
        ]
        if traced:
            lines.append(
                f"of {traced['users']} users {traced['same_lists']} get the module's first ten from the "
                f"traced network; scores differ by {traced['largest_difference']:.1g} of the largest at most"
            )
        return lines

    def against_popular(self) -> tuple[str, float, float] | None:
        """The metric that judges, of the network and of the most popular items; None: it says nothing."""
        known = self.model.metadata
        split = "valid" if "valid" in known["metrics"] else "test"
        metric = f"recall@{known['cutoff']}"
        found = known["metrics"][split][metric], known["imported"]["popular"][split][metric]
        return None if None in found else (f"{split} {metric}", *found)

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        known = self.model.metadata
        return {
            "model": str(self.model.folder),
            **{key: known[key] for key in ("name", "dim", "sha256", "metrics", "architecture", "imported")},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkImportRequest:
    """``recpress-edge model wrap``: a network that scores items after a history, or for a user."""

    name: str
    item_ids: Path
    """The items in the network's order, or id -> place as a .json object."""
    onnx: Path | None = None
    module: str | None = None
    """``FILE.py:FUNCTION`` that returns a torch module; the file's code is run."""
    weights: Path | None = None
    """Parameters of the module, .safetensors."""
    input: tuple[str, ...] = ()
    """``ROLE=NAME`` of each input: history, length, mask, user."""
    output: str = SCORES
    """``scores=NAME`` or ``vector=NAME``; without a name the only output."""
    items: str | None = None
    """FILE or FILE:NAME of the item table, of a network that gives a vector."""
    item_offset: int = 0
    """Place of the first id in the network: 1 where 0 is padding."""
    output_offset: int | None = None
    """Score of the first id; None: as ``item_offset``."""
    user_ids: Path | None = None
    user_offset: int = 0
    history_length: int | None = None
    pad: Pad | None = None
    pad_value: int = 0
    start_token: int | None = None
    end_token: int | None = None
    empty: Empty = "popular"
    padding_counts: bool = False
    """Whether a network that reads its padding is taken all the same."""
    data: str = "synthetic"
    threads: int = 1
    work: Path = Path()

    def run(self, on_event: OnEvent = silent) -> NetworkImportResult:
        """Read, check, evaluate and write; ConfigError, DataError or ArtifactError where it is not sound."""
        self._check()
        data = load_data(self.data, self.work, on_event)
        source = self._onnx_source(data) if self.onnx else self._module_source(data, on_event)
        wiring, places = source.asked.wiring, source.asked.places
        unnamed = check_columns(places, source.n_columns, self._place_flags(), self._bare_padding(wiring))
        imported = {
            **source.facts,
            "offsets": [self.item_offset, self.output_offset, self.user_offset],
            "items_unknown": int(places.unknown.size),
            "items_left_out": source.left_out,
            "scores_without_id": unnamed,
            "checks": self._examined(source, data, on_event),
            "files": {name: sha256_file(path) for name, path in self._files().items()},
        }
        on_event(Note(f"ranking    {data.n_users:,} users"))
        from recpress_edge.jobs.network.record import RecordRequest, save_network  # torch

        record = RecordRequest(self.name, self.work, self.threads)
        return NetworkImportResult(save_network(record, source, data, imported))

    def _files(self) -> dict[str, Path]:
        """The files that were read, by their part."""
        given = {
            "network": self.onnx,
            "module": Path(self.module.rpartition(":")[0]) if self.module else None,
            "weights": self.weights,
            "items": parted(self.items)[0] if self.items else None,
            "item_ids": self.item_ids,
            "user_ids": self.user_ids,
        }
        return {name: path for name, path in given.items() if path is not None}

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"--name {self.name!r}: a letter, then letters, digits and _ . -")
        if (self.onnx is None) == (self.module is None):
            raise ConfigError("give the network: --onnx FILE or --module FILE.py:FUNCTION, one of the two")
        for name, value, known in (("pad", self.pad, get_args(Pad)), ("empty", self.empty, get_args(Empty))):
            if value is not None and value not in known:
                raise unknown_name(name, value, known)
        if self.history_length is not None and self.history_length < 1:
            raise ConfigError(f"--history-length {self.history_length}: a network reads one item at least")
        if self.weights is not None and self.module is None:
            raise ConfigError("--weights goes with --module; an ONNX file holds its weights")
        check_there(*self._files().values())

    def _wiring(self, inputs: Mapping[str, str], only_output: str) -> Wiring:
        """As the flags say; a question that they leave open is a ConfigError."""
        gives, _, output = self.output.partition("=")
        if gives not in (SCORES, VECTOR):
            raise ConfigError(f"--output {self.output}: write {SCORES}=NAME or {VECTOR}=NAME")
        of_history = [
            flag
            for flag, value in (
                ("--history-length", self.history_length),
                ("--pad", self.pad),
                ("--start-token", self.start_token),
                ("--end-token", self.end_token),
            )
            if value is not None
        ]
        if ("history" in inputs) == ("user" in inputs):
            raise ConfigError(
                "a network is asked with a history or for a user: --input history=NAME or --input user=NAME"
            )
        if "user" in inputs:
            if of_history or len(inputs) > 1:
                raise ConfigError(
                    f"{', '.join(of_history) or '--input ' + next(r for r in inputs if r != 'user')} is of a "
                    "history, and the network is asked for a user. Leave it out."
                )
        elif self.pad is None:
            raise ConfigError("on which side is a short history filled up? --pad left, right or none")
        return Wiring(
            inputs=inputs,
            output=output or only_output,
            gives=gives,
            history_length=self.history_length or 0,
            pad=self.pad or "none",
            pad_value=self.pad_value,
            start_token=self.start_token,
            end_token=self.end_token,
            empty=self.empty,
        )

    def _onnx_source(self, data: Dataset) -> NetworkSource:
        """An ONNX file, tried in a process of its own before it is opened here."""
        assert self.onnx is not None
        inputs = parse_pairs(self.input, "--input", list(ROLES))
        wiring = self._wiring(inputs, "")
        trial = tried_apart(self.onnx, wiring, self.item_offset)
        wiring = trial.wiring
        places, left_out = places_of(self._place_flags(), wiring, data)
        onnx = self_contained(self.onnx)
        opened = open_onnx(onnx, wiring.output, self.threads)
        asked = Asked(wiring, places, opened.ports, opened.run, _popularity(data))
        facts = {"source": f"ONNX file {self.onnx.name}", **TRACED, "opset": opset_of(onnx)}
        return NetworkSource(asked, onnx, facts, _columns(places.item_table, trial.shape), left_out)

    def _module_source(self, data: Dataset, on_event: OnEvent) -> NetworkSource:
        """A torch module, traced to ONNX; both must answer alike."""
        from recpress_edge.training.run import use_compute  # torch only from here on
        from recpress_export.networks.outside_module import (
            built,
            check_arguments,
            load_weights,
            module_inputs,
            module_ports,
            run_of,
            traced_module,
        )

        assert self.module is not None
        use_compute("cpu", self.threads)
        module = built(self.module)
        if self.weights is not None:
            load_weights(module, self.weights)
        inputs = parse_pairs(self.input, "--input", list(ROLES)) if self.input else module_inputs(module)
        wiring = self._wiring(inputs, "output")
        if "history" in inputs and not wiring.history_length:
            raise ConfigError("how many items does the module read? --history-length N")
        check_arguments(module, wiring)
        places, left_out = places_of(self._place_flags(), wiring, data)
        asked = Asked(wiring, places, module_ports(wiring), run_of(module, wiring), _popularity(data))
        on_event(Note(f"tracing    {self.module}"))
        onnx = traced_module(module, wiring)
        first = places.item_index[places.item_index >= 0][:1]
        shape = asked.run(feed(wiring, asked.ports, [(0, first)])).shape
        name = Path(self.module.rpartition(":")[0]).name
        facts = {"source": f"torch module {name}:{self.module.rpartition(':')[2]}", **TRACED}
        return NetworkSource(asked, onnx, facts, _columns(places.item_table, shape), left_out)

    def _place_flags(self) -> PlaceFlags:
        names = (field.name for field in dataclasses.fields(PlaceFlags))
        return PlaceFlags(**{name: getattr(self, name) for name in names})

    def _bare_padding(self, wiring: Wiring) -> int | None:
        """The padding's value where nothing else tells it from an item."""
        told = {"mask", "length"} & set(wiring.inputs)
        padded = "history" in wiring.inputs and wiring.pad != "none"
        return wiring.pad_value if padded and not told else None

    def _examined(self, source: NetworkSource, data: Dataset, on_event: OnEvent) -> dict[str, Any]:
        """What the checks found; DataError at the first that fails."""
        asked = source.asked
        split: Split = "valid" if len(data.valid) else "test"
        users = sequence_holdout(data, split) if source.of_history else holdout(data, split)
        if not users.users.size:
            raise DataError(f"data set {data.name!r} holds nothing out, so nothing can be checked")
        trials = Trials(users, data.item_ids, data.user_ids)
        on_event(Note(f"checking   by {len(trials.rows(64))} held-out users"))
        check_finite(asked, trials)
        check_repeats(asked, trials)
        check_reads(asked, trials)
        batches = check_batches(asked, trials)
        check_order(asked, trials)
        check_side(asked, trials)
        padding = "counts" if self.padding_counts else check_padding(source.onnx, asked, trials)
        file = open_onnx(source.onnx, asked.wiring.output)
        agreed = dataclasses.asdict(agreement(asked, file, trials)) if self.module else None
        return {"batches": batches, "padding": padding, "traced": agreed}


def _popularity(data: Dataset) -> F32:
    """Train interactions of each item, the answer to an empty history."""
    return data.train.item_counts().astype(np.float32)


def _columns(table: F32 | None, shape: tuple[int, ...]) -> int:
    """Scores that a network gives; ConfigError where its vector does not fit the item table."""
    if table is None:
        return shape[-1]
    if table.shape[1] != shape[-1]:
        raise ConfigError(
            f"the network gives a vector of {shape[-1]} and --items has rows of {table.shape[1]}: their "
            "product is no score"
        )
    return int(table.shape[0])
