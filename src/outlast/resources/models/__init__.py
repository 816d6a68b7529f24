"""Models: what fine-tuning leaves, to be served and tuned further."""

from outlast.resources.models.collecting import ModelCollector
from outlast.resources.models.library import Models
from outlast.resources.models.model import (
    Model,
    ModelDocument,
    ModelFile,
    NewModel,
    model_document,
    name_model,
)
from outlast.resources.models.publishing import ModelPublisher

__all__ = [
    "Model",
    "ModelCollector",
    "ModelDocument",
    "ModelFile",
    "ModelPublisher",
    "Models",
    "NewModel",
    "model_document",
    "name_model",
]
