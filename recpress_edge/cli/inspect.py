"""recpress-edge inspect: what a bundle, a model or a record holds. Nothing is executed."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from device_bench.show import record_lines
from recpress_edge.artifacts.bundle import EVALUATION_FILE
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.artifacts.manifest import full_of
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.common import add_common_options, audience, emit, say, table
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.metrics import metric_title, shown_metrics, stated_cutoff
from recpress_edge.core.printable import printable_facts
from recpress_edge.core.registry import named
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import UNKNOWN, format_bytes, format_share
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.inspect import InspectRequest

_GATE_WORDS: Final = "recpress_export.two_stages.quality:gate_words"
"""Named: a board that has no such bundle has not what it imports."""

SCALAR_FACTS = ("created_by", "command", "student", "method", "dim", "seed", "core", "model_sha256")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Contract, tensors, operators, metadata, provenance and digests of a bundle's folder, "
        "a trained model's folder, a .onnx, .tflite or .safetensors file, or a bench record. "
        "Nothing in it is executed."
    )
    add_common_options(parser)
    parser.add_argument("path", type=Path, metavar="BUNDLE|FILE", help="folder or file")
    add_guard_options(parser)
    add_trust_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print what is there. Exit code 0; 1 where it is damaged."""
    facts = InspectRequest(path=args.path, guard=guard_of(args), trust=trust_of(args)).run()
    lines = list(_lines(printable_facts(facts)))  # all first: damage is found before half of it is printed
    for line in lines:
        say(args, line)
    emit(args, facts)
    return 0


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    name = f"   {facts['name']}" if facts.get("name") else ""
    yield f"{facts['kind']:<9}  {facts['path']}{name}"
    if "digest" in facts:
        yield f"sha256     {facts['digest']}"
    yield f"digests    {facts['digests']}"
    if "bytes" in facts:
        yield f"bundle     {format_bytes(facts['bytes'])} in all, of every file that it lists"
        yield from _whole(_lean_lines, facts.get("provenance", facts.get("made_from")), facts["path"])
    if facts["kind"] == "record":
        yield from _whole(record_lines, facts["record"], facts["path"])
        return
    if facts["kind"] == "clicks":
        yield from _whole(_click_lines, facts, facts["path"])
    if facts["kind"] == "two stages":
        yield from _whole(_stage_lines, facts, facts["path"])
    if "contract" in facts:
        yield from _contract_lines(facts["contract"])
    if facts.get("model"):
        yield from _model_lines(facts["model"])
    elif "model_unread" in facts:
        yield f"tensors    not read: {facts['model_unread']}"
    if "provenance" in facts:
        yield from _whole(_provenance_lines, facts["provenance"], facts["path"])
        yield from _whole(_quality_lines, facts["quality"], facts["path"])
        yield from _file_lines(facts["files"])
    if "facts" in facts:
        yield from _whole(_training_lines, facts["facts"], facts["path"])


def _whole(write: Any, value: Any, path: str) -> Sequence[str]:
    """The lines of one part; a part that lacks what its schema promises is a damaged file."""
    try:
        return list(write(value))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise ArtifactError(f"{path} is not whole: {type(error).__name__} {error}") from None


def _lean_lines(provenance: Mapping[str, Any]) -> Iterator[str]:
    """Of a lean bundle, what it was stripped from."""
    if (full := full_of(provenance)) is not None:
        size = format_bytes(full.total_bytes)
        yield hanging("lean", f"stripped from {full.name}, {size} with the proof: sha256 {full.digest}")
        left_out = ", ".join(full.left_out)
        yield hanging("left out", f"{left_out}, all but a few of {full.queries} self-test questions")


def _contract_lines(contract: Mapping[str, Any]) -> Iterator[str]:
    exact = "exact" if contract["exact"] else f"scores within {contract['score_tolerance']:.3g}"
    yield (
        f"contract   {contract['format']} · {contract['recipe']} · {contract['profile']} · "
        f"{audience(contract['n_users'])} × {contract['n_items']:,} items × {contract['dim']} · {exact}"
    )
    if contract["retired"]:
        yield f"retired    {len(contract['retired']):,} items keep their index and are never recommended"
    yield f"ties       {contract['tie_rule']}"
    if contract["scores"]:
        yield f"scores     {contract['scores']}: they order one user's items, and nobody should be shown them"


