"""What evidence is: its type, its document, and what is wrong with it."""

from outlast.resources.evidence.recognition.found import (
    BadEvidence,
    Location,
    Problem,
    Recognised,
    Signature,
    Subject,
)
from outlast.resources.evidence.recognition.recognising import recognise

__all__ = [
    "BadEvidence",
    "Location",
    "Problem",
    "Recognised",
    "Signature",
    "Subject",
    "recognise",
]
