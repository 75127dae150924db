"""What the gateway asks the MCP client of PyPI, and tells it, while it carries out a request of the client's."""

import asyncio
from collections.abc import Awaitable, Callable

from connect import MODES, WAYS, connect
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    LoggingMessageNotificationParams,
    Root,
    ServerNotification,
    TextContent,
    ToolListChangedNotification,
)

# Longer than anything here takes.
PATIENCE = 30


async def sample(_context: ClientRequestContext, _params: CreateMessageRequestParams) -> CreateMessageResult:
    return CreateMessageResult(role="assistant", model="none", content=TextContent(type="text", text="as a model"))


async def fill_in(_context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={name: "by hand" for name in params.requested_schema["properties"]})


async def roots(_context: ClientRequestContext) -> ListRootsResult:
    return ListRootsResult(roots=[Root(uri="file:///of/the/client")])


async def said(call: Awaitable[object]) -> str:
    """What a tool says, unless it fails."""
    result = await asyncio.wait_for(call, PATIENCE)
    assert not result.is_error, result
    return result.content[0].text


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what comes beside the answer."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


async def told_of_a_change(client: Client, mode: str, changed: asyncio.Event) -> None:
    """The list of tools changes, and the client hears of it."""
    if mode == "legacy":
        # Nobody says when the stream is open that it hears of it by.
        async with asyncio.timeout(PATIENCE):
            while not changed.is_set():
                await said(client.call_tool("test_trigger_tool_change", {}))
                await asyncio.sleep(0.05)
        return
    async with client.listen(tools_list_changed=True) as changes:
        await said(client.call_tool("test_trigger_tool_change", {}))
        await asyncio.wait_for(anext(aiter(changes)), PATIENCE)


async def go_through(way: str, mode: str) -> None:
    logged, progress, changed = [], [], asyncio.Event()

    async def log(params: LoggingMessageNotificationParams) -> None:
        logged.append(params.data)

    async def note(done: float, _total: float | None, _message: str | None) -> None:
        progress.append(done)

    async def hear(message: ServerNotification | Exception) -> None:
        if isinstance(message, ToolListChangedNotification):
            changed.set()

    callbacks = {
        "sampling_callback": sample,
        "elicitation_callback": fill_in,
        "list_roots_callback": roots,
        "logging_callback": log,
        "message_handler": hear,
        "log_level": "info",
    }
    async with connect(way, mode, **callbacks) as client:
        assert "as a model" in await said(client.call_tool("test_sampling", {"prompt": "Speak"}))
        assert "by hand" in await said(client.call_tool("test_elicitation", {"message": "Write"}))
        assert "file:///of/the/client" in await said(client.call_tool("test_input_required_result_list_roots", {}))
        rounds = await said(client.call_tool("test_input_required_result_multi_round", {}))
        assert "step1" in rounds and "step2" in rounds, rounds
        await said(client.call_tool("test_tool_with_logging", {}))
        await until(lambda: len(logged) == 3)
        await said(client.call_tool("test_tool_with_progress", {}, progress_callback=note))
        await until(lambda: progress == [0, 50, 100])
        await told_of_a_change(client, mode, changed)
    print(f"MCP client of PyPI {way}, {mode}: answered, and was told, whatever there was")


async def main() -> None:
    for mode in MODES:
        for way in WAYS:
            await go_through(way, mode)


asyncio.run(main())
