#!/usr/bin/env python3
"""An agent's adapter in a terminal: the smallest client that does everything an agent needs.

It follows one call by its event stream, shows what the caller writes, sends presets and own texts, and shows what
became of each: · queued, ✓ sent, ✓✓ delivered, ✗ not delivered, and why. It needs Python 3.9 and nothing else.

    python3 examples/adapter.py --token demo-token --call mine --caller +12065550142 --queue support

With --caller the call is started as the telephone platform would start it; without, it must be under way. Then:

    any text          sends it as your own words
    /presets          lists the presets in the call's language
    /preset ID        sends one
    /photo TEXT       sends the text, and expects a photo
    /cancel           cancels your last text, if it still waits
    /end              ends the call, and leaves
    /quit             leaves; the call goes on
"""

import argparse
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

TICKS = {"queued": "·", "sending": "·", "sent": "✓", "delivered": "✓✓"}


class Refused(Exception):
    """The gateway's answer says no: a problem document with a code and a detail."""

    def __init__(self, status, problem):
        self.status, self.code = status, problem.get("code", "")
        super().__init__(f"{problem.get('detail') or problem.get('title', 'refused')} ({self.code or status})")


class Gateway:
    """The platform's door."""

    def __init__(self, url, token):
        self.url, self.token = url.rstrip("/"), token

    def open(self, method, path, body=None, headers=None, timeout=30):
        request = urllib.request.Request(f"{self.url}/v1/{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            return urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"title": text.decode(errors="replace")[:200]}
            raise Refused(error.code, problem) from None

    def ask(self, method, path, body=None, headers=None):
        with self.open(method, path, body, headers) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers

    def post(self, path, body):
        """Posts until the outcome is known: the key makes a repeated request harmless."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for wait in (0.5, 1, 2, 4, None):
            try:
                return self.ask("POST", path, body, headers)[0]
            except Refused as refused:
                if refused.status not in (503, 504) or wait is None:
                    raise
            except OSError:
                if wait is None:
                    raise
            time.sleep(wait)

    def stream(self, query, cursor):
        """Yields the events after `cursor`, for ever: a stream that breaks is resumed where it was."""
        while True:
            try:
                headers = {"Accept": "text/event-stream", "Last-Event-ID": cursor}
                # Comments keep a quiet stream alive, so a longer silence means that it is dead.
                with self.open("GET", f"events?{urllib.parse.urlencode(query)}", headers=headers, timeout=60) as lines:
                    for line in lines:
                        name, _, value = line.decode().rstrip("\r\n").partition(": ")
                        if name == "data":
                            event = json.loads(value)
                            cursor = event["cursor"]
                            yield event
            except Refused as refused:
                if refused.status < 500 and refused.status != 429:
                    raise
            except OSError:
                pass
            time.sleep(1)


class Adapter:
    def __init__(self, gateway, call, agent):
        self.gateway, self.agent, self.last = gateway, agent, None
        self.path = f"calls/{urllib.parse.quote(call, safe='')}"
        self.call, headers = gateway.ask("GET", self.path)
        # What happens after this answer is in the stream after this cursor: nothing is missed, nothing comes twice.
        self.cursor = headers["Offhook-Cursor"]
        self.seen, self.print_lock = set(), threading.Lock()

    def show(self, text):
        with self.print_lock:
            print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)

    def begin(self):
        call = self.call
        name = call["caller"] or "a person who was erased"
        self.show(f"call {call['id']}: {name} in queue {call['queue']}, {call['state']}")
        self.show_whether_sending_works()
        for message in self.transcript():
            self.show_message(message)
        threading.Thread(target=self.follow, daemon=True).start()

    def transcript(self):
        cursor = None
        while True:
            query = {"limit": 500, **({"cursor": cursor} if cursor else {})}
            page, _ = self.gateway.ask("GET", f"{self.path}/messages?{urllib.parse.urlencode(query)}")
            yield from page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def follow(self):
        try:
            for event in self.gateway.stream({"call_id": self.call["id"]}, self.cursor):
                self.show_event(event)
        except Refused as refused:
            self.show(f"no more events: {refused}")

    def show_event(self, event):
        kind, data = event["type"], event["data"]
        if kind.startswith("message."):
            self.show_message(data)
        elif kind.startswith("call."):
            self.call = data
            if kind == "call.ended":
                self.show(f"the call ended: {data['end_reason'] or 'no reason given'}")
            else:
                self.show_whether_sending_works()

    def show_whether_sending_works(self):
        sms = self.call["sms"]
        if self.call["state"] == "active" and not sms["can_send"]:
            self.show(f"texts to this caller are refused now: {sms['refusal']}")

    def show_message(self, message):
        if (message["id"], message["state"]) in self.seen:
            return
        self.seen.add((message["id"], message["state"]))
        text = message.get("text")
        text = f" {text}" if text else ""
        if message["direction"] == "inbound":
            photos = len(message["media"])
            self.show(f"  caller:{text}" + (f" [{photos} photos or videos]" if photos else ""))
            return
        error = message.get("error")
        tick = TICKS.get(message["state"]) or f"✗ {message['state']}"
        why = f" ({error['code']}: {error['detail']})" if error else ""
        self.show(f"  {message['kind']} {message['id'][-6:]} {tick}{text}{why}")

    def send(self, content):
        if self.agent:
            content["agent"] = self.agent
        message = self.gateway.post(f"{self.path}/messages", content)
        self.last = message["id"]
        self.show_message(message)
        if message["segments"] > 1:
            self.show(f"    long: it goes out as {message['segments']} segments")

    def presets(self):
        query = urllib.parse.urlencode({"language": self.call["language"], "limit": 500})
        for preset in self.gateway.ask("GET", f"presets?{query}")[0]["items"]:
            self.show(f"  {preset['id']:<12} {preset['label']}: {preset['text']}")

    def obey(self, line):
        """Does what a line says; returns whether to go on."""
        word, _, rest = line.partition(" ")
        if word == "/quit":
            return False
        if word == "/end":
            self.gateway.post(f"{self.path}/end", {"reason": "agent_hangup"})
            return False
        if word == "/presets":
            self.presets()
        elif word == "/preset":
            self.send({"preset": rest.strip()})
        elif word == "/photo":
            self.send({"text": rest, "smart_action": "photo"})
        elif word == "/cancel" and self.last:
            self.gateway.ask("DELETE", f"messages/{self.last}")
        elif word.startswith("/"):
            self.show("commands: /presets, /preset ID, /photo TEXT, /cancel, /end, /quit; anything else is sent")
        elif line:
            self.send({"text": line})
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--api", default="http://127.0.0.1:8081", help="the platform's door")
    parser.add_argument("--token", required=True, help="a token with the scopes send and read, and calls to start or end one")
    parser.add_argument("--call", required=True, help="the platform's id of the call")
    parser.add_argument("--caller", help="start the call: the caller's number, as in +12065550142")
    parser.add_argument("--queue", default="support", help="the queue of a call that is started")
    parser.add_argument("--agent", default="agent-17", help="whose texts these are")
    wants = parser.parse_args()
    gateway = Gateway(wants.api, wants.token)
    try:
        if wants.caller:
            call = {"caller": wants.caller, "queue": wants.queue, "agent": wants.agent}
            gateway.ask("PUT", f"calls/{urllib.parse.quote(wants.call, safe='')}", call)
        adapter = Adapter(gateway, wants.call, wants.agent)
        adapter.begin()
    except (Refused, OSError) as failed:
        sys.exit(f"cannot follow the call: {failed}")
    for line in sys.stdin:
        try:
            if not adapter.obey(line.strip()):
                break
        except (Refused, OSError) as failed:
            adapter.show(f"✗ {failed}")


if __name__ == "__main__":
    main()
