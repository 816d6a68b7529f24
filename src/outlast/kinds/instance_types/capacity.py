"""What a node of Kubernetes has room for, by the formulas that are published for Amazon EKS."""

from typing import Final

from outlast.kinds.instance_types.published import InstanceType

_FEW_VCPUS: Final = 30
_MANAGED_PODS_MAX: Final = 110
_MANAGED_PODS_MAX_OF_LARGE: Final = 250
_RESERVED_OF_CORE: Final = (60.0, 10.0, 5.0, 5.0)
_RESERVED_OF_OTHERS: Final = 2.5


def max_pods(of: InstanceType, *, is_managed: bool) -> int:
    """How many pods its addresses are enough for: one of each interface is the interface's own.

    Two pods use the node's address. `is_managed`: no more than managed nodes are allowed.
    """
    if of.max_pods is not None:
        pods = of.max_pods
    else:
        pods = (of.interfaces or 0) * ((of.addresses_per_interface or 0) - 1) + 2
    if not is_managed:
        return pods
    return min(pods, _MANAGED_PODS_MAX if of.vcpus <= _FEW_VCPUS else _MANAGED_PODS_MAX_OF_LARGE)


def allocatable_milli_cpu(vcpus: int) -> int:
    """What is left for pods.

    Kept are 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the others.
    """
    others = max(vcpus - len(_RESERVED_OF_CORE), 0)
    reserved = sum(_RESERVED_OF_CORE[:vcpus]) + others * _RESERVED_OF_OTHERS
    return int(vcpus * 1000 - reserved)
