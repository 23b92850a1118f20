"""Every setting of a model with its usual value, as a configuration file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from recpress_edge.core.described import DescribedSetting, described, toml_table
from recpress_edge.core.errors import unknown_name
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.distill.methods import Role
from recpress_edge.distill.students import ModelName, parse_name
from recpress_edge.jobs.plugins import with_plugins
from recpress_edge.training.plan import TrainOptions, settings_of


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """The settings of a model by table."""

    name: ModelName
    role: Role
    tables: Mapping[str, list[DescribedSetting]]

    def toml(self) -> str:
        """A file that ``--config`` takes, and that changes nothing as it is."""
        return "\n".join(toml_table(name, settings) for name, settings in self.tables.items() if settings)

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "name": str(self.name),
            "role": self.role,
            **{
                table: {one.name: {"value": one.value, "text": one.text} for one in settings}
                for table, settings in self.tables.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRequest:
    """``recpress-edge settings``."""

    name: str
    """For example soft_dim20, or soft_dim20_qat-int8-dim for those of fine-tuning."""
    role: Role = "student"
    plugin: tuple[str, ...] = ()
    """Python files that bring methods of one's own."""
    work: Path = Path()

    def run(self, on_event: OnEvent = silent) -> SettingsResult:
        """Nothing is read but the tables of methods and settings; a closed form has no settings of a loop."""
        if self.role not in get_args(Role):
            raise unknown_name("role", self.role, get_args(Role))
        with with_plugins(self.plugin, self.work):
            name = parse_name(self.name, self.role)
        method, training = settings_of(name, self.role, TrainOptions())
        loop = [] if name.entry.closed_form else described(training)
        return SettingsResult(name, self.role, {"method": described(method), "training": loop})
