import base64

import msgspec
import pytest
from installation import MEMBER, Installation

from outlast.engine import Principal, Role, Wish
from outlast.engine.tokens import Tokens
from outlast.operations import transitions
from outlast.operations.errors import SecretMissing, TooLarge
from outlast.operations.kind import CatalogWrite, Kind
from outlast.resources.keyring import make_key, read_keys
from outlast.resources.secrets import SECRET_BYTES_MAX, Secrets
from outlast.settings import Backend, ObjectStoreSettings, Recovery, SettingsError
from outlast.store.port import Change, Claim
from outlast.store.sqlite import SqliteStore

KEY = make_key()
BACKENDS = {
    "cloud": Backend(url="https://models.test", models=("m",), api_key_variable="CLOUD_KEY"),
    "open": Backend(url="https://open.test", models=("n",)),
}
STORES = {
    "lake": ObjectStoreSettings(
        url="s3://lake", access_key_variable="LAKE_ID", secret_key_variable="LAKE_KEY"
    ),
    "open": ObjectStoreSettings(url="s3://open"),
}


async def _nothing(_plan, _context):
    return None


class Keeping(Installation):
    """An installation with secrets, and operations that own some."""

    def secrets(self, keys=KEY, **environment):
        return Secrets(
            self.store.catalog,
            read_keys(keys, "a test"),
            backends=BACKENDS,
            object_stores=STORES,
            environment=environment,
            now=self.store.operations.now,
        )

    async def sealed(self, text="hunter22", **wish):
        """A new operation that owns a sealed secret, and the reference."""
        reference, write = self.secrets().seal("default", text)
        body = msgspec.json.encode({"key": reference})
        wish = Wish(kind="keep", spec=body, writes=[write], **wish)
        return (await self.engine.submit(MEMBER, wish)).operation, reference

    async def stop(self, operation):
        claim = Claim(kinds=frozenset({"keep"}), worker="w", limit=1, lease_seconds=60)
        [claimed] = await self.store.operations.claim(claim)
        assert claimed.id == operation.id
        await self.engine.cancel(MEMBER, operation.id)
        token = claimed.lease.token

        def stopped(stored, now):
            return transitions.confirm_cancel(stored, token, now)

        await self.store.operations.apply([Change(id=operation.id, tenant=None, decide=stopped)])


@pytest.fixture
async def keeping(tmp_path):
    store = SqliteStore(tmp_path / "outlast.db")
    await store.open()
    kept = Keeping(store, tmp_path, Recovery())
    kept.add(Kind("keep", spec=dict, result=None, run=_nothing, executor="inline"))
    yield kept
    await store.close()


async def test_a_sealed_secret_opens_for_its_operation(keeping):
    operation, reference = await keeping.sealed("hunter22 ☃")
    assert reference.startswith("sealed:")
    opened = await keeping.secrets().resolve(operation, {"key": reference})
    assert opened == {"key": "hunter22 ☃"}


async def test_a_sealed_secret_opens_for_no_other_operation(keeping):
    _, reference = await keeping.sealed()
    thief = await keeping.submit("keep", {"key": reference})
    with pytest.raises(SecretMissing, match=reference) as refused:
        await keeping.secrets().resolve(thief, {"key": reference})
    assert refused.value.fault == "user"


async def test_a_retry_keeps_its_copy_when_the_first_operation_is_deleted(keeping):
    operation, reference = await keeping.sealed()
    await keeping.stop(operation)
    retry = (await keeping.engine.retry(MEMBER, operation.id)).operation
    await keeping.engine.delete(MEMBER, operation.id)
    secrets = keeping.secrets()
    await _know_tenant(keeping)
    assert await secrets.collect(keeping.store.operations) == 1
    assert await secrets.resolve(retry, {"key": reference}) == {"key": "hunter22"}


async def test_secrets_go_when_their_operation_is_gone(keeping):
    await _know_tenant(keeping)
    operation, _ = await keeping.sealed()
    kept, _ = await keeping.sealed()
    secrets = keeping.secrets()
    await keeping.engine.cancel(MEMBER, operation.id)
    assert await secrets.collect(keeping.store.operations) == 0
    await keeping.engine.delete(MEMBER, operation.id)
    assert await secrets.collect(keeping.store.operations) == 1
    [left] = await keeping.store.catalog.find("default", "secret")
    assert left.fields["operation_id"] == kept.id


async def test_the_same_call_gets_the_same_reference_and_another_call_another(keeping):
    secrets = keeping.secrets()
    first, _ = secrets.seal("default", "hunter22", call="key-1")
    assert secrets.seal("default", "hunter22", call="key-1")[0] == first
    others = [
        secrets.seal("default", "hunter22", call="key-2")[0],
        secrets.seal("default", "hunter23", call="key-1")[0],
        secrets.seal("other", "hunter22", call="key-1")[0],
        keeping.secrets(make_key()).seal("default", "hunter22", call="key-1")[0],
        secrets.seal("default", "hunter22")[0],
        secrets.seal("default", "hunter22")[0],
    ]
    assert len({first, *others}) == 7


