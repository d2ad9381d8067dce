"""A tracking server of MLflow's as the registry, where the settings name one: names, patience, and faults."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from headrace import clock
from headrace.errors import Fault

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow would try again for minutes, and print; what is not done now is kept, and done when the server is back."""
_REFUSED = (401, 403)
_NO_ANSWER = "no answer in time"
_PAGE = 200
_KNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_SILENT_S = 5.0
"""How long a server that let a request wait in vain is not asked again: a command asks for more than one thing."""
_silent: dict[str, float] = {}
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """A tracking server.

    Args:
        url: ``http://…`` or ``https://…``; who one is comes from MLflow's own variables of the environment.
        space: begin of the names of models there, since others have models on the same server.

    Example:
        >>> server = Server("http://127.0.0.1:5000", "bank")
        >>> server.name("score"), server.model("bank.score"), server.model("shop.score")
        ('bank.score', 'score', None)
    """

    url: str
    space: str

    def name(self, model: str) -> str:
        """Return the name that a model has on the server."""
        return f"{self.space}.{model}"

    def model(self, name: str) -> str | None:
        """Return the model that has a name on the server; None for those of others."""
        space, _, model = name.rpartition(".")
        return model if space == self.space else None


def be_patient() -> None:
    """Set how long MLflow waits for a server, where the environment does not say it."""
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)


def unreachable(server: Server, error: Exception) -> Fault:
    """Return the fault of a server that does not do what it is asked: it refuses, or does not answer."""
    status = _status(error)
    if status in _REFUSED:
        found = f"tracking server {server.url} that refuses ({status})"
        cure = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and try again"
        return Fault("HR-LEARN-030", "", found, "a server that lets us in", cure)
    code = str(getattr(error, "error_code", ""))
    why = code if code in _KNOWN else _last_cause(error)
    found = f"tracking server {server.url} that cannot be used ({why})"
    cure = "start it, or mend tracking = in [models] of headrace.toml; MLFLOW_HTTP_REQUEST_TIMEOUT waits for a slow one"
    return Fault("HR-LEARN-030", "", found, "MLflow's server", cure)


def keeps_silent(server: Server) -> bool:
    """Return whether a server has just let a request wait in vain."""
    return clock.monotonic_s() < _silent.get(server.url, 0.0)


def remember_silence(server: Server, error: Exception) -> None:
    """Remember that a server did not answer in time, if that is what went wrong."""
    if _last_cause(error) == _NO_ANSWER:
        _silent[server.url] = clock.monotonic_s() + _SILENT_S


def _status(error: Exception) -> int | None:
    asked = getattr(error, "get_http_status_code", None)
    return int(asked()) if callable(asked) else None


def _last_cause(error: BaseException) -> str:
    """What is at the bottom of a failure, in a few words: MLflow wraps what ``requests`` and ``urllib3`` say."""
    text = str(error)
    for sign, told in (
        ("Connection refused", "nothing listens there"),
        ("timed out", _NO_ANSWER),
        ("Connection aborted", "it hung up"),
        ("Connection reset", "it hung up"),
        ("Name or service not known", "no such host"),
        ("Temporary failure in name resolution", "no such host"),
        ("CERTIFICATE_VERIFY_FAILED", "a certificate that is not trusted"),
    ):
        if sign in text:
            return told
    return f"{type(error).__name__}: {(text.splitlines() or [''])[0][:120]}"


def read_server(client: MlflowClient, server: Server, model: str | None) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield model, version as MLflow has it, and its aliases: of one model, or of all that are of this project."""
    which = f"name = '{server.name(model)}'" if model is not None else f"name LIKE '{server.space}.%'"
    for known in _pages(lambda token: client.search_registered_models(which, max_results=_PAGE, page_token=token)):
        name = server.model(known.name)
        if name is None or (model is not None and name != model):
            continue
        aliases = {alias: int(number) for alias, number in known.aliases.items()}
        for one in _pages(partial(_search, client, f"name = '{known.name}'")):
            number = int(one.version)
            yield name, one, tuple(sorted(alias for alias, at in aliases.items() if at == number))


def _search(client: MlflowClient, which: str, token: str | None) -> Any:
    return client.search_model_versions(which, max_results=_PAGE, page_token=token)


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return
