# SPDX-License-Identifier: Apache-2.0
"""What the attacks share. An attack returns what it saw when it was refused, and raises Through when it was not."""
import base64
import ipaddress
import os
import re
import socket
import ssl
import struct
import sys
import time

MARK = sys.argv[3] if len(sys.argv) > 3 else "mark"
PORT = int(sys.argv[4]) if len(sys.argv) > 4 else 0
DECOY = int(sys.argv[5]) if len(sys.argv) > 5 else 0
HOST_ADDRESSES = sys.argv[6].split(",") if len(sys.argv) > 6 and sys.argv[6] else []
ALLOWED, API = "allowed.redteam.test", "api.redteam.test"
SECRET = os.environ.get("REDTEAM_SECRET", "")
PLACEHOLDER = os.environ.get("BOT_BOTTLE_REDTEAM_TOKEN", "")
PUBLIC = (("1.1.1.1", 443), ("8.8.8.8", 53), ("93.184.216.34", 80))
FLOW_PORT, DNS_PORT, LOG_PORT = 6003, 6002, 5001


class Through(Exception):
    pass


class Skip(Exception):
    pass


class Unsent(Exception):
    """Refused by the guest's own kernel, which has no way there: nobody else can have seen it."""


def stream(port, timeout=10):
    """A stream to one of the host's own ports, past everything else in the guest."""
    if os.path.exists("/dev/vsock"):
        s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        s.settimeout(timeout)
        s.connect((2, port))
        return s
    path = "/bottle/%d" % port
    if not os.path.exists(path):
        raise Skip("no way to the host's ports from here")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(timeout)
    until = time.monotonic() + timeout
    while True:
        try:
            s.connect(path)
            return s
        except BlockingIOError:  # more wait to be accepted than the listener has room for
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            break
        data += more
    return data


def flow(address, port):
    """Status of a flow header: 0 would be a way out."""
    a = ipaddress.ip_address(address)
    s = stream(FLOW_PORT)
    try:
        s.sendall(struct.pack(">HBBBBH16s", 0x4246, 1, a.version, 6, 0, port, a.packed.ljust(16, b"\0")))
        reply = read_exactly(s, 4)
        if len(reply) == 4 and reply[0] == 0:
            s.sendall(MARK.encode())
            raise Through("%s port %d answers" % (address, port))
        return reply[0] if reply else -1
    except (ConnectionError, TimeoutError):
        return -1
    finally:
        s.close()


def flows_denied(targets):
    seen = sorted({flow(a, p) for a, p in targets})
    return "%d flows, status %s" % (len(targets), ", ".join(map(str, seen)))


def direct(address, port, timeout=4):
    try:
        s = socket.create_connection((address, port), timeout)
        s.sendall(b"GET /%s HTTP/1.0\r\n\r\n" % MARK.encode())
        if s.recv(1):
            raise Through("%s port %d answers" % (address, port))
        return "closed"
    except OSError as e:
        return os.strerror(e.errno) if e.errno else "no answer"


# ---- HTTP ----
def proxy():
    host, port = re.match(r"http://([^:/]+):(\d+)", os.environ["HTTPS_PROXY"]).groups()
    return socket.create_connection((host, int(port)), 20)


def read_answer(s):
    """Status and octets of whatever comes; (0, b"") when it is closed without a word."""
    data = b""
    try:
        while len(data) < 1 << 20:
            more = s.recv(65536)
            if not more:
                break
            data += more
            head, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if _ and length and len(body) >= int(length.group(1)):
                break
    except OSError:
        pass
    status = re.match(rb"HTTP/1\.[01] (\d{3})", data)
    return int(status.group(1)) if status else 0, data


def raw(octets, host=None, port=80):
    """Octets to the proxy, or into a tunnel to @host."""
    s = proxy()
    if host:
        s.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host.encode(), port, host.encode(), port))
        status, data = read_answer_head(s)
        if status != 200:
            return status, data
    s.sendall(octets)
    return read_answer(s)


def read_answer_head(s):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        octet = s.recv(1)
        if not octet:
            break
        data += octet
    status = re.match(rb"HTTP/1\.[01] (\d{3})", data)
    code = int(status.group(1)) if status else 0
    if code != 200:
        return code, data + read_answer(s)[1]
    return code, data


def request(method="GET", path="/", host=ALLOWED, headers=(), body=None):
    lines = ["%s http://%s%s HTTP/1.1" % (method, host, path), "Host: " + host, "Connection: close"]
    if body is not None:
        lines.append("Content-Length: %d" % len(body))
    head = "\r\n".join(lines + ["%s: %s" % h for h in headers]) + "\r\n\r\n"
    return raw(head.encode("latin-1") + (body or b""))


def https(host, headers=(), name=None, path="/", inner=None):
    """A request inside TLS."""
    s = proxy()
    s.sendall(b"CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n" % (host.encode(), host.encode()))
    status, data = read_answer_head(s)
    if status != 200:
        return status, data
    try:
        t = ssl.create_default_context().wrap_socket(s, server_hostname=name or host)
    except (ssl.SSLError, OSError) as e:
        return 0, str(e).encode()
    head = "\r\n".join(["GET %s HTTP/1.1" % path, "Host: " + (inner or host), "Connection: close"] +
                       ["%s: %s" % h for h in headers])
    t.sendall(head.encode() + b"\r\n\r\n")
    return read_answer(t)


def refused(answer, *codes):
    """What a refusal looks like: one of these codes, or closed without a word."""
    status, data = answer
    if status and status not in (codes or (400, 403, 421, 413)):
        raise Through("answered with %d" % status)
    reason = re.search(rb'"reason": ?"(\w+)"', data)
    return "%s %s" % (status or "closed", reason.group(1).decode() if reason else "")


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode())
