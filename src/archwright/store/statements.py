"""Every statement that the stores send, in SQL that SQLite and PostgreSQL both speak.

They are compiled to text once for each dialect: building them anew with SQLAlchemy for every call
would cost more than SQLite needs to run them (docs/decisions/0011).
"""

from __future__ import annotations

from types import SimpleNamespace

from sqlalchemy import text
from sqlalchemy.engine import Dialect

__all__ = ["TRIAL_COLUMNS", "compiled"]

TRIAL_COLUMNS = (
    "number, seed, proposal, status, told_before, attempt, worker, finished_order, outcome, "
    "asked_at, started_at, finished_at"
)
_STUDY_COLUMNS = "id, name, space, spec, seed, created_at, environment"
_TRIALS = f"SELECT {TRIAL_COLUMNS} FROM archwright_trials WHERE study = :study"
_OPEN = "study = :study AND finished_order IS NULL"

# Expiry and claim are one statement: no window between them. Taking one trial has its own form,
# because SQLite would make a temporary table for IN, which costs more than all the rest.
_CLAIM = f"""
    UPDATE archwright_trials SET status = 'running', attempt = attempt + 1,
        taken_from = CASE WHEN status = 'running' THEN worker END, worker = :owner,
        lease_until = :until,
        started_at = CASE WHEN attempt - spared < :most THEN :now ELSE started_at END
    WHERE study = :study AND number {{chosen}} (
        SELECT number FROM archwright_trials
        WHERE {_OPEN} AND (status = 'pending' OR lease_until < :now)
        ORDER BY number LIMIT {{limit}})
    RETURNING number, attempt, spared, taken_from"""

_STATEMENTS = {
    "schema_version": "SELECT version FROM archwright_schema",
    "set_schema_version": "INSERT INTO archwright_schema (version) VALUES (:version)",
    # --- studies
    "insert_study": """
        INSERT INTO archwright_studies (name, space, spec, seed, created_at, environment)
        VALUES (:name, :space, :spec, :seed, :created_at, :environment)
        ON CONFLICT (name) DO NOTHING RETURNING id""",
    "insert_progress": """
        INSERT INTO archwright_progress
            (study, total, running, finished, completed, cost_seconds, events)
        VALUES (:study, 0, 0, 0, 0, 0.0, 0)""",
    "study": f"SELECT {_STUDY_COLUMNS} FROM archwright_studies WHERE name = :name",
    "studies": f"SELECT {_STUDY_COLUMNS} FROM archwright_studies ORDER BY id",
    "names": "SELECT name FROM archwright_studies ORDER BY id",
    "facts": "SELECT key, value FROM archwright_facts WHERE study = :study ORDER BY key",
    "set_fact": """
        INSERT INTO archwright_facts (study, key, value) VALUES (:study, :key, :value)
        ON CONFLICT (study, key) DO UPDATE SET value = excluded.value""",
    "delete_facts": "DELETE FROM archwright_facts WHERE study = :study",
    "delete_events": "DELETE FROM archwright_events WHERE study = :study",
    "delete_trials": "DELETE FROM archwright_trials WHERE study = :study",
    "delete_progress": "DELETE FROM archwright_progress WHERE study = :study",
    "delete_study": "DELETE FROM archwright_studies WHERE id = :study",
    # --- progress
    "progress": """
        SELECT total, running, finished, completed, cost_seconds, events
        FROM archwright_progress WHERE study = :study""",
    "set_progress": """
        UPDATE archwright_progress SET total = :total, running = :running, finished = :finished,
            completed = :completed, cost_seconds = :cost_seconds, events = :events
        WHERE study = :study""",
    # --- trials
    "enqueue": """
        INSERT INTO archwright_trials
            (study, number, seed, proposal, status, told_before, attempt, spared, worker, asked_at)
        VALUES (:study, :number, :seed, :proposal, 'pending', :told_before, 0, 0, '', :now)""",
    "claim": _CLAIM.format(chosen="IN", limit=":n"),
    "claim_one": _CLAIM.format(chosen="=", limit="1"),
    "poison": """
        UPDATE archwright_trials SET status = 'crashed', attempt = attempt - 1, worker = '',
            outcome = :outcome, finished_order = :finished_order, finished_at = :now,
            lease_until = NULL
        WHERE study = :study AND number = :number""",
    "finish": """
        UPDATE archwright_trials SET status = :status, outcome = :outcome,
            finished_order = :finished_order, finished_at = :now, lease_until = NULL
        WHERE study = :study AND number = :number AND status = 'running'
            AND attempt = :attempt AND worker = :owner""",
    "heartbeat": f"""
        UPDATE archwright_trials SET lease_until = :until
        WHERE {_OPEN} AND status = 'running' AND worker = :owner RETURNING number""",
    "release": f"""
        UPDATE archwright_trials SET status = 'pending', worker = '', lease_until = NULL,
            spared = spared + :spared
        WHERE {_OPEN} AND status = 'running' AND worker = :owner RETURNING number, attempt""",
    "trial": f"{_TRIALS} AND number = :number",
    "trials": f"{_TRIALS} AND number >= :since ORDER BY number",
    "running": f"{_TRIALS} AND finished_order IS NULL AND status = 'running' ORDER BY number",
    "finished": f"{_TRIALS} AND finished_order >= :since ORDER BY finished_order",
    # --- events
    "event": """
        INSERT INTO archwright_events (study, sequence, kind, trial, attempt, owner, at)
        VALUES (:study, :sequence, :kind, :trial, :attempt, :owner, :at)""",
    "events": """
        SELECT sequence, kind, trial, attempt, owner, at FROM archwright_events
        WHERE study = :study AND sequence >= :since ORDER BY sequence""",
}


class Statements(SimpleNamespace):
    """The text of each statement as an attribute."""

    def __getattr__(self, name: str) -> str:
        raise AttributeError(name)


def compiled(dialect: Dialect) -> Statements:
    """Return every statement with its parameters written the way the dialect's driver reads."""
    return Statements(
        **{name: str(text(sql).compile(dialect=dialect)) for name, sql in _STATEMENTS.items()}
    )
