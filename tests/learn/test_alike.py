"""What may be scored together: held against ONNX Runtime itself, row by row, in every place of batches of all sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import headrace as hr
from headrace.learn import alike as room
from headrace.learn.alike import alike
from headrace.learn.export import to_onnx
from headrace.learn.kinds.text import in_text
from headrace.learn.scorer import Scorer, open_session

WIDTH = 9
NAMES = tuple(f"f{at}" for at in range(WIDTH))
ROWS, LEARNED = 300, 1500
SIZES = (2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 128, 129, 257, ROWS)
SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 0.5, 2.5, 1e-45, 1e-38, 3e38, 88.5, -88.5)


def data() -> tuple[Any, Any]:
    luck = np.random.default_rng(3)
    x = luck.lognormal(1, 1, (LEARNED, WIDTH)).astype(np.float32)
    y = ((x[:, 0] > 3) ^ (x[:, 1] * x[:, 2] > 9) ^ (luck.random(LEARNED) < 0.1)).astype(int)
    x[luck.random(x.shape) < 0.05] = np.nan
    return x, y


def piped(*steps: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), *steps)


def light(**more: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=150, verbose=-1, n_jobs=1, random_state=0, **more)


def histograms() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=120)


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return piped(RandomForestClassifier(100, n_jobs=1, random_state=0))


def forest_of_numbers() -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return piped(ExtraTreesRegressor(100, n_jobs=1, random_state=0))


def boosting() -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return piped(GradientBoostingClassifier(n_estimators=50))


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return piped(LogisticRegression())


def linear() -> Any:
    from sklearn.linear_model import Ridge

    return piped(Ridge())


def bayes() -> Any:
    from sklearn.naive_bayes import GaussianNB

    return piped(GaussianNB())


def layers() -> Any:
    from sklearn.neural_network import MLPClassifier

    return piped(MLPClassifier((32, 16), max_iter=20, random_state=0))


def neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return piped(KNeighborsClassifier(5))


class Of:
    """A rule, as ``fit`` would return it."""

    def __init__(self, rule: Callable[[Any], Any]) -> None:
        self.rule = rule

    def fit(self, x: Any, y: Any) -> Any:
        return self.rule


def by_hand() -> Any:
    return Of(
        lambda rows: np.select([rows["f0"] > 9, rows["f1"] > 4], [0.9, 0.5], rows["f2"].fillna(0).clip(0, 200) / 500)
    )


def by_logarithm() -> Any:
    return Of(lambda rows: np.log1p(rows["f0"].fillna(0)) / 10)


Made = Callable[[], Any]
TOGETHER: dict[str, tuple[Made, hr.Task]] = {
    "LightGBM": (light, hr.binary()),
    "LightGBM behind a scaler": (lambda: piped(light()), hr.binary()),
    "histograms": (histograms, hr.binary()),
    "forest": (forest, hr.binary()),
    "forest of numbers": (forest_of_numbers, hr.regression()),
    "boosting": (boosting, hr.binary()),
    "rule": (by_hand, hr.binary()),
}
ALONE: dict[str, tuple[Made, hr.Task]] = {
    "logistic": (logistic, hr.binary()),
    "linear": (linear, hr.regression()),
    "bayes": (bayes, hr.binary()),
    "layers": (layers, hr.binary()),
    "neighbours": (neighbours, hr.binary()),
    "logarithm": (by_logarithm, hr.binary()),
}
SEEN_TO_DIFFER = ("logistic", "linear", "bayes")


def file_of(made: Made, task: hr.Task) -> bytes:
    import pandas as pd

    x, y = data()
    return to_onnx(made().fit(pd.DataFrame(x.astype(np.float64), columns=list(NAMES)), y), NAMES, "", task)


def differing(score: Callable[[Any], Any], rows: Any, sizes: Sequence[int] = SIZES) -> int:
    """How often a row of a batch has other bits than by itself."""
    alone, count = np.concatenate([score(rows[[at]]) for at in range(len(rows))]), 0
    for size in sizes:
        for start in (0, 1, 3):
            for at in range(start, len(rows) - size + 1, size):
                part = score(np.ascontiguousarray(rows[at : at + size]))
                mine, other = (np.ascontiguousarray(one).view(np.uint8) for one in (part, alone[at : at + size]))
                nan = np.isnan(part) & np.isnan(alone[at : at + size]) if part.dtype != np.bool_ else False
                count += int(((mine != other).reshape(*part.shape, -1).any(-1) & ~np.asarray(nan)).sum())
    return count


@pytest.mark.parametrize("name", TOGETHER)
def test_what_is_said_to_be_alike_has_the_same_bits_in_every_batch(name: str) -> None:
    content = file_of(*TOGETHER[name])
    assert alike(content)
    assert differing(Scorer(content).score, data()[0][:ROWS]) == 0


@pytest.mark.parametrize("name", ALONE)
def test_what_may_differ_is_told(name: str) -> None:
    assert not alike(file_of(*ALONE[name]))


@pytest.mark.parametrize("name", SEEN_TO_DIFFER)
def test_what_is_told_to_differ_does(name: str) -> None:
    """Seen on every machine so far; where kernels come to agree, the lists can be longer."""
    assert differing(Scorer(file_of(*ALONE[name])).score, data()[0][:ROWS]) > 0


@pytest.mark.parametrize("how", [{"linear_tree": True}, {"boosting": "dart"}])
def test_files_of_lightgbm_are_alike(how: dict[str, Any]) -> None:
    from lightgbm import Dataset
    from lightgbm import train as boost

    x, y = data()
    booster = boost({"objective": "binary", "verbose": -1, "num_threads": 1, **how}, Dataset(x, y, params=how), 60)
    content = in_text(booster, NAMES, ("score",), {})
    assert content is not None
    assert alike(content)
    assert differing(Scorer(content).score, data()[0][:ROWS]) == 0


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_files_of_xgboost_are_alike(booster: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    x, y = data()
    fitted = xgboost.XGBClassifier(booster=booster, n_estimators=60, n_jobs=1).fit(x, y)
    content = in_text(fitted, NAMES, ("score",), {})
    assert content is not None
    assert alike(content)
    assert differing(Scorer(content).score, data()[0][:ROWS]) == 0


def graph(nodes: Sequence[Any], given: Sequence[Any], output: str, kind: int, functions: Sequence[Any] = ()) -> bytes:
    said = [helper.make_tensor_value_info(output, kind, None)]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("own", 1)]
    made = helper.make_graph(list(nodes), "g", list(given), said)
    model = helper.make_model(made, opset_imports=opsets, ir_version=9, functions=list(functions))
    helper.set_model_props(model, {"headrace": f'{{"output": "{output}"}}'})
    return bytes(model.SerializeToString())


ONE = ("Abs", "Ceil", "Floor", "IsInf", "IsNaN", "Neg", "Relu", "Round", "Sign", "Sqrt", "Identity")
TWO = ("Add", "Sub", "Mul", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
LOGIC = ("And", "Or", "Xor", "Not")
TRUTHS = ("IsInf", "IsNaN", *TWO[4:], *LOGIC)
ELSEWHERE = ("Cast", "Constant", "Where")
"""In every rule that has a choice; ``Constant`` has no rows."""


def test_each_operator_of_the_lists_is_measured_here() -> None:
    tried = {*ONE, *TWO, *LOGIC, *ELSEWHERE}
    assert {one for one in room._ALIKE if "." not in one} == tried


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("operator", [*ONE, *TWO, *LOGIC])
def test_an_operator_gives_the_same_bits_in_every_place_of_a_vector(operator: str, kind: int) -> None:
    number = np.float32 if kind == TensorProto.FLOAT else np.float64
    logic = operator in LOGIC
    given = [helper.make_tensor_value_info(name, kind, ["rows"]) for name in "xz"]
    names = ["x"] if operator in (*ONE, "Not") else ["x", "z"]
    nodes = [helper.make_node("Sign", ["z"], ["unused"])]
    if logic:
        nodes += [helper.make_node("Greater", [name, {"x": "z", "z": "x"}[name]], [f"{name}b"]) for name in names]
        names = [f"{name}b" for name in names]
    out = TensorProto.BOOL if operator in TRUTHS else kind
    content = graph([*nodes, helper.make_node(operator, names, ["y"])], given, "y", out)
    assert alike(content)
    luck = np.random.default_rng(0)
    pairs = [(a, b) for a in SPECIAL for b in SPECIAL] + list(luck.normal(0, 30, (60, 2)))
    rows = np.array(pairs, np.float64)[luck.permutation(len(pairs))].astype(number)
    session = open_session(content)

    def score(part: Any) -> Any:
        return session.run(None, {"x": part[:, 0].copy(), "z": part[:, 1].copy()})[0]

    with np.errstate(all="ignore"):
        assert differing(score, rows, (2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, len(rows) - 3)) == 0


def test_only_what_leads_to_the_scores_counts() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    aside = [helper.make_node("Log", ["x"], ["aside"]), helper.make_node("Neg", ["x"], ["y"])]
    assert alike(graph(aside, [x], "y", TensorProto.FLOAT))
    before = [helper.make_node("Log", ["x"], ["aside"]), helper.make_node("Neg", ["aside"], ["y"])]
    assert not alike(graph(before, [x], "y", TensorProto.FLOAT))


def test_columns_may_be_picked_and_rows_may_not() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    first = helper.make_node("Constant", [], ["first"], value_int=0)
    for axis, same in ((1, True), (0, False), (None, False), (-1, False)):
        told = {} if axis is None else {"axis": axis}
        nodes = [first, helper.make_node("Gather", ["x", "first"], ["y"], **told)]
        assert alike(graph(nodes, [x], "y", TensorProto.FLOAT)) == same


def test_an_operator_of_another_domain_is_another_one() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    foreign = helper.make_node("Neg", ["x"], ["y"], domain="own")
    assert not alike(graph([foreign], [x], "y", TensorProto.FLOAT))
    within = helper.make_node("Log", ["a"], ["b"])
    own = helper.make_function("own", "Neg", ["a"], ["b"], [within], [helper.make_opsetid("", 18)])
    plain = helper.make_node("Neg", ["x"], ["y"])
    assert not alike(graph([plain], [x], "y", TensorProto.FLOAT, [own]))
