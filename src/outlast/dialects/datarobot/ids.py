"""Ids on the wire: UUIDs, which are our own in another form (decision 0001).

An operation whose caller chose a UUID for it goes by that one.
"""

from uuid import UUID

from outlast.operations import ids
from outlast.operations.errors import Invalid

_UUID_CHARS = 36


def show_id(id: str) -> str:
    """An id as the wire writes it; what is none of ours is shown as it is."""
    return str(ids.to_uuid(id)) if ids.is_id(id) else id


def show_operation_id(id: str, alias: str | None) -> str:
    """The UUID that the caller chose for an operation, else our own."""
    return alias if alias is not None and is_uuid(alias) else show_id(id)


def read_id(text: str, name: str) -> str:
    """The id that a parameter or field called `name` stands for; any other UUID as it is.

    Raises Invalid for what is no id at all.
    """
    id = ids.decode_any(text)
    if id is not None:
        return id
    if not is_uuid(text.lower()):
        raise Invalid(f"{name} is not a UUID", field_errors={name: "is not a valid UUID"})
    return text.lower()


def read_ref(text: str) -> str:
    """The id that a text of the wire stands for, where a thing may also have a name for its id."""
    return ids.decode_any(text) or text


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual form, in lower case."""
    try:
        return len(text) == _UUID_CHARS and str(UUID(text)) == text
    except ValueError:
        return False
