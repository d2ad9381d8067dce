"""A project with personal fields: a service whose records must not hold them in plain."""

import shutil

import pytest

from tests.shop import PROJECT

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
    from headrace.run import load_project, run, train

    folder = tmp_path_factory.mktemp("private") / "shop"
    folder.mkdir()
    shutil.copytree(trained / "data", folder / "data")
    (folder / "project.py").write_text(source())
    (folder / "headrace.toml").write_text('[project]\nname = "shop"\n')
    loaded = load_project(folder)
    assert run(loaded).ok
    train(loaded)
    return folder


@pytest.fixture
def private(private_once, tmp_path):
    """A copy of it."""
    from headrace.run import load_project

    shutil.copytree(private_once, tmp_path / "shop")
    return load_project(tmp_path / "shop")
