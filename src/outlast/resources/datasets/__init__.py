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
from outlast.resources.datasets.uploads import Uploads

__all__ = [
    "Column",
    "Dataset",
    "Datasets",
    "Manifest",
    "NewVersion",
    "Part",
    "Publisher",
    "Rows",
    "Uploads",
    "Version",
]
