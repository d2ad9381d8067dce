"""What is wrong with a request for inference, told without any of its values, and with what cures it."""

from __future__ import annotations

from headrace.errors import Fault, HeadraceError

_SHOWN = 64
_CURES = {
    "HR-INFER-001": "send what a client of the protocol writes; docs/inference.md has requests",
    "HR-INFER-003": "GET the model's metadata, which tell the names",
    "HR-INFER-004": "send the datatype that the model's metadata tell",
    "HR-INFER-005": "send a shape as the model's metadata tell, and all of its elements",
    "HR-INFER-006": "send values that the datatype holds; NaN, in JSON null, is a null",
    "HR-INFER-007": "say how many bytes each tensor has, and send as many behind the JSON",
}


def fault(code: str, place: str, found: str, expected: str, cure: str = "") -> Fault:
    """Return a fault with the cure of its code, where there is no better one."""
    return Fault(code, place, found, expected, cure or _CURES[code])


def no_request(found: str, expected: str, cure: str = "") -> HeadraceError:
    """Return the error that refuses what is no request."""
    return HeadraceError(fault("HR-INFER-001", "request", found, expected, cure))


def wrong(code: str, name: str, found: str, expected: str, cure: str = "") -> HeadraceError:
    """Return the error that refuses a tensor."""
    return HeadraceError(fault(code, f"tensor {name[:_SHOWN]!r}", found, expected, cure))
