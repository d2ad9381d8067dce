"""Bounds of a contract as people write them: taken in the units of the kernel, or told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import headrace as hr
from headrace.declare import contract_of
from headrace.plan.domains import domain_of

MONEY = hr.Decimal(8, 2)
TAKEN: list[tuple[Any, dict[str, Any], tuple[Any, Any]]] = [
    (MONEY, {"ge": "0.50", "le": "99.99"}, (50, 9999)),
    (MONEY, {"ge": Decimal("0.5"), "lt": 100}, (50, 9999)),
    (MONEY, {"isin": ["1.00", "2.50"]}, (100, 250)),
    (MONEY, {"gt": "0.005", "lt": "0.015"}, (1, 1)),
    (MONEY, {"ge": True}, (100, 99_999_999)),
    (hr.types.INT, {"ge": True, "le": 2.5}, (1, 2)),
    (hr.types.INT, {"gt": 1, "lt": 3}, (2, 2)),
    (hr.types.INT, {"ge": -(2**63), "le": 2**63 - 1}, (-(2**63), 2**63 - 1)),
    (hr.types.FLOAT, {"ge": -1e308, "le": 1e308}, (-1e308, 1e308)),
    (hr.types.FLOAT, {"ge": 5, "le": 5}, (5.0, 5.0)),
]
TOLD: list[tuple[Any, dict[str, Any], str]] = [
    (hr.types.INT, {"ge": "1"}, "HR-CONTRACT-009"),
    (MONEY, {"ge": "1e5"}, "HR-CONTRACT-009"),
    (MONEY, {"isin": ["1.005"]}, "HR-CONTRACT-009"),
    (hr.types.FLOAT, {"ge": float("inf")}, "HR-CONTRACT-009"),
    (hr.types.FLOAT, {"le": 10**309}, "HR-CONTRACT-009"),
    (hr.types.FLOAT, {"gt": 1, "lt": 1}, "HR-CONTRACT-006"),
    (hr.types.INT, {"gt": 1, "lt": 2}, "HR-CONTRACT-006"),
    (hr.types.INT, {"ge": 10**20}, "HR-CONTRACT-006"),
    (MONEY, {"ge": 10**9}, "HR-CONTRACT-006"),
    (MONEY, {"gt": "0.001", "lt": "0.009"}, "HR-CONTRACT-006"),
    (hr.Date, {"gt": "2026-01-01", "le": "2026-01-01"}, "HR-CONTRACT-006"),
]


def row(kind: Any, said: dict[str, Any]) -> type[hr.Contract]:
    return contract_of("Row", {"x": replace(hr.field(**said), name="x", type=kind)})


@pytest.mark.parametrize(("kind", "said", "ends"), TAKEN)
def test_a_bound_is_taken_as_it_is_written(kind: Any, said: dict[str, Any], ends: tuple[Any, Any]) -> None:
    made = row(kind, said)
    assert made.faults == ()
    domain = domain_of(made.fields()["x"])
    assert (domain.low, domain.high) == ends


@pytest.mark.parametrize(("kind", "said", "code"), TOLD)
def test_a_bound_that_holds_no_value_is_told(kind: Any, said: dict[str, Any], code: str) -> None:
    (fault,) = row(kind, said).faults
    assert fault.code == code
