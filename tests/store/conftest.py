import pytest

pytest.register_assert_rewrite("outlast.testing.store_contract", "outlast.testing.store_machine")
