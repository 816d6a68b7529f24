"""Ids on the wire: UUIDs, which are our own in another form (decision 0001)."""

from outlast.operations import ids


def show_id(id: str) -> str:
    """An id as the wire writes it; a name that a caller chose is shown as it is."""
    return str(ids.to_uuid(id)) if ids.is_id(id) else id


def read_id(text: str) -> str:
    """The id or name that a text of the wire stands for; our own form is taken too."""
    return ids.decode_any(text) or text
