"""Write the schema that the migrations lead to beside them, for reviewers to read."""

import apsw

from outlast.store.migrations import migrations
from outlast.store.sqlite.migrate import FOLDER, dump_schema, migrate

if __name__ == "__main__":
    connection = apsw.Connection(":memory:")
    migrate(connection, migrations(FOLDER), 0)
    (FOLDER / "schema.sql").write_text(dump_schema(connection), encoding="utf-8")
