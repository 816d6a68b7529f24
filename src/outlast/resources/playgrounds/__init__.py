"""Playgrounds: LLM blueprints that are tried in chats, and what was asked and answered."""

from outlast.resources.playgrounds.library import Playgrounds
from outlast.resources.playgrounds.publishing import AnswerPublisher

__all__ = ["AnswerPublisher", "Playgrounds"]
