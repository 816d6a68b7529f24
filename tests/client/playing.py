"""Plays the part of the network to a procedure, step by step, with no network and no time."""

import msgspec

from outlast.client.procedures import Backoff, Emit, Open, Pause, Read, Send
from outlast.client.wire import Answer, Lost

BACKOFF = Backoff(jitter=lambda: 0.0, retries_max=3)
REFUSED = Lost("connection refused", sent=False)
BROKEN = Lost("connection broke", sent=True)


class Play:
    """What a procedure did: its pauses, requests and what it emitted. Time passes in pauses."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []
        self.reasons = []
        self.requests = []
        self.emitted = []

    def run(self, procedure, replies, *, until=None):
        """Answer each Send, Open and Read with the next reply; returns what is returned."""
        replies = iter(replies)
        reply = None
        while True:
            try:
                step = procedure.send(reply)
            except StopIteration as end:
                assert next(replies, None) is None, "not every reply was asked for"
                return end.value
            reply = None
            match step:
                case Send() | Open():
                    self.requests.append(step.request)
                    reply = self._next(replies)
                case Read():
                    reply = self._next(replies)
                case Pause():
                    self.pauses.append(step.seconds)
                    self.reasons.append(step.reason)
                    self.now += step.seconds
                case Emit():
                    self.emitted.append(step.value)
                    if until is not None and until(step.value):
                        procedure.close()
                        return None

    def _next(self, replies):
        reply = next(replies)
        if isinstance(reply, tuple):
            seconds, reply = reply
            self.now += seconds
        return reply


def operation(state="running", revision=1, **fields):
    """An operation as the wire has it."""
    return {
        "id": "06A1B2C3D4E5F6G7H8J9",
        "kind": "count",
        "state": state,
        "revision": revision,
        "created_at": "2026-11-22T10:00:00.123Z",
        "updated_at": "2026-11-22T10:00:00.123Z",
        **fields,
    }


def answer(body, status=200, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, msgspec.json.encode(body))


def problem(status, code="some_code", detail="some detail", **headers):
    return answer({"status": status, "code": code, "detail": detail}, status, **headers)


def streamed(value):
    return f"event: operation\nid: {value['revision']}\ndata: ".encode() + (
        msgspec.json.encode(value) + b"\n\n"
    )
