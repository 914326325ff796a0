#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the two vendors' APIs, which cannot be had in a test: enough of Anthropic's Messages and of
OpenAI's Responses, streamed, that their real command line programs work with it.

    llm.py ADDRESS CERT KEY LOG

A prompt of "RUN: COMMAND" is answered with a call of the program's shell tool, and what that gave with
"DONE: …"; any other with "ECHO: …". LOG gets one JSON object a request: method, path, headers, body.
"""
import http.server
import json
import ssl
import sys
import threading

ADDRESS, CERT, KEY, LOG = sys.argv[1:5]
LOCK = threading.Lock()
ACCOUNT = "0f6e2a34-1111-4222-8333-444455556666"  # the only one that has a ChatGPT login here


def said(content):
    """What a person wrote last."""
    if isinstance(content, str):
        return content
    return [b["text"] for b in content if b.get("type") in ("text", "input_text")][-1]


def texts(node):
    """All strings below, in order."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for n in node:
            yield from texts(n)
    elif isinstance(node, dict):
        for n in node.values():
            yield from texts(n)


def command_in(node):
    for text in texts(node):
        for line in text.splitlines():
            if line.startswith("RUN: "):
                return line[5:]
    return None


def anthropic_events(message):
    start = dict(message, content=[], stop_reason=None, usage={"input_tokens": 1, "output_tokens": 1})
    yield "message_start", {"message": start}
    for i, block in enumerate(message["content"]):
        tool = block["type"] == "tool_use"
        yield "content_block_start", {"index": i, "content_block": dict(block, **({"input": {}} if tool else {"text": ""}))}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])} if tool else \
            {"type": "text_delta", "text": block["text"]}
        yield "content_block_delta", {"index": i, "delta": delta}
        yield "content_block_stop", {"index": i}
    yield "message_delta", {"delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
                            "usage": {"output_tokens": 1}}
    yield "message_stop", {}


def anthropic(body):
    """The answer to a conversation, as a message."""
    last = [m for m in body["messages"] if m["role"] == "user"][-1]["content"]
    results = [b for b in last if isinstance(b, dict) and b.get("type") == "tool_result"] if isinstance(last, list) else []
    shell = [t["name"] for t in body.get("tools", []) if t.get("name") == "Bash"]
    command = None if results or not shell else command_in(last)
    if command:
        content = [{"type": "tool_use", "id": "toolu_01", "name": "Bash",
                    "input": {"command": command, "description": "what was asked for"}}]
    else:
        text = "DONE: " + " ".join(texts([r.get("content", "") for r in results])) if results else \
            "ECHO: " + said(last)
        content = [{"type": "text", "text": text}]
    return {"id": "msg_01", "type": "message", "role": "assistant", "model": body.get("model", "m"), "content": content,
            "stop_reason": "tool_use" if command else "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1}}


def is_surroundings(item):
    """What the client says of where it runs: at the beginning, and again when the date changes."""
    return any(t.startswith("<environment_context>") for t in texts(item.get("content") or ""))


def openai(body):
    """The items of an answer."""
    last = [i for i in body["input"] if (i.get("role") == "user" and not is_surroundings(i))
            or i.get("type", "").endswith("_output")][-1]
    done = last.get("type", "").endswith("_output")
    command = None if done else command_in(last)
    if command:  # its shell is reached through the one tool that runs JavaScript
        call = "const r = await tools.exec_command({cmd: %s, yield_time_ms: 30000});\ntext(r.output);" % json.dumps(command)
        return [{"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "exec", "namespace": "functions",
                 "input": call}]
    text = "DONE: " + " ".join(texts(last.get("output", ""))) if done else "ECHO: " + said(last["content"])
    return [{"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]


def openai_events(items):
    yield "response.created", {"response": {"id": "resp_1"}}
    for i, item in enumerate(items):
        yield "response.output_item.added", {"output_index": i, "item": item}
        yield "response.output_item.done", {"output_index": i, "item": item}
    yield "response.completed", {"response": {"id": "resp_1", "output": items, "usage": {
        "input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None,
        "total_tokens": 2}}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, body):
        with LOCK, open(LOG, "a") as f:
            f.write(json.dumps({"method": self.command, "path": self.path, "headers": dict(self.headers.items()),
                                "body": body.decode("utf-8", "replace")}) + "\n")

    def reply(self, status, data):
        out = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for name, data in events:
            out = ("event: %s\ndata: %s\n\n" % (name, json.dumps(dict(data, type=name)))).encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(out), out))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        out = b""
        while True:
            n = int(self.rfile.readline().split(b";")[0], 16)
            out += self.rfile.read(n)
            self.rfile.readline()
            if n == 0:
                return out

    def do_GET(self):
        self.note(b"")
        if self.headers.get("Upgrade"):
            self.reply(426, {"error": {"message": "not over WebSocket here"}})
        elif self.path.split("?")[0] == "/backend-api/wham/accounts/check":
            self.reply(200, {"accounts": [{"id": ACCOUNT, "workspace_backend_origin": "NO_CONSTRAINT",
                                           "account_routing_override": "NO_CONSTRAINT"}]})
        elif self.path.startswith(("/v1/models", "/backend-api/codex/models")):
            self.reply(200, {"object": "list", "data": [], "models": []})
        else:
            self.reply(404, {"error": {"message": "there is no " + self.path}})

    def do_POST(self):
        raw = self.body()
        self.note(raw)
        path = self.path.split("?")[0]
        if path == "/v1/messages":
            body = json.loads(raw)
            if body.get("stream"):
                self.stream(anthropic_events(anthropic(body)))
            else:
                self.reply(200, anthropic(body))
        elif path in ("/v1/responses", "/backend-api/codex/responses"):
            self.stream(openai_events(openai(json.loads(raw))))
        elif path == "/v1/messages/count_tokens":
            self.reply(200, {"input_tokens": 1})
        else:
            self.reply(404, {"error": {"message": "there is no " + path}})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        conn, peer = self.socket.accept()
        conn.settimeout(60)
        return TLS.wrap_socket(conn, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request, client_address):
        pass


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(CERT, KEY)
server = Server((ADDRESS, 443), Handler)
print("ready", flush=True)
server.serve_forever()
