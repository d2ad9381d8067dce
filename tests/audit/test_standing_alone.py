"""Figures of a version as files of their own: XML that needs no page, with what they say where it is."""

import logging
from xml.etree import ElementTree

import numpy as np
import pytest

import headrace as hr
from headrace.audit.standing_alone import figures
from headrace.learn import Origin, Record
from headrace.learn.drawn import drawn

SVG = "{http://www.w3.org/2000/svg}"


def record(**more):
    return Record("score", "", Origin("", ""), {}, (), **more)


def points(text, kind):
    """Points of a line of a figure, as shares of its width and height between its axes."""
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}style") is not None
    (line,) = [one for one in root.iter(f"{SVG}polyline") if one.get("class") == kind]
    return np.array([one.split(",") for one in line.get("points").split()], float)


def test_curves_of_yes_or_no_are_those_of_scikit_learn():
    from sklearn.metrics import precision_recall_curve, roc_curve

    rng = np.random.default_rng(2)
    y = (rng.random(180) < 0.3).astype(np.int64)
    score = np.round(np.clip(0.3 * y + 0.7 * rng.random(180), 0, 1), 2)
    found = figures(hr.binary(), y, score, record())
    assert list(found) == ["precision_recall", "roc", "calibration", "scores"]
    places = points(found["roc"], "line")
    wrong, right, _ = roc_curve(y, score, drop_intermediate=False)
    ends = points(found["roc"], "guide")
    drawn_at = (places - ends[0]) / (ends[1] - ends[0])
    np.testing.assert_allclose(drawn_at, np.column_stack([wrong, right]), atol=1e-3)
    precision, recall, _ = precision_recall_curve(y, score)
    ends = points(found["precision_recall"], "guide")
    wide = ends[1][0] - ends[0][0]
    x = (points(found["precision_recall"], "line")[:, 0] - ends[0][0]) / wide
    np.testing.assert_allclose(x, recall[:-1][::-1], atol=1e-3)
    assert len(precision) == len(x) + 1


def test_a_regression_shows_predicted_against_true():
    y = np.linspace(10, 20, 300)
    found = figures(hr.regression(), y, y + 1, record())
    assert list(found) == ["predicted_and_true", "errors"]
    assert len(points(found["predicted_and_true"], "cloud")) == 300
    many = np.linspace(0, 1, 100_000)
    assert len(points(figures(hr.regression(), many, many, record())["errors"], "cloud")) == 1200


def test_folds_are_drawn_where_there_are_several():
    tried = [
        {"name": "small", "folds": [{"roc_auc": 0.7}, {"roc_auc": 0.6}]},
        {"name": "large (tuned)", "folds": [{"roc_auc": 0.8}, {"roc_auc": 0.9}]},
    ]
    y, score = np.zeros(10), np.zeros(10)
    found = figures(hr.binary(), y, score, record(choice={"name": "large", "tried": tried}))
    assert list(found) == ["validation"], "of one class nothing else can be drawn"
    assert points(found["validation"], "line")[:, 1].tolist() == sorted(
        points(found["validation"], "line")[:, 1], reverse=True
    )
    assert len(points(found["validation"], "other")) == 2
    assert figures(hr.binary(), y, score, record(choice={"name": "large", "tried": []})) == {}


@pytest.mark.parametrize("task", [hr.multiclass(), hr.quantiles(0.1, 0.9)])
def test_tasks_of_several_scores_have_no_curve(task):
    assert figures(task, np.arange(4.0), np.ones((4, 2)), record()) == {}


def test_a_figure_that_fails_costs_no_version(caplog):
    def failing(*_):
        raise ZeroDivisionError("with a row of the user")

    with caplog.at_level(logging.WARNING):
        assert drawn(failing, hr.binary(), np.ones(1), np.ones(1), record()) == {}
    assert "ZeroDivisionError" in caplog.text
    assert "row of the user" not in caplog.text
