"""Refusals: what was wrong, as JSON, with the status that HTTP has for it."""

from __future__ import annotations

import logging

from headrace.errors import Fault, HeadraceError
from headrace.serve.message import Response, as_json

STATUS = {
    "HR-ACCESS-001": 401,
    "HR-ACCESS-002": 403,
    "HR-REQUEST-001": 413,
    "HR-REQUEST-008": 408,
    "HR-REQUEST-010": 415,
    "HR-ONLINE-002": 503,
    "HR-SERVE-005": 503,
    "HR-SERVE-007": 404,
    "HR-SERVE-008": 404,
    "HR-SERVE-009": 404,
    "HR-SERVE-010": 405,
    "HR-SERVE-013": 409,
    "HR-SERVE-014": 429,
    "HR-SERVE-015": 429,
    "HR-SERVE-016": 504,
    "HR-SERVE-018": 503,
    "HR-SERVE-020": 503,
    "HR-SERVE-021": 503,
    "HR-ONLINE-001": 503,
    "HR-PRIVACY-002": 503,
    "HR-LEARN-007": 503,
    "HR-WIRE-002": 414,
    "HR-WIRE-003": 431,
    "HR-WIRE-004": 415,
    "HR-WIRE-006": 417,
    "HR-WIRE-009": 421,
    "HR-WIRE-010": 403,
    "HR-INTERNAL": 500,
}
"""Every other fault is the request's: 400."""
INTERNAL = "HR-INTERNAL"
PROTOCOL = "/v2"
"""Path below which the Open Inference Protocol is spoken, which has its own form of refusals."""
SHOWN = 100
"""Faults of one refusal that are told."""
_OURS = Fault(INTERNAL, "", "a fault of the service itself", "an answer", "report it; its log names the kind")
_log = logging.getLogger("headrace.serve")


class Declined(HeadraceError):
    """A request that is not answered.

    Args:
        fault: what is wrong with it.
        headers: of the refusal, e.g. which methods a path has.
    """

    def __init__(self, fault: Fault, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(fault)
        self.headers = headers


def refused(code: str, found: str, expected: str, cure: str) -> Declined:
    """Return the error that refuses a request for one fault."""
    return Declined(Fault(code, "", found, expected, cure))


def plain(fault: Fault) -> dict[str, str]:
    """Return a fault as answers have it: all of theirs are errors."""
    told = fault.as_dict()
    del told["severity"]
    return told


def refusal(error: BaseException, path: str = "") -> Response:
    """Return the answer to a request that ended in an error.

    Args:
        error: what was raised. Of what is no ``HeadraceError`` only its kind is logged: neither the answer nor the log
            may hold what the request held.
        path: of the request, as far as it is known; its first part is logged. Below ``/v2`` a refusal has the form of
            the protocol that is spoken there.
    """
    if not isinstance(error, HeadraceError):
        _log.error("%s while answering %s", type(error).__name__, path.strip("/").split("/")[0][:20])
        error = HeadraceError(_OURS)
    told = [{**plain(fault), "place": fault.place or "request"} for fault in error.faults[:SHOWN]]
    headers, status = error.headers if isinstance(error, Declined) else (), STATUS.get(told[0]["code"], 400)
    if of_protocol(path):
        return as_json({"error": " ".join(str(fault) for fault in error.faults[:SHOWN])}, status, headers)
    return as_json({"error": told[0], "errors": told}, status, headers)


def of_protocol(path: str) -> bool:
    """Return whether a path is one of the Open Inference Protocol."""
    return path == PROTOCOL or path.startswith(f"{PROTOCOL}/")
