import duckdb
import msgspec
import pytest
from lake import ANN, a_lake
from postgres_server import pytest_sessionfinish  # noqa: F401  a hook, known by its name

from outlast.kinds import create_pipe_table
from outlast.kinds.databases.duck import make_file
from outlast.kinds.pipe_tables import calls, locked
from outlast.kinds.pipe_tables.calls import LoadArguments, Loaded, LocalFile
from outlast.operations.kind import Resource
from outlast.resources.configured import InstallationDocument, ObjectStoreDocument
from outlast.resources.databases import DatabaseDocument
from outlast.resources.pipe_tables.library import PipeTables
from outlast.resources.pipe_tables.listing import format_of, partition_values
from outlast.resources.pipe_tables.model import Contents, Definition
from outlast.settings import Limits, ObjectStoreSettings


class Bench:
    """The locked child's part, in this process: a database, and files that are loaded into it."""

    def __init__(self, folder):
        self.folder = folder
        self.database = folder / calls.DATABASE
        make_file(self.database)

    def load(self, files, contents=None, unpacked_bytes_max=10**9, table="t", **definition):
        """Load files by key into the table `t`; what is there then."""
        contents = contents or Contents()
        arguments = LoadArguments(
            table=table,
            definition=Definition(storage="files", path_prefix="in", **definition),
            contents=contents,
            files=tuple(self._local(key, content) for key, content in files.items()),
            operation_id="an operation",
            unpacked_bytes_max=unpacked_bytes_max,
        )
        changed = self.folder / calls.CHANGED
        changed.unlink(missing_ok=True)
        loaded = msgspec.convert(locked.load(msgspec.json.encode(arguments), self.folder), Loaded)
        changed.replace(self.database)
        return Contents(
            columns=loaded.columns,
            partition_columns=loaded.partition_columns,
            files=contents.files + len(files),
            rows=loaded.rows,
        )

    def rows(self, sql="FROM t"):
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def _local(self, key, content):
        name = key.replace("/", "-")
        (self.folder / name).write_bytes(content)
        format, is_compressed = format_of(key)
        return LocalFile(
            file=name,
            key=key,
            identity="1",
            bytes=len(content),
            format=format,
            is_compressed=is_compressed,
            partition=partition_values(key, "in"),
        )


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def files(tmp_path):
    """The folder that is the object store `files`."""
    folder = tmp_path / "files"
    (folder / "in").mkdir(parents=True)
    return folder


class Pipes:
    """A lake with the database `sales`, and a folder of files."""

    def __init__(self, lake, files, folder):
        self.lake, self.files, self._folder = lake, files, folder
        self.tables = PipeTables(lake.store)

    async def create(self, table="orders", **spec):
        spec = {"storage": "files", "path_prefix": "in"} | spec
        return await self.lake.result("create_pipe_table", database="sales", table=table, **spec)

    async def refresh(self, table="orders"):
        return await self.lake.result("refresh_pipe_table", database="sales", table=table)

    async def get(self, table="orders"):
        return await self.tables.get(ANN, "sales", table)

    def put(self, name, content):
        """A file appears whole."""
        path = self.files / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name("." + path.name)
        aside.write_bytes(content)
        aside.replace(path)

    async def rows(self, sql="FROM orders"):
        path = await self.lake.file("sales", self._folder / "copy.duckdb")
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
async def pipes(tmp_path, files):
    stores = {name: ObjectStoreSettings(url=f"file://{files}") for name in ("files", "others")}
    limits = Limits(pipe_table_bytes=1_000_000, pipe_table_files=100)
    async with a_lake(tmp_path, object_stores=stores, limits=limits) as lake:
        await lake.work()
        await lake.result("provision_database", name="sales", storages=["files"])
        yield Pipes(lake, files, tmp_path)


DOCUMENTS = {
    "installation": InstallationDocument(outbound_allow=(), allow_unsandboxed=True),
    "object_store": ObjectStoreDocument(url="file:///x", endpoint=None, region=None),
    "database": DatabaseDocument(
        engine="duckdb", storages=("files",), data_sources=(), operation_id="an", file="a key"
    ),
}


class OneDatabase:
    """A catalog with a database that is ready, and the object store `files`."""

    operation_id = None

    async def get(self, type, id_or_name):
        known = {"installation": "installation", "object_store": "files", "database": "sales"}
        if known.get(type) != id_or_name:
            return None
        return Resource(
            tenant="t",
            type=type,
            id="06EV00000000000000R0" if type == "database" else id_or_name,
            name=id_or_name,
            document=msgspec.json.encode(DOCUMENTS[type]),
            revision=1,
            created_at=0,
            updated_at=0,
            fields={"operation_id": "an"},
        )


@pytest.fixture
def refusing():
    """Prepares a `create_pipe_table` of a catalog in memory."""

    async def prepare(**spec):
        whole = {"database": "sales", "table": "orders", "storage": "files", "path_prefix": "in"}
        return await create_pipe_table.prepare(
            msgspec.convert(whole | spec, create_pipe_table.CreateSpec), OneDatabase()
        )

    return prepare
