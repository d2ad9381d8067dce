"""Buckets of S3, from a server that speaks its protocol."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx


@contextmanager
def served(folder: Path, bucket: str) -> Iterator[Any]:
    """A bucket of a server on a port of its own, found through the environment as every client of S3 finds it."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    log = (folder / "log").open("w")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    said = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-of-mine", "AWS_REGION": "eu-west-1"}
    before = dict(os.environ)
    os.environ.update(said | {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "eu-west-1"})
    try:
        for _ in range(300):
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        client = boto3.client("s3")
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client
    finally:
        server.terminate()
        server.wait()
        os.environ.clear()
        os.environ.update(before)
