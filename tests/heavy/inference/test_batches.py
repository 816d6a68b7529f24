"""Batches of real questions, by files as OpenAI has them and by datasets as Nebius has them."""

import json
import time

ROWS = 24
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def prompt(row):
    count = 3 + row % 6
    return f"Counting: {', '.join(NUMBERS[:count])},"


def test_a_batch_of_a_file_has_an_answer_for_every_row(client, model):
    lines = [
        {
            "custom_id": f"row-{row}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": prompt(row)}],
                "max_tokens": 4,
                "temperature": 0,
            },
        }
        for row in range(ROWS)
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("requests.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    end = time.monotonic() + 120
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        assert time.monotonic() < end, batch
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (ROWS, ROWS, 0)
    output = client.files.content(batch.output_file_id).text.splitlines()
    answers = {entry["custom_id"]: entry["response"]["body"] for entry in map(json.loads, output)}
    assert len(output) == len(answers) == ROWS
    assert set(answers) == {line["custom_id"] for line in lines}
    for row in range(ROWS):
        said = answers[f"row-{row}"]["choices"][0]["message"]["content"]
        assert NUMBERS[3 + row % 6] in said
        assert answers[f"row-{row}"]["usage"]["completion_tokens"] <= 4


def test_batch_inference_over_a_dataset_makes_a_dataset(client, model, end_of):
    rows = [
        {"id": f"row-{row}", "chat": [{"role": "user", "content": prompt(row)}]} for row in range(6)
    ]
    schema = [
        {"name": "id", "type": {"name": "string"}},
        {"name": "chat", "type": {"name": "json"}},
    ]
    body = {"name": "questions", "folder": "/tests", "schema": schema, "rows": rows}
    dataset = client.post("/datasets", body=body, cast_to=object)
    mapping = {
        "type": "text_messages",
        "messages": {"type": "column", "name": "chat"},
        "custom_id": {"type": "column", "name": "id"},
        "max_tokens": {"type": "number", "value": 4},
    }
    source = {"id": dataset["id"], "version": dataset["current_version"], "mapping": mapping}
    operation = client.post(
        "/operations",
        body={
            "type": "batch_inference",
            "src": [source],
            "params": {"model": model, "completion_window": "24h", "temperature": 0},
        },
        cast_to=object,
    )
    ended = end_of(operation)
    path = f"/datasets/{ended['dst'][0]['id']}/content"
    found = client.get(path, cast_to=object)["rows"]
    assert {row["custom_id"] for row in found} == {row["id"] for row in rows}
    assert all(any(number in json.dumps(row) for number in NUMBERS) for row in found)
