"""An operation of every kind that the DataRobot dialect shows, as the kinds write it."""

from outlast.operations import documents
from outlast.operations.kind import CatalogWrite
from outlast.resources.vector_databases.model import Chunking, VectorDatabaseDocument
from outlast.testing.dialect_contract import Example

ID = "06EV0000000000000DB0"
RESOURCES = {
    "build_vector_database": ("vector_database", ID),
    "chat_prompt": ("chat_prompt", ID),
    "export_vector_database": ("vector_database", ID),
    "validate_embedding_endpoint": ("connection", ID),
}
"""What the operations of a kind work on."""

EXAMPLES = {
    "build_vector_database": Example(
        spec={"name": "handbook", "dataset": "handbook"},
        result={"vector_database": "06EV0000000000000DB0", "chunks": 300},
    ),
    "chat_prompt": Example(spec={"chat_prompt": "06EV0000000000000DB0"}, result={"text": "owls"}),
    "evaluate_chat": Example(spec={"dataset": "questions"}, result={"questions": 12}),
    "export_vector_database": Example(
        spec={"vector_database": "handbook"},
        result={"dataset": "chunks", "version": "1" * 32, "rows": 300},
    ),
    "file_to_dataset": Example(spec={"file": "handbook.csv"}, result={"dataset": "handbook"}),
    "validate_embedding_endpoint": Example(
        spec={"validation": "06EV0000000000000DB0"}, result={"dimensions": 384}
    ),
}


async def keep(store, name):
    """The id of a vector database that is ready."""
    document = VectorDatabaseDocument(
        chunking=Chunking(),
        name=name,
        family=ID,
        embedding_model="multilingual-e5-small",
        dataset="handbook",
        source_name="Handbook",
        is_local=True,
        created_by="ada",
        operation_id="06EV0000000000000P00",
        bytes=123_456,
        documents=3,
        chunks=300,
        dimensions=384,
    )
    write = CatalogWrite(
        type="vector_database",
        id=ID,
        name=f"{ID}:1",
        document=documents.encode(document),
        fields={"name": name, "family": ID, "operation_id": document.operation_id},
    )
    await store.catalog.write("default", [write])
    return ID
