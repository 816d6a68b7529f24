from hypothesis import HealthCheck, Phase, settings

from outlast.store.sqlite import SqliteStore
from outlast.testing.store_machine import StoreMachine


class SqliteMachine(StoreMachine):
    def make_store(self, clock):
        return SqliteStore(self.folder / "outlast.db", clock=clock)


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    # Shrinking takes minutes, since every step waits for the disk. Add Phase.shrink to debug.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
