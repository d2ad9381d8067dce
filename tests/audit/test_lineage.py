"""The forms of lineage: tree, picture, events of OpenLineage; and the value that a notebook shows."""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import pkgutil
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import headrace as hr
from headrace.audit.lineage import events, picture, trace
from headrace.audit.lineage.layers import placed
from headrace.errors import HeadraceError
from headrace.plan.lineage import Edge, Lineage, Node
from tests.plan.traced import project

WHOLE = trace(project).whole
NS = "{http://www.w3.org/2000/svg}"


def test_both_ways_from_a_feature() -> None:
    found = trace(project, "recent.mean_7d")
    assert found.upstream == ("data/sales*", "sales.at", "sales.customer", "sales.amount")
    assert {"now.share", "cases.recent.mean_7d", "returns", "desk.block"} <= set(found.downstream)
    assert trace(project, "recent.mean_7d", direct=True).upstream == ("data/sales*", "sales.amount")
    assert trace(project, "recent.mean_7d", down=False).down is None
    assert found.as_dict()["upstream"] == list(found.upstream)
    assert "downstream" not in trace(project, "recent.mean_7d", down=False).as_dict()


def test_the_tree_says_expressions_tags_and_what_chooses_rows() -> None:
    lines = trace(project, "big.mail", down=False).text().splitlines()
    assert lines[1] == "big.mail = lower(email) [personal] ← sales.email [personal] ← data/sales*"
    assert lines[2].startswith("┄ what chooses")
    assert "  sales.amount [EUR] ← data/sales*" in lines
    assert "  ├─ sales (rows) ← data/sales*" in lines


def test_the_tree_names_every_thing_at_least_once() -> None:
    for name in ("returns", "sales.amount", "sales.customer", "shops.region", "cases", "desk"):
        found = trace(project, name)
        text = found.text()
        for node in found.nodes:
            shown = f"{node.name[:-2]} (rows)" if node.kind == "rows" else node.name
            assert shown in text, (name, node.name)


def test_what_stands_alone_says_so() -> None:
    assert trace(project, "data/sales*", down=False).text() == "data/sales* stands alone"


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(HeadraceError) as refused:
        trace(project, "sales.amuont")
    (fault,) = refused.value.faults
    assert (fault.code, fault.cure) == ("HR-LINEAGE-001", "did you mean 'sales.amount'?")


def test_faults_that_hide_lineage_are_told_and_lost_tags_do_not_hide_it() -> None:
    wrong = hr.Project("p", sources=[hr.Table("t", query="select nothing from sales"), *project.sources])
    with pytest.raises(HeadraceError) as refused:
        trace(wrong)
    assert refused.value.faults[0].code == "HR-LAKE-006"

    class Bare(hr.Contract):
        mail: str

    mails = hr.Table("mails", Bare, query="select email as mail from sales")
    lost = hr.Project("p", sources=[mails, *project.sources])
    assert "sales.email" in trace(lost, "mails.mail").upstream


# -- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_names_and_links_everything() -> None:
    root = ElementTree.fromstring(picture(WHOLE, WHOLE.find("sales.amount")))
    titles = " ".join(one.text or "" for one in root.iter(f"{NS}title"))
    for node in WHOLE.nodes.values():
        assert node.name in titles
    direct = [edge for edge in WHOLE.edges if edge.direct]
    assert len([one for one in root.iter(f"{NS}path") if not one.get("class")]) == len(direct) + 1  # and the legend
    assert len([one for one in root.iter(f"{NS}rect") if "start" in (one.get("class") or "")]) == 1
    assert "prefers-color-scheme: dark" in picture(WHOLE)


def _chain(tables: int, columns: int) -> Lineage:
    """Tables in two rows, each column of the last one before: a hundred things and more."""
    nodes = {
        name: Node(name, name, "column", f"table:t{table}", privacy=("pseudonym",))
        for table in range(tables)
        for name in (f"t{table}.a_column_of_a_long_name_{column}" for column in range(columns))
    }
    names = list(nodes)
    edges = [
        Edge(names[at], names[at + columns * step], "direct", "copy")
        for at in range(len(names))
        for step in (1, 2)
        if at + columns * step < len(names)
    ]
    return Lineage("many", nodes, tuple(edges))


@pytest.mark.parametrize("graph", [WHOLE, _chain(20, 6)], ids=["project", "120 columns"])
def test_cards_never_cover_each_other_and_steps_go_to_the_right(graph: Lineage) -> None:
    cards = placed(graph, {})
    for at, one in enumerate(cards):
        for other in cards[at + 1 :]:
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            above = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart or above, (one.of, other.of)
    x = {card.of: card.x for card in cards}
    ends = [(graph.nodes[edge.source].of, graph.nodes[edge.target].of) for edge in graph.edges]
    assert all(x[source] < x[target] for source, target in ends if source != target)


