"""A bucket of anything that speaks S3."""

from collections.abc import Mapping

from outlast.operations.errors import Fatal, Invalid, NotFound, OutboundRefused
from outlast.outbound import Gate
from outlast.resources.objects.foreign import open_foreign_store


async def look_at_bucket(
    settings: Mapping[str, str], region: str | None, secrets: Mapping[str, str], gate: Gate
) -> dict[str, str]:
    """What the bucket is, once it could be listed. Raises Fatal, Unavailable."""
    try:
        async with open_foreign_store(
            settings["url"],
            gate=gate,
            endpoint=settings.get("endpoint"),
            region=region,
            access_key=secrets.get("access_key"),
            secret_key=secrets.get("secret_key"),
        ) as store:
            async for _ in store.list():
                break
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
    except NotFound as error:
        raise Fatal("missing", error.message) from error
    except Invalid as error:
        raise Fatal("access_refused", error.message) from error
    return {"url": settings["url"]}
