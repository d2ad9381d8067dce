"""A project with personal fields: a service whose records must not hold them in plain."""

import shutil

import pytest

from tests.shop import PROJECT, copy_of, made_of

AMOUNT = "    amount: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)\n"
PERSONAL = """    email: str | None = hr.field(privacy="personal", default=None)
    income: float | None = hr.field(ge=0, le=1_000_000, privacy="personal", default=None)
    holder: str | None = hr.field(subject=True, default=None)
    note: str | None = hr.field(privacy="internal", default=None)
"""
LAST = '"with_this": hr.sum("amount", "1d", include_current=True),\n'
NOW = '"night": "hour(at) < 6"}'


def source():
    """The shop with personal fields, and features that are made of them."""
    text = PROJECT
    for old, new in (
        (AMOUNT, AMOUNT + PERSONAL),
        ('"with_this":', '"incomes": hr.mean("income", "7d"), "_mail": hr.last("email", "7d"),\n    "with_this":'),
        (NOW, '"night": "hour(at) < 6", "rich": "income > 50000", "_now": "email"}, privacy="personal"'),
        ("SimpleImputer()", "SimpleImputer(keep_empty_features=True)"),
        (LAST + "}", LAST + '}, privacy="personal"'),
        ('"block": "score > 0.5 or amount > 900"', '"block": "score > 0.5 or email = \'ann@example.org\'"'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.fixture(scope="session")
def private_once(trained, tmp_path_factory):
    """A folder with a champion."""
    folder = tmp_path_factory.mktemp("private") / "shop"
    shutil.copytree(trained / "data", folder / "data")
    made_of(source(), folder)
    return folder


@pytest.fixture
def private(private_once, tmp_path):
    """A copy of it."""
    return copy_of(private_once, tmp_path)
