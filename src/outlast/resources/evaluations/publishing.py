"""Makes what an operation measured the result of an evaluation."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from outlast.engine.preparing import TenantCatalog
from outlast.operations.errors import Conflict
from outlast.operations.kind import CatalogWrite
from outlast.resources.evaluations import model
from outlast.resources.evaluations.model import NewMeasures
from outlast.resources.publication import Publication
from outlast.store.port import CatalogStore

TAG: Final = "chat_measures"


class EvaluationPublisher:
    """Publishes measures. The worker calls it before it records a success."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog

    async def publish(self, publication: Publication) -> Sequence[CatalogWrite]:
        """The writes for an encoded NewMeasures; they belong to the success's transaction.

        Raises Conflict for what cannot be published.
        """
        wish: NewMeasures = publication.read(NewMeasures, "the set of measures")
        catalog = TenantCatalog(self._catalog, publication.tenant)
        found = await catalog.get(model.EVALUATION, wish.evaluation)
        if found is None or found.fields.get(model.OWNER) != publication.operation_id:
            raise Conflict(f"the evaluation {wish.evaluation!r} is no more")
        stored = model.evaluation_of(found)
        if len(stored.blueprints) != len(wish.measures):
            raise Conflict("there are measures of other blueprints than were to be evaluated")
        measured = tuple(
            replace(one, measures=measures)
            for one, measures in zip(stored.blueprints, wish.measures, strict=True)
        )
        done = replace(
            stored,
            blueprints=measured,
            operation_id=publication.operation_id,
            created_by=publication.created_by,
            answers=wish.answers,
            answers_version=wish.answers_version,
        )
        return [model.change_evaluation(found, done)]
