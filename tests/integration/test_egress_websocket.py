# SPDX-License-Identifier: Apache-2.0
"""WebSocket through the egress guard: a real client and server library, and frames by hand."""
import asyncio
import base64
import gzip
import json
import os
import socket
import struct
import sys
import threading
import time

import pytest
import websockets

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import shapes  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
SECRET, TOKEN = "kX9vQ2mB7rT4pL8wZ5hN3jC6", "route-token-0123456789-abcdef"
ON = {"token_patterns": True, "known_secrets": True}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class EchoWs:
    """A server of the websockets library on its own thread; every message it gets is kept."""

    def __init__(self):
        self.got, self.heads = [], []
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.address = self.sock.getsockname()

        async def handle(ws):
            self.heads.append(ws.request_headers)
            async for message in ws:
                self.got.append(message)
                await ws.send(message)

        async def serve():
            self.server = await websockets.serve(handle, sock=self.sock, subprotocols=["b.v2"], max_size=None)
            started.set()

        def run():
            self.loop.run_until_complete(serve())
            self.loop.run_forever()
        threading.Thread(target=run, daemon=True).start()
        assert started.wait(10)


class World:
    def __init__(self):
        self.server = EchoWs()
        self.raw = None
        self.rig = egressrig.Rig(
            EXE, [egressrig.route("ws.test", dlp=ON), egressrig.route("raw.test", dlp=ON, credentials="minted"),
                  egressrig.route("auth.test", credentials="pin", dlp=ON, upstream={
                      "host": "127.0.0.1", "port": self.server.address[1], "tls": False},
                      auth={"scheme": "Bearer", "token_ref": "T", "header": ""}),
                  egressrig.route("repeats.test", credentials="pin", upstream={"host": "127.0.0.1", "port": 1, "tls": False},
                                  auth={"scheme": "Bearer", "token_ref": "T", "header": ""})],
            b"", known=[("KEY", SECRET, [], False)], tokens=[("T", TOKEN, "placeholder-T-xyz")])
        for host in ("ws.test", "auth.test"):
            self.rig.targets[host, 80] = self.server.address

    def connect(self, host="ws.test", **kw):
        """The library's client, over a flow whose name gate knows (as with transparent entry)."""
        sock = self.rig.connect(name=host, port=80)
        return websockets.connect("ws://%s/chat" % host, sock=sock, max_size=None, **kw)

    def by_hand(self, host="raw.test", *fields, target="/chat", version=b"13", key=KEY.encode()):
        s = self.rig.connect()
        s.sendall(b"GET http://%s%s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n" % (
                      host.encode(), target.encode(), host.encode(), version, key)
                  + b"".join(f + b"\r\n" for f in fields) + b"\r\n")
        return s

    def upstream(self, script):
        if self.raw:
            self.raw.close()
        self.raw = upstreams.Raw(script)
        self.rig.targets["raw.test", 80] = self.rig.targets["repeats.test", 80] = self.raw.address


@pytest.fixture(scope="module")
def world():
    w = World()
    yield w
    w.rig.close()


@pytest.fixture
def w(world):
    world.rig.clear()
    del world.server.got[:], world.server.heads[:]
    yield world
    assert world.rig.proc.poll() is None, "egress died"


def run(coroutine):
    return asyncio.get_event_loop_policy().new_event_loop().run_until_complete(asyncio.wait_for(coroutine, 60))


def frame(opcode, payload, fin=True, mask=b"\1\2\3\4", rsv=0):
    n = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n) if n < 65536 \
        else bytes([bit | 127]) + struct.pack(">Q", n)
    if mask:
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return head + (mask or b"") + payload


def head_of(s):
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(1)
        if not got:
            break
        data += got
    return data


def rest_of(s, timeout=20):
    data = b""
    s.settimeout(timeout)
    try:
        while True:
            got = s.recv(65536)
            if not got:
                return data
            data += got
    except (socket.timeout, ConnectionError):
        return data


