"""The tables of docs/methods.md: a study's protocol, command, figures, goals and differences."""

from typing import Any

import single_teacher

from recpress_edge.studies import de_rrd, gowalla, hetcomp


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


def of_de_rrd(result: dict[str, Any]) -> str:
    """LOO-499 test metrics beside the reference runs and the paper."""
    outcomes = [de_rrd.Outcome(**outcome) for outcome in result["outcomes"]]
    headers = ["model", "H@5", "N@5", "H@10", "H@20", "H@5 over seeds", "reference H@5", "paper H@5"]
    return markdown(headers, de_rrd.table_rows(outcomes))


def of_hetcomp(result: dict[str, Any]) -> str:
    """Teachers, ensemble and students in one table."""
    outcomes = [hetcomp.Outcome(**outcome) for outcome in result["outcomes"]]
    headers = ["model", "part", "teacher", "seed", "epoch", "R@10", "R@50", "N@50", "valid R@50"]
    return markdown(headers, hetcomp.table_rows(outcomes))


def of_gowalla(result: dict[str, Any]) -> str:
    """Test metrics beside the published ones, and how they came about."""
    outcomes = []
    for found in result["outcomes"]:
        before = gowalla.Choosing(**found["choosing"]) if found["choosing"] else None
        outcomes.append(gowalla.Outcome(**{**found, "choosing": before}))
    return markdown(list(gowalla.HEADERS), gowalla.table_rows(outcomes))


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


def study(name: str, result: dict[str, Any]) -> str:
    """All that the page says of one study."""
    differs = "\n".join(f"- differs: {difference}" for difference in result.get("differences", []))
    head = f"{result['protocol']}. `{result['command']}`"
    parts = [head, STUDIES[name](result), verdict_lines(result), differs]
    return "\n\n".join(part for part in parts if part)
