"""Stacks, networks and clusters as the wire has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType

from outlast.dialects.lakesail.ids import show_id, show_name
from outlast.dialects.lakesail.names import NETWORK, PLACED, REGION
from outlast.dialects.lakesail.stacks import (
    STATUSES,
    Cluster,
    IacState,
    Network,
    show_output,
)
from outlast.dialects.lakesail.stacks import Stack as ShownStack
from outlast.http.lakesail.including import NamedOperations
from outlast.operations.instants import show_instant
from outlast.resources.stacks import Stack

_PROVIDER_IDS: Final = ("provider_network_id", "network_id", "vpc_id", "id")
"""Outputs that may say what the provider calls a network, the surest first."""


def show_stack(stack: Stack, named: NamedOperations) -> ShownStack:
    """A stack of no other word."""
    return ShownStack(
        **_common(stack, named),
        variables=stack.variables,
        resources=stack.resources,
        status=STATUSES[stack.status],
    )


def show_network(stack: Stack, named: NamedOperations) -> Network:
    """A network."""
    return Network(
        **_common(stack, named),
        region=_text(stack.variables, [REGION]),
        provider_network_id=_text(_values(stack), _PROVIDER_IDS),
        config=_config(stack),
        status=STATUSES[stack.status],
    )


def show_cluster(stack: Stack, named: NamedOperations) -> Cluster:
    """A cluster."""
    network = _text(stack.variables, [NETWORK])
    return Cluster(
        **_common(stack, named),
        external_cluster_id=show_id(stack.id),
        region=_text(stack.variables, [REGION]),
        network_id=UNSET if network is UNSET else show_id(network),
        config=_config(stack),
        external_status=STATUSES[stack.status],
    )


def known_outputs(stack: Stack) -> dict[str, Any]:
    """The outputs that whoever may read may see."""
    return dict(_values(stack))


def _common(stack: Stack, named: NamedOperations) -> dict[str, Any]:
    is_failed = stack.status == "failed"
    return {
        "id": show_id(stack.id),
        "name": stack.name,
        "connection_id": UNSET if stack.connection is None else show_id(stack.connection),
        "secret_variable_names": stack.secret_names,
        "iac_state": IacState(project_name=stack.module, stack_name=f"{stack.word}/{stack.name}"),
        "iac_outputs": {name: show_output(value) for name, value in _values(stack).items()},
        "status_message": named.why_failed(stack.operation_id) if is_failed else UNSET,
        "operation_id": show_id(stack.operation_id),
        "created_at": show_instant(stack.created_at),
        "created_by": show_name(stack.created_by),
        "updated_at": show_instant(stack.updated_at),
    }


def _values(stack: Stack) -> Mapping[str, Any]:
    return {
        name: one.value
        for name, one in stack.outputs.items()
        if not one.is_sensitive and not one.is_left_out
    }


def _config(stack: Stack) -> Mapping[str, Any]:
    return {name: value for name, value in stack.variables.items() if name not in PLACED}


def _text(values: Mapping[str, Any], names: Sequence[str]) -> str | UnsetType:
    """The first of these values that is a text."""
    return next((values[one] for one in names if isinstance(values.get(one), str)), UNSET)