async def test_what_was_sealed_for_one_tenant_or_reference_is_not_opened_as_anothers(keeping):
    operation, _ = await keeping.sealed()
    [stored] = await keeping.store.catalog.find("default", "secret")
    moved = CatalogWrite(
        type="secret",
        id="moved",
        document=stored.document,
        fields={"operation_id": operation.id, "reference": "moved"},
    )
    await keeping.store.catalog.write("default", [moved])
    assert "hunter22" not in repr(stored)
    with pytest.raises(SecretMissing, match="sealed for another"):
        await keeping.secrets().resolve(operation, {"key": "sealed:moved"})


async def test_a_key_that_is_not_there_any_more_is_named(keeping):
    operation, reference = await keeping.sealed()
    with pytest.raises(SecretMissing, match=f"{reference} .* sealed with key [0-9a-f]{{8}}") as no:
        await keeping.secrets(make_key()).resolve(operation, {"key": reference})
    assert no.value.fault == "platform"


async def test_a_new_key_seals_and_the_old_one_still_opens(keeping):
    new = make_key()
    operation, old_reference = await keeping.sealed()
    rotated = keeping.secrets(f"{new},{KEY}")
    assert await rotated.resolve(operation, {"key": old_reference}) == {"key": "hunter22"}
    _, write = rotated.seal("default", "second")
    only_new = read_keys(new, "a test")
    assert msgspec.json.decode(write.document)["key"] in only_new._keys


async def test_that_a_sealed_secret_was_read_stands_in_the_audit_log(keeping):
    operation, reference = await keeping.sealed()
    claim = Claim(kinds=frozenset({"keep"}), worker="worker-7", limit=1, lease_seconds=60)
    [claimed] = await keeping.store.operations.claim(claim)
    references = {"key": reference, "model": "backend:cloud"}
    await keeping.secrets(CLOUD_KEY="sk-1").resolve(claimed, references)
    [record, *_] = await keeping.engine.audit(MEMBER)
    assert (record.entry.actor, record.entry.action) == ("worker-7", "secret.read")
    assert (record.entry.target, record.entry.data) == (
        operation.id,
        {"secrets": {"key": reference}},
    )


async def test_the_key_of_a_backend_comes_from_the_environment(keeping):
    operation = await keeping.submit("keep", {})
    found = await keeping.secrets(CLOUD_KEY="sk-1").resolve(operation, {"key": "backend:cloud"})
    assert found == {"key": "sk-1"}


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("backend:cloud", "backend:cloud: the server's environment has no CLOUD_KEY"),
        ("backend:open", "backend:open: the settings name no api_key_variable"),
        ("backend:nowhere", "backend:nowhere: the settings name no"),
        ("vault:x", "'vault:x' is not a reference"),
        ("sk-1", "'sk-1' is not a reference"),
    ],
)
async def test_what_cannot_be_resolved_is_named(keeping, reference, says):
    operation = await keeping.submit("keep", {})
    with pytest.raises(SecretMissing, match=says) as refused:
        await keeping.secrets(OTHER="x").resolve(operation, {"key": reference})
    assert refused.value.fault == "platform"


async def test_a_secret_has_a_limit(keeping):
    with pytest.raises(TooLarge):
        keeping.secrets().seal("default", "x" * (SECRET_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "text",
    ["", " , ", "hunter22", base64.b64encode(b"short").decode(), KEY + "A", KEY[:-2] + "!="],
    # The key is random: the workers of a run have to agree on names.
    ids=["nothing", "a comma", "no key", "a short one", "a long one", "no Base64"],
)
def test_keys_that_are_none_are_refused_and_not_repeated(text):
    with pytest.raises(SettingsError, match="OUTLAST_SECRET_KEY") as refused:
        read_keys(text, "OUTLAST_SECRET_KEY")
    assert not text.strip(" ,") or text.strip() not in str(refused.value)


def test_keys_may_stand_in_lines_or_between_commas():
    assert len(read_keys(f" {KEY},\n{make_key()}\n{make_key()}\n", "a file")._keys) == 3


async def _know_tenant(keeping):
    root = Principal(tenant="default", member="root", role=Role.ROOT)
    await Tokens(keeping.store).create_tenant(root, "default")


async def test_the_keys_of_an_object_store_are_found_by_its_name(keeping):
    operation, _ = await keeping.sealed()
    secrets = keeping.secrets(LAKE_ID="an id")
    found = await secrets.resolve(operation, {"access_key": "object_store:lake/access_key"})
    assert found == {"access_key": "an id"}
    for reference in ("lake/secret_key", "lake/other", "open/access_key", "none/access_key"):
        with pytest.raises(SecretMissing):
            await secrets.resolve(operation, {"key": f"object_store:{reference}"})
