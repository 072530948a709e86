"""The first call of a generated client: python first_call.py URL TOKEN."""

import sys
import time

from offhook_client.api.default import list_messages, put_call, send_message
from offhook_client.client import AuthenticatedClient
from offhook_client.models import CallPut, PresetSend

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
    print(message.kind, message.state)