def _click_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    contract, clicks = facts["features"], facts["clicks"]
    yield (
        f"contract   {contract['format']} · {contract['recipe']} · {contract['profile']} · "
        f"{contract['n_items']:,} items × {contract['dim']} · scores within {contract['score_tolerance']:.3g}"
    )
    yield table(
        ("field", "side", "kind", "rows", "missing", "unknown"),
        [
            [str(one[key]) for key in ("name", "side", "kind", "size", "missing", "unknown")]
            for one in contract["features"]
        ],
    )
    yield f"folded     {', '.join(contract['folded'])} into a row of each item"
    yield f"self-test  {facts['selftest_questions']} requests"
    yield from _provenance_lines(facts["made_from"])
    for part, title in (("before", "as trained"), ("after", "this file")):
        told = ", ".join(f"{TITLES[name]} {format_share(clicks[part][name])}" for name in CLICK_METRICS)
        yield f"valid      {told}   {title}"
    gate = clicks["gate"]
    yield f"gate       {'met' if gate['met'] else 'NOT MET, overruled: ' + gate['failure']}"


def _stage_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    contract, stages = facts["two_stages"], facts["stages"]
    first = contract["first"]
    yield (
        f"contract   {contract['format']} · {contract['recipe']} · {contract['profile']} · "
        f"{audience(first['n_users'])} × {first['n_items']:,} items × {first['dim']} · "
        f"{contract['candidates']} candidates · exact"
    )
    yield table(
        ("field", "kind", "rows", "from"),
        [
            *([one["name"], "", str(one["rows"]), "the user"] for one in contract["of_users"]),
            *(
                [one["name"], one["kind"], str(one["size"]), one.get("from", "the request")]
                for one in contract["features"]
            ),
        ],
    )
    yield f"folded     {', '.join(contract['folded'])} into a row of each item"
    yield f"ties       {contract['tie_rule']}"
    yield f"self-test  {facts['selftest_questions']} requests"
    yield from _provenance_lines(facts["made_from"])
    for split, gain in stages["gain"].items():
        found = gain["ndcg@10"]
        yield (
            f"{split:<9}  NDCG@10 {format_share(found['first'])} by the first stage, "
            f"{format_share(found['both'])} by both: {found['gain']:+.4f} "
            f"[{found['low']:+.4f}, {found['high']:+.4f}]"
        )
    yield f"gate       {named(_GATE_WORDS)(stages['gate'])}"


def _model_lines(model: Mapping[str, Any]) -> Iterator[str]:
    version = f"   {model['version']}" if model["version"] else ""
    yield f"model      {model['file']}   {format_bytes(model['file_bytes'])}   {model['format']}{version}"
    for label in ("inputs", "outputs"):
        for tensor in model[label]:
            yield f"{label:<9}  {tensor['name']}  {tensor['dtype']} {_shape(tensor['shape'])}"
    yield ""
    cells = [
        (t["name"], t["dtype"], _shape(t["shape"]), f"{t['n_bytes']:,}", format_bytes(t["n_bytes"]))
        for t in model["tensors"]
    ]
    stored = sum(t["n_bytes"] for t in model["tensors"])
    cells.append(("all", "", "", f"{stored:,}", format_bytes(stored)))
    yield table(("tensor", "type", "shape", "bytes", ""), cells)
    yield ""
    if model["operators"]:
        counts = ", ".join(f"{name} {count}" for name, count in model["operators"].items())
        yield f"operators  {sum(model['operators'].values())}: {counts}"
    for key, value in sorted((model["metadata"] or {}).items()):
        yield f"metadata   {key} = {value}"
    for warning in model["warnings"]:
        yield f"warning    {warning}"


