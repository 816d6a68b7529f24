import pytest

pytest.register_assert_rewrite("outlast.testing.objects_contract")
