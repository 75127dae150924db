"""One session through the client that Python makes of the published description."""

import os
import time
from typing import TypeVar

from portway_client import AuthenticatedClient
from portway_client.api.messages import messages_create, messages_list
from portway_client.api.sessions import sessions_create, sessions_get, sessions_terminate
from portway_client.models import (
    Created,
    Detail,
    Error,
    MessageList,
    MessagesCreateBody,
    Opened,
    SessionsCreateBody,
    Success,
)

T = TypeVar("T")


def answer(value: object, kind: type[T]) -> T:
    """What an operation answered, unless it failed."""
    if not isinstance(value, kind):
        raise RuntimeError(f"expected {kind.__name__}: {value}")
    return value


gateway = AuthenticatedClient(base_url=os.environ["PORTWAY_URL"], token=os.environ["PORTWAY_KEY"])
opened = answer(sessions_create.sync(client=gateway, body=SessionsCreateBody(workspace="python")), Opened)
session = opened.session.id
answer(messages_create.sync(session, client=gateway, body=MessagesCreateBody(content="/say typed hello")), Created)

patience = time.monotonic() + 60
said = None
while said != "typed hello":
    if time.monotonic() > patience:
        raise RuntimeError(f"the agent said {said!r}")
    time.sleep(0.05)
    messages = answer(messages_list.sync(session, client=gateway), MessageList).messages
    said = next((message.content for message in messages if message.role == "assistant"), None)

answer(sessions_terminate.sync(session, client=gateway), Success)
ended = answer(sessions_get.sync(session, client=gateway), Detail).session
assert ended.status == "terminated", ended.status
assert ended.created_at.tzinfo is not None, ended.created_at
missing = answer(sessions_get.sync("nobody", client=gateway), Error)
assert missing.code == "NOT_FOUND", missing.code
print(f"Python: {session} said “{said}”")