def _shape(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _provenance_lines(provenance: Mapping[str, Any]) -> Iterator[str]:
    for key in SCALAR_FACTS:
        if key in provenance:
            yield f"made from  {key} = {provenance[key]}"
    if "teacher" in provenance:
        teacher = provenance["teacher"]
        yield f"made from  teacher = {teacher['name'] if teacher else 'none'}"
    for key, value in provenance.get("dataset", {}).items():
        yield f"made from  dataset {key} = {value}"
    versions = provenance.get("versions", {})
    if versions:
        yield f"made with  {', '.join(f'{name} {number}' for name, number in versions.items())}"
    for number, entry in enumerate(provenance.get("updates", []), start=1):
        yield (
            f"update {number:<3} {entry['appended']:,} appended, {entry['replaced']:,} replaced, "
            f"{entry['retired']:,} retired; before it sha256 {entry['previous'][:16]}…"
        )


def _quality_lines(quality: Mapping[str, Any]) -> Iterator[str]:
    if quality.get("chain"):
        yield from ("", _chain_table(quality["chain"], shown_metrics(stated_cutoff(quality))), "")
    parity = quality.get("parity")
    if parity:
        overlap = ", ".join(f"{name} {found['mean']:.4f}" for name, found in parity["overlap"].items())
        exact = f", {parity['exact_users']:,} users exact" if parity["exact_users"] is not None else ""
        yield f"parity     {parity['users']:,} users against {parity['reference']}: {overlap}{exact}"
        if not parity["change"]:
            yield f"test       {quality['definition']['test']}"
        if parity.get("gate"):
            yield f"gate       {_gate(parity['gate'], parity['cutoff'])}"


def _chain_table(chain: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> str:
    """A line per stage and split."""
    cells = [
        (
            f"{stage['stage']}: {stage['name']}",
            split,
            format_bytes(stage["bytes"]) if stage["bytes"] else UNKNOWN,
            *(format_share((stage[split] or {}).get(metric)) for metric in shown),
        )
        for stage in chain
        for split in ("valid", "test")
    ]
    return table(("stage", "split", "size", *map(metric_title, shown)), cells)


def _gate(gate: Mapping[str, Any], k: int) -> str:
    """What the file had to keep, or by how much it did not."""
    if not gate["met"]:
        return f"NOT MET{', overruled by --force' if gate['overruled'] else ''}: {gate['failure']}"
    losses = (f"{metric_title(m)} {loss:.4f}" for m, loss in gate["allowed_loss"].items())
    told = ", ".join(losses)  # empty where nothing was held out
    return f"met: overlap@{k} at least {gate['min_overlap']:g}" + (f", loss at most {told}" if told else "")


def _file_lines(files: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    cells = [(name, f"{entry['bytes']:,}", entry["sha256"]) for name, entry in files.items()]
    yield ""
    yield table(("file", "bytes", "sha256"), cells)
    if EVALUATION_FILE not in files:
        yield "No evaluation rows: nobody's interactions travel along, so recall cannot be measured."


def _training_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    teacher = facts["teacher"]
    name = teacher["name"] if teacher else "none"
    yield f"trained    {facts['method']}, seed {facts['seed']}, teacher {name}"
    if begun := facts.get("from"):
        yield f"from       {begun['folder']}, sha256 {begun['sha256'][:16]}…"
        for side in ("users", "items"):
            told = (f"{count:,} {how.replace('_', ' ')}" for how, count in begun[side].items() if count)
            yield f"from       {side}: {', '.join(told)}"
        found = begun["overlap@10"]
        mean, decile = format_share(found["mean"]), format_share(found["lowest_decile"])
        yield f"moved      overlap@10 {mean} on average, at most {decile} for a tenth of the users"
    for key, value in facts["dataset"].items():
        yield f"trained    dataset {key} = {value}"
    for split, metrics in facts["metrics"].items():
        yield f"{split:<9}  {', '.join(f'{name} {format_share(value)}' for name, value in metrics.items())}"
