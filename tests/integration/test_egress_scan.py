# SPDX-License-Identifier: Apache-2.0
"""No secret gets past the guard: every spelling in every place, the real egress process, a server
that keeps every octet. The clients here write HTTP by themselves, so that each octet is chosen."""
import base64
import gzip
import io
import json
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
import zlib

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
import egressrig  # noqa: E402
import shapes  # noqa: E402
import testca  # noqa: E402
import upstreams  # noqa: E402

BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
EXE = os.path.join(BUILD, "src/proc/egress/egress")
RULES = os.path.join(ROOT, "src/scan/vendor.rules")
RND = random.Random(20)


def rand(alphabet, n):
    return "".join(RND.choice(alphabet) for _ in range(n))


ALNUM = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
# Of as many kinds as people have
SECRETS = {
    "TWELVE": rand(ALNUM, 12),
    "SHORT": rand(ALNUM, 16),
    "FORTY": rand(ALNUM, 40),
    "LONG": rand(ALNUM, 900),
    "SYMBOLS": "p9!X#2k$Lq@7vZ%m&4^Wd*8(R)tB-6_yJ+5=",
    "HEXKEY": rand("0123456789abcdef", 64),
    "DIGITS": rand("0123456789", 24),
    "UUID": "7b0e2c58-91d4-4f6a-8e3b-5c29d7f10a64",
    "BASE64": "dGhpc0lzQVNlY3JldEtleTAxMjM0NTY3ODk+Lw==",
    "SLASHES": "a1/b2/c3/d4/e5+f6+g7+h8/i9",
    "PASSPHRASE": "correct-Horse.battery_Staple~93",
}
SECRETS_WITH_PARTS = {
    "HOOK": "https://hooks.example-company.com/services/T0AB12CD3EF/xYzzy987wvu",
    "DATABASE": "postgres://reader:s3cr3t+w0rd+9Xq@db.example-company.com:5432/production",
    "KEY": "-----BEGIN " "OPENSSH PRIVATE KEY-----\n" + rand(ALNUM, 70) + "\n" + rand(ALNUM, 70)
           + "\n-----END OPENSSH PRIVATE KEY-----\n",
}
ALLOWED = "friend.test"
KNOWN = [(n, v, [ALLOWED] if n == "FORTY" else [], False) for n, v in SECRETS.items()]
CANARY = rand(ALNUM, 40)
KNOWN += [(n, v, [], False) for n, v in SECRETS_WITH_PARTS.items()]
KNOWN.append(("THE_CANARY", CANARY, [], True))
TOKEN = rand(ALNUM, 36)
ON = {"token_patterns": True, "known_secrets": True}
ROUTES = {
    "block.test": dict(dlp=ON),
    "redact.test": dict(dlp=dict(ON, on_match="redact")),
    "hold.test": dict(dlp=dict(ON, on_match="supervise")),
    "known.test": dict(dlp={"known_secrets": True}),
    "off.test": dict(),
    ALLOWED: dict(dlp=ON),
    "wild.test": dict(dlp=ON, wildcard=True),
    "entropy.test": dict(dlp={"entropy": True}),
    "minted.test": dict(dlp=ON, credentials="minted"),
    "opaque.test": dict(dlp=ON, limits={"opaque_per_session": 300000}),
}


