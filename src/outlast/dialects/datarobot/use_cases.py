"""Use cases on the wire."""

from collections.abc import Sequence

import msgspec

from outlast.dialects.datarobot.instants import Instant


class UseCaseUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A member, who is known by one word here."""

    id: str
    username: str
    full_name: str | None = None
    email: str | None = None


class CreateUseCaseRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A use case to make."""

    name: str | None = None
    description: str | None = None


class UseCaseResponse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A use case. Of what this server does not have there is nothing."""

    id: str
    name: str
    description: str
    created_at: Instant
    created: UseCaseUser
    updated_at: Instant
    updated: UseCaseUser
    members: Sequence[UseCaseUser]
    owners: Sequence[UseCaseUser]
    datasets_count: int
    files_count: int
    playgrounds_count: int
    vector_databases_count: int
    models_count: int = 0
    projects_count: int = 0
    notebooks_count: int = 0
    applications_count: int = 0


class UseCaseReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """That a use case links something."""

    id: str
    entity_type: str
    entity_id: str
    experiment_container_id: str
    created_at: Instant
    created: UseCaseUser
    is_deleted: bool = False


def user(member: str) -> UseCaseUser:
    """A member."""
    return UseCaseUser(id=member, username=member)
