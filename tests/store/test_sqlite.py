import pytest

from outlast.store.sqlite import SqliteStore
from outlast.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path, clock):
        return lambda: SqliteStore(tmp_path / "outlast.db", clock=clock)
