import postgres_server
from hypothesis import HealthCheck, Phase, settings

from outlast.store.postgres import PostgresStore
from outlast.testing.store_machine import StoreMachine


class PostgresMachine(StoreMachine):
    url = None

    def make_store(self, clock):
        if self.url is None:
            self.url = postgres_server.new_database_now()
        return PostgresStore(self.url, clock=clock)


TestPostgresMachine = PostgresMachine.TestCase
TestPostgresMachine.settings = settings(
    max_examples=30,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
