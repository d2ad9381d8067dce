"""Run by the Python of a rival, without Headrace: twelve checks of the rows of a Parquet file, held in memory.

``python -I validation_inside.py NAME FILE ROUNDS`` prints the least seconds and the rows that break each
check, as JSON.
"""

import json
import sys
import time
import warnings
from functools import partial
from typing import Any

import pandas as pd

CURRENCIES = ["EUR", "USD", "GBP", "CHF"]


def by_pandera(rows: pd.DataFrame) -> Any:
    """Return what validates, and how its failures are counted."""
    import pandera.pandas as pa

    def later(frame: pd.DataFrame) -> Any:
        return (frame["settled"] >= frame["at"]) | frame["settled"].isna() | frame["at"].isna()

    def below(frame: pd.DataFrame) -> Any:
        return (frame["fee"] <= frame["amount"]) | frame["fee"].isna() | frame["amount"].isna()

    schema = pa.DataFrameSchema(
        {
            "payment_id": pa.Column("Int64", unique=True, nullable=False, report_duplicates="exclude_first"),
            "at": pa.Column("datetime64[us, UTC]", nullable=False),
            "settled": pa.Column("datetime64[us, UTC]", nullable=True),
            "customer_id": pa.Column("Int64", pa.Check.ge(1), nullable=False),
            "amount": pa.Column(float, [pa.Check.ge(0), pa.Check.le(10_000)]),
            "fee": pa.Column(float, nullable=True),
            "currency": pa.Column(str, pa.Check.isin(CURRENCIES)),
            "country": pa.Column(str, pa.Check.str_matches("^[A-Z]{2}$")),
            "note": pa.Column(str, pa.Check.str_length(max_value=20), nullable=True),
        },
        checks=[pa.Check(later, name="in_order"), pa.Check(below, name="fee_below")],
    )
    told = told_by_pandera()

    def count(cases: Any) -> dict[str, int]:
        found = dict.fromkeys(told.values(), 0)
        if cases is None:
            return found
        # of a check of whole rows, each column of a row is told, and is named for its schema
        cases.loc[cases["check"].isin(["in_order", "fee_below"]), "column"] = None
        cases = cases.drop_duplicates(["column", "check", "index"])
        for (column, check), number in cases.groupby(["column", "check"], dropna=False).size().items():
            name = told.get((column, check)) or told[None, check]
            found[name] += int(number)
        return found

    return partial(_failures, schema, rows, pa.errors.SchemaErrors), count


def by_pandera_on_polars(rows: pd.DataFrame) -> Any:
    """Return what validates, and how its failures are counted."""
    import pandera.polars as pa
    import polars as pl

    def later(data: Any) -> Any:
        at, settled = pl.col("at"), pl.col("settled")
        return data.lazyframe.select((settled >= at) | settled.is_null() | at.is_null())

    def below(data: Any) -> Any:
        fee, amount = pl.col("fee"), pl.col("amount")
        return data.lazyframe.select((fee <= amount) | fee.is_null() | amount.is_null())

    moment = pl.Datetime("us", "UTC")
    schema = pa.DataFrameSchema(
        {
            "payment_id": pa.Column(pl.Int64, unique=True, nullable=False),
            "at": pa.Column(moment, nullable=False),
            "settled": pa.Column(moment, nullable=True),
            "customer_id": pa.Column(pl.Int64, pa.Check.ge(1), nullable=False),
            "amount": pa.Column(pl.Float64, [pa.Check.ge(0), pa.Check.le(10_000)]),
            "fee": pa.Column(pl.Float64, nullable=True),
            "currency": pa.Column(pl.String, pa.Check.isin(CURRENCIES)),
            "country": pa.Column(pl.String, pa.Check.str_matches("^[A-Z]{2}$")),
            "note": pa.Column(pl.String, pa.Check.str_length(max_value=20), nullable=True),
        },
        checks=[pa.Check(later, name="in_order"), pa.Check(below, name="fee_below")],
    )
    told = told_by_pandera()
    frame = pl.from_pandas(rows)

    def count(cases: Any) -> dict[str, int]:
        found = dict.fromkeys(told.values(), 0)
        if cases is None:
            return found
        for column, check, number in cases.group_by("column", "check").len().iter_rows():
            found[told.get((column, check)) or told[None, check]] += int(number)
        # it counts every row whose key another has, and not those behind the first alone
        found["key"] = int(rows["payment_id"].dropna().duplicated().sum()) if found["key"] else 0
        return found

    return partial(_failures, schema, frame, pa.errors.SchemaErrors), count