class World:
    def __init__(self):
        self.server = upstreams.Raw(self._script)
        self.rig = egressrig.Rig(EXE, [egressrig.route(h, **c) for h, c in ROUTES.items()],
                                 b"", known=KNOWN, tokens=[("API_TOKEN", TOKEN, "placeholder-x")])
        for host in ROUTES:
            self.rig.targets[host, 80] = self.server.address
        self.rig.targets["a.wild.test", 80] = self.server.address
        self.conn = None
        self.bodies = []
        self.before = {}     # connections live on: how much each had got before the test

    def _script(self, c):
        """Any request is answered with 200 once its body has come; what came is kept."""
        while True:
            head = c.head()
            if not head:
                return
            lower = head.lower()
            body = b""
            if b"transfer-encoding: chunked" in lower:
                data = b""
                while not data.endswith(b"0\r\n\r\n"):
                    got = c.recv()
                    if not got:
                        return
                    data += got
            elif b"content-length: " in lower:
                left = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
                while left:
                    got = c.recv(min(left, 65536))
                    if not got:
                        return
                    body += got
                    left -= len(got)
            self.bodies.append(body)
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def seen(self):
        return b"".join(bytes(s[self.before.get(id(s), 0):]) for s in self.server.seen)

    def clear(self):
        del self.bodies[:]
        self.before = {id(s): len(s) for s in self.server.seen}
        self.rig.clear()

    def ask(self, host, target, fields=(), body=b"", method=None, chunks=None):
        """One request on a connection that is kept: (status, body)."""
        if self.conn is None:
            self.conn = self.rig.connect()
        head = b"%s http://%s%s HTTP/1.1\r\nHost: %s\r\n" % (
            method or (b"POST" if body or chunks else b"GET"), host.encode(), target, host.encode())
        for name, value in fields:
            head += name + b": " + value + b"\r\n"
        if chunks is not None:
            head += b"Transfer-Encoding: chunked\r\n"
            body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks if c) + b"0\r\n\r\n"
        elif body:
            head += b"Content-Length: %d\r\n" % len(body)
        try:
            self.conn.sendall(head + b"\r\n" + body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self.answer()

    def answer(self):
        data = b""
        while b"\r\n\r\n" not in data:
            got = self.conn.recv(65536)
            if not got:
                break
            data += got
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(rest) < length:
            rest += self.conn.recv(65536)
        if b"connection: close" in head.lower():
            self.conn.close()
            self.conn = None
        return int(head.split()[1]), rest


@pytest.fixture(scope="module")
def world():
    w = World()
    yield w
    w.rig.close()


@pytest.fixture
def w(world):
    world.clear()
    yield world
    assert world.rig.proc.poll() is None, "egress died"
    assert world.ask("block.test", b"/", body=b"the control request, which has no secret")[0] == 200


def misses(w, secrets, spellings, want, places=None):
    """(secret, shape, place) of everything that got through, of all that were tried."""
    through, tried = [], 0
    for name, value in secrets:
        for shape, spell in spellings.items():
            for place, request in shapes.places(spell(value)).items():
                if places and place not in places:
                    continue
                tried += 1
                status, body = w.ask("block.test", *request)
                if status != 403 or json.loads(body)["reason"] not in want:
                    through.append((name, shape, place, status, body[:200]))
    return through, tried


# Not between slashes: there the neighbours may be a part of what looks like a token, or like base64
APART = ("query-value", "header", "user-agent", "json", "form", "text", "body-alone", "multipart", "deep")


# ---- known secrets ----
@pytest.mark.parametrize("name", SECRETS)
def test_known_secret_in_every_shape_and_place(w, name):
    through, tried = misses(w, [(name, SECRETS[name].encode())], dict(shapes.EVERY, **shapes.KNOWN),
                            {"known_secret", "token_pattern"})
    assert not through, "%d of %d: %s" % (len(through), tried, through[:10])
    through, _ = misses(w, [(name, SECRETS[name].encode())], shapes.BEGINNING, {"known_secret", "token_pattern"}, APART)
    assert not through, through[:10]
    assert tried >= 400 and w.seen() == b""


def test_route_tokens_are_known_secrets(w):
    through, _ = misses(w, [("API_TOKEN", TOKEN.encode())], shapes.EVERY, {"known_secret"})
    assert not through and w.seen() == b""


def test_vendor_tokens(w):
    """At least 99 of 100 in each documented shape; in a run of 25 families and more."""
    examples = shapes.vendor_examples(RULES)
    by_rule = dict(reversed(examples))
    rules = sorted(by_rule)
    picked = [(r, by_rule[r]) for r in rules[:: max(1, len(rules) // 40)]]
    assert len(picked) >= 10
    for shape, spell in dict(shapes.EVERY, **shapes.BEGINNING).items():
        through, tried = misses(w, picked, {shape: spell}, {"token_pattern"}, APART)
        assert len(through) <= tried // 100, (shape, tried, through[:10])
    assert w.seen().count(b"POST") + w.seen().count(b"GET") == len(w.bodies)


def test_every_vendor_rule_plain(w):
    for rule, example in shapes.vendor_examples(RULES, seed=7):
        status, body = w.ask("block.test", b"/", body=b'{"key": "' + example + b'"}')
        assert status == 403 and json.loads(body)["reason"] == "token_pattern", (rule, example, body)


def test_what_a_segment_of_a_path_hides(w):
    token = b"AKIA" + b"QYLPMN5HFIQR7XYA"
    for hidden in base64.urlsafe_b64encode(token), base64.urlsafe_b64encode(gzip.compress(SECRETS["FORTY"].encode())):
        for path in b"/", b"/v1/", b"/api/v1/blobs/":
            assert w.ask("block.test", path + hidden)[0] == 403, (path, hidden)
            assert w.ask("block.test", path + hidden + b"/x?y=z")[0] == 403, (path, hidden)
    assert w.ask("block.test", b"/api/v1/" + base64.urlsafe_b64encode(b"nothing is in here"))[0] == 200


def test_every_cut_of_a_stream(w):
    """In chunks, cut at every octet, and in chunks of one: what has left ends before the secret."""
    secret = SECRETS["FORTY"].encode()
    body = b"x" * 20 + secret + b"y" * 20
    cuts = [[body[:i], body[i:]] for i in range(len(body))] + [[body[i:i + 1] for i in range(len(body))]]
    for chunks in cuts:
        w.clear()
        status, answer = w.ask("block.test", b"/", chunks=chunks)
        assert status == 403 and json.loads(answer)["reason"] == "known_secret", chunks
        left = w.seen().replace(b"\r\n", b"").replace(b"1x", b"x")
        for i in range(len(secret) - 11):
            assert secret[i:i + 12] not in left, chunks


def test_a_long_body_is_searched_as_it_streams(w):
    secret = SECRETS["FORTY"].encode()
    filler = b"some words in a line of text\n" * 100000
    conn = w.conn = w.conn or w.rig.connect()
    conn.sendall(b"POST http://block.test/ HTTP/1.1\r\nHost: block.test\r\nContent-Length: %d\r\n\r\n" % (2 * len(filler) + len(secret)))
    conn.sendall(filler)
    end = time.time() + 30
    while len(w.seen()) < 1000000 and time.time() < end:  # before anybody has said what comes after it
        time.sleep(0.01)
    assert len(w.seen()) > 1000000
    try:
        conn.sendall(secret + filler)
    except OSError:
        pass  # refused in the middle
    status, body = w.answer()
    assert status == 403 and json.loads(body)["reason"] == "known_secret"
    assert secret[:12] not in w.seen()
    w.clear()
    assert w.ask("block.test", b"/", body=filler)[0] == 200 and w.bodies == [filler]


def test_vendor_token_at_the_end_of_a_piece(w):
    """Its beginning is held until the rest shows what it is, but not for long."""
    token = b"ghp_" + b"abcdefghijklmnopqrstuvwxyz0123456789"[:20]
    conn = w.rig.connect()
    conn.sendall(b"POST http://block.test/ HTTP/1.1\r\nHost: block.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"%x\r\n%s\r\n" % (len(token), token))
    data = conn.recv(65536)
    assert data.startswith(b"HTTP/1.1 403") and b"token_pattern" in data
    assert token not in w.seen()
    conn.close()


def test_twelve_characters_but_not_eleven(w):
    secret = SECRETS["FORTY"].encode()
    for i in range(0, 28):
        assert w.ask("block.test", b"/", body=b"<" + secret[i:i + 11] + b">")[0] == 200
        assert w.ask("block.test", b"/", body=b"<" + secret[i:i + 12] + b">")[0] == 403


def longest_left(w, secret):
    """Letters and digits of the secret that stand next to each other in what has left."""
    left = re.sub(rb"[^A-Za-z0-9]", b"", w.seen())
    return max(j - i for i in range(len(secret) + 1) for j in range(i, len(secret) + 1) if secret[i:j] in left)


def test_pieces_next_to_each_other_in_a_head(w):
    """Eleven and eleven: what stands between them for us and not on the wire makes no difference."""
    secret = SECRETS["FORTY"].encode()
    one, two = secret[:11], secret[11:22]
    split = [[(b"X-A", one), between, (b"-", two)] for between in (
        (b"Keep-Alive", b"zzz"), (b"Zed", b"zzz"), (b"Expect", b"100-continue"), (b"HTTP2-Settings", b"zzz"),
        (b"Accept-Encoding", b"zzz"), (b"TE", b"zzz"), (b"Upgrade", b"zzz"), (b"X-B", b"zzz"))]
    for host, target, method, fields in [("block.test", b"/" + two, one, [])] + [
            ("block.test", b"/", None, [(b"Cookie", one), (b"-", two)]),
            ("block.test", b"/?a=1&key=" + one + b"&" + two, None, [])] + [
            ("block.test", b"/", None, [(b"Connection", b"zed")] + f) for f in split] + [
            ("minted.test", b"/", None, split[4])]:
        w.clear()
        status, answer = w.ask(host, target, fields, method=method)
        foreign = (b"X-B", b"zzz") in fields or (b"Accept-Encoding", b"zzz") in fields and host != "minted.test"
        assert status == (200 if foreign else 403), (fields, answer)
        assert longest_left(w, secret) <= 11
        # Across requests one of these fields would go on from the other
        assert w.ask("block.test", b"/z", [(b"-", b"z" * 40), (b"Cookie", b"z" * 40)], method=b"z" * 30)[0] == 200


def test_canary_counts_everywhere(w):
    for host in ROUTES:
        if host == "wild.test":
            continue
        for body in (CANARY.encode(), shapes.EVERY["base64"](CANARY.encode())):
            status, answer = w.ask(host, b"/", body=b"env: " + body)
            if host == "redact.test":
                assert status == 200
                continue
            assert status == 403 and json.loads(answer)["reason"] == "canary", host
    assert CANARY.encode() not in w.seen()


@pytest.mark.parametrize("how", ["whole", "chunks", "coded", "coded-chunks", "query"])
@pytest.mark.parametrize("host", ["off.test", "known.test", "block.test"])
def test_pieces_of_the_canary(w, host, how):
    codes = []
    for i in range(0, len(CANARY), 11):
        piece = CANARY[i:i + 11].encode()
        data = gzip.compress(piece) if how.startswith("coded") else piece
        fields = [(b"Content-Encoding", b"gzip")] if how.startswith("coded") else []
        whole = how in ("whole", "coded")
        codes.append(w.ask(host, b"/?q=" + piece if how == "query" else b"/", fields, data if whole else b"",
                           method=b"POST", chunks=[data] if how.endswith("chunks") else None)[0])
    # with `dlp: false` nothing is decoded
    assert codes == [200] + [200 if host == "off.test" and "coded" in how else 403] * 3
    assert w.ask(host, b"/?q=zzzzzzzzzzzz", body=b"z" * 5000)[0] == 200


@pytest.mark.parametrize("host", ["block.test", "known.test"])
def test_length_that_is_a_secret(w, host):
    """A streamed body's head goes first, and the guest chooses the number in it."""
    for number in (SECRETS["DIGITS"][:12], SECRETS["DIGITS"][3:18]):
        s = w.rig.connect()
        s.sendall(b"POST http://%s/ HTTP/1.1\r\nHost: %s\r\nContent-Length: %s\r\n\r\nabc" % (
            host.encode(), host.encode(), number.lstrip("0").encode()))
        answer = s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 403 ") and b"known_secret" in answer, answer
        s.close()
    assert w.seen() == b""
    for number, verdict in ((SECRETS["DIGITS"][:8], b"allow"), (SECRETS["DIGITS"][8:15], b"deny")):
        s = w.rig.connect()
        s.sendall(b"POST http://%s/ HTTP/1.1\r\nHost: %s\r\nContent-Length: %s\r\n\r\nabc" % (
            host.encode(), host.encode(), number.encode()))
        w.rig.wait_record(kind="verdict", host=host, verdict=verdict.decode())
        s.close()


def test_what_a_route_does_not_ask_for(w):
    secret, token = SECRETS["FORTY"].encode(), shapes.vendor_examples(RULES)[0][1]
    assert w.ask("off.test", b"/", body=secret)[0] == 200
    assert w.ask("off.test", b"/", body=b"t " + token)[0] == 200
    assert w.ask("known.test", b"/", body=b"t " + token)[0] == 200
    assert w.ask("known.test", b"/", body=secret)[0] == 403


def test_to_lets_a_secret_go_to_its_host_only(w):
    assert w.ask(ALLOWED, b"/?q=" + SECRETS["FORTY"].encode(), body=SECRETS["FORTY"].encode())[0] == 200
    assert w.ask(ALLOWED, b"/", body=SECRETS["SHORT"].encode())[0] == 403
    assert SECRETS["FORTY"] not in json.dumps(w.rig.records, default=repr)


def test_host_labels(w):
    name = SECRETS["HEXKEY"][:40] + ".wild.test"
    w.rig.targets[name, 80] = w.server.address
    status, body = w.ask(name, b"/")
    assert status == 403 and json.loads(body)["reason"] == "known_secret"
    assert w.rig.dials == [] and w.ask("a.wild.test", b"/")[0] == 200


def test_records_have_no_secret(w):
    secret = SECRETS["FORTY"]
    w.ask("block.test", b"/a/" + secret.encode() + b"/b?token=abcdefgh-of-somebody", [(b"X-A", secret.encode())])
    w.ask("hold.test", b"/", body=secret.encode())
    w.ask("block.test", b"/%" + shapes.EVERY["percent"](secret.encode())[1:])
    record = w.rig.wait_record(kind="verdict", reason="known_secret", host="hold.test")
    assert "proposal" in record["text"] and "FORTY" in record["text"]
    assert len(w.rig.wait_records(3, lambda r: r["kind"] == "verdict")) >= 3
    text = json.dumps(w.rig.records, default=repr)
    assert secret not in text and secret[:12] not in text
    assert any(r["path"].startswith("/a/****") and r["path"].endswith("/b?token=********************")
               for r in w.rig.records), [r['path'] for r in w.rig.records]
    assert any(r["path"].startswith("/%**%**") for r in w.rig.records) and secret.encode().hex() not in text


def pieces(text, n):
    return [text[i:i + n] for i in range(0, len(text), n)]


@pytest.mark.parametrize("place", ["query", "path", "header", "body", "escaped", "chunks", "coded", "coded-chunks", "names",
                                   "late", "coded-late"])
@pytest.mark.parametrize("n", [1, 5, 11])
def test_pieces_over_several_requests(w, place, n):
    secret = SECRETS["FORTY"].encode()
    coded = [(b"Content-Encoding", b"gzip")]
    codes = []
    for i, piece in enumerate(pieces(secret, n)):
        escaped = b"".join(b"%%%02x" % b if (i * n + k) % 2 else b"%c" % b for k, b in enumerate(piece))
        target, fields, body, chunks = {
            "query": (b"/c?n=%d&q=%s" % (i, piece), [], b"", None), "path": (b"/" + piece, [], b"", None),
            "escaped": (b"/c?q=" + escaped, [], b"", None), "header": (b"/", [(b"X-Part", piece)], b"", None),
            "body": (b"/", [], piece, None), "chunks": (b"/", [], b"", [piece]),
            "names": (b"/c?" + (b"q", b"%71", b"Q")[i % 3] + b"=" + piece, [], b"", None),
            "late": (b"/", [], b" " * 3000 + piece, None),
            "coded-late": (b"/", coded, gzip.compress(b" " * 3000 + piece), None),
            "coded": (b"/", coded, gzip.compress(piece), None),
            "coded-chunks": (b"/", coded, b"", [gzip.compress(piece)])}[place]
        codes.append(w.ask("block.test", target, fields, body, chunks=chunks)[0])
        if codes[-1] == 403:
            break
    assert codes[-1] == 403 and len(codes) == -(-12 // n), codes
    assert w.rig.wait_record(kind="end" if "chunks" in place else "verdict", reason="known_secret")
    # places that have nothing to do with each other stay apart
    assert w.ask("hold.test", b"/x?q=" + secret[:11])[0] == 200
    assert w.ask("hold.test", b"/x?other=" + secret[11:20])[0] == 200


def forget(w):
    """What was sent of the secret is followed by something else, in each place."""
    assert w.ask("block.test", b"/zzzzzzzzzzzz?q=zzzzzzzzzzzzzzzz", body=b"z" * 5000)[0] == 200


@pytest.mark.parametrize("how", ["json", "gzip", "full width", "cut off"])
def test_escapes_cut_between_chunks(w, how):
    secret, codes = SECRETS["FORTY"].encode(), []
    digit = max(i for i in range(5, 11) if secret[i] in b"0123456789abcdefABCDEF")
    for piece in [secret[:digit + 1], secret[digit + 1:digit + 12]]:
        chunks = [b"\\u00"] + [b"%02x\\u00" % b for b in piece[:-1]] + [b"%02x" % piece[-1]]
        fields = []
        if how == "full width":
            wide = b"".join(chr(0xff01 + b - 0x21).encode() for b in piece)
            chunks = pieces(wide, 2)
        if how == "gzip":
            c, fields = zlib.compressobj(9, zlib.DEFLATED, 31), [(b"Content-Encoding", b"gzip")]
            chunks = [c.compress(p) + c.flush(zlib.Z_SYNC_FLUSH) for p in chunks] + [c.flush()]
        if how == "cut off":     # a letter that might begin an escape, and no end
            s = w.rig.connect()
            data = b"".join(b"\\u00%02x" % b for b in piece[:-1]) + b"%%%c" % piece[-1]
            s.sendall(b"POST http://block.test/ HTTP/1.1\r\nHost: block.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"%x\r\n%s\r\n" % (len(data), data))
            s.settimeout(0.5)
            try:
                codes.append(int(s.recv(12)[9:12]))
            except socket.timeout:
                codes.append(200)
            s.close()
        else:
            codes.append(w.ask("block.test", b"/", fields, chunks=chunks)[0])
    assert codes == [200, 403], codes
    forget(w)


@pytest.mark.parametrize("at", range(2042, 2049))
def test_escape_in_the_middle_of_a_body(w, at):
    codes = [w.ask("block.test", b"/", body=b" " * at + b"\\u00%02x" % b + b" " * 1500)[0]
             for b in SECRETS["FORTY"].encode()[:12]]
    assert codes == [200] * 11 + [403]
    forget(w)


@pytest.mark.parametrize("names", [["n100", "n218", "n247", "n430", "n492", "n719", "n822", "n893"],
                                   ["%x" % i for i in range(9000)]], ids=["eight", "a head of them"])
@pytest.mark.parametrize("first", [True, False])
def test_other_names_make_none_forgotten(w, names, first):
    """Eight that met in a table without a secret, and as many as fit into a request."""
    secret, codes = SECRETS["FORTY"].encode(), []
    for piece in pieces(secret, 11)[:2]:
        parameters = ["%s=1" % n for n in names]
        parameters.insert(0 if first else len(names), "q=" + piece.decode())
        codes.append(w.ask("block.test", b"/c?" + "&".join(parameters).encode())[0])
        first = not first
    assert codes == [200, 403]
    forget(w)


# ---- protobuf ----
def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def grpc_message(content):
    return b"\0" + struct.pack(">I", len(content)) + content


GRPC = [(b"Content-Type", b"application/grpc+proto")]


def protobuf_fields():
    """Of text whose length is a letter, or behind which a tag is one."""
    known = base64.b64encode(gzip.compress(SECRETS["FORTY"].encode()))
    tokens = {r: t for r, t in shapes.vendor_examples(RULES) if chr(len(t)).isalnum()}
    assert len(tokens) > 10
    for rule, token in tokens.items():
        yield rule, field(1, token)
    token = dict(shapes.vendor_examples(RULES))["aws_access_key_id"]
    for n in range(20, 90):
        coded = base64.b64encode((b"token %s and more" % token).ljust(n, b"."))
        if chr(len(coded)).isalnum():
            yield "base64 of %d" % len(coded), field(1, coded)
    assert chr(len(known)).isalnum() or len(known) in b"+/-_"
    yield "packed", field(1, known)
    yield "packed and long", field(3, base64.b64encode(gzip.compress(SECRETS["FORTY"].encode()
                                                                     + RND.getrandbits(8 * 4700).to_bytes(4700, "big"))))
    yield "before a tag", field(1, b"it is " + token) + field(6, b"x")
    yield "nested", field(6, field(7, field(8, field(1, b"x" * 40) + field(9, token.lower() + b" " + token)) + field(6, b"y")))
    long = next(t for t in tokens.values())
    yield "nested, led", field(6, field(7, field(8, field(9, long)))) + field(6, b"y")


@pytest.mark.parametrize("how", ["grpc", "grpc in pieces", "protobuf"])
def test_fields_of_protobuf_by_themselves(w, how):
    through = []
    for name, message in protobuf_fields():
        status, answer = {
            "grpc": lambda m: w.ask("block.test", b"/", GRPC, body=grpc_message(b"") + grpc_message(field(1, b"abc")) + grpc_message(m)),
            "grpc in pieces": lambda m: w.ask("block.test", b"/", GRPC, chunks=pieces(grpc_message(m), 7)),
            "protobuf": lambda m: w.ask("block.test", b"/", [(b"Content-Type", b"application/x-protobuf; a=b")], body=m),
        }[how](message)
        if status != 403 or json.loads(answer)["reason"] not in ("token_pattern", "known_secret"):
            through.append((name, status, answer[:100]))
    assert not through, through
    clean = field(1, b"some text ") + field(6, field(7, b"more of it" * 2000) + field(8, bytes(range(256)) * 100))
    w.clear()
    assert w.ask("block.test", b"/", GRPC, body=grpc_message(clean))[0] == 200 and w.bodies[-1][5:] == clean


# ---- redact ----
def test_redact_masks_and_goes_on(w):
    secret, symbols = SECRETS["FORTY"], SECRETS["SYMBOLS"]
    token = [e for r, e in shapes.vendor_examples(RULES) if r == "gitlab_pat"][0].decode()
    said = {"messages": [{"role": "tool", "content": "A=%s\nB=%s\nC=%s\nD=fine" % (secret, symbols, token)}] * 3}
    text = json.dumps(said).encode()
    for _ in range(2):
        w.clear()
        status, _answer = w.ask("redact.test", b"/", body=text)
        assert status == 200 and len(w.bodies[0]) == len(text)
        got = json.loads(w.bodies[0])
        assert len(got["messages"]) == 3 and got["messages"][0]["content"].endswith("D=fine")
        for s in (secret, symbols, token):
            assert s.encode() not in w.bodies[0] and s.encode()[:12] not in w.bodies[0]
        record = w.rig.wait_record(kind="verdict", verdict="allow")
        assert record["reason"] in ("known_secret", "token_pattern")
    first = w.bodies[0]
    w.ask("redact.test", b"/", body=text)
    assert w.bodies[1] == first  # a prompt cache stays warm


def test_redact_blocks_what_it_cannot_mask(w):
    secret = SECRETS["FORTY"].encode()
    for body in (shapes.EVERY["base64"](secret) * 1, shapes.EVERY["json-u"](secret), shapes.EVERY["utf16le"](secret)):
        assert w.ask("redact.test", b"/", body=b'{"a": "' + body + b'"}')[0] in (200, 403)
        assert not any(body in b for b in w.bodies)
    assert w.ask("redact.test", b"/" + secret)[0] == 403
    assert w.ask("redact.test", b"/", [(b"X-A", secret)])[0] == 403
    assert w.ask("redact.test", b"/", chunks=[secret])[0] == 403
    assert secret not in w.seen()


# ---- bodies ----
def test_coded_body_is_not_let_through_unseen(w):
    for coding in (b"compress", b"gzip, compress", b"x-unknown", b"gzip", b"gzip, br, zstd, gzip"):
        status, body = w.ask("block.test", b"/", [(b"Content-Encoding", coding)], b"x" * 100)
        assert status == 403 and json.loads(body)["reason"] == "coding"
        assert w.ask("off.test", b"/", [(b"Content-Encoding", coding)], b"x" * 100)[0] == 200
        assert w.ask("block.test", b"/", [(b"Content-Encoding", coding)], chunks=[b"x" * 100])[0] == 403
    assert w.ask("block.test", b"/", [(b"Content-Encoding", b"identity")], b"x" * 100)[0] == 200


def _tool(*argv):
    return lambda data: subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout


CODINGS = {
    b"gzip": gzip.compress, b"x-gzip": gzip.compress, b"deflate": zlib.compress,
    b"Deflate": lambda d: zlib.compress(d)[2:-4], b"br": _tool("brotli", "-c"), b"zstd": _tool("zstd", "-c", "-q"),
    b"gzip, br": lambda d: CODINGS[b"br"](gzip.compress(d)),
    b"zstd, gzip, deflate": lambda d: zlib.compress(gzip.compress(CODINGS[b"zstd"](d))),
    b"identity, gzip": gzip.compress}


@pytest.mark.parametrize("coding", CODINGS)
def test_coded_bodies_are_searched(w, coding):
    secret = SECRETS["FORTY"].encode()
    token = shapes.vendor_examples(RULES)[3][1]
    filler = "".join(rand(ALNUM, 70) + "\n" for _ in range(18000)).encode()
    for clean in (b"nothing to see here " * 50, filler):
        for bad in (secret, shapes.EVERY["base64"](secret), b" " + token + b" "):
            for text, want in ((clean, 200), (clean + bad, 403), (clean[:len(clean) // 2] + bad + clean, 403)):
                body = CODINGS[coding](text)
                for chunks in (None, [body], [body[i:i + 1000] for i in range(0, len(body), 1000)]):
                    w.clear()
                    status, answer = w.ask("block.test", b"/", [(b"Content-Encoding", coding)],
                                           body if chunks is None else b"", chunks=chunks)
                    assert status == want, (coding, len(body), chunks is None, answer)
                    if want == 200 and chunks is None:
                        assert w.bodies == [body]
                    elif want == 403:
                        assert json.loads(answer)["reason"] in ("known_secret", "token_pattern")


def test_coded_bodies_that_lie(w):
    good = gzip.compress(b"nothing to see here " * 100)
    two = good + gzip.compress(SECRETS["FORTY"].encode())
    for body, reason in ((good + b"x", "coding"), (good[:-1], "coding"), (good[:20], "coding"),
                         (b"plain text", "coding"), (two, "known_secret"),
                         (good + SECRETS["FORTY"].encode(), "known_secret"),
                         (gzip.compress(b"\0" * (70 << 20)), "coding")):
        for chunks in (None, [body]):
            status, answer = w.ask("block.test", b"/", [(b"Content-Encoding", b"gzip")],
                                   body if chunks is None else b"", chunks=chunks)
            assert status == 403 and json.loads(answer)["reason"] == reason, (body[:30], answer)
    assert w.ask("block.test", b"/", [(b"Content-Encoding", b"gzip")], good)[0] == 200


def zipped(text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("notes/readme.txt", b"nothing " * 100)
        z.writestr("notes/env", text)
    return out.getvalue()


def tarred(text):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as t:
        info = tarfile.TarInfo("home/.env")
        info.size = len(text)
        t.addfile(info, io.BytesIO(text))
    return out.getvalue()


def gzipped_with(flags, extra=b""):
    """With fields in the header that are wrong, or mean nothing: gzip of Python reads it all the same."""
    def make(text):
        raw = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = b"\x1f\x8b\x08%c\0\0\0\0\0\xff" % flags + extra + raw.compress(text) + raw.flush() + struct.pack(
            "<II", zlib.crc32(text), len(text))
        assert gzip.decompress(data) == text
        return data
    return make


def zipped_and_said_to_be_stored(text):
    """Readers take the method from the directory at the end."""
    data = zipped(text)
    last = data.rindex(b"PK\3\4")
    return data[:last + 8] + b"\0\0" + data[last + 10:]


UNSAID = {"gzip": gzip.compress, "zlib": zlib.compress, "zip": zipped, "tar.gz": tarred,
          "zip, stored by its header": zipped_and_said_to_be_stored,
          "gzip, its header's checksum is wrong": gzipped_with(2, b"\0\0"),
          "gzip, flags without a meaning": gzipped_with(0xe0),
          "gzip, all flags": gzipped_with(0xff, b"\3\0abcname\0comment\0\0\0"),
          "zlib in base64 in JSON": lambda b: b'{"data": "%s"}' % base64.b64encode(zlib.compress(b)),
          "gzip in a zip": lambda b: zipped(gzip.compress(b)),
          "behind noise": lambda b: os.urandom(5000) + b"PK\3\4\x1f\x8b\x08" + gzip.compress(b),
          "in a form": lambda b: b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.gz"\r\n\r\n'
                                 + gzip.compress(b) + b"\r\n--x--\r\n"}


@pytest.mark.parametrize("how", UNSAID)
def test_compressed_without_saying_so(w, how):
    """An archive, or a compressed file, as a body like any other."""
    token = shapes.vendor_examples(RULES)[3][1]
    filler = "".join(rand(ALNUM, 70) + "\n" for _ in range(3000)).encode()
    for text, want in ((filler, 200), (filler + SECRETS["FORTY"].encode() + filler, 403),
                       (b"KEY=" + shapes.EVERY["hex"](SECRETS["FORTY"].encode()) + b"\n", 403),
                       (filler + b" " + token + b" ", 403)):
        body = UNSAID[how](text)
        for chunks in (None, [body[i:i + 777] for i in range(0, len(body), 777)]):
            w.clear()
            status, answer = w.ask("block.test", b"/", [], body if chunks is None else b"", chunks=chunks)
            assert status == want, (how, len(body), answer)
            if want == 403:
                a = json.loads(answer)
                assert a["reason"] in ("known_secret", "token_pattern") and "unpacked view" in a["detail"], a


@pytest.mark.parametrize("fields", [b"Content-Encoding: zstd", b"Content-Type: application/grpc\r\ngrpc-encoding: zstd"])
def test_block_that_is_never_whole(w, fields):
    """Of a zstd block nothing can be searched before all of it is there, and nothing leaves before."""
    words = "".join(rand(ALNUM, 70) + "\n" for _ in range(300)).encode()
    coded = CODINGS[b"zstd"](words + SECRETS["FORTY"].encode())
    clean = CODINGS[b"zstd"](words)
    if b"grpc" in fields:
        coded, clean = (b"\1" + len(x).to_bytes(4, "big") + x for x in (coded, clean))
    conn = w.rig.connect()
    conn.sendall(b"POST http://block.test/ HTTP/1.1\r\nHost: block.test\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
                 % (fields, len(coded) - 20, coded[:-20]))
    end = time.monotonic() + 10
    while b"\r\n\r\n" not in w.seen() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.3)
    assert b"\r\n\r\n" in w.seen() and coded[30:60] not in w.seen()
    conn.sendall(b"14\r\n%s\r\n" % coded[-20:])
    assert conn.recv(65536).startswith(b"HTTP/1.1 403") and coded[30:60] not in w.seen()
    conn.close()
    chunks = [clean[:1000], clean[1000:2000], clean[2000:]]
    assert w.ask("block.test", b"/", [tuple(f.split(b": ")) for f in fields.split(b"\r\n")], b"", chunks=chunks)[0] == 200


def test_more_open_than_can_be_followed(w):
    """Streams that do not end: what begins behind as many as are followed is refused, not passed over."""
    opens = b"\x78\x01\0" + (60000).to_bytes(2, "little") + (60000 ^ 0xffff).to_bytes(2, "little")
    for n in (1, 4, 8, 12):
        for pack in (zlib.compress, gzip.compress):
            body = opens * n + pack(b"words " * 50 + SECRETS["FORTY"].encode())
            status, answer = w.ask("block.test", b"/", [], body)
            assert status == 403 and json.loads(answer)["reason"] in ("known_secret", "coding"), (n, answer)
    polynomial = b"x^32 + x^26 + x^23 + x^22 + x^16 + x^12 + x^11 + x^10 + x^8 + x^7 + x^5 + x^4 + x^2 + x + 1\n"
    assert w.ask("block.test", b"/", [], polynomial * 3000)[0] == 200


def test_open_in_many_connections(w):
    """As many as can be open in one, in one connection after another: in all there is an end to it."""
    body = b"words " * 50
    for _ in range(5):
        body = b"\x1f\x8b\x08" + bytes(6) + b"\xff\0\xff\xff\0\0" + body
    conns = [w.rig.connect() for _ in range(80)]
    for c in conns:
        c.sendall(b"POST http://block.test/ HTTP/1.1\r\nHost: block.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (
            len(body), body))
    answers, end, most = [], time.monotonic() + 20, 1024 // 15
    while len(answers) < 80 - most and time.monotonic() < end:
        ready = select.select(conns, [], [], 1)[0]
        answers += [c.recv(65536) for c in ready]
        conns = [c for c in conns if c not in ready]
    assert len(answers) in (80 - most, 81 - most), answers  # (the last collected body may have some open)
    assert all(a.startswith(b"HTTP/1.1 503 ") and b"limit" in a for a in answers), answers
    for c in conns:
        c.close()
    end = time.monotonic() + 10
    while w.ask("block.test", b"/", body=body)[0] != 200:
        assert time.monotonic() < end


def test_unsaid_bomb(w):
    body = gzip.compress(b"\0" * (120 << 20))
    status, answer = w.ask("block.test", b"/", [], body)
    assert status == 403 and json.loads(answer)["reason"] == "coding", answer
    assert w.ask("block.test", b"/", [], b"x")[0] == 200


def test_public_parts_of_a_secret_pass(w):
    for body, want in ((b"see https://hooks.example-company.com/ or postgres://reader@db.example-company.com", 200),
                       (b"-----BEGIN OPENSSH PRIVATE KEY----- is how they begin", 200),
                       (b"POST /services/T0AB12CD3EF/xYzzy987wvu", 403), (b"pw: s3cr3t+w0rd+9Xq", 403)):
        assert w.ask("known.test", b"/", [], body)[0] == want, body


def test_entropy_where_it_is_asked_for(w):
    key = "q7RtX2mKp9LwZ4vBn8YcJ5dF"
    for host, body, want in (("entropy.test", b"key: " + key.encode(), 403), ("block.test", b"key: " + key.encode(), 200),
                             ("entropy.test", b"%s = %s" % (b"ab" * 30, b"0123456789abcdef" * 4), 200),
                             ("entropy.test", b"SomeVeryLongIdentifierName2ThatIsWords or/a/path/To/File9/name", 200),
                             ("entropy.test", gzip.compress(b"key: " + key.encode()), 403)):
        for chunks in (None, [body[:20], body[20:]]):
            status, answer = w.ask(host, b"/", [], body if chunks is None else b"", chunks=chunks)
            assert status == want, (host, body, answer)
            assert want == 200 or json.loads(answer)["reason"] == "entropy"


def test_what_nobody_can_search_has_a_budget(w):
    """Text is free; what is enciphered, or compressed in a way of its own, counts."""
    for _ in range(3):
        assert w.ask("opaque.test", b"/", [], b"some text, " * 40000)[0] == 200
        assert w.ask("opaque.test", b"/", [(b"Content-Encoding", b"gzip")], gzip.compress(b"text " * 90000))[0] == 200
    assert w.ask("opaque.test", b"/", [], os.urandom(200000))[0] == 200
    noise = os.urandom(150000)
    for body, args in ((noise, {}), (b"", {"chunks": [noise]}), (gzip.compress(noise), {"coded": True})):
        coded = args.pop("coded", False)
        status, answer = w.ask("opaque.test", b"/", [(b"Content-Encoding", b"gzip")] if coded else [], body, **args)
        assert status == 403 and json.loads(answer)["reason"] == "budget", answer
    assert w.ask("block.test", b"/", [], noise)[0] == 200


def test_lfs_upload(w):
    target = b"/o/p.git/info/lfs/objects/batch"
    up, down = (json.dumps({"operation": o, "objects": []}).encode() for o in ("upload", "download"))
    for body in (up, b"{}", b"not json", b'{"operation": "download", "operation": "upload"}',
                 b'{"operation": "download", "Operation": "upload"}',  # Go's decoder takes the last of both
                 b'{"\\u004fPERATION": "upload", "operation": "download"}'):
        status, answer = w.ask("off.test", target, body=body)
        assert status == 403 and json.loads(answer)["reason"] == "git_push", body
    assert w.ask("off.test", target, chunks=[up])[0] == 403
    for more in (b";a=b", b"/", b"%2f", b"/;a", b"/x/..", b"%3fa/b", b";a/b"):
        assert w.ask("off.test", target + more, body=up)[0] == 403, more
    for method in (b"PUT", b"post", b"PATCH"):
        assert w.ask("off.test", target, body=up, method=method)[0] == 403, method
    # the store itself, as Gitea and GitLab have it: who has a credential put in needs no batch
    for store in (b"/o/p.git/info/lfs/objects/%s/12" % (b"0a" * 32), b"/o/p.git/gitlab-lfs/objects/%s/12" % (b"0a" * 32),
                  b"/o/p.git/info/lf%%73/objects/;a/%s" % (b"0a" * 32)):
        for method in (b"PUT", b"POST", b"put"):
            status, answer = w.ask("off.test", store, body=b"data of a file", method=method)
            assert status == 403 and json.loads(answer)["reason"] == "git_push", (store, method)
    assert w.seen() == b"" and w.ask("off.test", target, body=down)[0] == 200
    assert w.ask("off.test", store)[0] == 200


def test_whole_bodies_arrive_unchanged(w):
    for n in (1, 2, 16383, 16384, 16385, 100000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20):
        w.clear()
        body = bytes(RND.getrandbits(8) for _ in range(n)) if n < 200000 else b"0123456 89 abcde\n" * (n // 17 + 1)
        assert w.ask("block.test", b"/", body=body[:n])[0] == 200
        assert w.bodies == [body[:n]], n


def test_many_at_once_are_each_judged(w):
    secret = SECRETS["FORTY"].encode()
    results = []

    def one(i):
        for k in range(20):
            bad = (i + k) % 2
            c = w.rig.connect()
            body = (b"y" * 50000) + (secret if bad else b"z" * 40)
            c.sendall(b"POST http://block.test/%d HTTP/1.1\r\nHost: block.test\r\nContent-Length: %d\r\n\r\n" % (
                i, len(body)) + body)
            results.append((bad, c.recv(12)[9:12]))
            c.close()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 320
    assert all(code == (b"403" if bad else b"200") for bad, code in results)
    assert secret[:12] not in w.seen()
