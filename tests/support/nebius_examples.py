"""An operation of every kind that the Nebius dialect shows, as the kinds write it."""

from outlast.testing.dialect_contract import Example

EXAMPLES = {
    "sql_query": Example(
        spec={
            "query": "SELECT * FROM {src_0} WHERE condition",
            "src": [{"dataset": "example_dataset", "version": "0ed2d94b38fb40b9b61f6a01b43d53de"}],
        },
        result={
            "dataset": "06EV00000000000000R0",
            "version": "1fd2d94b38fb40b9b61f6a01b43d53de",
            "rows": 1,
            "bytes": 100,
            "columns": [{"name": "condition", "type": "bool"}],
            "sample_rows": [{"condition": True}],
        },
    ),
    "materialize_history": Example(
        spec={
            "created_after": "2026-11-21T00:00:00Z",
            "created_before": "2026-11-22T00:00:00.500Z",
            "model": "tiny",
            "member": "ada",
            "dst": {"dataset": "chats", "version_name": "november"},
        },
        result={
            "dataset": "chats",
            "version": "2fd2d94b38fb40b9b61f6a01b43d53de",
            "rows": 2,
            "bytes": 100,
            "omitted": 0,
            "columns": [{"name": "messages", "type": "string"}],
        },
    ),
    "batch_inference": Example(
        spec={
            "model": "openai/gpt-oss-120b",
            "src": {"dataset": "ds1", "version": "v1"},
            "mapping": {"messages": "messages", "custom_id": "id", "max_tokens": 64},
            "endpoint": "/v1/chat/completions",
            "parameters": {"reasoning_effort": "low"},
            "dst": {"dataset": "ds2"},
        },
        result={
            "counts": {"total": 2, "completed": 2, "failed": 0, "invalid": 0},
            "usage": {"requests": 2, "prompt_tokens": 9, "completion_tokens": 9},
            "dataset": "ds2",
            "version": "3fd2d94b38fb40b9b61f6a01b43d53de",
        },
    ),
    "fine_tuning": Example(
        spec={
            "model": "tiny",
            "train": {"dataset": "ds1", "version": "v1", "messages": "chat"},
            "validation": {"dataset": "ds2"},
            "method": "lora",
            "hyperparameters": {"epochs": 2, "batch_size": 4},
            "suffix": "mine",
        },
        result={"model": "ft:tiny:mine:1", "checkpoints": []},
    ),
    "file_to_dataset": Example(
        spec={"file": "06EV0000000000000FR0", "format": "csv", "dst": {"dataset": "ds3"}},
        result={"dataset": "ds3", "version": "4fd2d94b38fb40b9b61f6a01b43d53de", "rows": 1},
    ),
    "dataset_to_file": Example(
        spec={"dataset": "ds3", "format": "jsonl", "purpose": "fine-tune"},
        result={"file": "06EV0000000000000FR0", "name": "ds3.jsonl", "bytes": 3, "rows": 1},
    ),
}

DATASET = {
    "name": "my prompts",
    "folder": "/some/folder",
    "schema": [
        {"name": "messages", "type": {"name": "json"}},
        {"name": "custom_id", "type": {"name": "option", "item": {"name": "string"}}},
    ],
    "rows": [
        {"messages": [{"role": "user", "content": "Hi"}], "custom_id": "a"},
        {"messages": []},
    ],
    "ai_project_id": "example_project",
}
"""A dataset to create."""
