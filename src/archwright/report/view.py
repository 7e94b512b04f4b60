"""A study as the report sees it: its trials, its goals, and the facts recorded with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archwright.report import tables
from archwright.space import Space
from archwright.store import Store, StudyRecord
from archwright.trial import Budget, Constraint, Objective, Trial, incumbent, pareto_front

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Final", "StudyView"]

_STATED = (
    *("strategy", "objectives", "constraints", "budget", "seed"),
    *("facts", "data", "evaluator", "finalized", "wall_seconds"),
)


@dataclass(frozen=True)
class Final:
    """What the test split said, the one time it was read.

    Args:
        trial: Number of the trial that had been chosen by then.
        metrics: Test metrics by name.
        at: When, in seconds since the epoch.
        model: Where the exported network lies; empty if it was not exported.
    """

    trial: int
    metrics: Mapping[str, float]
    at: float
    model: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Final:
        """Read the study's `finalized` annotation; facts it has besides are passed over."""
        return cls(data["trial"], data["metrics"], data["at"], data.get("model") or "")


@dataclass(frozen=True)
class StudyView:
    """Everything that tables, figures and the page are made from.

    Args:
        name: The study.
        trials: Its trials, in any order.
        objectives: What was wanted; the first one ranks.
        space: What was searched.
        constraints: What was refused.
        strategy: Who proposed.
        strategy_options: With which options.
        budget: What the last run might spend in all; None if it is not known.
        seed: Root of all randomness; None if it is not known.
        created_at: Seconds since the epoch; 0 if it is not known.
        final: The reading of the test split, if it took place.
        store: Address of the store, for the commands on the page.
        facts: Further facts in sections: title to names and values, which may nest. Of "Data",
            `name` (or `source`), `input_shape` and `task` are used besides.
        wall_seconds: How long workers have searched; None if it is not known.
    """

    name: str
    trials: Sequence[Trial]
    objectives: Sequence[Objective]
    space: Space
    constraints: Sequence[Constraint] = ()
    strategy: str = ""
    strategy_options: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget | None = None
    seed: int | None = None
    created_at: float = 0.0
    final: Final | None = None
    store: str = ""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    wall_seconds: float | None = None

    @classmethod
    def of(cls, record: StudyRecord, trials: Sequence[Trial], *, store: str = "") -> StudyView:
        """Put together a view from a study's record and its trials.

        Args:
            record: As the store has it. Of its spec, "objectives" is needed, the rest shown if
                there; `record.extra["finalized"]` is the reading of the test split.
            trials: All its trials.
            store: Address of the store, for the commands on the page.
        """
        spec = record.spec
        strategy = spec.get("strategy", {})
        final = record.extra.get("finalized")
        return cls(
            record.name,
            trials,
            tuple(Objective.parse(text) for text in spec["objectives"]),
            record.space,
            tuple(Constraint.parse(text) for text in spec.get("constraints", ())),
            strategy.get("name", ""),
            strategy.get("options", {}),
            record.budget,
            record.seed,
            record.created_at,
            Final.from_json(final) if final else None,
            store,
            _facts(record),
            record.extra.get("wall_seconds"),
        )

    @classmethod
    def load(cls, store: Store, name: str) -> StudyView:
        """Read a study from its store.

        Raises:
            StudyNotFoundError: If there is none of that name.
        """
        record = store.study(name)
        return cls.of(record, store.trials(record), store=store.url if store.shared else "")

    @cached_property
    def best(self) -> Trial | None:
        """The best feasible trial by the first objective."""
        return incumbent(self.trials, self.objectives, self.constraints)

    @cached_property
    def front(self) -> list[Trial]:
        """The feasible trials that no other one dominates, over all objectives."""
        return pareto_front(self.trials, self.objectives, self.constraints)

    @property
    def cost_seconds(self) -> float:
        """What all trials have cost, in seconds."""
        return sum(trial.cost_seconds for trial in self.trials)

    def history(self) -> pd.DataFrame:
        """Return one row per trial; see `archwright.report.history`."""
        return tables.history(self.trials)

    def leaderboard(self, n: int = 10) -> pd.DataFrame:
        """Return the best `n` architectures; see `archwright.report.leaderboard`."""
        return tables.leaderboard(self.trials, self.objectives, self.constraints, n)

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.facts.get("Data", {})

    @property
    def data_name(self) -> str:
        """What was searched on; empty if it is not recorded."""
        found = self._data.get("name") or self._data.get("source", "")
        return found if isinstance(found, str) else ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input; empty if it is not recorded."""
        return tuple(self._data.get("input_shape") or ())

    @property
    def outputs(self) -> int | None:
        """Number of outputs; None if it is not recorded."""
        task = self._data.get("task")
        return task.get("outputs") if isinstance(task, Mapping) else None


def _told(setting: Any) -> Any:
    """Return a setting without long lists of scores, which the store keeps."""
    if not isinstance(setting, Mapping):
        return setting
    return {name: value for name, value in setting.items() if name != "scores"}


def _facts(record: StudyRecord) -> dict[str, Mapping[str, Any]]:
    """Sort what a record holds into sections with titles."""
    said = dict(record.spec.get("facts", {}))
    data = said.pop("data", {})
    asked = record.spec.get("data", {})
    sections = {
        "Data": {**asked, **data, "hashes": said.pop("hashes", data.get("hashes", {}))},
        "Evaluation": said or record.spec.get("evaluator", {}),
        "Settings": {k: _told(v) for k, v in record.spec.items() if k not in _STATED and v},
        "Environment of the search": record.environment,
        "Notes": {k: v for k, v in record.extra.items() if k not in _STATED},
    }
    return {title: facts for title, facts in sections.items() if facts}
