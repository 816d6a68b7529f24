"""An endpoint that embeds, as OpenAI's does."""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Final

from outlast.inference.embedding import question_for, vectors_in
from outlast.inference.endpoints import open_endpoint
from outlast.inference.models import ServedModel
from outlast.kinds.patient_asking import PatientAsker
from outlast.operations.errors import Fatal, OutboundRefused, Retry, Unavailable

_SECONDS: Final = 30.0
_TEXTS: Final = ("An owl hunts at night.", "A spider spins its web.")


async def look_at_embeddings(
    settings: Mapping[str, str], secrets: Mapping[str, str], allow: Sequence[str]
) -> dict[str, str]:
    """How many dimensions its vectors have, and how long it took. Raises Fatal, Retry."""
    model = ServedModel(
        name=settings["model"],
        upstream=settings["model"],
        url=settings["base_url"],
        timeout_seconds=_SECONDS,
        allow=tuple(allow),
    )
    try:
        async with open_endpoint(model, secrets.get("api_key")) as endpoint:
            began = perf_counter()
            # Whoever waits wants to know: the operation tries once more, and that is all.
            vectors = await PatientAsker(model, endpoint, tries_max=1).ask(
                question_for(model.name, _TEXTS), lambda body: vectors_in(body, len(_TEXTS))
            )
            took = perf_counter() - began
    except OutboundRefused as error:
        raise Fatal("outbound_refused", error.message) from error
    except Unavailable as error:
        raise Retry(code="backend_unavailable", message=error.message) from error
    return {
        "model": model.name,
        "dimensions": str(len(vectors[0])),
        "latency_ms": str(round(took * 1000)),
    }
