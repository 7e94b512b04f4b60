from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.canonical import digest, dumps
from archwright.testing.fresh import run_fresh

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_text_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(dumps(value)) == value


@given(st.dictionaries(st.text(), SCALARS, max_size=6), st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(value: dict[str, object], random: object) -> None:
    items = list(value.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert dumps(dict(items)) == dumps(value)


@given(JSON, JSON)
def test_different_text_exactly_for_different_json(first: object, second: object) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (dumps(first) == dumps(second)) == same


# Golden: a change here changes every stored key, so it needs a migration.
@pytest.mark.parametrize(
    ("value", "text", "name"),
    [
        ({}, "{}", "44136fa355b3678a1146ad16f7e8649e"),
        ([1, 2.0, None, True], "[1,2.0,null,true]", "7b69837908bb521592f4d4417fe2830c"),
        ({"b": "é", "a": (0.1,)}, '{"a":[0.1],"b":"é"}', "a71d6af822244bee25d9fcf0ccf8f823"),
    ],
)
def test_golden_texts_and_digests(value: object, text: str, name: str) -> None:
    assert dumps(value) == text
    assert digest(value) == name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_numbers_that_json_lacks_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        dumps(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {"a": 1j}])
def test_values_that_json_lacks_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="is not JSON serializable"):
        dumps(value)


@pytest.mark.parametrize("length", [1, 8, 64])
def test_digest_has_the_length_asked_for(length: int) -> None:
    assert len(digest("a", length=length)) == length
    assert digest("a", length=64).startswith(digest("a", length=length))


def test_digest_is_equal_in_processes_with_other_hash_seeds() -> None:
    code = "from archwright.canonical import digest; print(digest({k: [k] for k in {*'wxyz'}}))"
    found = {run_fresh(code, hash_seed=seed) for seed in ("0", "1", "271828")}
    assert found == {digest({key: [key] for key in "wxyz"}) + "\n"}
