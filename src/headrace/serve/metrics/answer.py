"""``GET /metrics``: the figures of all workers, in the form that is asked for."""

from __future__ import annotations

import asyncio

from headrace.serve.message import Request, Response, Route
from headrace.serve.metrics.exposition import OPENMETRICS, PROMETHEUS, exposition, wants_openmetrics
from headrace.serve.metrics.meters import Meters


def routes(meters: Meters) -> list[Route]:
    """Return the route ``GET /metrics``."""

    def told(request: Request) -> Response:
        openmetrics = wants_openmetrics(request.headers.get(b"accept", b"").decode("latin-1"))
        text = exposition(meters.figures(), openmetrics)
        return Response(200, text.encode(), OPENMETRICS if openmetrics else PROMETHEUS)

    async def answer(request: Request) -> Response:
        return await asyncio.to_thread(told, request)  # files are read and written

    return [Route("GET", "/metrics", answer, "read", tells="Figures for Prometheus, also as OpenMetrics.")]