def test_a_circle_is_drawn() -> None:
    nodes = {name: Node(name, name, "column", f"table:{name[0]}") for name in ("a.x", "b.x")}
    edges = (Edge("a.x", "b.x", "direct", "copy"), Edge("b.x", "a.x", "direct", "record"))
    assert ElementTree.fromstring(picture(Lineage("c", nodes, edges))) is not None


def test_names_are_escaped_in_the_picture() -> None:
    node = Node("column:t.x", 't.<b>"x"', "column", "table:t")
    assert "<b>" not in picture(Lineage("c", {node.id: node}, ()))


def test_a_notebook_draws_it() -> None:
    shop = hr.Project("shop", services=project.services, sources=project.sources)
    found = shop.lineage("sales.amount")
    assert repr(found).startswith("sales.amount made of")
    assert found._repr_html_().startswith("<svg ")


# -- OpenLineage -----------------------------------------------------------------------------------------------------


def _classes() -> dict[str, type]:
    """The classes that OpenLineage's own client generates from its JSON schemas, by the address of each schema."""
    generated = pytest.importorskip("openlineage.client.generated")
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for one in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if inspect.isclass(one) and hasattr(one, "__attrs_attrs__") and hasattr(one, "_get_schema"):
                found[one._get_schema()] = one
    return found


def _built(kind: type, data: dict[str, Any], classes: dict[str, type]) -> Any:
    """Build an object of the client from plain values: an unknown, missing or mistyped field is an error."""
    hints = typing.get_type_hints(kind)
    known = {one.name: one.alias for one in kind.__attrs_attrs__}  # type: ignore[attr-defined]
    given = {name: value for name, value in data.items() if name not in ("_schemaURL", "schemaURL")}
    assert given.keys() <= known.keys(), f"{kind.__name__} has no {given.keys() - known.keys()}"
    return kind(**{known[name]: _value(hints[name], value, classes) for name, value in given.items()})


def _value(hint: Any, value: Any, classes: dict[str, type]) -> Any:
    inner = [one for one in typing.get_args(hint) if one is not type(None)]
    if isinstance(value, list):
        assert list in (hint, *(typing.get_origin(one) for one in (hint, *inner)))
        (item,) = typing.get_args(hint if typing.get_origin(hint) is list else inner[0])
        return [_value(item, one, classes) for one in value]
    if typing.get_origin(hint) is not dict and inner:
        return _value(inner[0], value, classes)
    if isinstance(value, dict):
        if typing.get_origin(hint) is dict:
            return {name: _value(inner[1], one, classes) for name, one in value.items()}
        exact = classes[value["_schemaURL"]] if "_schemaURL" in value else hint
        assert issubclass(exact, hint)
        return _built(exact, value, classes)
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return hint(value)
    assert isinstance(value, hint), (hint, value)
    return value


def test_events_are_those_of_the_specification() -> None:
    classes = _classes()
    (kind,) = [one for one in classes.values() if one.__name__ == "RunEvent"]
    for event in json.loads(json.dumps(events(project, WHOLE, 1_767_225_600_000_000, completed=True))):
        assert event["schemaURL"] == kind._get_schema()  # type: ignore[attr-defined]
        assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
        assert _built(kind, event, classes).job.name == event["job"]["name"]


def _made() -> list[dict[str, int]]:
    return []


def _event(job: str, graph: Lineage = WHOLE) -> dict[str, Any]:
    (found,) = [one for one in events(project, graph, 0) if one["job"]["name"] == job]
    return found


def test_there_is_one_event_for_each_job() -> None:
    names = [one["job"]["name"] for one in events(project, WHOLE, 0)]
    assert sorted(names) == [
        "features.now", "features.recent", "features.usual", "load.sales", "load.shops", "model.returns", "query.big",
        "query.daily", "query.habits", "service.desk", "training_set.cases",
    ]  # fmt: skip


