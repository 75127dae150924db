"""A session with an agent through the MCP client of PyPI."""

import asyncio
import time

from connect import MODES, WAYS, connect
from mcp import Client
from mcp.types import TextResourceContents


async def call(client: Client, tool: str, **arguments: object) -> dict[str, object]:
    """What a tool answers, unless it fails."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        raise RuntimeError(f"{tool}: {result.content}")
    return result.structured_content


async def transcript(client: Client, session: str) -> str:
    """The transcript of a session."""
    result = await client.read_resource(f"portway://sessions/{session}/transcript", cache_mode="bypass")
    return "".join(content.text for content in result.contents if isinstance(content, TextResourceContents))


async def talk(client: Client) -> str:
    """Has the demo agent say something."""
    tools = {tool.name for tool in (await client.list_tools()).tools}
    assert {"sessions_create", "messages_create", "sessions_terminate"} <= tools, tools
    opened = await call(client, "sessions_create", workspace="mcp")
    session = opened["session"]["id"]
    await call(client, "messages_create", id=session, content="/say hello from MCP")
    patience = time.monotonic() + 60
    while (read := await transcript(client, session)).count("hello from MCP") < 2:
        if time.monotonic() > patience:
            raise RuntimeError(f"the transcript is {read!r}")
        await asyncio.sleep(0.05)
    await call(client, "sessions_terminate", id=session)
    return f"{len(tools)} tools, {session} said “hello from MCP”"


async def main() -> None:
    for mode in MODES:
        for way in WAYS:
            async with connect(way, mode) as client:
                print(f"MCP client of PyPI {way}, {mode}: {await talk(client)}")


asyncio.run(main())
