"""A document and declarations that say about all that either can."""

import headrace as hr

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: shop\nversion: 1.2.0\nstatus: active\n"
SHOP = f"""{HEAD}description: {{purpose: Orders of the shop}}
team: {{name: sales}}
servers:
- {{server: main, type: postgres, host: db, port: 5432, database: shop, schema: public}}
slaProperties:
- {{property: generalAvailability, value: 2026-01-31}}
- {{property: timeOfAvailability, value: 09:30}}
schema:
- name: Orders
  physicalType: topic
  description: One order of the shop.
  relationships:
  - {{type: foreignKey, from: [orders.customer], to: [customers.id]}}
  properties:
  - {{name: order-id, logicalType: string, primaryKey: true, logicalTypeOptions: {{pattern: 'O[0-9]+', maxLength: 9}}}}
  - name: at
    logicalType: timestamp
    logicalTypeOptions: {{defaultTimezone: Europe/Rome, minimum: "2020-01-01 00:00:00"}}
    customProperties: [{{property: role, value: event_time, description: when it was placed}}]
  - name: class
    logicalType: integer
    physicalType: smallint
    required: true
    logicalTypeOptions: {{minimum: 1, format: i16}}
  - name: state
    logicalType: string
    quality:
    - {{metric: invalidValues, arguments: {{validValues: [new, paid, null]}}, mustBe: 0, severity: error}}
    - {{type: sql, query: select 1, mustBe: 1}}
  - {{name: amount, logicalType: number, physicalType: 'numeric(12, 2)', classification: internal, tags: [money]}}
  - name: address
    logicalType: object
    properties:
    - {{name: street, logicalType: string}}
    - {{name: lines, logicalType: array, items: {{logicalType: string}}}}
- name: no_columns
"""


class Sale(hr.Contract):
    """One sale."""

    sale_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")
    seen: hr.Timestamp = hr.known_time()
    price: hr.Decimal(12, 2) | None = hr.field(gt=0, lt=1000, unit="EUR", description="As printed.")
    weight: float = hr.field(ge=0.5, le=20)
    ok: bool
    day: hr.Date = hr.field(ge="2020-01-01")
    kind: str = hr.field(isin=["a", "b"], privacy="personal", subject=True, min_length=1, max_length=9, pattern="[ab]+")
    tags: list[str]


class State(hr.Contract):
    key_: str = hr.field(name="key")
    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp | None = hr.valid_to()
    note: str | None = None
    grade: int | None = hr.field(default=None, ge=1)
