"""Rules of contracts in documents: ours come back as they were, those of others are ours where they mean the same."""

import json
import os
from pathlib import Path

import pytest
import yaml

import headrace as hr
from headrace.contracts.odcs import Document, exported, imported, yaml_text
from headrace.contracts.odcs.read import parsed
from headrace.plan import snapshot
from tests.contracts.odcs.promises import bakery
from tests.contracts.odcs.shop import HEAD
from tests.docs.blocks import ROOT

DATA = Path(os.environ.get("HEADRACE_DATA", ROOT.parent / "shared" / "data")) / "odcs"


def _read(text):
    made = imported(parsed(text, "a.yaml"), "a.yaml")
    names: dict[str, object] = {"__name__": "part"}
    exec(compile(made.python, "part.py", "exec"), names)
    return made, names


def test_all_that_a_contract_promises_comes_back(tmp_path):
    project = bakery()
    documents = exported(project, tmp_path)
    made, names = _read(yaml_text(documents))
    assert made.warnings == ()
    again = snapshot(hr.Project("bakery", sources=names["sources"]))["nodes"]
    before = snapshot(project)["nodes"]
    assert {name: one["meaning"] for name, one in again.items()} == {
        name: one["meaning"] for name, one in before.items()
    }
    assert {name: (one["fingerprint"], one["owner"]) for name, one in again.items()} == {
        name: (one["fingerprint"], one["owner"]) for name, one in before.items()
    }
    (tmp_path / "a.yaml").write_text(yaml_text(documents))
    assert exported(hr.Project("bakery", sources=names["sources"], documents=["a.yaml"]), tmp_path) == documents


def test_one_table_alone_keeps_its_references(tmp_path):
    project = bakery()
    (document,) = exported(project, tmp_path, "sales")
    _, names = _read(yaml_text([document]))
    assert names["sources"][0].contract.rules() == project.streams["sales"].contract.rules()


