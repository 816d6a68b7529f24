"""Evaluations: how well LLM blueprints answer the questions of a dataset, measured."""

from outlast.resources.evaluations.library import Evaluations
from outlast.resources.evaluations.publishing import EvaluationPublisher

__all__ = ["EvaluationPublisher", "Evaluations"]
