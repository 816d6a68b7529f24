"""Services: what this installation can be told to do beside its own API."""

from outlast.resources.services.library import FoundService, Services
from outlast.resources.services.model import SERVICE, ServiceDocument, find_service

__all__ = ["SERVICE", "FoundService", "ServiceDocument", "Services", "find_service"]
