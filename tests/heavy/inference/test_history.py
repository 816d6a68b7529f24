"""Chats that were served here become a dataset."""

import json
import time

QUESTIONS = [f"Question {number}: two and two are" for number in range(3)]


def test_logged_chats_become_a_dataset_version(client, model, end_of):
    start = int(time.time())  # noqa: TID251  a client has a clock of its own
    for number, question in enumerate(QUESTIONS):
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": question}],
            max_tokens=4,
            # The last one asks not to be logged.
            extra_body={} if number < 2 else {"store": False},
        )
    body = {"type": "materialize_history", "src": [], "params": {"from": start, "model": model}}
    operation = end_of(client.post("/operations", body=body, cast_to=object))
    path = f"/datasets/{operation['dst'][0]['id']}/content"
    rows = client.get(path, cast_to=object)["rows"]
    text = json.dumps(rows)
    assert len(rows) == 2
    assert all(question in text for question in QUESTIONS[:2])
    assert QUESTIONS[2] not in text
