"""Validation: rows become typed columns that keep a contract's promises, or go to quarantine with all reasons."""

from headrace.contracts.across import Across, Referred
from headrace.contracts.aside import (
    AS_WRITTEN,
    MALFORMED,
    MALFORMED_TYPE,
    QUARANTINE,
    plain_rows,
    plain_values,
)
from headrace.contracts.columns import UNKNOWN, Unfit, check_columns, read_column, readable
from headrace.contracts.keys import KeyIndex
from headrace.contracts.mixed import validate_mixed
from headrace.contracts.rules import check_rules
from headrace.contracts.tally import Tally, tally
from headrace.contracts.validation import Validated, judge, total, validate

__all__ = [
    "AS_WRITTEN",
    "MALFORMED",
    "MALFORMED_TYPE",
    "QUARANTINE",
    "UNKNOWN",
    "Across",
    "KeyIndex",
    "Referred",
    "Tally",
    "Unfit",
    "Validated",
    "check_columns",
    "check_rules",
    "judge",
    "plain_rows",
    "plain_values",
    "read_column",
    "readable",
    "tally",
    "total",
    "validate",
    "validate_mixed",
]
