"""The interface told: a document that validators and generators take, and rows that are true of it."""

import re
import string

import httpx
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.clock import now_us
from headrace.errors import HeadraceError
from headrace.serve.app import start
from headrace.serve.fields import RowReader
from headrace.serve.interface import document, routes
from headrace.serve.interface.example import example
from headrace.serve.interface.schema import row_schema
from headrace.serve.message import Route
from tests.shop import DECIDE, payment


class Address(hr.Contract):
    city: str = hr.field(min_length=2, max_length=5)
    code: str | None


class Odd(hr.Contract):
    """Everything that a contract can say.

    And more of it.
    """

    order_id: str = hr.key(pattern="[A-Z]{2}-[0-9]{4}(x|yy)?", name="order-id")
    at: hr.Timestamp = hr.event_time()
    due: hr.Date = hr.field(ge="2030-01-01")
    until: hr.Timestamp | None = hr.field(lt="2020-01-01T00:00:00Z")
    count: int = hr.field(gt=-5, lt=-1)
    plenty: int
    rate: float = hr.field(gt=2, le=3)
    amount: hr.Decimal(6, 2) = hr.field(ge="0.50", lt=3, unit="EUR", privacy="personal")
    exact: hr.Decimal(3, 3)
    minus: hr.Decimal(8, 2) = hr.field(le=-7)
    yes: bool
    currency: str = hr.field(isin=["EUR", "CHF"])
    grade: int | None = hr.field(isin=[1, 2, 3])
    price: hr.Decimal(6, 2) = hr.field(isin=["1.50"])
    name: str = hr.field(min_length=70)
    short: str = hr.field(max_length=3)
    loose: str = hr.field(max_length=3, severity="warn")
    tags: list[str] = hr.field(min_length=3, max_length=4, pattern=r"\w+@[^@ ]{1,3}\.com")
    home: Address
    others: list[Address] | None
    none: list[int] = hr.field(max_length=0)


@pytest.mark.parametrize("seed", range(50))
def test_a_made_up_row_keeps_its_contract_and_its_schema(seed):
    import msgspec

    row = example(Odd, now_us(), seed)
    assert RowReader(Odd).read(msgspec.json.encode(row))
    jsonschema.Draft202012Validator(row_schema(Odd)).validate(row)
    assert example(Odd, 0, seed)["order-id"] == row["order-id"], "the same seed is the same row"


def test_rows_differ_so_that_each_is_a_new_case():
    assert len({example(Odd, now_us(), seed)["order-id"] for seed in range(50)}) > 45


def test_a_pattern_that_we_cannot_make_up_leaves_its_field_empty():
    class Strange(hr.Contract):
        code: str = hr.field(pattern=r"\p{Greek}+")
        name: str

    assert example(Strange, 0, 1) == {"code": "", "name": "example"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(string.printable, max_size=6) | st.sampled_from(["EUR", "2031-01-01", "2026-01-01T00:00:00Z", "1.50"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["city", "code", "x"]), inner),
)  # fmt: skip


@given(st.sampled_from(sorted(Odd.fields())), VALUES)
def test_the_schema_refuses_nothing_that_a_service_takes(name, value):
    import msgspec

    row = example(Odd, now_us(), 1) | {name: value}
    try:
        RowReader(Odd).read(msgspec.json.encode(row))
    except (HeadraceError, OverflowError):
        return
    jsonschema.Draft202012Validator(row_schema(Odd)).validate(row)


def every(loaded):
    """Routes as a server has them."""
    known = [
        Route("POST", "/services/{name}/decide", None, "decide"),
        Route("POST", "/events/{stream}", None, "events", tells="Events."),
        Route("GET", "/health/live", None, "", tells="Whether it lives."),
        Route("GET", "/health/ready", None, "", tells="Whether it answers."),
        Route("GET", "/v2/models/{m}/versions/{v}", None, "infer", tells="About a version."),
        Route("POST", "/v2/models/{m}/infer", None, "infer", tells="Scores."),
    ]
    mine = routes(loaded.project, lambda: [*known[:4], *mine])
    return known, mine


def test_the_document_tells_services_streams_and_all_other_routes(shop):
    known, mine = every(shop)
    told = document(shop.project, [*known, *mine], now_us())
    assert set(told["paths"]) == {
        "/services/desk/decide",
        "/services/desk/example",
        "/events/payments",
        "/events/chargebacks",
        "/health/live",
        "/health/ready",
        "/v2/models/{m}/versions/{v}",
        "/v2/models/{m}/infer",
        "/openapi.json",
        "/docs",
    }
    decide = told["paths"]["/services/desk/decide"]["post"]
    assert decide["x-key"] == ["payment_id"]
    assert decide["security"] == [{}, {"token": []}]
    schemas = told["components"]["schemas"]
    assert schemas["DeskDecision"]["properties"]["decision"]["enum"] == ["block", "review", "allow"]
    assert schemas["DeskDecision"]["properties"]["features"]["properties"]["now.night"] == {"type": ["boolean", "null"]}
    assert schemas["Payment"]["required"] == ["payment_id", "at", "customer_id", "terminal_id", "amount"]
    names = [one["name"] for one in told["paths"]["/v2/models/{m}/versions/{v}"]["get"]["parameters"]]
    assert names == ["m", "v"]
    operations = [one["operationId"] for each in told["paths"].values() for one in each.values()]
    assert len(operations) == len(set(operations))
    (made_up,) = decide["requestBody"]["content"]["application/json"]["examples"].values()
    jsonschema.Draft202012Validator(schemas["Payment"]).validate(made_up["value"])
    text = str(told)
    referred = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert referred <= set(schemas)


def test_the_document_is_openapi(shop):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    known, mine = every(shop)
    validator.validate(document(shop.project, [*known, *mine], now_us()))


def test_a_row_of_the_service_itself_is_decided(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        for _ in range(3):
            row = client.get("/services/desk/example").json()
            answer = client.post(DECIDE, json=row, params={"explain": 3, "features": 1})
            assert answer.status_code == 200, answer.text
            assert "repeated" not in answer.json()
        told = client.get("/openapi.json").json()
        schema = told["components"]["schemas"]["DeskDecision"] | {"components": told["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        odd = client.post(DECIDE, json=payment(7, customer_id=999_999), params={"explain": 3, "features": 1})
        again = client.post(DECIDE, json=payment(7, customer_id=999_999), params={"explain": 3, "features": 1})
        assert odd.json()["situation"] == ["cold_key customer_id"]
        assert odd.json().keys() | again.json().keys() == schema["properties"].keys(), "the document names all there is"
        refused = client.post(DECIDE, json=payment(1, amount="-1")).json()
        shape = told["components"]["schemas"]["Refused"] | {"components": told["components"]}
        jsonschema.Draft202012Validator(shape).validate(refused)
        missing = client.get("/services/disk/example")
        assert missing.status_code == 404
        assert missing.json()["error"]["cure"] == "did you mean 'desk'?"
