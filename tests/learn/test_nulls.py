"""Models and nulls: a service is asked for keys without history, which no row of a long training has."""

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from headrace.learn.nulls import never_null, require_nulls
from headrace.plan import compile_features
from headrace.plan.reference.expressions import evaluate
from headrace.plan.reference.oracle import features
from tests.learn.worlds import fit_logistic, model, world


class Row(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    user: int
    free: float
    share: float = hr.field(ge=0, le=1)
    size: float = hr.field(ge=1, le=100)
    whole: int = hr.field(ge=-9, le=9)
    price: hr.Decimal(8, 2) = hr.field(ge=0)
    text: str
    maybe: float | None = hr.field(ge=1, le=2)
    flag: bool


rows = hr.Stream("rows", Row)

ALWAYS = [
    "free",
    "price * 2",
    "share + size",
    "share / size",
    "sqrt(share)",
    "ln(size)",
    "floor(free)",
    "whole % 3",
    "hour(at) < 6",
    "length(text)",
    "cast(flag as double)",
    "cast(price as double) / size",
    "coalesce(maybe, 0)",
    "coalesce(free / share, 0)",
    "greatest(maybe, 1.5)",
    "maybe is null",
    "case when maybe > 1.5 then 1 else 0 end",
    "coalesce(u.mean + u.n, 0)",
    "now.f0",
    "case when maybe is null then 0 else maybe end",
    "case when maybe is not null and flag then maybe else 0 end",
    "case when maybe is null or u.mean is null then 0 else u.mean end",
    "case when maybe is null then 0 when maybe > 1.5 then 1 when not maybe > 1.5 then 2 end",
    "coalesce(u.mean, 0) / (1 + u.n)",
    "free / size",
]
SOMETIMES = [
    "case when maybe is null then maybe else 0 end",
    "case when maybe is null and flag then 0 else maybe end",
    "case when maybe is not null or flag then maybe else 0 end",
    "case when not (maybe is null and flag) then maybe else 0 end",
    "case when u.mean is null then 0 else maybe end",
    "cast(free as double) / price",
    "maybe",
    "maybe > 1.5",
    "free * 2",
    "free / share",
    "ln(share)",
    "sqrt(whole)",
    "exp(free)",
    "whole // whole",
    "cast(text as double)",
    "case when flag then 1 end",
    "nullif(size, 1)",
    "coalesce(maybe, free / share)",
    "u.mean",
    "size / u.mean",
    "u.n / u.n",
]


def row(**more):
    plain = {"at": 10**15, "user": 1, "free": 1e308, "share": 0.0, "size": 1.0, "whole": -9, "price": 0}
    return plain | {"text": "", "maybe": None, "flag": False, "u.mean": None, "u.n": 0, "now.f0": 1.0} | more


ROWS = [
    row(flag=True, **{"u.mean": 1.0}),
    row(),
    row(size=100.0, share=1.0, whole=0, free=-1e308, flag=True),
    row(text="7", maybe=1.0, free=0.0, **{"u.mean": 0.0}),
]


def test_what_has_a_value_in_every_row():
    windows = {"n": hr.count("1d"), "mean": hr.mean("size", "1d"), "users": hr.nunique("user", "1d")}
    by_user = hr.Features("u", rows, hr.Entity("user"), windows)
    now = hr.Features("now", rows, features={f"f{n}": text for n, text in enumerate(ALWAYS + SOMETIMES)})
    plan = compile_features([now, by_user], rows)
    assert never_null(plan) == {"u.n", *(f"now.f{n}" for n in range(len(ALWAYS)))}
    nodes = {one.name: one.node for one in plan.derived}
    for n, text in enumerate(ALWAYS + SOMETIMES):
        null = any(evaluate(nodes[f"now.f{n}"], one) is None for one in ROWS)
        assert null == (n >= len(ALWAYS)), text


def test_an_aggregate_over_a_row_itself_has_a_value():
    with_row = {
        "mean": hr.mean("size", "7d", include_current=True),
        "early": hr.max("whole", "7d", include_current=True),
        "last": hr.last("free", "7d", include_current=True),
    }
    without = {
        "some": hr.mean("size", "7d", include_current=True, where="flag"),
        "maybe": hr.mean("maybe", "7d", include_current=True),
        "spread": hr.std("size", "7d", include_current=True),
        "before": hr.mean("size", "7d"),
    }
    group = hr.Features("u", rows, hr.Entity("user"), with_row | without)
    plan = compile_features([group], rows)
    assert never_null(plan) == {f"u.{name}" for name in with_row}
    (alone,) = features(plan, [row(maybe=None, flag=False)], {"rows": []})
    assert {name for name, value in alone.items() if value is not None} == never_null(plan)
    assert never_null(compile_features([group])) == frozenset(), "of which rows nobody knows"


def test_what_is_read_of_a_state_table_can_be_null():
    class Level(hr.Contract):
        since: hr.Timestamp = hr.valid_from()
        user: int
        level: int

    levels = hr.Table("levels", Level, source="levels.csv")
    group = hr.Features("level", levels, hr.Entity("user"), {"now": "level"})
    assert never_null(compile_features([group], rows)) == frozenset()


def without_nulls():
    """The world as a long history has it: no key is new."""
    filled = np.nan_to_num(world().table["spending.mean_7d"].to_numpy(), nan=20.0)
    return world().with_column("spending.mean_7d", pa.array(filled))


def fit_plain(train):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(train.X.fillna(0), train.y)


TOLD = r"HR-LEARN-007 tests/learn/test_nulls.py:\d+: found LogisticRegression without a score where a feature is null"


@pytest.mark.parametrize("built", [without_nulls, world], ids=["no nulls in history", "nulls in history"])
def test_a_model_that_has_no_score_for_a_new_key_is_refused(registry, built):
    with pytest.raises(HeadraceError, match=TOLD) as refused:
        train(model(fit_plain), built(), registry)
    (fault,) = refused.value.faults
    assert fault.found.endswith("where a feature is null, as spending.mean_7d can be"), "and no other"
    assert "put a SimpleImputer before LogisticRegression" in fault.cure
    assert registry.versions() == []
    assert train(model(fit_logistic), built(), registry).champion, "with an imputer it is taken"


def test_a_model_that_never_meets_a_null_needs_no_imputer(registry):
    def fit_some(train):
        from sklearn.compose import ColumnTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        kept = ["now.amount", "spending.count_7d", "now.night"]
        return make_pipeline(ColumnTransformer([("kept", "passthrough", kept)]), LogisticRegression()).fit(
            train.X, train.y
        )

    report = train(model(fit_some), without_nulls(), registry)
    assert report.champion
    assert "with planted nulls" in report.gates[0].sentence


class Picky:
    """An estimator that fails only where two features are null at once."""

    def predict_proba(self, x):
        if x.isna().all(axis=None):
            raise ValueError("nothing known")
        return np.full((len(x), 2), 0.5)


def test_nulls_that_only_together_are_too_much_are_told_together():
    x = np.ones((3, 2), dtype=np.float32)
    require_nulls(Picky(), x, ("a", "b"), ["a"], "p:1")
    with pytest.raises(HeadraceError, match="as a, b can be"):
        require_nulls(Picky(), x, ("a", "b"), ["a", "b"], "p:1")
