"""What callers do with connections, whoever looks at them."""

import msgspec
import pytest
from datasets_for_tests import principal
from installation import Installation

from outlast.engine import Role, Wish
from outlast.engine.preparing import TenantCatalog
from outlast.kinds.validate_connection import kinds
from outlast.operations.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    ResourceExists,
    ResourceInUse,
    SecretMissing,
)
from outlast.operations.ids import to_uuid
from outlast.operations.kind import CatalogWrite
from outlast.resources.configured import ConfiguredStore
from outlast.resources.connections import ConnectionChange, Connections, find_connection, model
from outlast.resources.connections.keeping import open_secret, open_secrets
from outlast.resources.keyring import make_key, read_keys
from outlast.settings import Recovery, Settings
from outlast.store.port import Query

ADA, EVE, AWAY = principal("ada"), principal("eve"), principal("ada", tenant="away")
OPERATOR, VIEWER = principal("olga", Role.OPERATOR), principal("vera", Role.VIEWER)
KEYRING = read_keys(make_key(), "a test")
POSTGRES = {"host": "db.example.com", "database": "sales", "user": "ada"}


@pytest.fixture
def engine(store, tmp_path):
    installation = Installation(ConfiguredStore(store, Settings()), tmp_path, Recovery())
    installation.add(kinds[0])
    return installation.engine


@pytest.fixture
def library(engine):
    return Connections(engine, KEYRING)


async def create(library, name="sales", who=ADA, **fields):
    given = {"settings": POSTGRES, "secrets": {"password": "open-sesame"}} | fields
    return await library.create(who, name, given.pop("provider", "postgresql"), **given)


async def say(store, connection, *, works):
    """Have a connection be one that works, or one that does not."""
    [operation] = await store.operations.get("default", [connection.operation_id])
    resource = await store.catalog.read("default", model.CONNECTION, connection.id)
    document = model.connection_document(resource)
    made = msgspec.structs.replace(
        document,
        operation_id=operation.id if works else None,
        validated_at=1 if works else None,
        identity={"version": "18"} if works else {},
    )
    write = model.write_connection(resource.id, resource.name, made, resource.revision)
    fields = dict(resource.fields) | ({} if works else {model.OWNER: "06EV0000000000000G0NE"})
    await store.catalog.write(
        "default", [msgspec.structs.replace(write, is_owned=False, fields=fields)]
    )


async def secrets_of(store, connection):
    kept = await store.catalog.read("default", model.CONNECTION_SECRET, connection.id)
    return open_secrets(KEYRING, kept, "default", connection.id)


async def test_a_connection_is_made_with_the_operation_that_looks_at_it(store, engine, library):
    made = await create(library)
    assert (made.status, made.provider, made.secret_names) == (
        "validating",
        "postgresql",
        ("password",),
    )
    operation = await engine.get(ADA, made.operation_id)
    assert (operation.kind, operation.resource_type, operation.resource_id) == (
        "validate_connection",
        "connection",
        made.id,
    )
    assert await library.get(VIEWER, "sales") == made
    assert await library.get(ADA, str(to_uuid(made.id))) == made
    for call in (library.get(AWAY, made.id), library.delete(AWAY, made.id)):
        with pytest.raises(NotFound):
            await call


async def test_a_name_is_taken_at_once_and_a_loser_makes_no_operation(store, library, engine):
    await create(library)
    with pytest.raises(ResourceExists):
        await create(library, who=EVE)
    page = await engine.find(ADA, Query(tenant="default"))
    assert len(page.operations) == 1


