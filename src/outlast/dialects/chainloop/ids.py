"""Ids on the wire: UUIDs, which are our own in another form (decision 0001)."""

from outlast.operations import ids


def show_id(id: str) -> str:
    """An operation's id as the wire writes it."""
    return str(ids.to_uuid(id))


def read_id(text: str) -> str:
    """The id or name that a text of the wire stands for; our own form is taken too."""
    return ids.decode_any(text) or text
