"""The interface as OpenAPI 3.1: one path for each service and stream, with the very fields of its contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import msgspec

from headrace.declare import Contract, Project, Service
from headrace.errors import HeadraceError
from headrace.plan import compile_set
from headrace.serve.fields import RowReader
from headrace.serve.interface.example import example
from headrace.serve.interface.schema import feature_schema, row_schema
from headrace.serve.message import Route

LINES, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"
DECIDE, EVENTS, EXAMPLE = "/services/{name}/decide", "/events/{stream}", "/services/{name}/example"
_PART = re.compile(r"\{(\w+)\}")
_TEXT = {"type": "string"}


def document(project: Project, every: Sequence[Route], now_us: int, url: str = "/") -> dict[str, Any]:
    """Return the document of the interface.

    Args:
        project: whose services and streams it tells.
        every: all routes of the server; those of services and streams are told for each of these.
        now_us: the moment of the events in its examples.
        url: below which the paths are.

    Returns:
        A document of OpenAPI 3.1, whose operations have the extension ``x-key``: the fields by which a row counts once,
        however often it is sent.
    """
    paths: dict[str, dict[str, Any]] = {}
    schemas = dict(_SHARED)
    for route in every:
        for path, operation in _operations(route, project, schemas, now_us):
            paths.setdefault(path, {})[route.method.lower()] = operation | _access(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Services of {project.name}",
            "version": metadata.version("headrace"),
            "description": "Decisions, each on record before it is answered.",
        },
        "servers": [{"url": url}],
        "tags": _tags(paths),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {name: _refusal(text) for name, text in _REFUSED.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "hr_…"}},
        },
    }


def _operations(
    route: Route, project: Project, schemas: dict[str, Any], now_us: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    match route.pattern:
        case p if p == DECIDE:
            for name, service in project.all_services.items():
                yield p.replace("{name}", name), _decide(name, service, schemas, now_us)
        case p if p == EXAMPLE:
            for name, service in project.all_services.items():
                schema = _row(service.model.cases.spine.contract, schemas)
                told = _operation(f"example_{name}", "services", route.tells, {"200": _json("A row.", schema)})
                yield p.replace("{name}", name), told
        case p if p == EVENTS:
            for name, stream in project.streams.items():
                if stream.contract is not None:
                    yield p.replace("{stream}", name), _post(name, stream.contract, schemas, now_us)
        case p:
            yield p, _other(route)


def _decide(name: str, service: Service, schemas: dict[str, Any], now_us: int) -> dict[str, Any]:
    contract = service.model.cases.spine.contract
    row, decision = _row(contract, schemas), _ref(f"{_title(name)}Decision")
    schemas[f"{_title(name)}Decision"] = _decision(service)
    body = {
        "application/json": {
            "schema": {"oneOf": [row, _ROWS]},
            **_example(contract, now_us),
        },
        LINES: {"schema": _TEXT | {"description": "One row on each line."}},
        ARROW: {"schema": _TEXT | {"contentEncoding": "binary", "description": "An Arrow IPC stream of rows."}},
    }
    each = {"type": "array", "items": {"anyOf": [decision, _ref("Refused")]}}
    answers = {
        "200": {
            "description": "The decision, which is on record; of several rows each in the place of its row.",
            "content": {
                "application/json": {"schema": {"anyOf": [decision, each]}},
                **{kind: {"schema": _TEXT} for kind in (LINES, ARROW)},
            },
        }
    }
    told = _operation(f"decide_{name}", "services", f"Decide on rows of {contract.name}", answers)
    told["description"] = "The first of these that holds is the decision: " + "; ".join(
        [*(f"`{one}` where `{rule}`" for one, rule in service.decide.items()), f"otherwise `{service.otherwise}`."]
    )
    told["parameters"] = _PARAMETERS
    told["requestBody"] = {"required": True, "content": {kind: one for kind, one in body.items() if one}}
    return told | {"x-key": list(contract.key_fields())}


def _decision(service: Service) -> dict[str, Any]:
    features = {one.name: feature_schema(one.type) for one in compile_set(service.model.cases).outputs}
    return {
        "title": f"Decision of {service.name}",
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": [*service.decide, service.otherwise]},
            "score": {"type": ["number", "null"]},
            "record_id": _TEXT | {"description": "Under which the answer is on record."},
            "model": {"anyOf": [_ref("ModelVersion"), {"type": "null"}]},
            "reasons": {"type": "array", "items": _ref("Reason")},
            "features": {"type": "object", "properties": features},
            "situation": {"type": "array", "items": _TEXT, "description": "What was odd, as `cold_key customer_id`."},
            "repeated": {"type": "boolean", "description": "True where this was decided before."},
        },
        "required": ["decision", "score", "record_id", "model"],
    }


def _post(name: str, contract: type[Contract], schemas: dict[str, Any], now_us: int) -> dict[str, Any]:
    row = _row(contract, schemas)
    body = {
        "application/json": {
            "schema": {"oneOf": [row, {"type": "array", "items": row}]},
            **_example(contract, now_us),
        },
        LINES: {"schema": _TEXT | {"description": "One event on each line."}},
    }
    answers = {
        "200": _json("They are durable, and count in the next decision.", _ref("Taken")),
        "202": _json("They are durable, and will count as soon as the state has caught up.", _ref("Taken")),
    }
    told = _operation(f"post_{name}", "events", f"Take live events of {name}", answers)
    told["requestBody"] = {"required": True, "content": body}
    return told | {"x-key": list(contract.key_fields())}


def _other(route: Route) -> dict[str, Any]:
    path = route.pattern
    parts = path.strip("/").split("/")
    named = "_".join(re.sub(r"\W", "", part) or "root" for part in parts)
    kinds = _KINDS.get(path, {"application/json": {"schema": _ANSWERS.get(path, {})}})
    answers = {"200": {"description": route.tells or "Done.", "content": kinds}}
    told = _operation(f"{route.method.lower()}_{named}", parts[0], route.tells, answers)
    told["parameters"] = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT | {"minLength": 1}}
        for name in _PART.findall(path)
    ]
    if parts[0] == "v2":
        refused = {"description": "What is wrong.", "content": {"application/json": {"schema": _ref("V2Error")}}}
        told["responses"] = answers | {"default": refused}
    if route.method == "POST":
        kinds = {"application/json": {"schema": {"type": "object"}}}
        if path.endswith("/infer"):
            kinds["application/octet-stream"] = {"schema": _TEXT | {"contentEncoding": "binary"}}
        told["requestBody"] = {"required": not path.endswith("/index"), "content": kinds}
    return told


def _operation(name: str, tag: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    refused = {status: {"$ref": f"#/components/responses/{one}"} for status, one in _STATUSES.items()}
    return {"operationId": name, "tags": [tag], "summary": summary or name, "responses": answers | refused}


def _access(route: Route) -> dict[str, Any]:
    """Without a token it may be asked on loopback, as the server was started."""
    return {"security": [{}, {"token": []}], "x-scope": route.scope} if route.scope else {}


def _row(contract: type[Contract], schemas: dict[str, Any]) -> dict[str, Any]:
    schemas[contract.name] = row_schema(contract)
    return _ref(contract.name)


def _example(contract: type[Contract], now_us: int) -> dict[str, Any]:
    """A row that was made up, where one could be that a service takes."""
    row = example(contract, now_us, seed=0)
    try:
        RowReader(contract).read(msgspec.json.encode(row))
    except HeadraceError:
        return {}
    return {"examples": {"made_up": {"summary": "A row that was made up", "value": row}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _refusal(text: str) -> dict[str, Any]:
    return _json(text, _ref("Refused"))


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _tags(paths: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    used = dict.fromkeys(one["tags"][0] for each in paths.values() for one in each.values())
    return [{"name": name} | ({"description": _TOLD[name]} if name in _TOLD else {}) for name in used]


_ROWS = {"type": "array", "items": {}, "description": "Rows; one that is wrong has its refusal in its place."}
_TOLD = {
    "services": "Decisions, each on record before it is answered.",
    "events": "Live events, durable and in the state of keys when they are acknowledged.",
    "health": "Whether the service lives, and whether it answers.",
    "v2": "The bare models, by the Open Inference Protocol.",
}
_KINDS = {
    "/metrics": {
        "text/plain": {"schema": _TEXT},
        "application/openmetrics-text": {"schema": _TEXT},
    },
    "/docs": {"text/html": {"schema": _TEXT}},
}
_ANSWERS: dict[str, Any] = {
    "/openapi.json": {"type": "object"},
    "/health/live": {"type": "object", "properties": {"live": {"type": "boolean"}}, "required": ["live"]},
    "/health/ready": {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]},
}
_PARAMETERS = [
    {
        "name": "explain",
        "in": "query",
        "description": "How many reasons to give: the features that contribute most to the score.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 1000, "default": 0},
    },
    {
        "name": "features",
        "in": "query",
        "description": "1 for the values of all features, too.",
        "schema": {"type": "integer", "enum": [0, 1], "default": 0},
    },
]
_REFUSED = {
    "Wrong": "What is wrong with the request, all of it at once.",
    "NoToken": "No token, or one that is not known or has expired.",
    "NotAllowed": "A token without the scope that this needs.",
    "NotThere": "No such path, service or stream.",
    "Before": "The key was decided before, with other values.",
    "TooLarge": "A body that is too large.",
    "OtherKind": "A content type that is not taken.",
    "Busy": "Too much at once; the header retry-after says when to come again.",
    "NotNow": "Cannot be done now and has left no trace; the header retry-after says when to come again.",
    "Late": "The deadline passed before it was begun.",
    "Other": "Another refusal.",
}
_STATUSES = {
    "400": "Wrong",
    "401": "NoToken",
    "403": "NotAllowed",
    "404": "NotThere",
    "409": "Before",
    "413": "TooLarge",
    "415": "OtherKind",
    "429": "Busy",
    "503": "NotNow",
    "504": "Late",
    "default": "Other",
}
_SHARED: dict[str, Any] = {
    "Fault": {
        "type": "object",
        "properties": {
            "code": _TEXT | {"pattern": "^HR-[A-Z]+(-[0-9]{3})?$", "description": "Each is told in docs/errors.md."},
            "place": _TEXT,
            "found": _TEXT,
            "expected": _TEXT,
            "cure": _TEXT,
        },
        "required": ["code", "place", "found", "expected", "cure"],
    },
    "Refused": {
        "type": "object",
        "properties": {
            "error": _ref("Fault"),
            "errors": {"type": "array", "items": _ref("Fault"), "description": "All that is wrong."},
        },
        "required": ["error"],
    },
    "V2Error": {"type": "object", "properties": {"error": _TEXT}, "required": ["error"]},
    "ModelVersion": {
        "type": "object",
        "properties": {"name": _TEXT, "version": {"type": "integer"}, "digest": _TEXT},
        "required": ["name", "version", "digest"],
    },
    "Reason": {
        "type": "object",
        "properties": {
            "feature": _TEXT,
            "value": {},
            "contribution": {"type": "number"},
            "space": _TEXT | {"description": "In which contributions add up, such as log-odds."},
            "method": _TEXT,
        },
        "required": ["feature", "value", "contribution"],
    },
    "Taken": {
        "type": "object",
        "properties": {
            "taken": {"type": "integer"},
            "known_before": {"type": "integer"},
            "sequences": {"type": "array", "items": {"type": ["integer", "null"]}},
            "warned": {"type": "object", "additionalProperties": {"type": "integer"}},
            "behind": _TEXT,
        },
        "required": ["taken", "known_before", "sequences"],
    },
}