def accept(key):
    import hashlib
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def upgrading(*more, then=b"", key=None):
    """Script: the right 101, then some octets; what comes after the head is kept."""
    def script(c):
        head = c.head()
        k = [x for x in head.split(b"\r\n") if x.lower().startswith(b"sec-websocket-key: ")][0][19:]
        c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Accept: " + (key or accept(k)) + b"\r\n" + b"".join(m + b"\r\n" for m in more)
               + b"\r\n" + then)
        while c.recv():
            pass
    return script


def test_messages_both_ways(w):
    messages = ["hello", b"\0\1\2", "", "x" * 125, "y" * 126, b"z" * 65535, b"q" * 65536, b"w" * 3000000, "äöü€😀" * 1000]

    async def go():
        async with w.connect() as ws:
            for m in messages:
                await ws.send(m)
                assert await ws.recv() == m
            await ws.send(["frag", "ments ", "of one"])
            assert await ws.recv() == "fragments of one"
            await (await ws.ping(b"are you there"))
        return ws.close_code
    assert run(go()) == 1000
    assert w.server.got == messages + ["fragments of one"]
    end = w.rig.wait_record(kind="end", host="ws.test")
    assert end["reason"] == "ok" and end["status"] == 101 and end["out"] > 3000000 and end["in"] > 3000000


def test_no_extension_and_our_own_key(w):
    async def go():
        async with w.connect(subprotocols=["a.v1", "b.v2"]) as ws:
            assert ws.extensions == [] and ws.subprotocol == "b.v2"
            await ws.send("compress me " * 100)
            await ws.recv()
    run(go())
    head = w.server.heads[0]
    assert "Sec-WebSocket-Extensions" not in head and head["Sec-WebSocket-Key"] != KEY


def test_credential_is_put_in_and_masked(w):
    async def go():
        async with w.connect("auth.test", extra_headers={"Authorization": "Bearer placeholder-T-xyz"}) as ws:
            await ws.send("hi")
            return await ws.recv()
    assert run(go()) == "hi"
    assert w.server.heads[0]["Authorization"] == "Bearer " + TOKEN


@pytest.mark.parametrize("said", [
    frame(1, b"you sent " + TOKEN.encode(), mask=b""), frame(1, TOKEN[:9].encode(), fin=False, mask=b"")
    + frame(9, b"", mask=b"") + frame(0, TOKEN[9:].encode(), mask=b""), frame(9, TOKEN.encode(), mask=b""),
    frame(10, b"<" + TOKEN.encode() + b">", mask=b""), frame(8, struct.pack(">H", 1008) + b"bad key " + TOKEN.encode(), mask=b"")],
    ids=["text", "fragments", "ping", "pong", "close"])
def test_repeated_credential_is_masked(w, said):
    w.upstream(upgrading(then=said + frame(1, b"the end", mask=b"")))
    s = w.by_hand("repeats.test")
    assert head_of(s).startswith(b"HTTP/1.1 101 ")
    got = rest_of(s, 1)
    assert b"Bearer " + TOKEN.encode() in bytes(w.raw.seen[0])
    assert b"".join(frame_payloads(got)).count(b"*" * len(TOKEN)) == 1 and TOKEN[:9].encode() not in got, got


def frame_payloads(data):
    """Of short frames without masks."""
    while data:
        n = data[1]
        yield data[2:2 + n]
        data = data[2 + n:]


@pytest.mark.parametrize("how", ["text", "binary", "fragments", "single", "base64", "ping", "close", "two messages",
                                 "a ping inside", "a text between pings", "gzip, a ping inside"])
