"""The report of data: what each table is like, what the last load changed, which promises are broken, and whose."""

from headrace.audit.data.gathered import Gathered, gather
from headrace.audit.data.report import DataReport, data_report

__all__ = ["DataReport", "Gathered", "data_report", "gather"]
