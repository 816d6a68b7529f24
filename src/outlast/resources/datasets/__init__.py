"""Datasets: immutable versions of tables, as Parquet parts and a JSON manifest."""

from outlast.resources.datasets.library import Datasets
from outlast.resources.datasets.model import (
    Column,
    Dataset,
    Manifest,
    NewVersion,
    Part,
    Rows,
    Version,
)
from outlast.resources.datasets.publishing import Publisher

__all__ = [
    "Column",
    "Dataset",
    "Datasets",
    "Manifest",
    "NewVersion",
    "Part",
    "Publisher",
    "Rows",
    "Version",
]
