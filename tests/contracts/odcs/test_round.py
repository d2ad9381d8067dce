"""Our own documents and declarations, there and back: what changes, what stays, and what is told."""

import datetime
import decimal
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.contracts.odcs import Document, exported, imported, read_document, yaml_text
from headrace.contracts.odcs.fields import property_of
from headrace.contracts.odcs.read import parsed
from headrace.errors import HeadraceError
from tests.contracts.odcs.shop import HEAD, SHOP, Sale, State


def _project(python: str, folder, change=lambda text: text):
    names: dict[str, object] = {"__name__": "part"}
    exec(compile(change(python), "part.py", "exec"), names)
    return hr.Project("shop", sources=names["sources"], documents=names["documents"])


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.odcs.yaml").write_text(SHOP, encoding="utf-8")
    return tmp_path


def _imported(folder):
    return imported(read_document(folder / "shop.odcs.yaml"), "shop.odcs.yaml")


def _exported(folder, change=lambda text: text, name=""):
    (document,) = exported(_project(_imported(folder).python, folder, change), folder, name)
    return document


def test_a_document_is_read_as_a_person_would_write_it(shop):
    made = _imported(shop)
    assert made.streams == ("orders",)
    assert made.tables == ()
    for line in (
        'order_id: str = hr.key(name="order-id", pattern="O[0-9]+", max_length=9)',
        'at: hr.Timestamp = hr.event_time(ge="2020-01-01T00:00:00+01:00", zone="Europe/Rome")',
        'class_: int = hr.field(name="class", ge=1)',
        'state: str | None = hr.field(isin=["new", "paid"])',
        'amount: hr.Decimal(12, 2) | None = hr.field(privacy="internal")',
        "class OrdersAddress(hr.Contract):\n    street: str | None\n    lines: list[str] | None\n",
        "address: OrdersAddress | None",
        'orders = hr.Stream("orders", Orders, source="data/orders*", owner="sales")',
        "sources = [orders]",
    ):
        assert line in made.python
    places = [f"shop.odcs.yaml:{_line(text)}" for text in ("name: no_columns", "query: select 1", "type: foreignKey")]
    assert [(one.code, one.place) for one in made.warnings] == [("HR-ODCS-009", place) for place in places]


def _line(text):
    return next(number for number, line in enumerate(SHOP.splitlines(), 1) if text in line)


def test_what_did_not_change_comes_back(shop):
    document = _exported(shop)
    again = yaml_text([document])
    assert yaml.safe_load(again) == yaml.safe_load(SHOP)
    assert yaml.load(again, yaml.BaseLoader) == yaml.load(SHOP, yaml.BaseLoader)


@pytest.mark.parametrize(
    ("old", "new", "there"),
    [
        ("ge=1", "ge=2", {"minimum": 2, "format": "i16"}),
        (", ge=1", ", lt=7", {"format": "i16", "exclusiveMaximum": 7}),
    ],
)
def test_a_bound_that_changed_is_written_among_what_was_there(shop, old, new, there):
    changed = _exported(shop, lambda text: text.replace(old, new))["schema"][0]["properties"][2]
    assert changed["logicalTypeOptions"] == there
    assert changed["physicalType"] == "smallint"


def test_a_type_that_changed_takes_along_what_belonged_to_it(shop):
    changed = _exported(shop, lambda text: text.replace("class_: int", "class_: str").replace(", ge=1", ""))
    assert changed["schema"][0]["properties"][2] == {"name": "class", "logicalType": "string", "required": True}
    decimal = _exported(shop, lambda text: text.replace("Decimal(12, 2)", "Decimal(9, 3)"))["schema"][0]["properties"][
        4
    ]
    assert decimal["physicalType"] == "decimal(9,3)"
    assert decimal["tags"] == ["money"]


def test_a_field_may_go_come_and_change_all_it_says(shop):
    def change(text):
        text = text.replace("    address: OrdersAddress | None\n", "    note: list[int]\n")
        text = text.replace('"new", "paid"', '"new"')
        return (
            text.replace("hr.key(", "hr.field(")
            .replace('owner="sales"', 'owner="web"')
            .replace("One order", "Each order")
        )

    orders = _exported(shop, change)["schema"][0]
    key, at, _, state, _, note = orders["properties"]
    assert key["primaryKey"] is False
    assert key["required"] is True
    assert at["customProperties"][0]["description"] == "when it was placed"
    assert state["quality"][0] == {
        "metric": "invalidValues",
        "arguments": {"validValues": ["new"]},
        "mustBe": 0,
        "severity": "error",
    }
    assert note == {"name": "note", "logicalType": "array", "items": {"logicalType": "integer"}, "required": True}
    assert orders["customProperties"] == [{"property": "owner", "value": "web"}]
    assert orders["description"] == "Each order of the shop."


