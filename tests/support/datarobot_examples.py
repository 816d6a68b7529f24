"""An operation of every kind that the DataRobot dialect shows, as the kinds write it."""

from outlast.testing.dialect_contract import Example

EXAMPLES = {
    "build_vector_database": Example(
        spec={"name": "handbook", "dataset": "handbook"},
        result={"vector_database": "06EV0000000000000DB0", "chunks": 300},
    ),
    "chat_prompt": Example(spec={"chat_prompt": "06EV0000000000000DB0"}, result={"text": "owls"}),
    "evaluate_chat": Example(spec={"dataset": "questions"}, result={"questions": 12}),
    "export_vector_database": Example(
        spec={"vector_database": "handbook"},
        result={"dataset": "chunks", "version": "1" * 32, "rows": 300},
    ),
    "file_to_dataset": Example(spec={"file": "handbook.csv"}, result={"dataset": "handbook"}),
    "validate_embedding_endpoint": Example(
        spec={"validation": "06EV0000000000000DB0"}, result={"dimensions": 384}
    ),
}
