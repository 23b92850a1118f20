"""What a data set takes from tables of users and items, and from further columns of its log."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_there
from recpress_edge.data.features.attach import TableChoice, attach_all
from recpress_edge.data.features.clock import parse_time_features
from recpress_edge.data.features.encode import FeatureSpec, parse_specs
from recpress_edge.data.features.labels import LabelRule
from recpress_edge.data.features.table import TableForm
from recpress_edge.data.ids import clean
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.readers.delimited import named_separator
from recpress_edge.data.readers.lines import parse_allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """The flags of ``recpress-edge data import`` on titles, features and labels."""

    items: Path | None = None
    """A table with a row for each item."""
    title: str | None = None
    """Its column of titles."""
    item_id: str | None = None
    item_features: str | None = None
    """Columns as data.features.encode.parse_specs takes them."""
    users: Path | None = None
    user_id: str | None = None
    user_features: str | None = None
    context: str | None = None
    """Columns of the log, likewise."""
    time_features: str | None = None
    """What the times of the log become, some of data.features.clock.TIME_FEATURES."""
    label: str | None = None
    """The column of the log that holds 1 where an item was taken and 0 where not."""
    label_from: float | None = None
    """The least rating that counts as taken; lower ones as not."""
    table_encoding: str | None = None
    table_separator: str | None = None
    table_header: str | None = None
    """``yes`` or ``no``."""

    def context_specs(self) -> tuple[FeatureSpec, ...]:
        """The columns of --context."""
        return parse_specs("--context", self.context) if self.context else ()

    def time_names(self) -> tuple[str, ...]:
        """The names of --time-features."""
        return parse_time_features(self.time_features) if self.time_features else ()

    def label_rule(self) -> LabelRule | None:
        """What --label or --label-from says; None for a log in which every row was taken."""
        if self.label is None and self.label_from is None:
            return None
        return LabelRule(column=self.label, least=self.label_from)

    def choices(self, bad_lines: str) -> list[TableChoice]:
        """What is taken from which table; flags without their table, and a table of which nothing is taken,
        are a ConfigError.
        """
        for table, flags in (
            ("items", ("title", "item_id", "item_features")),
            ("users", ("user_id", "user_features")),
        ):
            given = [flag for flag in flags if getattr(self, flag) is not None]
            if given and getattr(self, table) is None:
                raise ConfigError(f"{_flag(given[0])} is of a table of {table}: give it with --{table} FILE")
        if self.items and self.title is None and self.item_features is None:
            raise ConfigError("--items: say what to take, --title COLUMN or --item-features COLUMN,COLUMN")
        if self.users and self.user_features is None:
            raise ConfigError("--users: say what to take, --user-features COLUMN,COLUMN")
        form = self._form(bad_lines)
        made = []
        for side, path in (("item", self.items), ("user", self.users)):
            if path is not None:
                check_there(path)
                features = getattr(self, f"{side}_features")
                made.append(
                    TableChoice(
                        side=side,
                        path=path,
                        id_column=getattr(self, f"{side}_id"),
                        title=self.title if side == "item" else None,
                        features=parse_specs(f"--{side}-features", features) if features else (),
                        form=form,
                    )
                )
        return made

    def _form(self, bad_lines: str) -> TableForm:
        own = ("table_encoding", "table_separator", "table_header")
        given = [name for name in own if getattr(self, name) is not None]
        if given and not (self.items or self.users):
            raise ConfigError(
                f"{_flag(given[0])} is of --items and --users, and neither is given. Remove it."
            )
        if self.table_header not in (None, "yes", "no"):
            raise ConfigError(f"--table-header {self.table_header}: write yes or no")
        return TableForm(
            encoding=self.table_encoding,
            separator=named_separator(self.table_separator, "--table-separator")
            if self.table_separator
            else None,
            header=None if self.table_header is None else self.table_header == "yes",
            bad_lines=parse_allowance(bad_lines),
        )


def with_tables(prepared: Prepared, choices: list[TableChoice], form: str | None) -> Prepared:
    """The data set with what its tables say; ``form``: of --ids, which holds for their ids too."""
    cleaned: Callable[[str], str] = clean if form == "cleaned" else str
    dataset, records = attach_all(prepared.dataset, choices, cleaned)
    return replace(prepared, dataset=dataset, record={**prepared.record, "tables": records})


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
