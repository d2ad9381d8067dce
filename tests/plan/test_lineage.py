"""Lineage of a project: both ways, by column, with the tags that travel along it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.plan import check, compile_set, lineage
from headrace.plan.lineage import Edge, Lineage, Node, carried, tags_of
from tests.plan.traced import cases, customer, project, sales, score, shops

GRAPH = lineage(project)


def up(name: str, direct: bool = False) -> set[str]:
    return {one.name for one in GRAPH.upstream(name, direct=direct).nodes.values()} - {name}


def down(name: str, direct: bool = False) -> set[str]:
    return {one.name for one in GRAPH.downstream(name, direct=direct).nodes.values()} - {name}


def test_the_project_has_no_faults() -> None:
    assert [fault for fault in check(project) if fault.severity == "error"] == []


def test_a_column_is_followed_through_three_queries_to_the_file() -> None:
    assert up("habits.total", direct=True) == {"daily.total", "big.amount", "sales.amount", "data/sales*"}
    expected = {"daily.region", "big.region", "shops.region", "postgresql://db:5432/shop shops"}
    assert up("habits.sort", direct=True) == expected
    assert {"sales.shop", "shops.shop", "sales.amount", "sales.customer", "sales.at", "sales.kind"} <= up("habits.sort")


def test_a_column_is_followed_to_features_models_and_decisions() -> None:
    found = down("sales.cost", direct=True)
    assert {"big.cost", "daily.gain", "daily.margin", "recent.spent_1d", "cases.recent.spent_7d", "returns"} <= found
    assert {"desk.block"} <= found
    assert "desk.allow" not in found
    assert "desk.allow" in down("sales.cost")
    assert "habits.total" not in found


def test_keys_and_times_of_features_are_indirect() -> None:
    into = {edge.source: (edge.kind, edge.how) for edge in GRAPH.into["feature:recent.gifts_7d"]}
    assert into == {
        "column:sales.kind": ("direct", "where"),
        "column:sales.customer": ("indirect", "key"),
        "column:sales.at": ("indirect", "time"),
    }
    into = {edge.source: edge.how for edge in GRAPH.into["feature:usual.total"]}
    assert into == {"column:habits.total": "expression", "column:habits.customer": "key", "column:habits.since": "time"}


def test_a_decision_knows_the_rules_before_it() -> None:
    into = {edge.source: edge.kind for edge in GRAPH.into["decision:desk.review"]}
    assert into == {"feature:usual.total": "direct", "model:returns": "indirect", "column:sales.kind": "indirect"}
    assert {edge.kind for edge in GRAPH.into["decision:desk.allow"]} == {"indirect"}


def test_a_training_set_knows_its_rows_and_its_label() -> None:
    assert "sales.amount" in up("cases.*")
    assert up("cases.label", direct=True) == {"sales.returned", "data/sales*"}
    assert "cases.recent._shops" not in GRAPH.names
    assert "recent._shops" in up("cases.now.many", direct=True)


def test_names_mean_one_thing_or_a_whole_declaration() -> None:
    assert GRAPH.find("sales.amount") == ("column:sales.amount",)
    assert GRAPH.find("returns") == ("model:returns",)
    assert {"column:habits.*", "column:habits.sort"} < set(GRAPH.find("habits"))
    assert GRAPH.find("table:habits") == GRAPH.find("habits")
    assert GRAPH.find("desk") == ("decision:desk.block", "decision:desk.review", "decision:desk.allow")
    assert GRAPH.find("habit") == ()


def test_secrets_of_a_source_are_in_no_name() -> None:
    assert not any("secret" in name for name in GRAPH.names)


def test_it_is_the_lineage_that_plans_and_reports_know() -> None:
    for output in compile_set(cases).outputs:
        edges = _to_sources(f"feature:{output.name}")
        assert tuple(sorted(edges)) == output.lineage, output.name


def _to_sources(name: str) -> set[str]:
    """The nearest columns: those of the lineage in fingerprints and manifests."""
    found: set[str] = set()
    for edge in GRAPH.into[name]:
        if edge.direct:
            node = GRAPH.nodes[edge.source]
            found |= _to_sources(node.id) if node.kind == "feature" else {node.name}
    return found


# -- tags ------------------------------------------------------------------------------------------------------------


def test_privacy_tags_are_those_of_what_a_column_is_made_of() -> None:
    tags = {one.name: one.privacy for one in GRAPH.nodes.values()}
    assert tags["big.mail"] == ("personal",)
    assert tags["big.customer"] == tags["daily.customer"] == ("pseudonym",)
    assert tags["daily.total"] == ()  # grouped by the customer, made of amounts
    assert tags["big.nth"] == ()


def test_units_stay_where_the_operation_keeps_them() -> None:
    units = {one.name: one.unit for one in GRAPH.nodes.values()}
    kept = ("big.amount", "daily.total", "daily.gain", "habits.total", "recent.mean_7d", "recent.spent_7d", "now.high")
    assert {units[name] for name in kept} == {"EUR"}
    assert units["cases.recent.mean_7d"] == units["usual.total"] == "EUR"
    assert {units[name] for name in ("daily.margin", "daily.n", "now.share", "recent.gifts_7d", "usual.a")} == {""}


def test_owners_are_those_of_the_table_or_of_what_it_is_made_of() -> None:
    owners = {one.name: one.owners for one in GRAPH.nodes.values()}
    assert owners["sales.amount"] == ("shop-data",)
    assert owners["big.region"] == ("analysts",)
    assert owners["daily.region"] == ("analysts",)
    assert owners["daily.total"] == ("analysts", "shop-data")
    assert owners["returns"] == ("analysts", "shop-data")


def told(*groups: hr.Features) -> list[str]:
    learned = replace(cases, features=groups, where=None)
    return [fault.found for fault in check(hr.Project("p", models=[replace(score, cases=learned)], sources=[shops]))]


LENGTH = {"letters": "length(email)"}


def test_a_group_that_says_what_its_features_are_may_be_learned_from() -> None:
    assert told(hr.Features("f", sales, features=LENGTH)) == [
        "returns learns from f.letters, which is made of sales.email, tagged 'personal'"
    ]
    for tag in ("personal", "public", "pseudonym", "personal, pseudonym"):
        assert told(hr.Features("f", sales, features=LENGTH, privacy=tag)) == []


def test_a_tag_that_no_column_has_answers_for_nothing() -> None:
    (found,) = told(hr.Features("f", sales, features=LENGTH, privacy="foo"))
    assert found.endswith("made of sales.email, tagged 'personal'; privacy='foo' is the tag of no column")


class Patient(hr.Contract):
    patient: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    birth_year: int = hr.field(ge=1900, le=2100, privacy="personal")
    sick: int = hr.field(ge=0, le=1, privacy="health")
    left: int = hr.field(ge=0, le=1)


patients = hr.Stream("patients", Patient)


def learned(group: hr.Features, value: str = "left", **label: str) -> list[str]:
    truth = hr.label(patients, value, on="patient", matures="30d", **label)
    learner = replace(score, cases=hr.TrainingSet("cases", patients, [group], label=truth))
    return [fault.found for fault in check(hr.Project("p", models=[learner]))]


BOTH = {"young": "birth_year > 2000", "ill": "sick = 1"}


def test_a_group_answers_for_the_tag_that_it_says_and_no_other() -> None:
    (found,) = learned(hr.Features("f", patients, features=BOTH, privacy="personal"))
    assert found == "returns learns from f.ill, which is made of patients.sick, tagged 'health'"
    assert learned(hr.Features("f", patients, features=BOTH, privacy="personal, health")) == []
    graph = lineage(hr.Project("p", features=[hr.Features("f", patients, features=BOTH, privacy="personal")]))
    assert "health" in graph.nodes["feature:f.ill"].privacy


def test_a_label_of_a_personal_column_says_so() -> None:
    plain = hr.Features("f", patients, features={"one": "1"})
    value = "case when birth_year > 2000 then 1 else 0 end"
    assert learned(plain, value) == [
        "returns learns cases.label, which is made of patients.birth_year, tagged 'personal'"
    ]
    assert learned(plain, value, privacy="personal") == learned(plain, value, privacy="public") == []
    assert len(learned(plain, value, privacy="health")) == 1
    assert learned(plain) == []


def test_a_contract_that_says_one_tag_of_two_loses_the_other() -> None:
    class Mixed(hr.Contract):
        it: int = hr.field(privacy="personal")

    table = hr.Table("t", Mixed, query="select birth_year + sick as it from patients")
    (fault,) = check(hr.Project("p", sources=[patients, table]))
    assert (fault.code, fault.found.split(",")[0]) == ("HR-LINEAGE-002", "t.it without the privacy tag 'health'")


class Ward(hr.Contract):
    since: hr.Timestamp = hr.valid_from()
    patient: int = hr.key()


class Flag(hr.Contract):
    since: hr.Timestamp = hr.valid_from()
    patient: int = hr.key()
    ill: bool | None


@pytest.mark.parametrize(
    "flag",
    [
        "patient in (select patient from patients where sick = 1)",
        "patient not in (select patient from patients where sick = 1)",
        "patient = any(select patient from patients where sick = 1)",
        "exists(select 1 from patients b where b.patient = a.patient and sick = 1)",
        "(select true from patients b where b.patient = a.patient and sick = 1)",
        "patient in (from ill)",
    ],
)
def test_a_flag_by_a_query_within_tells_what_that_query_chooses_by(flag: str) -> None:
    ill = "with ill as (select patient from patients where sick = 1)"
    table = hr.Table("t", Flag, query=f"{ill} select since, patient, {flag} as ill from wards a")
    group = hr.Features("f", table, by=hr.Entity("patient"), features={"ill": "ill"})
    label = hr.label(patients, "left", on="patient", matures="7d")
    learner = replace(score, cases=hr.TrainingSet("cases", patients, [group], label=label))
    wards = hr.Table("wards", Ward, source="data/wards*")
    faults = {one.code: one.found for one in check(hr.Project("p", models=[learner], sources=[wards]))}
    assert faults["HR-LINEAGE-002"].startswith("t.ill without the privacy tag 'health', which patients.sick has")
    assert faults["HR-LINEAGE-003"] == "returns learns from f.ill, which is made of patients.sick, tagged 'health'"


def test_a_rank_among_persons_is_personal() -> None:
    query = "select percent_rank() over (order by birth_year) as it, ntile(4) over w as part from patients"
    table = hr.Table("t", query=query + " window w as (order by birth_year)")
    nodes = lineage(hr.Project("p", sources=[patients, table])).nodes
    assert nodes["column:t.it"].privacy == nodes["column:t.part"].privacy == ("personal",)


def test_a_pseudonym_may_be_learned_from() -> None:
    assert told(hr.Features("f", sales, features={"who": "customer"})) == []


def test_inner_features_are_free_until_another_reads_them() -> None:
    inner = {"_letters": "length(email)", "one": "1"}
    assert told(hr.Features("f", sales, features=inner)) == []
    assert (
        len(told(hr.Features("f", sales, features=inner | {"long": "_letters > 9"} | {"long": "f._letters > 9"}))) == 1
    )


def test_windows_and_their_conditions_carry_tags() -> None:
    both = {"many": hr.nunique("email", "7d"), "some": hr.count("7d", where="email = 'a'"), "all": hr.count("7d")}
    found = told(hr.Features("f", sales, by=customer, features=both))
    assert [text.split()[3] for text in found] == ["f.many,", "f.some,"]


def test_what_a_group_says_is_said_of_features_of_tagged_columns_only() -> None:
    group = hr.Features("f", sales, features={"letters": "length(email)", "amount": "amount"}, privacy="personal")
    graph = lineage(hr.Project("p", features=[group]))
    assert graph.nodes["feature:f.letters"].privacy == ("personal",)
    assert graph.nodes["feature:f.amount"].privacy == ()


class Mail(hr.Contract):
    mail: str = hr.field(privacy="public")


def test_a_contract_that_says_another_tag_is_believed() -> None:
    mails = hr.Table("mails", Mail, query="select md5(email) as mail from sales")
    assert check(hr.Project("p", sources=[sales, mails])) == []


class Bare(hr.Contract):
    mail: str


def test_a_lost_tag_is_told_with_its_origin_through_tables_between() -> None:
    first = hr.Table("first", query="select email as it, 1 as one from sales")
    second = hr.Table("second", Bare, query="with x as (select upper(it) as mail from first) select * from x")
    (fault,) = check(hr.Project("p", sources=[sales, first, second]))
    assert fault.code == "HR-LINEAGE-002"
    assert fault.found.startswith("second.mail without the privacy tag 'personal', which sales.email has")
    assert "hr.field(privacy='personal') for mail in Bare" in fault.cure
    assert fault.place.startswith("tests/plan/test_lineage.py:")


def test_tables_beside_the_declared_ones_have_lineage_where_they_are_read() -> None:
    refused = hr.Table("refused", Bare, query="select row as mail from quarantine_sales")
    seen = hr.Table("seen", query="select decision, score, at from decisions_desk")
    graph = lineage(replace(project, sources=[*project.sources, refused, seen]))
    assert "column:quarantine_sales.row" in graph.nodes
    assert set(graph.nodes["column:refused.mail"].privacy) == {"personal", "pseudonym"}
    above = {one.name for one in graph.upstream("seen.decision", direct=True).nodes.values()}
    assert {"decisions_desk.decision", "desk.block", "returns", "sales.amount"} <= above
    assert "column:quarantine_sales.row" not in GRAPH.nodes


def test_tags_of_a_text() -> None:
    assert tags_of(" personal,pseudonym , personal") == ("personal", "pseudonym")


def test_what_a_group_says_of_privacy_is_part_of_its_meaning_and_not_of_its_values() -> None:
    from headrace.plan import fingerprints, set_fingerprint

    group = hr.Features("f", sales, features={"amount": "amount"})
    said = replace(group, privacy="public")
    prints = [fingerprints(hr.Project("p", features=[one]))["features:f"] for one in (group, said)]
    assert prints[0] != prints[1]
    assert len({set_fingerprint(replace(cases, features=[one])) for one in (group, said)}) == 1


# -- the graph -------------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> Lineage:
    count = draw(st.integers(1, 12))
    names = [f"t.c{number}" for number in range(count)]
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names), st.sampled_from(["direct", "indirect"]))
    edges = draw(st.lists(ends, unique=True, max_size=30))  # with circles, as records of decisions make them
    nodes = {name: Node(name, name, "column", "table:t") for name in names}
    return Lineage("any", nodes, tuple(Edge(source, target, kind, "copy") for source, target, kind in edges))


@given(graphs(), st.booleans())
def test_downstream_is_the_inverse_of_upstream(graph: Lineage, direct: bool) -> None:
    above = {name: set(graph.upstream(name, direct=direct).nodes) for name in graph.nodes}
    below = {name: set(graph.downstream(name, direct=direct).nodes) for name in graph.nodes}
    for one in graph.nodes:
        for other in graph.nodes:
            assert (other in below[one]) == (one in above[other])


@given(graphs())
def test_parts_hold_every_step_between_their_nodes_and_the_start(graph: Lineage) -> None:
    for name in graph.nodes:
        part = graph.upstream(name)
        assert part.edges == tuple(edge for edge in graph.edges if edge.target in part.nodes)
        assert all(edge.source in part.nodes for edge in part.edges)


@given(graphs(), st.data())
def test_tags_reach_exactly_what_is_directly_made_of_them(graph: Lineage, data: st.DataObject) -> None:
    tagged = data.draw(st.sampled_from(sorted(graph.nodes)))
    found = carried(graph.nodes, graph.edges, lambda one: ("personal",) if one.id == tagged else ())
    assert {name for name, tags in found.items() if tags} == set(graph.downstream(tagged, direct=True).nodes)


@pytest.mark.parametrize("name", ["sales.amount", "habits.total", "returns", "desk.block", "recent.mean_7d"])
def test_the_inverse_holds_in_a_project(name: str) -> None:
    (start,) = GRAPH.find(name)
    for other in GRAPH.downstream(name).nodes:
        assert start in GRAPH.upstream(other).nodes


# -- fields within columns -------------------------------------------------------------------------------------------


class Geo(hr.Contract):
    lat: float = hr.field(ge=-90, le=90, privacy="personal")
    zone: int = hr.field(ge=0, le=99)


class Address(hr.Contract):
    street: str = hr.field(privacy="personal")
    floor: int = hr.field(ge=0, le=99, unit="m")
    geo: Geo


class Home(hr.Contract):
    home: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    addr: Address
    past: list[Address]
    told: Address = hr.field(privacy="health")


homes = hr.Stream("homes", Home, source="data/homes*")


def homed(query: str) -> Lineage:
    first = hr.Table("first", query="select home, at, addr, addr as same, past from homes")
    return lineage(hr.Project("p", sources=[homes, first, hr.Table("t", query=query)]))


@pytest.mark.parametrize(
    ("value", "made", "tags"),
    [
        ("addr.floor", {"homes.addr.floor"}, ()),
        ("homes.addr.street", {"homes.addr.street"}, ("personal",)),
        ("addr['floor'] + 1", {"homes.addr.floor"}, ()),
        ("struct_extract(addr, 'street')", {"homes.addr.street"}, ("personal",)),
        ("ADDR.Geo.ZONE", {"homes.addr.geo.zone"}, ()),
        ("addr.geo", {"homes.addr.geo"}, ("personal",)),
        ("past[1].floor", {"homes.past.floor"}, ()),
        ("past[addr.floor].street", {"homes.past.street", "homes.addr.floor"}, ("personal",)),
        ("told.floor", {"homes.told.floor"}, ("health",)),
        ("told.street", {"homes.told.street"}, ("personal",)),
        ("addr", {"homes.addr"}, ("personal",)),
        ("coalesce(addr, told).floor", {"homes.addr", "homes.told"}, ("health", "personal")),
        ("(select a.addr.floor from homes a limit 1)", {"homes.addr.floor", "homes.*"}, ()),
    ],
)
def test_a_field_within_a_column_has_its_own_tags(value: str, made: set[str], tags: tuple[str, ...]) -> None:
    graph = homed(f"select {value} as it from homes")
    assert {graph.nodes[edge.source].name for edge in graph.into["column:t.it"] if edge.direct} == made
    assert graph.nodes["column:t.it"].privacy == tags
    assert "data/homes*" in {one.name for one in graph.upstream("t.it", direct=True).nodes.values()}


@pytest.mark.parametrize(
    "query", ["select addr.* from homes", "select unnest(addr) from homes", "select same.* from first"]
)
def test_a_column_opened_into_its_fields(query: str) -> None:
    graph = homed(query)
    given = {name: graph.nodes[f"column:t.{name}"] for name in ("street", "floor", "geo")}
    assert {name: one.privacy for name, one in given.items()} == {
        "street": ("personal",),
        "floor": (),
        "geo": ("personal",),
    }
    assert given["floor"].unit == "m"


@pytest.mark.parametrize(
    "query",
    [
        "select addr.* replace (addr.street as floor), home as it from homes",
        "select addr.* exclude (floor), md5(addr.street) as floor, home as it from homes",
        "select floor as it from (select addr.street as floor, home as floor from homes)",
        "select floor as it from (select addr.street as floor, addr.* from homes)",
        "select Floor as it from (select home as floor, addr.street as FLOOR from homes)",
        (
            "with c as (select a.home, a.addr.street as it, b.home as it from homes a join homes b on a.home = b.home)"
            " select it from c"
        ),
        (
            "select s.floor as it from (select addr as s from homes union all"
            " select {'street': 'x', 'floor': addr::varchar::int, 'geo': addr.geo} as s from homes)"
        ),
        "select (select addr from homes b where b.addr = a.addr).floor as it from homes a",
    ],
)
def test_no_tag_is_lost_where_names_mislead(query: str) -> None:
    graph = homed(query)
    told = [one.privacy for name, one in graph.nodes.items() if name.startswith("column:t.") and one.kind == "column"]
    assert any("personal" in one for one in told)
    assert "personal" in graph.nodes["column:t.floor" if "column:t.floor" in graph.nodes else "column:t.it"].privacy


def test_fields_are_followed_through_tables_that_copy_the_column() -> None:
    graph = homed("select same.floor as a, x.geo.zone as b, x.street as c from (select same, addr as x from first)")
    assert graph.nodes["column:t.a"].privacy == graph.nodes["column:t.b"].privacy == ()
    assert graph.nodes["column:t.c"].privacy == ("personal",)
    above = {one.name for one in graph.upstream("t.b", direct=True).nodes.values()}
    assert {"first.addr.geo.zone", "homes.addr.geo.zone", "homes.addr"} <= above
    assert "t.b" in {one.name for one in graph.downstream("homes.addr", direct=True).nodes.values()}


def test_a_struct_that_a_query_makes_keeps_all_tags() -> None:
    class Made(hr.Contract):
        addr: Address

    made = "{'street': 'x', 'floor': length(addr.street), 'geo': addr.geo}"
    table = hr.Table("made", Made, query=f"select {made} as addr from homes")
    last = hr.Table("t", query="select addr.floor as it from made")
    graph = lineage(hr.Project("p", sources=[homes, table, last]))
    assert graph.nodes["column:t.it"].privacy == ("personal",)


def test_a_feature_of_a_field_has_the_tags_of_the_field() -> None:
    group = hr.Features("f", homes, features={"high": "addr.floor > 3", "north": "addr.geo.lat > 0"})
    nodes = lineage(hr.Project("p", features=[group])).nodes
    assert (nodes["feature:f.high"].privacy, nodes["feature:f.north"].privacy) == ((), ("personal",))


MADE = "select home, at, {'Far': addr.floor, 'where': addr.street, 'deep': {'geo': addr.geo, 'n': 1}} as s from homes"


def parts_made(query: str, made: str = MADE) -> Lineage:
    tables = [hr.Table("first", query=made), hr.Table("second", query="select s, home from first where home > 1")]
    return lineage(hr.Project("p", sources=[homes, *tables, hr.Table("t", query=query)]))


def bases(graph: Lineage, name: str) -> set[str]:
    """The columns of the source that a column is computed from."""
    found = {one.name for one in graph.upstream(name, direct=True).nodes.values() if one.name.startswith("homes.")}
    return {one.removeprefix("homes.") for one in found if not any(other.startswith(f"{one}.") for other in found)}


@pytest.mark.parametrize(
    ("query", "made", "tags"),
    [
        ("select s.far as it from first", {"addr.floor"}, ()),
        ("select s.far as it from second", {"addr.floor"}, ()),
        ("select struct_extract(s, 'where') as it from second", {"addr.street"}, ("personal",)),
        ("select s.deep.geo.zone as it from second", {"addr.geo.zone"}, ()),
        ("select s['deep'].geo.lat + 1 as it from first", {"addr.geo.lat"}, ("personal",)),
        ("with c as (select s as r from second) select r.far as it from c", {"addr.floor"}, ()),
        ("select coalesce(s, s).far as it from first", {"addr.floor", "addr.street", "addr.geo"}, ("personal",)),
        ("select [s][1].far as it from first", {"addr.floor", "addr.street", "addr.geo"}, ("personal",)),
        ("select s as it from first", {"addr.floor", "addr.street", "addr.geo"}, ("personal",)),
    ],
)
def test_a_field_of_a_struct_that_a_query_makes_is_of_its_own_columns(
    query: str, made: set[str], tags: tuple[str, ...]
) -> None:
    graph = parts_made(query)
    assert (bases(graph, "t.it"), graph.nodes["column:t.it"].privacy) == (made, tags)


@pytest.mark.parametrize("query", ["select s.* from second", "select unnest(s) from first"])
def test_a_struct_that_a_query_makes_opened_into_its_fields(query: str) -> None:
    graph = parts_made(query)
    assert bases(graph, "t.Far") == {"addr.floor"}
    assert [graph.nodes[f"column:t.{name}"].privacy for name in ("Far", "where")] == [(), ("personal",)]


@pytest.mark.parametrize(
    ("struct", "alone"),
    [
        ("{'a': addr.floor, 'b': addr.street}", True),
        ("struct_pack(a := addr.floor, b := addr.street)", True),
        ("(struct_pack(b := addr.street, A := addr.floor))", True),
        ("struct_insert({'b': addr.street}, a := addr.floor)", False),
        ("{'a': addr.floor, 'b': addr.street}::struct(b int, a int)", False),
        ("case when home > 1 then {'a': addr.floor, 'b': addr.street} end", False),
        ("max({'a': addr.floor, 'b': addr.street})", False),
    ],
)
def test_a_field_is_followed_where_the_struct_is_made_by_names_and_else_is_all_of_it(struct: str, alone: bool) -> None:
    whole = {"addr.floor"} if alone else {"addr.floor", "addr.street"}
    for query in (
        f"with c as (select {struct} as s from homes) select s.a as it from c",
        f"select ({struct}).a as it from homes",
    ):
        graph = homed(query)
        assert {"addr.floor"} <= bases(graph, "t.it") - {"home"} <= whole, query
        assert bool(graph.nodes["column:t.it"].privacy) is not alone, query


@pytest.mark.parametrize("second", ["{'a': 1, 'b': addr.street}", "{'b': 1, 'a': addr.street}", "addr", "null"])
def test_structs_that_are_united_are_followed_only_where_their_fields_are_alike(second: str) -> None:
    first = "select {'b': 1, 'a': addr.floor} as s from homes"
    graph = homed(f"select s.a as it from ({first} union all select {second} from homes)")
    assert "personal" in graph.nodes["column:t.it"].privacy or second == "null"
    alike = homed(f"select s.b as it from ({first} union all select {{'b': 2, 'a': addr.street}} from homes)")
    assert alike.nodes["column:t.it"].privacy == ()


def test_what_reads_a_made_struct_is_found_from_it_and_not_from_its_other_fields() -> None:
    graph = parts_made("select s.far as it from second")
    for name, there in (("homes.addr.floor", True), ("first.s", True), ("homes.addr.street", False)):
        assert ("t.it" in {one.name for one in graph.downstream(name).nodes.values()}) is there, name


def test_a_copy_under_the_contract_of_its_source_has_the_same_tags() -> None:
    copy = hr.Table("copy", Home, query="select * from homes where home > 3")
    newest = (
        "select home, max(at) as at, arg_max(addr, at) as addr, arg_max(past, at) as past, arg_max(told, at) as told"
    )
    last = hr.Table("last", Home, query=f"{newest} from homes group by home")
    of = hr.Table("of", query="select addr.floor as a, addr.street as b from copy")
    project = hr.Project("p", sources=[homes, copy, last, of])
    assert [one.code for one in check(project)] == []
    nodes = lineage(project).nodes
    assert (nodes["column:of.a"].privacy, nodes["column:of.b"].privacy) == ((), ("personal",))


def test_the_bounds_of_a_frame_are_told() -> None:
    query = "select sum(home) over (order by at rows between addr.floor preceding and current row) as it from homes"
    graph = homed(query)
    assert "homes.addr.floor" in {graph.nodes[edge.source].name for edge in graph.into["column:t.it"]}


@pytest.mark.parametrize(
    "made", ["{'hashed': md5(addr.street), 'street': addr.street}", "row(addr.street, addr.street)"]
)
@pytest.mark.parametrize("tag", ["pseudonym", "public", "health"])
def test_a_tag_within_does_not_answer_for_the_fields_beside_it(made: str, tag: str) -> None:
    class Who(hr.Contract):
        hashed: str = hr.field(privacy=tag)
        street: str

    class Row(hr.Contract):
        home: int = hr.key()
        at: hr.Timestamp = hr.valid_from()
        who: Who

    table = hr.Table("t", Row, query=f"select home, at, {made} as who from homes")
    of = hr.Table("of", query="select who.hashed as a, who.street as b, who as c from t")
    project = hr.Project("p", sources=[homes, table, of])
    nodes = lineage(project).nodes
    assert [nodes[f"column:of.{name}"].privacy for name in "ab"] == [(tag,), ("personal",)]
    assert "personal" in nodes["column:of.c"].privacy
    lost = [one.found for one in check(project) if one.code == "HR-LINEAGE-002"]
    whose = "t.who.street" if made.startswith("{") else "t.who"
    assert any(one.startswith(f"{whose} without the privacy tag 'personal'") for one in lost)


def test_a_contract_that_says_tags_of_what_a_query_makes_is_heard_for_all_of_it() -> None:
    class Pair(hr.Contract):
        a: int
        b: str

    class Told(hr.Contract):
        s: Pair = hr.field(privacy="health")

    class Silent(hr.Contract):
        home: int = hr.key()
        at: hr.Timestamp = hr.valid_from()
        s: Pair

    query = "select home, at, {'a': addr.floor, 'b': addr.street} as s from homes"
    tables = [hr.Table("told", Told, query=query), hr.Table("silent", Silent, query=query)]
    more = [hr.Table(f"of_{one.name}", query=f"select s.a from {one.name}") for one in tables]
    group = hr.Features("f", tables[1], by=hr.Entity("home"), features={"high": "s.a > 3"})
    nodes = lineage(hr.Project("p", sources=[homes, *tables, *more], features=[group])).nodes
    assert nodes["column:of_told.a"].privacy == ("health",)
    assert nodes["column:of_silent.a"].privacy == nodes["feature:f.high"].privacy == ()
    assert nodes["column:of_silent.a"].unit == "m"
