"""What one score is made of: of a case by its key, of a request as a service takes it, and what cannot be found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.errors import HeadraceError
from headrace.run import LoadedProject, explain, load_project, registry, run, train
from headrace.serve.office import office
from tests.shop import payment

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def shop(trained: Path) -> LoadedProject:
    return load_project(trained)


@pytest.fixture
def key(shop: LoadedProject) -> str:
    case = next(iter((shop.state_dir / "sets" / "cases").glob("*/part-*.parquet")))
    import pyarrow.parquet as pq

    return str(pq.read_table(case).column("payment_id")[5].as_py())


def test_a_case_is_explained_by_the_values_that_the_model_learned_from(shop: LoadedProject, key: str) -> None:
    found = explain(shop, "score", row=key)
    made = found.contributions
    assert (made.kind, made.space, made.values.shape) == ("linear", "log-odds", (1, len(made.names)))
    scorer = registry(shop).load(registry(shop).champion("score"))
    from headrace.serve.values import vector

    assert made.scores.tolist() == scorer.score(vector(found.features, scorer)).tolist()
    ((name, base, total, score),) = found.sums()
    assert name == "score"
    assert base + sum(moved for _, _, moved, _ in found.rows()) == pytest.approx(total)
    assert 0 <= score <= 1
    moves = [abs(moved) for _, _, moved, _ in found.rows()]
    assert moves == sorted(moves, reverse=True)
    assert "score, version 1" in repr(found)
    assert found.rows()[0][0] in found._repr_html_()


def test_a_request_is_explained_with_the_features_and_the_score_that_a_service_gives_it(
    shop: LoadedProject, tmp_path: Path
) -> None:
    import asyncio
    import shutil

    copied = tmp_path / "shop"
    shutil.copytree(shop.folder, copied)
    loaded = load_project(copied)
    body = json.dumps(payment(3)).encode()
    found = explain(loaded, "score", request=body)
    with office(loaded) as opened:
        answer = asyncio.run(opened.decide("desk", body, with_features=True))
    assert found.contributions.scores[0] == answer["score"]
    assert found.features == {name: answer["features"][name] for name in found.features}


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({"row": "nobody"}, "HR-LEARN-050", "no row of cases with this key"),
        ({"row": "p1", "version": 7}, "HR-LEARN-014", "no version 7"),
        ({"request": b"{"}, "HR-REQUEST-002", "not JSON"),
        ({"request": b"{}"}, "HR-REQUEST-006", "no field"),
    ],
    ids=str,
)
def test_what_is_not_there_is_told(shop: LoadedProject, given: Any, code: str, told: str) -> None:
    with pytest.raises(HeadraceError, match=f"{code}.*{told}"):
        explain(shop, "score", **given)


def test_an_unknown_model_is_told_with_the_nearest(shop: LoadedProject) -> None:
    with pytest.raises(HeadraceError, match="HR-RUN-005.*did you mean 'score'"):
        explain(shop, "scor", row="p1")


@pytest.fixture
def copied(shop: LoadedProject, tmp_path: Path) -> LoadedProject:
    import shutil

    shutil.copytree(shop.folder, tmp_path / "shop")
    return load_project(tmp_path / "shop")


def test_a_set_that_is_gone_and_a_file_that_was_altered_are_told(copied: LoadedProject, key: str) -> None:
    (version,) = registry(copied).versions("score")
    digest = version.record.files["explain.json"]
    path = copied.state_dir / "models" / "files" / f"{digest}.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0", b"1", 1))
    with pytest.raises(HeadraceError, match=r"HR-LEARN-011.*explain\.json of score 1, which was altered"):
        explain(copied, "score", row=key)
    path.write_bytes(content)
    (built,) = (copied.state_dir / "sets" / "cases").glob("*/manifest.json")
    built.unlink()
    with pytest.raises(HeadraceError, match=r"HR-LEARN-051.*no longer there.*--request FILE"):
        explain(copied, "score", row=key)


def test_a_row_with_features_that_are_text_is_explained(copied: LoadedProject, key: str) -> None:
    project = copied.folder / "project.py"
    text = project.read_text()
    project.write_text(text.replace("\"case when segment = 'student' then 1 else 0 end\"", '"segment"'))
    loaded = load_project(copied.folder)
    run(loaded)
    (one,) = train(loaded, again=True)
    found = explain(loaded, "score", row=key, version=one.step.figures["version"])
    assert isinstance(found.features["who.student"], str)
    ((_, base, total, _),) = found.sums()
    assert base + sum(moved for _, _, moved, _ in found.rows()) == pytest.approx(total)
    assert found.features["who.student"] in repr(found)


def test_a_version_of_before_is_told_to_be_trained_again(shop: LoadedProject, key: str, monkeypatch: Any) -> None:
    from headrace.learn import Registry

    monkeypatch.setattr(Registry, "file", lambda *_: None)
    with pytest.raises(HeadraceError, match="HR-LEARN-049.*headrace train score --again"):
        explain(shop, "score", row=key)


# -- the command -------------------------------------------------------------------------------------------------------


def call(*words: str, exit_code: int = 0, given: str | None = None) -> Any:
    done = CliRunner().invoke(main, ["explain", *words], input=given)
    assert done.exit_code == exit_code, done.output
    return done


def test_the_command_shows_features_base_sum_and_what_they_mean(shop: LoadedProject, key: str) -> None:
    told = call("score", "--row", key, "--top", "3", "--project", str(shop.folder)).stdout
    for word in ("base", "sum", "more", "In log-odds: 0.69 doubles the odds", "exact Shapley values of a linear model"):
        assert word in told
    document = json.loads(call("score", "--row", key, "--json", "--project", str(shop.folder)).stdout)
    (output,) = document["outputs"]
    added = output["base"] + sum(one["contribution"] for one in output["contributions"])
    assert added == pytest.approx(output["sum"])
    assert {"feature", "value", "contribution"} == set(output["contributions"][0])


def test_the_command_takes_a_request_from_a_file_and_from_stdin(shop: LoadedProject, tmp_path: Path) -> None:
    (tmp_path / "row.json").write_text(json.dumps(payment(4)))
    folder = ("--json", "--project", str(shop.folder))
    first = json.loads(call("score", "--request", str(tmp_path / "row.json"), *folder).stdout)
    assert json.loads(call("score", "--request", "-", *folder, given=json.dumps(payment(4))).stdout) == first


def test_the_command_wants_one_row(shop: LoadedProject) -> None:
    for words in ((), ("--row", "p1", "--request", "row.json")):
        assert "name one row" in call("score", *words, exit_code=2).stderr
    assert "HR-CLI-001" in call("score", "--request", "none.json", "--project", str(shop.folder), exit_code=2).stderr


def test_python_has_the_same(shop: LoadedProject, key: str) -> None:
    found = shop.project.explain("score", key, folder=shop.folder)
    assert found.sums() == explain(shop, "score", row=key).sums()
    asked = shop.project.explain("score", payment(3), folder=shop.folder)
    assert asked.what == "the request"
