"""Addresses, taken apart while their secrets are still quoted: so a password may have any letter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from headrace.connect.secrets import resolved


@dataclass(frozen=True)
class Address:
    """The parts of an address, unquoted; never to be shown.

    Args:
        scheme: in lower case.
        user, password, host: empty where there is none.
        port: None where there is none.
        path: behind the host, with its slash.
        params: behind the question mark.
    """

    scheme: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int | None = None
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict, repr=False)

    def file(self, folder: Path) -> Path:
        """Return the file of a ``sqlite:///path`` or ``duckdb:///path``; four slashes make it absolute."""
        # Told from the name alone: the folder of a project that is about to be made is not there yet.
        return Path(os.path.normpath(folder / f"{self.host}{self.path if self.host else self.path[1:]}"))

    def url(self, params: Mapping[str, str]) -> str:
        """Return the address with all its parts, and parameters that it has not said itself."""
        user = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = (f"{user}@" if user else "") + host + ("" if self.port is None else f":{self.port}")
        return f"{self.scheme}://{where}{quote(self.path)}?{urlencode({**params, **self.params}, quote_via=quote)}"


def opened(url: str, folder: Path, place: str) -> Address:
    """Return the parts of an address with the secrets that it names.

    Args:
        url: of a declaration.
        folder: of the project, to which files of secrets are relative.
        place: of the declaration, for faults.

    Raises:
        HeadraceError: HR-SOURCE-021 for each secret that there is not.

    Example:
        >>> import os
        >>> os.environ["HEADRACE_EXAMPLE"] = "p@ss/word"
        >>> one = opened("postgresql://ann:${HEADRACE_EXAMPLE}@db:5433/risk", Path(), "")
        >>> one.password, one.host, one.url({})
        ('p@ss/word', 'db', 'postgresql://ann:p%40ss%2Fword@db:5433/risk?')
    """
    parts = urlsplit(resolved(url, folder, place, within_url=True))
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    host, port = _host_and_port(host)
    number = unquote(port)
    return Address(
        parts.scheme.lower(), unquote(name), unquote(password), unquote(host),
        int(number) if number.isdecimal() else None, unquote(parts.path),
        dict(parse_qsl(parts.query, keep_blank_values=True)),
    )  # fmt: skip


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port