def test_one_table_alone(shop):
    assert [one["name"] for one in _exported(shop, name="orders")["schema"]] == ["Orders"]
    assert _exported(shop, name="orders")["servers"] == yaml.safe_load(SHOP)["servers"]


def test_our_own_declarations_come_back(tmp_path):
    sales = hr.Stream("sales", Sale, source="s*", owner="web")
    states = hr.Table("states", State, source="t*", owner="crm")
    project = hr.Project("shop", sources=[sales, states, hr.Table("daily", query="select 1 as one")])
    (document,) = exported(project, tmp_path)
    names: dict[str, object] = {"__name__": "part"}
    exec(imported(Document(document, "a.yaml", {}), "a.yaml").python, names)
    again = {node.name: node for node in names["sources"]}
    for node in (sales, states):
        assert type(again[node.name]) is type(node)
        assert again[node.name].owner == node.owner
        assert again[node.name].contract.fields() == node.contract.fields()
        assert again[node.name].contract.doc == node.contract.doc
    assert exported(project, tmp_path, "states")[0]["team"] == {"name": "crm"}


def test_numbers_and_times_are_written_as_the_standard_has_them():
    said = hr.field(ge=decimal.Decimal("0.5"), lt="7", isin=[decimal.Decimal("1.5")])
    one = property_of(replace(said, name="x", type=hr.Decimal(9, 2)))
    assert one["logicalTypeOptions"] == {"minimum": 0.5, "exclusiveMaximum": 7}
    assert one["quality"][0]["arguments"] == {"validValues": [1.5]}
    moment = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
    times = property_of(replace(hr.field(ge=moment), name="x", type=hr.Timestamp))
    assert times["logicalTypeOptions"] == {"minimum": "2026-01-31T12:00:00+00:00"}


def test_a_table_of_no_document_has_one_of_its_own(shop):
    part = _project(_imported(shop).python, shop)
    both = hr.Project("shop", sources=[*part.sources, hr.Stream("sales", Sale)], documents=part.documents)
    first, second = exported(both, shop)
    assert first == _exported(shop)
    assert [one["name"] for one in second["schema"]] == ["sales"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES))
def test_yaml_is_read_as_it_was_written(data):
    assert parsed(yaml_text([data]), "a.yaml").data == data


@given(st.text(), st.text(), st.text(min_size=1), st.lists(st.text(), min_size=1))
def test_whatever_is_written_in_a_document_makes_python_that_says_it(doc, description, name, members):
    rule = {"metric": "invalidValues", "arguments": {"validValues": members}, "mustBe": 0}
    one = {"name": "x", "logicalType": "string", "description": description, "classification": name, "quality": [rule]}
    data = {"id": name, "version": name, "schema": [{"name": "Orders", "description": doc, "properties": [one]}]}
    names: dict[str, object] = {"__name__": "part"}
    exec(imported(Document(data, "a.yaml", {}), name).python, names)
    field = names["Orders"].fields()["x"]
    assert (field.description, field.privacy, field.isin) == (description, name, tuple(members))
    assert names["Orders"].doc.split() == doc.split()
    assert names["documents"] == [name]


