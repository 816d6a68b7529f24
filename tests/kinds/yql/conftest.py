"""The tables that the statements of these tests read, as the views of four sources."""

import duckdb
import pytest

from outlast.kinds.yql import translate


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TABLE people AS SELECT * FROM (VALUES
                (1, 'ann', 'r', 7, 'hello', 'ab'::BLOB, ['a', 'b'],
                 '{"a": {"b": 1}, "s": "x", "n": null, "l": [10, 20]}'::JSON),
                (2, 'bob', 'b', 1, NULL, NULL, [NULL, 'c'], NULL),
                (3, 'cy', 'r', 28, NULL, NULL, [], NULL),
                (4, 'dee', 'r', NULL, NULL, NULL, NULL, NULL)
            ) AS v(id, name, team, score, note, data, tags, doc)
        """)
        connection.execute("CREATE VIEW src_0 AS SELECT * FROM people")
        connection.execute("""
            CREATE VIEW src_1 AS SELECT * FROM (VALUES
                ('r', 'Rome'), ('x', 'Oslo'), (NULL, 'Nowhere')) AS v(team, city)
        """)
        connection.execute("CREATE VIEW src_2 AS SELECT range AS id FROM range(5000)")
        connection.execute("CREATE VIEW src_3 AS SELECT * FROM (VALUES (1), (1), (9)) AS v(id)")
        yield connection


@pytest.fixture(scope="module")
def run(connection):
    """The rows of a YQL statement."""
    return lambda query: connection.sql(translate(query, 4)).fetchall()
