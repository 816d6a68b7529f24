import json

import pytest

from outlast.inference.assembling import (
    EVENT_BYTES_MAX,
    Assembly,
    Chunk,
    EventSplitter,
    EventTooLarge,
    data_of,
)

STREAM = b'data: {"a": 1}\n\n: a comment\n\nevent: x\ndata: one\ndata: two\n\ndata: [DONE]\n\n'


def assembled(*choices):
    assembly = Assembly()
    for choice in choices:
        assembly.add(Chunk(choices=[choice]))
    return assembly


def delta(index=0, **fields):
    return {"index": index, "delta": fields}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["plain", "crlf"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_found_however_the_network_cuts_them(size, ending):
    splitter = EventSplitter()
    stream = STREAM.replace(b"\n", ending)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]

    events = [event for piece in pieces for event in splitter.feed(piece)]

    assert [data_of(event) for event in events] == [b'{"a": 1}', b"", b"one\ntwo", b"[DONE]"]
    assert splitter.is_empty


def test_an_event_without_end_is_refused():
    splitter = EventSplitter()
    with pytest.raises(EventTooLarge):
        splitter.feed(b"data: " + b"x" * EVENT_BYTES_MAX)


def test_an_event_that_has_begun_is_told():
    splitter = EventSplitter()
    splitter.feed(b"data: half")
    assert not splitter.is_empty


def test_a_text_is_put_together_and_what_comes_whole_stays_whole():
    assembly = assembled(
        delta(role="assistant", content=""),
        delta(content="Hel"),
        delta(content="lo", role="assistant"),
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    )

    assert assembly.choices == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "finish_reason": "stop",
        }
    ]
    assert assembly.is_finished


def test_calls_of_tools_are_put_together_by_their_index():
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "c2", "type": "function", "function": {"name": "g"}}
    assembly = assembled(
        delta(role="assistant", content=None, tool_calls=[first]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"x"'}}]),
        delta(tool_calls=[second, {"index": 0, "function": {"arguments": ":1}"}}]),
    )

    [choice] = assembly.choices
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "c2", "type": "function", "function": {"name": "g"}},
        ],
    }
    assert not assembly.is_finished


def test_several_choices_grow_side_by_side():
    assembly = assembled(
        delta(1, content="b"), delta(0, content="a"), delta(1, content="B"), delta(0, content="A")
    )

    assert [choice["message"]["content"] for choice in assembly.choices] == ["aA", "bB"]


@pytest.mark.parametrize(
    "piece",
    [
        "text",
        None,
        {"index": "0", "delta": {"content": "x"}},
        {"index": 10**9, "delta": {"content": "x"}},
        {"index": -1, "delta": {"content": "x"}},
    ],
    ids=str,
)
def test_what_is_no_choice_is_left_out(piece):
    assert assembled(piece).choices == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_calls": "text"},
        {"tool_calls": [{"index": 10**9}, "text", None]},
        {"content": {"a": 1}},
        {"content": [1], "role": 3},
        {"function_call": {"arguments": {"deep": ["x"]}}},
    ],
    ids=str,
)
def test_a_delta_of_another_shape_spoils_nothing(fields):
    assembly = assembled(delta(content="a"), delta(**fields), delta(content="b"))

    json.dumps(assembly.choices)


def test_a_long_answer_is_put_together_in_good_time():
    assembly = Assembly()
    for _ in range(100_000):
        assembly.add(Chunk(choices=[delta(content="word ")]))

    assert len(assembly.choices[0]["message"]["content"]) == 500_000
