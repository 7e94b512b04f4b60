from __future__ import annotations

import inspect
import pickle
import re

import pytest

from archwright import errors
from archwright.errors import (
    ArchwrightError,
    DataError,
    EnvironmentProblem,
    EvaluationError,
    MissingDependencyError,
    UnknownNameError,
)

CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_has_one_root(cls: type) -> None:
    assert issubclass(cls, ArchwrightError)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("UnknownNameError", LookupError),
        ("SpaceError", ValueError),
        ("StrategyError", ValueError),
        ("DataError", ValueError),
        ("NetworkError", ValueError),
        ("ConstraintError", ValueError),
        ("EvaluationError", RuntimeError),
        ("StoreError", RuntimeError),
        ("StudyNotFoundError", LookupError),
        ("ExportError", RuntimeError),
        ("EnvironmentProblem", RuntimeError),
        ("MissingDependencyError", ImportError),
    ],
)
def test_error_is_also_the_fitting_builtin(name: str, builtin: type) -> None:
    assert issubclass(getattr(errors, name), builtin)


def test_tree_in_the_docstring_names_every_error() -> None:
    drawn = re.findall(r"(?:├──|└──|^ {4}) ?(\w+)", inspect.getdoc(errors) or "", re.MULTILINE)
    assert set(drawn) == set(errors.__all__)


def test_exit_code_tells_user_from_environment() -> None:
    assert {cls for cls in CLASSES if cls.exit_code == 3} == {
        EnvironmentProblem,
        MissingDependencyError,
    }
    assert {cls.exit_code for cls in CLASSES} == {2, 3}


def test_unknown_name_says_what_is_allowed_and_the_nearest() -> None:
    message = r"^unknown space 'MPL' \(did you mean 'mlp'\?\); allowed: cnn, mlp\. Or a file\.$"
    with pytest.raises(UnknownNameError, match=message):
        raise UnknownNameError("space", "MPL", ["cnn", "mlp"], hint="Or a file.")


def test_unknown_name_far_from_all_suggests_none() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown space 'zzz'; allowed: cnn, mlp$"):
        raise UnknownNameError("space", "zzz", ["cnn", "mlp"])


def test_unknown_name_where_nothing_is_allowed() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown column '1'; allowed: none$"):
        raise UnknownNameError("column", "1", [])


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("space", "mpl", ["mlp"], hint="Or a file."),
        DataError("2 problems in people.csv", ["row 3: text", "row 9: NaN"]),
        EvaluationError("loss is nan", status="diverged"),
        MissingDependencyError("psycopg", extra="postgres", needed_for="a PostgreSQL store"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_survives_the_way_from_a_worker_process(error: ArchwrightError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_missing_dependency_names_the_extra() -> None:
    message = (
        r"^a PostgreSQL store needs the package 'psycopg'.*pip install 'archwright\[postgres\]'"
    )
    with pytest.raises(MissingDependencyError, match=message):
        raise MissingDependencyError("psycopg", extra="postgres", needed_for="a PostgreSQL store")
