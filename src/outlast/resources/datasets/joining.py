"""Several files as one table, one after the other. Runs in a locked child.

Their columns are gathered by name: one that a file lacks is null there, integers beside fractions
become doubles, and other types must be the same in all files.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from outlast.operations.errors import Invalid, TooLarge
from outlast.resources.datasets.tables import check_names, type_name

Table: TypeAlias = tuple[pa.Schema, Iterator[pa.RecordBatch]]
NamedTable: TypeAlias = tuple[str, pa.Schema, Iterator[pa.RecordBatch]]

_NUMBERS = (pa.int64(), pa.float64())


def joined(tables: Sequence[NamedTable]) -> Table:
    """The rows of some files, one after the other. Raises Invalid, naming the file."""
    fields: dict[str, tuple[pa.DataType, str]] = {}
    for name, schema, _ in tables:
        for field in schema:
            known, where = fields.setdefault(field.name, (field.type, name))
            if known.equals(field.type):
                continue
            if not {known, field.type} <= set(_NUMBERS):
                raise Invalid(
                    f"{name}: column {field.name!r} is {type_name(field.type)}, but "
                    f"{type_name(known)} in {where}: declare the columns"
                )
            fields[field.name] = (pa.float64(), where)
    check_names(list(fields))
    schema = pa.schema([(name, type) for name, (type, _) in fields.items()])
    return schema, _rows(tables, schema)


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """What is wrong inside is wrong with the file of this name."""
    try:
        yield
    except TooLarge:
        raise
    except Invalid as error:
        raise Invalid(f"{name}: {error.message}") from error


def _rows(tables: Sequence[NamedTable], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for name, own, batches in tables:
        with naming(name):
            for batch in batches:
                arrays = [
                    pc.cast(batch.column(field.name), field.type)
                    if field.name in own.names
                    else pa.nulls(batch.num_rows, field.type)
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