async def test_secrets_are_sealed_and_told_to_nobody(store, library, tmp_path):
    made = await create(library)
    assert await secrets_of(store, made) == {"password": "open-sesame"}
    files = [path for path in tmp_path.rglob("outlast.db*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    assert b"db.example.com" in stored
    assert b"open-sesame" not in stored
    kept = await store.catalog.read("default", model.CONNECTION_SECRET, made.id)
    with pytest.raises(SecretMissing):
        open_secret(KEYRING, kept, "away", f"{made.id}/password")
    with pytest.raises(SecretMissing, match="no secret 'other'"):
        open_secret(KEYRING, kept, "default", f"{made.id}/other")


async def test_what_is_changed_is_looked_at_again(store, library):
    made = await create(library)
    await say(store, made, works=True)
    assert (await library.get(ADA, "sales")).status == "ready"
    changed = await library.update(
        ADA, "sales", ConnectionChange(region="eu-north-1", secrets={"password": "closed"})
    )
    assert (changed.status, changed.region) == ("validating", "eu-north-1")
    assert changed.operation_id != made.operation_id
    assert (changed.identity, changed.validated_at) == ({}, None)
    assert await secrets_of(store, made) == {"password": "closed"}
    await say(store, changed, works=False)
    assert (await library.get(ADA, "sales")).status == "failed"


async def test_secrets_are_not_shown_to_what_other_settings_lead_to(library):
    await create(library)
    elsewhere = ConnectionChange(settings=POSTGRES | {"host": "evil.example.com"})
    with pytest.raises(InvalidSpec, match="given again"):
        await library.update(OPERATOR, "sales", elsewhere)
    again = msgspec.structs.replace(elsewhere, secrets={"password": "theirs"})
    assert (await library.update(OPERATOR, "sales", again)).settings["host"] == "evil.example.com"


async def test_only_its_maker_and_operators_change_a_connection(store, library):
    made = await create(library)
    await say(store, made, works=True)
    for who in (EVE, VIEWER):
        for call in (
            library.update(who, "sales", ConnectionChange()),
            library.delete(who, "sales"),
        ):
            with pytest.raises(Forbidden):
                await call
    with pytest.raises(Forbidden):
        await create(library, "other", who=VIEWER)
    await library.delete(OPERATOR, "sales")
    with pytest.raises(NotFound):
        await library.get(ADA, made.id)
    assert await store.catalog.read("default", model.CONNECTION_SECRET, made.id) is None


async def test_a_connection_in_use_stays(store, library):
    made = await create(library)
    with pytest.raises(Conflict, match="is being looked at"):
        await library.delete(ADA, "sales")
    await say(store, made, works=True)
    stack = CatalogWrite(
        type="stack", id="s1", name="stack/web", document=b"{}", fields={"connection": made.id}
    )
    await store.catalog.write("default", [stack])
    with pytest.raises(ResourceInUse, match="stack/web"):
        await library.delete(ADA, "sales")


async def test_kinds_find_what_works_with_what_programs_look_for(store, library):
    catalog = TenantCatalog(ConfiguredStore(store, Settings()).catalog, "default")
    made = await create(library)
    with pytest.raises(Conflict, match="is validating"):
        await find_connection(catalog, "sales")
    await say(store, made, works=True)
    found = await find_connection(catalog, made.id)
    assert found.environment == {"PGPASSWORD": f"connection:{made.id}/password"}
    assert found.plain == {
        "PGHOST": "db.example.com",
        "PGDATABASE": "sales",
        "PGUSER": "ada",
    }
    with pytest.raises(NotFound):
        await find_connection(catalog, "nothing")


async def test_lists_come_in_pages(library):
    made = [await create(library, f"c{number}") for number in range(3)]
    first = await library.find(ADA, limit=2)
    assert [one.id for one in first] == [made[2].id, made[1].id]
    assert [one.id for one in await library.find(ADA, before_id=first[-1].id)] == [made[0].id]
    assert await library.find(AWAY) == []


async def test_whoever_asks_to_look_again_changes_nothing_else(engine, library):
    made = await create(library)
    again = await library.validate(EVE, "sales")
    assert again.operation_id != made.operation_id
    assert (again.created_by, again.settings) == ("ada", made.settings)
    spec = msgspec.json.encode({"connection": "nothing"})
    with pytest.raises(NotFound):
        await engine.submit(ADA, Wish(kind="validate_connection", spec=spec))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "1st"}, "name"),
        ({"provider": "moon"}, "provider"),
        ({"settings": {"host": "h"}}, "settings.database"),
        ({"settings": POSTGRES | {"colour": "red"}}, "settings.colour"),
        ({"settings": POSTGRES | {"port": "0"}}, "settings.port"),
        ({"settings": POSTGRES | {"sslmode": "verify-full"}}, "settings.sslmode"),
        ({"settings": POSTGRES | {"user": "a\nb"}}, "settings.user"),
        ({"settings": POSTGRES | {"user": ""}}, "settings.user"),
        ({"secrets": {"key": "x"}}, "secrets.key"),
        ({"secrets": {"password": ""}}, "secrets.password"),
        ({"secrets": {"password": "x" * 20_000}}, "secrets.password"),
        ({"region": "EU North"}, "region"),
        ({"provider": "aws", "settings": {}, "secrets": {}}, "secrets.access_key"),
        ({"provider": "s3", "settings": {"url": "/x"}, "secrets": {}}, "settings.url"),
        (
            {"provider": "s3", "settings": {"url": "s3://b"}, "secrets": {"access_key": "a"}},
            "secrets",
        ),
        ({"provider": "local", "settings": {"folder": "x"}, "secrets": {}}, "settings.folder"),
    ],
)
async def test_what_is_no_connection_is_refused_and_nothing_is_made(library, fields, field):
    with pytest.raises(InvalidSpec) as refused:
        await create(library, **fields)
    assert list(refused.value.field_errors) == [field]
    assert await library.find(ADA) == []
