"""Figures as data: columns of equal length, as CSV, as a pandas frame, and as a LaTeX table."""

import csv
import importlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import format_recall

_TEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{special: f"\\{special}" for special in "&%$#_{}"},
        "<": "$<$",
        ">": "$>$",
        "|": r"\textbar{}",
        "−": "$-$",
        "±": r"$\pm$",
    }
)


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Columns by name; None where a row has no value."""

    columns: Mapping[str, list[Any]]

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "ResultTable":
        """Rows that need not have the same columns; these are in the order in which they are met."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        return cls({name: [row.get(name) for row in rows] for name in names})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def rows(self) -> list[dict[str, Any]]:
        """One dict a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]

    def to_frame(self) -> Any:
        """A pandas DataFrame; ConfigError where pandas is not installed, which nothing here needs."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise ConfigError(
                "to_frame() needs pandas: pip install pandas. The columns are there without it."
            ) from None
        return pandas.DataFrame(dict(self.columns))

    def to_csv(self) -> str:
        """A line of names and one a row; numbers with every digit, nothing where there is no value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        return text.getvalue()


def mean_sd(values: Sequence[float | None]) -> str:
    """Mean ± sample standard deviation of a figure over seeds, '.3122 ± .0012'; of one value, that alone."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = format_recall(float(np.mean(known)))
    return mean if len(known) < 2 else f"{mean} ± {format_recall(float(np.std(known, ddof=1)))}"


def to_latex(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the package booktabs: the first column to the left, the others to the right."""
    lines = [f"{' & '.join(cell.translate(_TEX) for cell in cells)} \\\\" for cells in (headers, *rows)]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(headers) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
