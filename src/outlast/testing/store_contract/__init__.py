"""The contract of a store: every sentence of `outlast.store.port`, as tests.

An adapter earns its name by inheriting them:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path, clock):
            return lambda: MyStore(tmp_path, clock=clock)

`make_store` gives a store that is not open yet; each call gives another one on the same database.
Put `pytest.register_assert_rewrite("outlast.testing.store_contract")` into a conftest.
"""

from outlast.testing.store_contract.applying import ApplyContract
from outlast.testing.store_contract.catalog import CatalogContract
from outlast.testing.store_contract.chores import ChoresContract
from outlast.testing.store_contract.claiming import ClaimContract
from outlast.testing.store_contract.concurrency_keys import ConcurrencyKeyContract
from outlast.testing.store_contract.counting import CountContract
from outlast.testing.store_contract.creating import CreateContract
from outlast.testing.store_contract.history import HistoryContract
from outlast.testing.store_contract.leases import LeaseContract
from outlast.testing.store_contract.lists import ListContract
from outlast.testing.store_contract.notices import NoticeContract
from outlast.testing.store_contract.sharing import SharingContract

__all__ = ["StoreContract"]


class StoreContract(
    CreateContract,
    ApplyContract,
    LeaseContract,
    ClaimContract,
    ConcurrencyKeyContract,
    SharingContract,
    ChoresContract,
    ListContract,
    CountContract,
    HistoryContract,
    CatalogContract,
    NoticeContract,
):
    """All of them."""