def _failures(schema: Any, rows: Any, refused: type[Exception]) -> Any:
    try:
        schema.validate(rows, lazy=True)
    except refused as errors:
        return errors.failure_cases  # type: ignore[attr-defined]  # of pandera's exception alone
    return None


def told_by_pandera() -> dict[tuple[str | None, str], str]:
    """Return our names of the checks by those of pandera: column and check."""
    return {
        ("payment_id", "not_nullable"): "payment_id",
        ("payment_id", "field_uniqueness"): "key",
        ("at", "not_nullable"): "at",
        ("customer_id", "not_nullable"): "customer_id",
        ("customer_id", "greater_than_or_equal_to(1)"): "customer_id ge",
        ("amount", "greater_than_or_equal_to(0)"): "amount ge",
        ("amount", "less_than_or_equal_to(10000)"): "amount le",
        ("currency", f"isin({CURRENCIES})"): "currency isin",
        ("country", "str_matches('^[A-Z]{2}$')"): "country pattern",
        ("note", "str_length(None, 20)"): "note max_length",
        (None, "in_order"): "in_order",
        (None, "fee_below"): "fee_below",
    }


def by_great_expectations(rows: pd.DataFrame) -> Any:
    """Return what validates, and how its failures are counted."""
    import great_expectations as gx
    from great_expectations import expectations as that

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("bench")
    definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch({"dataframe": rows})
    pairs = {"ignore_row_if": "either_value_is_missing", "or_equal": True}
    wanted = {
        "payment_id": that.ExpectColumnValuesToNotBeNull(column="payment_id"),
        "key": that.ExpectColumnValuesToBeUnique(column="payment_id"),
        "at": that.ExpectColumnValuesToNotBeNull(column="at"),
        "customer_id": that.ExpectColumnValuesToNotBeNull(column="customer_id"),
        "customer_id ge": that.ExpectColumnValuesToBeBetween(column="customer_id", min_value=1),
        "amount ge": that.ExpectColumnValuesToBeBetween(column="amount", min_value=0),
        "amount le": that.ExpectColumnValuesToBeBetween(column="amount", max_value=10_000),
        "currency isin": that.ExpectColumnValuesToBeInSet(column="currency", value_set=CURRENCIES),
        "country pattern": that.ExpectColumnValuesToMatchRegex(column="country", regex="^[A-Z]{2}$"),
        "note max_length": that.ExpectColumnValueLengthsToBeBetween(column="note", max_value=20),
        "in_order": that.ExpectColumnPairValuesAToBeGreaterThanB(column_A="settled", column_B="at", **pairs),
        "fee_below": that.ExpectColumnPairValuesAToBeGreaterThanB(column_A="amount", column_B="fee", **pairs),
    }
    suite = gx.ExpectationSuite(name="bench", expectations=list(wanted.values()))

    def validate() -> Any:
        return batch.validate(suite, result_format="BASIC")

    def count(done: Any) -> dict[str, int]:
        failed = [int(one.result["unexpected_count"]) for one in done.results]
        by_type = [(one.expectation_config.type, str(one.expectation_config.kwargs)) for one in done.results]
        assert len(by_type) == len(wanted), f"{len(by_type)} results"
        found = dict(zip(wanted, failed, strict=True))
        # it counts every row whose key another has, and not those behind the first alone
        found["key"] = int(rows["payment_id"].dropna().duplicated().sum()) if found["key"] else 0
        return found

    return validate, count


RIVALS = {
    "pandera": by_pandera,
    "pandera on Polars": by_pandera_on_polars,
    "Great Expectations": by_great_expectations,
}


def main(name: str, path: str, rounds: int) -> None:
    """Time the validation alone: the rows are there, as the rival holds them best."""
    warnings.simplefilter("ignore")
    rows = pd.read_parquet(path)
    for column in ("payment_id", "customer_id"):
        rows[column] = rows[column].astype("Int64")
    validate, count = RIVALS[name](rows)
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        found = validate()
        taken.append(time.perf_counter() - begun)
    print(json.dumps({"seconds": min(taken), "failed": count(found)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
