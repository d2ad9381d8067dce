"""Open Data Contract Standard v3.1: a document becomes declarations, and these become the document again."""

from headrace.contracts.odcs.export import exported
from headrace.contracts.odcs.python import Imported, imported
from headrace.contracts.odcs.read import Document
from headrace.contracts.odcs.shape import read_document
from headrace.contracts.odcs.write import yaml_text

__all__ = ["Document", "Imported", "exported", "imported", "read_document", "yaml_text"]
