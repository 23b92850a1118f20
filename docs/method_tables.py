"""The tables of docs/methods.md: a study's protocol, command, figures, goals and differences."""

from functools import partial
from typing import Any

import single_teacher

from recpress_edge.studies import de_rrd, frappe, gowalla, hetcomp, ml100k_ctr, sequences
from recpress_edge.studies.models import mean_text
from recpress_edge.studies.outcome import Outcome, by_name
from recpress_edge.studies.study import Study


def markdown(headers: list[str], rows: list[list[str]]) -> str:
    """A table, names to the left and numbers to the right."""
    line = ["---" if index == 0 else "---:" for index in range(len(headers))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, line, *rows))


def _reached(verdict: dict[str, Any]) -> str:
    return "reached" if verdict["holds"] else "**not reached**"


def verdict_lines(result: dict[str, Any]) -> str:
    """Every goal with its evidence, reached or not."""
    return "\n".join(
        f"- {_reached(verdict)}: {verdict['claim']} ({verdict['evidence']})"
        for verdict in result.get("verdicts", [])
    )


def outcomes(study: Study, result: dict[str, Any]) -> list[Outcome]:
    """The outcomes in a study's record; of one that was written before a field was kept, without it."""
    fields = study.recorded.items()
    return [
        Outcome(**{name: found[key] for key, name in fields if key in found}) for found in result["outcomes"]
    ]


def of_de_rrd(result: dict[str, Any]) -> str:
    """LOO-499 test metrics, those of the reference runs, and the paper's."""
    headers = ["model", "H@5", "N@5", "H@10", "H@20", "H@5 over seeds", "reference H@5", "paper H@5"]
    return markdown(headers, de_rrd.STUDY.table_rows(outcomes(de_rrd.STUDY, result)))


def of_hetcomp(result: dict[str, Any]) -> str:
    """Teachers, ensemble and students in one table."""
    headers = ["model", "part", "teacher", "seed", "epoch", "R@10", "R@50", "N@50", "valid R@50"]
    return markdown(headers, hetcomp.STUDY.table_rows(outcomes(hetcomp.STUDY, result)))


def of_gowalla(result: dict[str, Any]) -> str:
    """Test metrics, the published ones, and how they were made."""
    return markdown(gowalla.STUDY.headers, gowalla.STUDY.table_rows(outcomes(gowalla.STUDY, result)))


def of_models(study: Study, result: dict[str, Any]) -> str:
    """Test metrics over seeds, and the figures that stand beside them."""
    return markdown(study.headers, study.table_rows(outcomes(study, result)))


def of_sequences(study: Study, result: dict[str, Any]) -> str:
    """Figures of the whole catalogue; below them, those of networks among 100 sampled items."""
    networks = [outcome for outcome in outcomes(study, result) if "uniform hit@10" in outcome.test]
    metrics = [f"{drawn} {metric}" for drawn in sequences.DRAWN for metric in ("hit@10", "ndcg@10")]
    rows = [
        [f"`{name}`", *(mean_text(metric, row) for metric in metrics)]
        for name, row in by_name(networks).items()
    ]
    sampled = "Among 100 items that the user has not, drawn uniformly or by their interactions:"
    return "\n\n".join([of_models(study, result), sampled, markdown(["model", *metrics], rows)])


def of_single_teacher(result: dict[str, Any]) -> str:
    """Teacher and students, one line each."""
    return markdown(list(single_teacher.HEADERS), single_teacher.rows(result["outcomes"]))


STUDIES = {
    "de-rrd": of_de_rrd,
    "de-rrd-until-stalled": of_de_rrd,
    "single-teacher": of_single_teacher,
    "hetcomp": of_hetcomp,
    "gowalla": of_gowalla,
}
TABLE_STUDIES = {
    "frappe": partial(of_models, frappe.STUDY),
    "frappe-taught": partial(of_models, frappe.STUDY),
    "ml100k-ctr": partial(of_models, ml100k_ctr.STUDY),
}
SEQUENCE_STUDIES = {
    "reproduce-ml-1m": partial(of_sequences, sequences.ML_1M_STUDY),
    "reproduce-beauty": partial(of_sequences, sequences.BEAUTY_STUDY),
}


def study(name: str, result: dict[str, Any]) -> str:
    """All that the page says of one study."""
    differs = "\n".join(f"- differs: {difference}" for difference in result.get("differences", []))
    head = f"{result['protocol']}. `{result['command']}`"
    parts = [
        head,
        {**STUDIES, **TABLE_STUDIES, **SEQUENCE_STUDIES}[name](result),
        verdict_lines(result),
        differs,
    ]
    return "\n\n".join(part for part in parts if part)