@pytest.mark.skipif(not DATA.exists(), reason="the schema of the standard (shared/data/odcs) is not here")
def test_rules_are_written_as_the_schema_has_them(tmp_path):
    import jsonschema

    schema = json.loads((DATA / "schema" / "odcs-json-schema-v3.1.0.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    for name in ("", "sales", "tills", "days"):
        for document in exported(bakery(), tmp_path, name):
            validator.validate(yaml.safe_load(yaml_text([document])))


def test_the_standards_own_words_are_used(tmp_path):
    (document,) = exported(bakery(), tmp_path)
    tills, sales = document["schema"][1:3]
    assert [rule["metric"] for rule in tills["quality"]] == ["rowCount"] * 3
    assert [rule.get("mustBe", rule.get("mustBeBetween")) for rule in tills["quality"]] == [None, [1, 9], 4]
    by_name = {rule["name"]: rule for rule in sales["quality"]}
    assert by_name["with_tax"]["query"] == "SELECT count(*) FROM {object} WHERE NOT (gross >= net)"
    assert [by_name[name]["severity"] for name in ("with_tax", "usual_tax", "in_city")] == ["error", "warning", "stop"]
    assert by_name["one_receipt"]["arguments"] == {"properties": ["shop", "order-no"]}
    assert by_name["steady"]["engine"] == "headrace"
    assert sales["relationships"][0]["to"] == ["tills.shop", "tills.till"]
    assert [one["to"] for one in sales["properties"][3]["relationships"]] == ["shops.shop_id"] * 2
    (level,) = document["slaProperties"]
    assert level == {
        "id": "sales-recent",
        "property": "latency",
        "value": 3,
        "unit": "wk",
        "element": "sales.seen",
        "valueExt": "stop",
    }


ORDERS = """schema:
- name: Orders
  physicalName: shop.orders
  properties:
  - {name: id, logicalType: integer, primaryKey: true}
  - name: amount
    logicalType: integer
    quality: [%s]
  - {name: note, logicalType: string, unique: %s}
  quality: [%s]
  relationships: [%s]
- {name: customers, id: c, properties: [{name: id, id: i, logicalType: integer, primaryKey: true},
                                        {name: text, logicalType: string}]}
slaProperties: [%s]
"""


def _orders(column="", of_object="", relations="", levels="", unique="false"):
    return _read(HEAD + ORDERS % (column, unique, of_object, relations, levels))


SAME = {
    "none is null, if only to warn": (
        {"column": "{metric: nullValues, mustBeLessThan: 1, severity: warning}"},
        'amount_check = hr.check("amount is not null", severity="warn")',
    ),
    "what counts as missing": (
        {"column": "{metric: missingValues, mustBe: 0, arguments: {missingValues: [null, 0, -1]}}"},
        'hr.check("amount is not null and amount not in (0, -1)")',
    ),
    "a set that only warns": (
        {"column": "{metric: invalidValues, mustBe: 0, arguments: {validValues: [1, 2]}, severity: info}"},
        'hr.check("amount in (1, 2)", severity="warn")',
    ),
    "a set": (
        {"column": "{metric: invalidValues, mustBeLessOrEqualTo: 0, arguments: {validValues: [1, 2]}, unit: percent}"},
        "amount: int | None = hr.field(isin=[1, 2])",
    ),
    "unique": ({"unique": "true"}, 'note_unique = hr.unique("note")'),
    "no duplicates": (
        {"column": "{name: amounts once, metric: duplicateValues, mustBe: 0}"},
        'amounts_once = hr.unique("amount")',
    ),
    "no duplicates, as v3.0 said it": (
        {"column": "{type: library, rule: duplicateCount, mustBe: 0}"},
        'amount_unique = hr.unique("amount")',
    ),
    "no duplicates together": (
        {"of_object": "{metric: duplicateValues, mustBe: 0, arguments: {properties: [amount, note]}}"},
        'amount_note_unique = hr.unique("amount", "note")',
    ),
    "rows that break something": (
        {"of_object": "{type: sql, query: 'select count(*) from shop.orders where amount < 0;', mustBe: 0}"},
        'check = hr.check("not (amount < 0)")',
    ),
    "of a column": (
        {"column": "{type: sql, query: 'SELECT COUNT(*) FROM ${table} WHERE ${column} IS NULL', mustBe: 0}"},
        'hr.check("amount is not null")',
    ),
    "a foreign key": (
        {"relations": "{from: Orders.amount, to: customers.id}"},
        'amount_reference = hr.reference("amount", to="customers")',
    ),
    "a foreign key by identifiers": (
        {"relations": "{from: [Orders.note], to: [customers.text]}"},
        'note_reference = hr.reference("note", to="customers.text")',
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_a_rule_of_others_is_ours_where_it_means_the_same(what, tmp_path):
    said, python = SAME[what]
    made, names = _orders(**said)
    assert python in made.python
    assert made.warnings == ()
    text = HEAD + ORDERS % tuple(
        said.get(name, "false" if name == "unique" else "")
        for name in ("column", "unique", "of_object", "relations", "levels")
    )
    (tmp_path / "a.yaml").write_text(text)
    project = hr.Project("shop", sources=names["sources"], documents=names["documents"])
    assert exported(project, tmp_path) == [yaml.safe_load(text)]


OTHER = {
    "some may be null": ({"column": "{metric: nullValues, mustBeLessThan: 5, unit: percent}"}, "allows none"),
    "a pattern that is searched": (
        {"column": "{metric: invalidValues, mustBe: 0, arguments: {pattern: a}}"},
        "arguments that a contract cannot say",
    ),
    "rows of the table": (
        {"of_object": "{metric: rowCount, mustBeBetween: [100, 120]}"},
        "write hr.volume(at_least=100, at_most=120)",
    ),
    "another table": (
        {"of_object": "{type: sql, query: 'select count(*) from other where id < 0', mustBe: 0}"},
        "rows of other",
    ),
    "not our SQL": (
        {"of_object": "{type: sql, query: 'select count(*) from Orders where soundex(note) = 1', mustBe: 0}"},
        "soundex",
    ),
    "no count": ({"of_object": "{type: sql, query: 'select max(id) from Orders', mustBe: 9}"}, "only a count of rows"),
    "another engine": ({"of_object": "{type: custom, engine: soda, implementation: x}"}, "of the engine soda"),
    "words": ({"of_object": "{type: text, description: good}"}, "in words"),
    "of no column": (
        {"of_object": "{metric: duplicateValues, mustBe: 0, arguments: {properties: [gone]}}"},
        "names 'gone'",
    ),
    "elsewhere": ({"relations": "{from: Orders.amount, to: gone.id}"}, "not in this document"),
    "itself": ({"relations": "{from: Orders.amount, to: Orders.id}"}, "circle"),
    "unlike types": ({"relations": "{from: Orders.note, to: customers.id}"}, "different types"),
    "no time": ({"levels": "{property: latency, value: 4, unit: d, element: Orders.amount}"}, "hr.event_time()"),
    "no rule of ours": (
        {"of_object": "{type: custom, engine: headrace, implementation: {rule: odd}}"},
        "no rule of headrace: odd",
    ),
}


@pytest.mark.parametrize("what", OTHER)
def test_a_rule_that_means_something_else_is_told_and_kept(what):
    said, why = OTHER[what]
    made, names = _orders(**said)
    (fault,) = made.warnings
    assert (fault.code, fault.severity) == ("HR-ODCS-009", "warning")
    assert why in fault.found
    assert names["sources"][0].contract.rules() == {}


LATENCY = """schema:
- name: clicks
  physicalType: stream
  properties:
  - {name: at, logicalType: timestamp, customProperties: [{property: role, value: event_time}]}
slaProperties: [{property: LY, value: 36, unit: hours, element: at, description: as agreed}]
"""


def test_latency_is_freshness(tmp_path):
    made, names = _read(HEAD + LATENCY)
    assert 'fresh = hr.fresh("36h")' in made.python
    assert made.warnings == ()
    (tmp_path / "a.yaml").write_text(HEAD + LATENCY)
    project = hr.Project("shop", sources=names["sources"], documents=["a.yaml"])
    assert exported(project, tmp_path) == [yaml.safe_load(HEAD + LATENCY)]


RULES = """
  - {name: not_below, type: sql, query: 'select count(*) from {object} where amount < 0', mustBe: 0,
     description: refunds are apart, dimension: accuracy}
  - {metric: duplicateValues, mustBe: 0, arguments: {properties: [amount, note]}, description: once}
  - {type: text, description: good}
"""


def test_a_document_follows_its_contract(tmp_path):
    text = HEAD + (ORDERS % ("", "true", "%s", "{from: Orders.amount, to: customers.id}", "")).replace("[%s]", RULES)
    made, names = _read(text)
    assert list(names["Orders"].rules()) == ["note_unique", "not_below", "amount_note_unique", "amount_reference"]
    (tmp_path / "a.yaml").write_text(text)
    python = made.python.replace('hr.check("not (amount < 0)")', 'hr.check("amount > 0", severity="stop")')
    python = python.replace("    amount_note_unique =", "    together =")
    python = "".join(line for line in python.splitlines(True) if "_reference" not in line and "note_unique" not in line)
    exec(compile(python, "part.py", "exec"), names)
    (document,) = exported(hr.Project("shop", sources=names["sources"], documents=["a.yaml"]), tmp_path)
    orders = document["schema"][0]
    assert "relationships" not in orders
    assert "unique" not in orders["properties"][2]
    assert orders["quality"] == [
        {
            "description": "refunds are apart",
            "dimension": "accuracy",
            "name": "not_below",
            "type": "sql",
            "query": "SELECT count(*) FROM {object} WHERE NOT (amount > 0)",
            "mustBe": 0,
            "severity": "stop",
        },
        {
            "description": "once",
            "name": "together",
            "type": "library",
            "metric": "duplicateValues",
            "arguments": {"properties": ["amount", "note"]},
            "mustBe": 0,
            "severity": "error",
        },
        {"type": "text", "description": "good"},
    ]


def test_what_is_loaded_in_another_way_keeps_what_was_told(tmp_path):
    text = HEAD + ORDERS % ("", "false", "{metric: rowCount, mustBeGreaterThan: 9}", "", "")
    made, names = _read(text)
    (tmp_path / "a.yaml").write_text(text)
    exec(compile(made.python.replace('orders*"', 'orders*", load="replace"'), "part.py", "exec"), names)
    assert exported(hr.Project("shop", sources=names["sources"], documents=["a.yaml"]), tmp_path) == [
        yaml.safe_load(text)
    ]


def test_a_field_says_its_severity_where_the_standard_can(tmp_path):
    rule = "{metric: invalidValues, mustBe: 0, arguments: {validValues: [1, 2]}, description: two}"
    text = HEAD + ORDERS % (rule, "false", "", "", "")
    made, names = _read(text)
    (tmp_path / "a.yaml").write_text(text)
    exec(compile(made.python.replace("isin=[1, 2]", 'isin=[1], severity="warn"'), "part.py", "exec"), names)
    (document,) = exported(hr.Project("shop", sources=names["sources"], documents=["a.yaml"]), tmp_path)
    amount = document["schema"][0]["properties"][1]
    assert amount["customProperties"] == [{"property": "severity", "value": "warn"}]
    assert amount["quality"] == [
        {
            "metric": "invalidValues",
            "mustBe": 0,
            "arguments": {"validValues": [1]},
            "description": "two",
            "severity": "warning",
        }
    ]
    again = imported(Document(document, "a.yaml", {}), "a.yaml")
    assert 'hr.field(isin=[1], severity="warn")' in again.python
