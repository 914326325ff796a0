# SPDX-License-Identifier: Apache-2.0
import os
import socket
import struct
import time

from common import (ALLOWED, DECOY, FLOW_PORT, HOST_ADDRESSES, MARK, PORT, PUBLIC, Skip, Through, direct, flow, flows_denied,
                    read_exactly, stream)


def direct_tcp():
    return ", ".join(sorted({direct(a, p) for a, p in PUBLIC}))


def raw_flow():
    return flows_denied(list(PUBLIC) + [("2606:4700:4700::1111", 443)])


def host_loopback():
    return flows_denied([(a, p) for a in ("127.0.0.1", "::1", "127.255.255.254", "0.0.0.0", "::") for p in (PORT, DECOY)])


def host_addresses():
    if not HOST_ADDRESSES:
        raise Skip("the host has no address")
    return flows_denied([(a, p) for a in HOST_ADDRESSES for p in (22, PORT, DECOY)])


def metadata():
    return flows_denied([(a, 80) for a in ("169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fe80::1")])


def private():
    return flows_denied([(a, p) for a in ("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1") for p in (22, 80, 443)])


def spellings():
    return flows_denied([(a, PORT) for a in ("::ffff:127.0.0.1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
                                             "::ffff:169.254.169.254")])


def synthetic_direct():
    return flows_denied([(socket.gethostbyname(ALLOWED), p) for p in (80, 443, PORT)])


def service_off():
    alias = os.environ["HTTPS_PROXY"].split("//")[1].split(":")[0]
    return flows_denied([(alias, p) for p in (9418, 9100)])


def malformed_flow():
    headers = [b"\0" * 24, struct.pack(">HBBBBH16s", 0x4246, 2, 4, 6, 0, 80, b"\x7f\0\0\1"),
               struct.pack(">HBBBBH16s", 0x4246, 1, 4, 17, 0, 53, b"\x08\x08\x08\x08"), os.urandom(24)]
    seen = set()
    for h in headers:
        s = stream(FLOW_PORT)
        s.sendall(h + MARK.encode())
        try:
            reply = read_exactly(s, 4)
        except OSError:
            reply = b""
        if reply and reply[0] == 0:
            raise Through("a header that is none was admitted")
        seen.add(reply[0] if reply else -1)
    return "status %s" % ", ".join(map(str, sorted(seen)))


def other_vsock_ports():
    if not os.path.exists("/dev/vsock"):
        raise Skip("no vsock here")
    for port in (1, 22, 80, 443, 1024, 5000, 6001, 6004, PORT, DECOY, 9099, 0xfffffffe):
        s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        s.settimeout(5)
        try:
            s.connect((2, port))
        except OSError:
            continue
        raise Through("vsock port %d answers" % port)
    return "refused"


def other_cids():
    if not os.path.exists("/dev/vsock"):
        raise Skip("no vsock here")
    for cid in (0, 1, 4, 5, 100, 0x7fffffff):
        for port in (FLOW_PORT, 22):
            s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            s.settimeout(0.2)
            try:
                s.connect((cid, port))
            except OSError:
                continue
            if cid != 1:  # 1 is this machine itself
                raise Through("CID %d answers" % cid)
    return "unreachable"


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    seen = set()
    for address in ("8.8.8.8", "1.1.1.1"):
        for port in (123, 443, 853, 5353):
            try:
                s.sendto(MARK.encode(), (address, port))
                s.recvfrom(100)
                raise Through("%s port %d answers" % (address, port))
            except OSError as e:
                seen.add(os.strerror(e.errno) if e.errno else "no answer")
    return ", ".join(sorted(seen))


def icmp():
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        return "no raw sockets"
    s.settimeout(2)
    try:
        s.sendto(b"\x08\0\0\0\0\1\0\1" + MARK.encode(), ("8.8.8.8", 0))
        s.recvfrom(100)
    except OSError as e:
        return os.strerror(e.errno) if e.errno else "no answer"
    raise Through("8.8.8.8 answers")


def raw_frames():
    seen = []
    for device in sorted(os.listdir("/sys/class/net")):
        try:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            s.bind((device, 0))
            s.send(b"\xff" * 12 + b"\x08\0" + MARK.encode())
            seen.append("%s leads nowhere" % device)
        except OSError as e:
            seen.append("%s: %s" % (device, os.strerror(e.errno)))
    return ", ".join(seen)


def flood():
    open_now = []
    for i in range(2000):
        try:
            s = stream(FLOW_PORT, 20)
            s.sendall(struct.pack(">HBBBBH16s", 0x4246, 1, 4, 6, 0, 1 + i, bytes((8, 8, i >> 8, i & 255))))
            open_now.append(s)
        except OSError:
            break
        if len(open_now) >= 200:
            for s in open_now:
                s.close()
            open_now = []
    last = flow("8.8.8.8", 443)
    time.sleep(1.1)  # denials of this second are only counted, those of the next attack must not be among them
    return "last one: status %d" % last
