"""Contract suites for whoever adds a space, a strategy, a store, an evaluator or an executor.

One file per kind of thing, each a few `check_...` functions that raise AssertionError; the
project's own tests run them over every registered name. Beside them stand toy objects.

    from archwright.testing.strategies import check_strategy

    def test_my_strategy():
        check_strategy("my-strategy", my_space)

The files are imported one by one, so that checking a space loads nothing but spaces.
"""

__all__: list[str] = []
