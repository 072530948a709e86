"""The first call of a generated client: python first_call.py URL TOKEN."""

import sys
import time

from offhook_client.api.default import get_call, list_messages, pull_events, put_call, send_message
from offhook_client.client import AuthenticatedClient
from offhook_client.models import CallPut, CallStartedEvent, CallUpdatedEvent, MessageQueuedEvent, PresetSend

url, token = sys.argv[1:]
with AuthenticatedClient(base_url=url, token=token) as client:
    call = put_call.sync("c-1", client=client, body=CallPut(caller="+12065550142", queue="support"))
    assert call.state == "active", call
    sent = send_message.sync("c-1", client=client, body=PresetSend(preset="welcome"))
    assert sent.state == "queued", sent
    for _ in range(200):
        [message] = list_messages.sync("c-1", client=client).items
        assert (message.id, message.text) == (sent.id, sent.text), message
        if message.state in ("sent", "delivered"):
            break
        time.sleep(0.1)
    # The result of a GET can be edited and PUT, with its read-only fields.
    edited = CallPut.from_dict({**get_call.sync("c-1", client=client).to_dict(), "agent": "agent-17"})
    assert put_call.sync("c-1", client=client, body=edited).agent == "agent-17"
    # Each event has the class of its type.
    events = pull_events.sync(client=client, call_id="c-1").items
    started, queued, *_ = events
    assert isinstance(started, CallStartedEvent) and started.data.queue == "support", started
    assert isinstance(queued, MessageQueuedEvent) and queued.data.text == message.text, queued
    assert any(isinstance(event, CallUpdatedEvent) and event.data.agent == "agent-17" for event in events), events
    print(message.kind, message.state)
