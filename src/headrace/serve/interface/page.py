"""The page where services can be tried: one file, nothing from elsewhere, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib import resources


def page(project: str) -> tuple[bytes, bytes]:
    """Return the page, and its content security policy: by their digests it names the only script and style."""
    style, script = _part("page.css"), _part("page.js")
    body = _part("page.html").replace("{{project}}", escape(project))
    return body.replace("{{style}}", style).replace("{{script}}", script).encode(), _policy(style, script)


@cache
def _part(name: str) -> str:
    return (resources.files("headrace.serve.interface") / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> bytes:
    said = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "connect-src": "'self'",
        "img-src": "data:",  # the icon that is none: without it browsers ask for one
        **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
    }
    return "; ".join(f"{what} {where}" for what, where in said.items()).encode()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
