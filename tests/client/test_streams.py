import pytest

from outlast.client.streams import EventReader, StreamEvent

STREAM = (
    b': connected\n\nevent: operation\nid: 3\ndata: {"a":\ndata: "\xc3\xa9"}\n\n'
    b"data:x\r\n\r\nid: 4\n\n"
)
EVENTS = [
    StreamEvent("operation", '{"a":\n"é"}', "3"),
    StreamEvent("message", "x", None),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_wherever_the_bytes_break(size):
    reader = EventReader()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


def test_an_event_that_breaks_off_is_not_given():
    assert list(EventReader().feed(b"event: operation\ndata: {}\n")) == []
