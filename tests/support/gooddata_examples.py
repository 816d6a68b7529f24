"""An operation of every kind that the GoodData dialect shows, as the kinds write it."""

from outlast.testing.dialect_contract import Example

EXAMPLES = {
    "provision_database": Example(
        spec={"name": "sales", "storages": ["lake"], "data_source_id": "sales-source"},
        result={"database": "06EV0000000000000DB0", "name": "sales", "engine": "duckdb"},
    ),
    "deprovision_database": Example(spec={"database": "sales"}),
    "service_command": Example(
        spec={
            "service": "birds",
            "command": "count",
            "context": {"reason": "monthly", "by": None},
            "payload": {"species": "owl"},
        },
        result={"rows": 12},
    ),
    "create_pipe_table": Example(
        spec={"database": "sales", "table": "orders", "storage": "lake", "path_prefix": "orders/"},
        result={"rows": 1_000_000, "files": 4},
    ),
    "delete_pipe_table": Example(spec={"database": "sales", "table": "orders"}),
    "analyze_statistics": Example(
        spec={"database": "sales", "tables": ["orders"]}, result={"tables": 1}
    ),
}
