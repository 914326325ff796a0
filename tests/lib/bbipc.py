# SPDX-License-Identifier: Apache-2.0
"""The messages of docs/protocol/ipc.md, for tests that stand in for a role's peers.

Type, role and blob numbers are read from src/ipc/msg.h, so that they cannot drift."""
import array
import os
import re
import socket
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _enum(name, prefix):
    text = open(os.path.join(ROOT, "src/ipc/msg.h")).read()
    body = re.search(r"enum %s \{(.*?)\};" % name, text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = [x.split("=")[0].strip() for x in body.split(",")]
    return {n[len(prefix):]: i for i, n in enumerate(n for n in names if n)}


TYPES = _enum("ipc_type", "IPC_")
TYPE_NAMES = {v: k for k, v in TYPES.items()}
ROLES = _enum("ipc_role", "IPC_ROLE_")
BLOBS = _enum("ipc_blob_kind", "IPC_BLOB_")
RECORD_KINDS = _enum("ipc_record_kind", "IPC_RECORD_")


def reasons():
    """Names of enum policy_reason in order, from the string table."""
    text = open(os.path.join(ROOT, "src/policy/reason.c")).read()
    body = text.split("policy_reason_str[] = {")[1].split("};")[0]
    return re.findall(r'= "(\w+)"', body)


# One letter per field: b w d q integers of 1 2 4 8 octets, a address, s span
FIELDS = {
    "PEER": [("role", "b")], "BLOB": [("kind", "b")], "FD": [("kind", "b")],
    "START": [], "READY": [], "FAILED": [("text", "s")],
    "FLOW_OPEN": [("addr", "a"), ("port", "w"), ("name", "s")],
    "FLOW_READY": [], "FLOW_REFUSED": [("reason", "b")],
    "DIAL_ADDR": [("addr", "a"), ("port", "w"), ("name", "s")],
    "DIAL_NAME": [("rule", "d"), ("port", "w"), ("name", "s")],
    "DIAL_CANCEL": [],
    "DIAL_OK": [("addr", "a"), ("port", "w"), ("source", "a")],
    "ADDR_GONE": [("addr", "a")],
    "DNS_ASK": [("qtype", "w"), ("name", "s")],
    "DNS_ANSWER": [("rcode", "b"), ("ttl", "d"), ("names", "s"), ("addrs", "s")],
    "DIAL_FAIL": [("status", "b"), ("reason", "b"), ("err", "w"), ("text", "s")],
    "SIGN_LEAF": [("name", "s"), ("csr", "s")],
    "LEAF": [("cert", "s")], "LEAF_REFUSED": [("text", "s")],
    "INTERMEDIATE": [("cert", "s")], "CA_CERT": [("cert", "s")],
    "RECORD": [("seq", "q"), ("ack", "b"), ("kind", "b"), ("verdict", "b"), ("reason", "b"),
               ("port", "w"), ("status", "w"), ("duration_ms", "d"), ("bytes_out", "q"),
               ("bytes_in", "q"), ("addr", "a"), ("proxied", "b"), ("count", "d"), ("host", "s"), ("method", "s"),
               ("path", "s"), ("rule", "s"), ("text", "s")],
    "RECORD_ACK": [("seq", "q")],
    "RELOAD": [], "SWITCH": [], "FORGET": [], "RELOADED": [("ok", "b"), ("text", "s")],
    "POLICY_ASK": [], "BOTTLE_FAILED": [("code", "b"), ("text", "s")],
}
_INTS = {"b": "<B", "w": "<H", "d": "<I", "q": "<Q"}


def encode(name, flow=0, /, **values):
    out = b""
    for field, kind in FIELDS[name]:
        v = values[field]
        if kind in _INTS:
            out += struct.pack(_INTS[kind], v)
        elif kind == "a":
            six = bool(v) and ":" in v
            raw = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, v) if v else b""
            out += bytes([(6 if six else 4) if v else 0]) + raw.ljust(16, b"\0")
        else:
            v = v.encode() if isinstance(v, str) else v
            out += struct.pack("<I", len(v)) + v
    return struct.pack("<HHIQ", TYPES[name], 1, len(out), flow) + out


def decode(dgram):
    """(name, flow, values)"""
    kind, version, length, flow = struct.unpack("<HHIQ", dgram[:16])
    name, at, values = TYPE_NAMES[kind], 16, {}
    assert version == 1 and length == len(dgram) - 16
    for field, code in FIELDS[name]:
        if code in _INTS:
            size = struct.calcsize(_INTS[code])
            values[field] = struct.unpack(_INTS[code], dgram[at:at + size])[0]
            at += size
        elif code == "a":
            family, raw = dgram[at], dgram[at + 1:at + 17]
            values[field] = {0: None, 4: socket.inet_ntoa(raw[:4]),
                             6: socket.inet_ntop(socket.AF_INET6, raw)}[family]
            at += 17
        else:
            n = struct.unpack("<I", dgram[at:at + 4])[0]
            values[field] = dgram[at + 4:at + 4 + n]
            at += 4 + n
    assert at == len(dgram)
    return name, flow, values


def send(sock, name, flow=0, /, fd=None, **values):
    data = encode(name, flow, **values)
    if fd is None:
        sock.sendmsg([data])
    else:
        sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def recv(sock):
    """(name, flow, values, fd or None); None at end of file"""
    data, control, _flags, _addr = sock.recvmsg(65536, socket.CMSG_LEN(4))
    if not data:
        return None
    fd = None
    for level, kind, raw in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fd = struct.unpack("i", raw[:4])[0]
    return decode(data) + (fd,)


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def memfd(name, data):
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
