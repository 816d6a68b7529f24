"""The diagram in docs/concepts.md is drawn from the table of legal moves.

OUTLAST_REWRITE_DOCS=1 writes it anew.
"""

import os
import re
from pathlib import Path

from outlast.operations.states import TRANSITIONS, Event, State

PAGE = Path(__file__).parents[2] / "docs" / "concepts.md"
BETWEEN_MARKERS = re.compile(
    r"(?<=<!-- state diagram -->\n).*?(?=<!-- end of state diagram -->)", re.DOTALL
)


def draw_states():
    """The state machine as a Mermaid diagram: one arrow for each pair of states."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.PENDING}: {Event.CREATED}"]
    for state, moves in TRANSITIONS.items():
        for target in dict.fromkeys(moves.values()):
            events = [event for event in moves if moves[event] is target]
            lines.append(f"    {state} --> {target}: {', '.join(events)}")
        if state.is_terminal:
            lines.append(f"    {state} --> [*]")
    return "\n".join(["```mermaid", *lines, "```", ""])


def test_the_diagram_in_the_docs_is_the_one_that_the_table_gives():
    text = PAGE.read_text()
    if os.environ.get("OUTLAST_REWRITE_DOCS"):
        PAGE.write_text(BETWEEN_MARKERS.sub(lambda _: draw_states(), text))
        text = PAGE.read_text()
    [diagram] = BETWEEN_MARKERS.findall(text)
    assert diagram == draw_states()


def test_the_diagram_has_every_event():
    drawn = set(re.findall(r"[a-z_]+", draw_states()))
    assert set(Event) <= drawn
    assert set(State) <= drawn