def test_secret_closes_both_sides(w, how):
    w.upstream(upgrading())
    s = w.by_hand()
    assert head_of(s).startswith(b"HTTP/1.1 101 ")
    secret = SECRET.encode()
    packed = gzip.compress(b"words " * 20 + secret)
    s.sendall(frame(1, b"first an innocent one") + {
        "text": lambda: frame(1, b"it is " + secret),
        "binary": lambda: frame(2, b"\0" + secret),
        "fragments": lambda: frame(1, secret[:8], fin=False) + frame(0, secret[8:16], fin=False) + frame(0, secret[16:]),
        "single": lambda: b"".join(frame(0 if i else 1, secret[i:i + 1], fin=i + 1 == len(secret))
                                   for i in range(len(secret))),
        "base64": lambda: frame(1, base64.b64encode(b"xy" + secret)),
        "ping": lambda: frame(9, secret),
        "close": lambda: frame(8, struct.pack(">H", 1000) + secret),
        "two messages": lambda: frame(1, secret[:11]) + frame(1, secret[11:]),
        "a ping inside": lambda: frame(1, secret[:11], fin=False) + frame(9, b"zzz") + frame(0, secret[11:]),
        "a text between pings": lambda: frame(9, secret[:11]) + frame(1, b"zzz") + frame(9, secret[11:]),
        "gzip, a ping inside": lambda: frame(2, packed[:20], fin=False) + frame(9, b"zzz") + frame(0, packed[20:]),
    }[how]())
    got = rest_of(s)
    assert b"\x03\xf0known_secret" in got, got     # 1008
    end = time.monotonic() + 5
    payload = b""
    while struct.pack(">H", 1008) not in payload and time.monotonic() < end:
        payload = unmasked(bytes(w.raw.seen[0]).split(b"\r\n\r\n", 1)[1])
        time.sleep(0.01)
    assert b"innocent" in payload
    assert not any(secret[i:i + 12] in payload for i in range(len(secret) - 11)), payload
    assert struct.pack(">H", 1008) in payload
    assert w.rig.wait_record(kind="end", reason="known_secret")["status"] == 101


def test_each_message_is_a_text_by_itself(w):
    """What stands before and behind a token, or where a run of base64 begins, is not another message's."""
    token = dict(shapes.vendor_examples(os.path.join(ROOT, "src/scan/vendor.rules")))["aws_access_key_id"]
    packed = base64.b64encode(gzip.compress(SECRET.encode()))
    half = len(packed) // 2
    for said, reason in {
            "before": (frame(1, b"x") + frame(1, token), "token_pattern"),
            "behind": (frame(1, token) + frame(1, b"x"), "token_pattern"),
            "base64": (frame(1, b"x") + frame(1, base64.b64encode(token)), "token_pattern"),
            "hex": (frame(1, b"f") + frame(1, token.hex().encode()), "token_pattern"),
            "fragments": (frame(1, b"x") + frame(1, token[:7], fin=False) + frame(9, b"") + frame(0, token[7:], fin=False)
                          + frame(0, b"") + frame(1, b"x"), "token_pattern"),
            "packed": (frame(1, b"x") + frame(1, packed), "known_secret"),
            "packed, fragments": (frame(1, b"x") + frame(1, b"", fin=False) + frame(0, packed[:half], fin=False)
                                  + frame(9, b"y") + frame(0, packed[half:]), "known_secret"),
            "pings": (frame(9, b"x") + frame(9, packed), "known_secret"),
            "token in pings": (frame(9, b"x") + frame(10, token) + frame(9, b"x"), "token_pattern"),
            "packed over messages": (frame(2, gzip.compress(SECRET.encode())[:30])
                                     + frame(2, gzip.compress(SECRET.encode())[30:]), "known_secret"),
            "token over messages": (frame(1, token[:9]) + frame(1, token[9:]) + frame(1, b" "), "token_pattern"),
    }.values():
        w.rig.clear()
        w.upstream(upgrading())
        s = w.by_hand()
        assert head_of(s).startswith(b"HTTP/1.1 101 ")
        s.sendall(frame(1, b"first an innocent one ") + said)
        got = rest_of(s)
        assert b"\x03\xf0" + reason.encode() in got, (said, got)
        assert w.rig.wait_record(kind="end", reason=reason)["status"] == 101
        time.sleep(0.05)
        arrived = unmasked(bytes(w.raw.seen[0]).split(b"\r\n\r\n", 1)[1])
        assert not any(t in arrived for t in (token, packed, base64.b64encode(token), token.hex().encode())), said


def unmasked(data):
    out = b""
    while len(data) >= 6:
        n, at = data[1] & 127, 2
        if n == 126:
            n, at = struct.unpack(">H", data[2:4])[0], 4
        mask, at = data[at:at + 4], at + 4
        out += bytes(b ^ mask[i % 4] for i, b in enumerate(data[at:at + n]))
        data = data[at + n:]
    return out


