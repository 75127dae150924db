"""Ways to a gateway through the MCP client of PyPI: over HTTP and with `portway mcp`, in both revisions."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

URL = os.environ["PORTWAY_URL"]
KEY = os.environ["PORTWAY_KEY"]
BINARY = os.environ["PORTWAY_BINARY"]

# What the client calls the revisions, and what it has to agree on.
MODES = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28", "auto": "2026-07-28"}
WAYS = ["over HTTP", "on standard input"]


@asynccontextmanager
async def connect(way: str, mode: str, **options: object) -> AsyncIterator[Client]:
    """A client that has agreed with the gateway."""
    if way == "over HTTP":
        async with create_mcp_http_client(headers={"Authorization": f"Bearer {KEY}"}) as http:
            transport = streamable_http_client(f"{URL}/mcp", http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                assert client.protocol_version == MODES[mode], client.protocol_version
                yield client
    else:
        server = StdioServerParameters(command=BINARY, args=["mcp"], env={"PORTWAY_SERVER": URL, "PORTWAY_KEY": KEY})
        async with Client(server, mode=mode, **options) as client:
            assert client.protocol_version == MODES[mode], client.protocol_version
            yield client