COLUMN = "schema:\n- name: Orders\n  properties:\n  - {name: id, logicalType: string}\n"
BAD = {
    "not YAML": ("id: [a", "HR-ODCS-002", 1, "what is not YAML"),
    "no bytes of a text": (b"id: \xff\xfe\n", "HR-ODCS-002", 1, "what is not YAML"),
    "empty": ("", "HR-ODCS-002", 1, "nothing"),
    "a list": ("- a", "HR-ODCS-002", 1, "a list"),
    "several": (f"{HEAD}---\n{HEAD}", "HR-ODCS-002", 6, "several documents"),
    "a key twice": (f"{HEAD}id: b\n", "HR-ODCS-002", 6, "the key id twice"),
    "a key that is no text": (f"{HEAD}? [a]\n: b\n", "HR-ODCS-002", 6, "keys that are text"),
    "a tag": (f"{HEAD}name: !!python/name:os.system\n", "HR-ODCS-002", 6, "values as JSON has them"),
    "not a number": (f"{HEAD}price: {{priceAmount: .nan}}\n", "HR-ODCS-002", 6, ".nan of the type float"),
    "an anchor within itself": (f"{HEAD}tags: &a [*a]\n", "HR-ODCS-002", 6, "an anchor that holds itself"),
    "no end of levels": (f"{HEAD}tags: {'[' * 5000}{']' * 5000}\n", "HR-ODCS-002", 1, "nested without end"),
    "no ODCS": ("openapi: 3.0.0\n", "HR-ODCS-003", 1, "no kind and no apiVersion"),
    "of another kind": ("kind: DataProduct\napiVersion: v1.0.0\n", "HR-ODCS-003", 1, "kind: DataProduct"),
    "no id": (HEAD.replace("id: shop\n", ""), "HR-ODCS-003", 1, "no id"),
    "v2.2": (HEAD.replace("v3.1.0", "v2.2.2"), "HR-ODCS-004", 1, "apiVersion: v2.2.2"),
    "of times to come": (HEAD.replace("v3.1.0", "v4.0.0"), "HR-ODCS-004", 1, "bring the document to v3.1.0"),
    "an unknown key": (f"{HEAD}sever: []\n", "HR-ODCS-005", 6, "did you mean 'servers'?"),
    "an unknown key of a column": (
        HEAD + COLUMN.replace("logicalType", "logicaltype"),
        "HR-ODCS-005",
        9,
        "'logicalType'",
    ),
    "an unknown type": (HEAD + COLUMN.replace("string", "strng"), "HR-ODCS-006", 9, "did you mean 'string'?"),
    "a version that is a number": (HEAD.replace("1.2.0", "1.2"), "HR-ODCS-006", 4, 'write version: "1.2", in quotes'),
    "a schema that is none": (f"{HEAD}schema: orders\n", "HR-ODCS-006", 6, "a list of keys and values"),
    "required in words": (HEAD + COLUMN.replace("}", ", required: always}"), "HR-ODCS-006", 9, "true or false"),
    "a column with blanks": (HEAD + COLUMN.replace("name: id", "name: my id"), "HR-ODCS-007", 9, "'my id'"),
    "a table of signs": (HEAD + COLUMN.replace("Orders", "'--'"), "HR-ODCS-007", 7, "'--'"),
    "a table without a name": (HEAD + COLUMN.replace("name: Orders", "tags: []"), "HR-ODCS-003", 7, "without a name"),
    "two tables of one name": (f"{HEAD}{COLUMN}- name: orders\n", "HR-ODCS-008", 10, "(a.odcs.yaml:7)"),
    "two columns of one name": (f"{HEAD}{COLUMN}  - name: id\n", "HR-ODCS-008", 10, "'id' a second time"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_document_is_refused(what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, code, line, words = BAD[what]
    (tmp_path / "a.odcs.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HeadraceError) as caught:
        read_document(tmp_path / "a.odcs.yaml")
    (fault,) = caught.value.faults
    assert fault.code == code
    assert words in str(fault)
    assert fault.place == f"a.odcs.yaml:{line}"
    assert fault.expected
    assert fault.cure


def test_a_document_that_unfolds_without_end_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(HeadraceError, match="anchors that unfold without end"):
        parsed("\n".join(lines), "a.yaml")


def test_what_cannot_be_said_is_told_and_kept(tmp_path):
    options = "{minLength: many, pattern: '(?=a)'}"
    words = "{type: text, description: as it was sent}"
    text = HEAD + COLUMN.replace("}", f", logicalTypeOptions: {options}, quality: [{words}], classification: secret}}")
    (tmp_path / "a.yaml").write_text(text)
    made = imported(read_document(tmp_path / "a.yaml"), "a.yaml")
    assert 'id: str | None = hr.field(privacy="secret")' in made.python
    told = " ".join(fault.found for fault in made.warnings)
    for word in ("logicalTypeOptions.pattern of id", "RE2", "logicalTypeOptions.minLength of id", "in words"):
        assert word in told
    assert exported(_project(made.python, tmp_path), tmp_path) == [yaml.safe_load(text)]


def test_documents_that_a_project_cannot_use(shop):
    part = _project(_imported(shop).python, shop)
    with pytest.raises(HeadraceError, match=r"HR-ODCS-001 .*no file gone.yaml, which the project names"):
        exported(hr.Project("p", sources=part.sources, documents=["gone.yaml"]), shop)
    (shop / "other.yaml").write_text(HEAD + COLUMN)
    with pytest.raises(HeadraceError, match=r"HR-ODCS-008 .*'Orders', which is in .*shop.odcs.yaml too"):
        exported(hr.Project("p", sources=part.sources, documents=["shop.odcs.yaml", "other.yaml"]), shop)
    with pytest.raises(HeadraceError, match="HR-DECLARE-001 .*documents of p = int"):
        exported(hr.Project("p", sources=part.sources, documents=[1]), shop)