@pytest.mark.parametrize("bad, code", [
    (frame(1, b"x", rsv=0x40), 1002), (frame(3, b"x"), 1002), (frame(1, b"x", mask=b""), 1002),
    (frame(9, b"x", fin=False), 1002), (frame(0, b"x"), 1002), (frame(1, b"\xff\xfe"), 1007),
    (b"\x81\xfe\x00\x01\1\2\3\4x", 1002), (frame(8, b"x"), 1002)])
def test_broken_frames(w, bad, code):
    w.upstream(upgrading())
    s = w.by_hand()
    assert head_of(s).startswith(b"HTTP/1.1 101 ")
    s.sendall(bad)
    assert struct.pack(">H", code) in rest_of(s)
    assert w.rig.wait_record(kind="end", reason="bad_request")


@pytest.mark.parametrize("answer", [
    dict(key=b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="), dict(more=[b"Sec-WebSocket-Extensions: permessage-deflate"]),
    dict(more=[b"Sec-WebSocket-Protocol: never-offered"])])
def test_upstream_that_does_not_keep_to_it(w, answer):
    w.upstream(upgrading(*answer.get("more", []), key=answer.get("key")))
    s = w.by_hand()
    data = head_of(s) + rest_of(s, 0.5)
    assert data.startswith(b"HTTP/1.1 502 ") and b"websocket" in data


def test_upstream_frames_are_checked_and_masked(w):
    w.upstream(upgrading(then=frame(1, b"masked by a server")))
    assert struct.pack(">H", 1002) in rest_of(hand_shaken(w))


def hand_shaken(w):
    s = w.by_hand()
    assert head_of(s).startswith(b"HTTP/1.1 101 ")
    s.settimeout(5)
    return s


@pytest.mark.parametrize("kw", [dict(version=b"8"), dict(key=b"short"), dict(key=b"")])
def test_bad_handshakes(w, kw):
    w.upstream(upgrading())
    s = w.by_hand(**kw)
    assert head_of(s).startswith(b"HTTP/1.1 400 ") and w.raw.seen == []


def test_refusal_of_the_upstream_is_passed_on(w):
    w.upstream(upstreams.answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
    s = w.by_hand()
    assert head_of(s).startswith(b"HTTP/1.1 403 ") and s.recv(2) == b"no"


def test_unlisted_host_and_secret_in_the_handshake(w):
    w.upstream(upgrading())
    s = w.by_hand("unlisted.test")
    assert head_of(s).startswith(b"HTTP/1.1 403 ")
    s = w.by_hand("raw.test", target="/" + SECRET)
    data = head_of(s) + rest_of(s, 0.5)
    assert json.loads(data.split(b"\r\n\r\n")[1])["reason"] == "known_secret" and w.raw.seen == []


def test_keys_among_the_subprotocols(w):
    w.upstream(upgrading())
    for protocols, reason in ((b"realtime, server-insecure-api-key.of-somebody-else-0123456789", "foreign_credential"),
                              (b"server-key.placeholder-T-xyz-and-then-some", "placeholder_leak")):
        s = w.by_hand("raw.test", b"Sec-WebSocket-Protocol: " + protocols)
        data = head_of(s) + rest_of(s, 0.5)
        assert json.loads(data.split(b"\r\n\r\n")[1])["reason"] == reason and w.raw.seen == [], data
    s = w.by_hand("raw.test", b"Sec_WebSocket_Protocol: server-key.of-somebody-else-0123456789")
    assert head_of(s).startswith(b"HTTP/1.1 403 ")
    s = w.by_hand("raw.test", b"Sec-WebSocket-Protocol: realtime, v2.channel")
    assert head_of(s).startswith(b"HTTP/1.1 101 ")


def test_upstream_that_goes_away(w):
    def script(c):
        upgrading_head = upgrading()
        c.sock.settimeout(0.3)
        try:
            upgrading_head(c)
        except OSError:
            pass
    w.upstream(script)
    s = hand_shaken(w)
    assert struct.pack(">H", 1001) in rest_of(s)