def test_an_event_of_a_query() -> None:
    event = _event("query.big")
    assert event["job"]["facets"]["sql"]["query"] == project.tables["big"].query
    assert [one["name"] for one in event["inputs"]] == ["sales", "shops"]
    facets = event["outputs"][0]["facets"]
    mail = facets["columnLineage"]["fields"]["mail"]["inputFields"]
    assert [(one["name"], one["field"]) for one in mail] == [("sales", "email")]
    (way,) = mail[0]["transformations"]
    assert (way["type"], way["subtype"], way["masking"]) == ("DIRECT", "TRANSFORMATION", False)
    whole = {(one["field"], one["transformations"][0]["subtype"]) for one in facets["columnLineage"]["dataset"]}
    assert whole == {("shop", "JOIN"), ("amount", "FILTER")}
    assert {"key": "privacy", "value": "personal", "field": "mail", "source": "HEADRACE"} in facets["tags"]["tags"]
    assert facets["ownership"]["owners"] == [{"name": "team:analysts", "type": "OWNER"}]


def test_a_query_that_takes_a_tag_away_masks() -> None:
    class Hidden(hr.Contract):
        mail: str = hr.field(privacy="pseudonym")

    hidden = hr.Project(
        "p", sources=[*project.sources, hr.Table("h", Hidden, query="select md5(email) mail from sales")]
    )
    (event,) = [one for one in events(hidden, trace(hidden).whole, 0) if one["job"]["name"] == "query.h"]
    (made,) = event["outputs"][0]["facets"]["columnLineage"]["fields"]["mail"]["inputFields"]
    assert made["transformations"][0]["masking"] is True


@pytest.mark.parametrize(
    ("source", "namespace", "name"),
    [
        (hr.Database("postgresql://ana:${PW}@db/shop", table="crm.orders"), "postgres://db:5432", "shop.crm.orders"),
        (hr.Database("postgres://db:6000/shop"), "postgres://db:6000", "shop.public.rows"),
        (hr.Database("postgresql://db/shop", query="select 1"), "postgres://db:5432", "shop"),
        (hr.Database("mariadb://db/shop", table="orders"), "mysql://db:3306", "shop.orders"),
        (hr.Database("mysql://[::1]/shop", table="other.orders"), "mysql://[::1]:3306", "other.orders"),
        (hr.Database("sqlite:///shop.db", table="orders"), "sqlite:///srv/desk/shop.db", "orders"),
        (hr.Database("duckdb:////data/shop.duckdb"), "duckdb:///data/shop.duckdb", "rows"),
        (hr.Collection("mongodb://a,b:1/shop", "orders"), "mongodb://a,b:1", "shop.orders"),
        (hr.Collection("mongodb+srv://cluster/shop"), "mongodb://cluster", "shop.rows"),
        (hr.Api("https://shop.example/v1/orders?token=${T}"), "https://shop.example", "v1/orders"),
        (hr.Rows(_made), "headrace://p", "python:_made"),
        ("data/*.csv", "file", "/srv/desk/data/*.csv"),
        ("/data/*.csv", "file", "/data/*.csv"),
        ("s3://bucket/in/*.csv", "s3://bucket", "in/*.csv"),
    ],
)
def test_sources_are_named_as_the_specification_names_them(source: Any, namespace: str, name: str) -> None:
    class Row(hr.Contract):
        id: int = hr.key()

    shop = hr.Project("p", sources=[hr.Table("rows", Row, source=source)])
    (event,) = events(shop, trace(shop).whole, 0, folder=Path("/srv/desk"))
    (one,) = event["inputs"]
    assert (one["namespace"], one["name"]) == (namespace, name)
    (field,) = event["outputs"][0]["facets"]["columnLineage"]["fields"]["id"]["inputFields"]
    assert (field["namespace"], field["name"]) == (namespace, name)


def test_events_hold_no_secret() -> None:
    assert "secret" not in json.dumps(events(project, WHOLE, 0))


def test_what_only_arrives_over_http_has_no_job() -> None:
    live = replace(project.streams["sales"], source=None)
    bank = hr.Project("p", sources=[live])
    assert events(bank, trace(bank).whole, 0) == []


def test_events_know_fields_within_columns() -> None:
    class Address(hr.Contract):
        city: str
        floor: int

    class Home(hr.Contract):
        home: int = hr.key()
        at: hr.Timestamp = hr.event_time()
        addr: Address

    homes = hr.Stream("homes", Home, source="data/homes.csv")
    table = hr.Table("t", query="select addr.floor as floor from homes")
    nested = hr.Project("p", sources=[homes, table])
    load, query = events(nested, trace(nested).whole, 0)
    (inner,) = load["outputs"][0]["facets"]["columnLineage"]["fields"]["addr.floor"]["inputFields"]
    assert inner["name"].endswith("data/homes.csv")
    (made,) = query["outputs"][0]["facets"]["columnLineage"]["fields"]["floor"]["inputFields"]
    assert (made["name"], made["field"]) == ("homes", "addr.floor")
