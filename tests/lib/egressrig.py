# SPDX-License-Identifier: Apache-2.0
"""The real egress executable with stand-ins for its peers.

gate is a TCP listener on loopback whose accepted sockets are passed on as flows, so that a real
client can be pointed at it with -x; dialer connects to where the test says; keyd signs with a
throw-away chain (keyd and dialer can be the real ones); recorder keeps the records and acknowledges them."""
import json
import os
import selectors
import socket
import subprocess
import threading
import time

import bbipc
import testca

REASONS = bbipc.reasons()


def content(dlp=None, limits=None, **given):
    """A route's content rules as the policy has them; without arguments they ask for nothing."""
    c = {"matches": [], "git": 0, "auth": None, "credentials": "pass", "minted_by": [],
         "cookies": False,
         "dlp": dict({"token_patterns": False, "known_secrets": False, "entropy": False,
                      "injection": False, "on_match": "block"}, **(dlp or {})),
         "limits": dict({"request_bytes": 0, "upload_per_session": 0, "opaque_per_session": 0,
                         "requests_per_minute": 0}, **(limits or {}))}
    c.update(given)
    return c


def route(host, ports=(443, 80), wildcard=False, upstream=None, **given):
    return {"host": host, "wildcard": wildcard, "ports": list(ports), "upstream": upstream,
            "addresses": [], "content": content(**given)}


def policy(routes):
    return {"identity": "rig-00000", "alias": "127.83.7.1", "generation": 1, "log_level": 1, "dns_forward": False,
            "transparent": False, "routes": routes, "tcp": [], "resolvers": [], "proxy": None}


def role_start(exe):
    """Start a role: (process, our end of its fd 3)."""
    ours, theirs = bbipc.pair()
    # bash, because dash knows one-digit descriptors only
    proc = subprocess.Popen(
        ["/bin/bash", "-c", 'exec "$0" 3<&%d' % theirs.fileno(), exe],
        pass_fds=[theirs.fileno()])
    theirs.close()
    return proc, ours


class Rig:
    def __init__(self, exe, routes, upstream_roots, keyd=None, dialer=None, tokens=(), known=(), recorder=None,
                 state=None):
        """@tokens: (variable, value, placeholder); @known: (name, value, hosts it may go to, canary);
        @state: directory of a real recorder"""
        self.secrets = {
            "tokens": [dict(zip(("name", "value", "placeholder"), t)) for t in tokens],
            "known": [dict(zip(("name", "value", "to", "canary"), k)) for k in known]}
        self.targets = {}      # (name, port) → (address, port) or a DIAL_FAIL dict
        self.records = []
        self.dials = []
        self.cancels = 0
        self.leafs = 0
        self.refuse_leafs = False
        self.ack = True
        self.held = []         # acks kept back while ack is False
        self.refused = []
        self.deaf = False      # recorder does not read for a while
        self.lock = threading.Lock()
        self.root = testca.CA("rig root")
        self.intermediate = testca.CA("rig intermediate", self.root)
        self.socks = {}
        self._next_flow = 1
        self.real_exe = {"KEYD": keyd, "DIALER": dialer, "RECORDER": recorder}
        self.state = state
        self.real = []
        self.root_pem = testca.pem(self.root.cert)
        self._start(exe, routes, upstream_roots)
        self._listen()

    # ---- start and end ----
    def _start(self, exe, routes, roots):
        self.proc, ours = role_start(exe)
        self.bottled = ours
        for role in ("GATE", "DIALER", "KEYD", "RECORDER"):
            mine, yours = bbipc.pair()
            bbipc.send(ours, "PEER", fd=yours.fileno(), role=bbipc.ROLES[role])
            yours.close()
            if self.real_exe.get(role):
                self._start_real(role, self.real_exe[role], mine, routes)
            else:
                self.socks[role] = mine
        for kind, data in (("POLICY", json.dumps(policy(routes)).encode()),
                           ("CA_STORE", roots),
                           ("SECRETS", json.dumps(self.secrets).encode())):
            fd = bbipc.memfd(kind, data)
            bbipc.send(ours, "BLOB", fd=fd, kind=bbipc.BLOBS[kind])
            os.close(fd)
        bbipc.send(ours, "START")
        if "KEYD" in self.socks:
            bbipc.send(self.socks["KEYD"], "INTERMEDIATE",
                       cert=testca.der(self.intermediate.cert))
        name, _flow, values, _fd = bbipc.recv(ours)
        assert name == "READY", (name, values)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _start_real(self, role, exe, egress, routes):
        """keyd or dialer as it is, connected to egress; its other peers listen only."""
        proc, bottled = role_start(exe)
        others = {"KEYD": ("RECORDER",), "DIALER": ("GATE", "RECORDER"),
                  "RECORDER": ("GATE", "DIALER", "KEYD")}[role]
        pairs = {other: bbipc.pair() for other in others}
        for other, sock in [("EGRESS", egress)] + [(o, p[1]) for o, p in pairs.items()]:
            bbipc.send(bottled, "PEER", fd=sock.fileno(), role=bbipc.ROLES[other])
            sock.close()
        for kind, data in (("POLICY", json.dumps(policy(routes)).encode()), ("HOSTS", b"")):
            if kind == "HOSTS" and role != "DIALER":
                continue
            fd = bbipc.memfd(kind, data)
            bbipc.send(bottled, "BLOB", fd=fd, kind=bbipc.BLOBS[kind])
            os.close(fd)
        if role == "RECORDER":
            fd = os.open(self.state, os.O_RDONLY | os.O_DIRECTORY)
            bbipc.send(bottled, "FD", fd=fd, kind=1)
            os.close(fd)
        bbipc.send(bottled, "START")
        self.real.append((proc, bottled, pairs))
        wanted = {"READY"} | ({"CA_CERT"} if role == "KEYD" else set())
        while wanted:
            name, _flow, values, _fd = bbipc.recv(bottled)
            assert name in wanted, (name, values)
            wanted.remove(name)
            if name == "CA_CERT":
                self.root_pem = values["cert"]

    def _listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.proxy = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def listen_as(self, name, port):
        """A port of ours that is, for the guard, a transparent connection to (name, port)."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, args=(listener, name, port), daemon=True).start()
        return listener.getsockname()[1]

    def close(self):
        self.listener.close()
        self.bottled.close()
        for s in self.socks.values():
            s.close()
        self.proc.wait(timeout=10)
        for proc, bottled, _pairs in self.real:
            bottled.close()
            proc.wait(timeout=10)

    # ---- bottled ----
    def stage(self, routes, tokens=None, generation=2):
        """RELOAD: what the guard says of the policy, "" when it would take it."""
        secrets = self.secrets if tokens is None else {
            "tokens": [dict(zip(("name", "value", "placeholder"), t)) for t in tokens], "known": []}
        for kind, data in (("POLICY", dict(policy(routes), generation=generation)), ("SECRETS", secrets)):
            fd = bbipc.memfd(kind, json.dumps(data).encode())
            bbipc.send(self.bottled, "BLOB", fd=fd, kind=bbipc.BLOBS[kind])
            os.close(fd)
        bbipc.send(self.bottled, "RELOAD")
        return self._reloaded()

    def _reloaded(self):
        name, _flow, values, _fd = bbipc.recv(self.bottled)
        assert name == "RELOADED"
        return "" if values["ok"] else values["text"].decode()

    def switch(self):
        bbipc.send(self.bottled, "SWITCH")
        assert self._reloaded() == ""

    # ---- gate ----
    def flow(self, sock, name="", port=9099):
        with self.lock:
            flow = self._next_flow
            self._next_flow += 1
        bbipc.send(self.socks["GATE"], "FLOW_OPEN", flow, fd=sock.fileno(), addr="127.83.7.1",
                   port=port, name=name)

    def connect(self, name="", port=9099, room=0):
        """A raw guest stream; @room: about so many octets of an answer lie between the guard and us."""
        ours, theirs = socket.socketpair()
        if room:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self.flow(theirs, name, port)
        theirs.close()
        ours.settimeout(20)
        return ours

    def _accept(self, listener, *flow):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.flow(s, *flow)
            s.close()

    # ---- the peers ----
    def _serve(self):
        sel = selectors.DefaultSelector()
        for role, s in self.socks.items():
            sel.register(s, selectors.EVENT_READ, role)
        while True:
            for key, _ in sel.select():
                try:
                    got = bbipc.recv(key.fileobj)
                except OSError:
                    return
                if got is None:
                    return
                getattr(self, "_on_" + key.data.lower())(*got)

    def _on_gate(self, name, flow, values, _fd):
        if name == "FLOW_REFUSED":
            self.refused.append((flow, REASONS[values["reason"]]))

    def _on_keyd(self, name, flow, values, _fd):
        assert name == "SIGN_LEAF"
        self.leafs += 1
        if self.refuse_leafs:
            bbipc.send(self.socks["KEYD"], "LEAF_REFUSED", flow, text="no")
            return
        csr = testca.load_csr(values["csr"])
        assert csr.is_signature_valid
        cert = self.intermediate.sign(csr.public_key(), values["name"].decode())
        bbipc.send(self.socks["KEYD"], "LEAF", flow, cert=testca.der(cert))

    def _on_recorder(self, name, flow, values, _fd):
        while self.deaf:
            time.sleep(0.01)
        assert name == "RECORD"
        with self.lock:
            self.records.append({
                "flow": flow, "kind": {3: "verdict", 4: "end"}[values["kind"]],
                "verdict": ("allow", "deny")[values["verdict"]],
                "reason": REASONS[values["reason"]], "host": values["host"].decode(errors="replace"),
                "port": values["port"], "status": values["status"],
                "method": values["method"].decode(errors="replace"), "path": values["path"].decode(errors="replace"),
                "rule": values["rule"].decode(errors="replace"), "text": values["text"].decode(errors="replace"),
                "out": values["bytes_out"], "in": values["bytes_in"], "addr": values["addr"],
                "dials_before": len(self.dials)})
        if values["ack"]:
            if self.ack:
                bbipc.send(self.socks["RECORDER"], "RECORD_ACK", flow, seq=values["seq"])
            else:
                self.held.append((flow, values["seq"]))

    def release_acks(self):
        self.ack = True
        for flow, seq in self.held:
            bbipc.send(self.socks["RECORDER"], "RECORD_ACK", flow, seq=seq)
        self.held = []

    def _on_dialer(self, name, flow, values, _fd):
        if name == "DIAL_CANCEL":
            self.cancels += 1
            return
        key = (values["name"].decode(), values["port"])
        self.dials.append(key + (values["rule"],))
        target = self.targets.get(key)
        if target == "silent":
            return
        if isinstance(target, dict) or target is None:
            fail = dict(status=2, reason=REASONS.index("upstream_connect"), err=111, text="no way")
            fail.update(target or {})
            bbipc.send(self.socks["DIALER"], "DIAL_FAIL", flow, **fail)
            return
        s = socket.create_connection(target)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as dialer does
        bbipc.send(self.socks["DIALER"], "DIAL_OK", flow, fd=s.fileno(), addr=target[0],
                   port=target[1], source=s.getsockname()[0])
        s.close()

    def addr_gone(self, addr="127.0.0.1"):
        bbipc.send(self.socks["DIALER"], "ADDR_GONE", addr=addr)
        time.sleep(0.2)

    # ---- what tests ask ----
    def clear(self):
        with self.lock:
            self.records.clear()
            self.dials.clear()

    def wait_record(self, timeout=10, **want):
        """The first record with these values; waits for it."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with self.lock:
                for r in self.records:
                    if all(r[k] == v for k, v in want.items()):
                        return r
            time.sleep(0.01)
        raise AssertionError("no record %r in %r" % (want, self.records))

    def wait_records(self, n, takes, timeout=10):
        """All records that @takes says yes to, once there are @n: an answer does not wait for the record of its end."""
        end = time.monotonic() + timeout
        while True:
            with self.lock:
                got = [r for r in self.records if takes(r)]
            if len(got) >= n or time.monotonic() > end:
                return got
            time.sleep(0.01)

    def memory_kib(self):
        """Anonymous memory of the guard."""
        for line in open("/proc/%d/status" % self.proc.pid):
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        raise AssertionError("no RssAnon")
