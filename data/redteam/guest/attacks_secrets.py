# SPDX-License-Identifier: Apache-2.0
import base64
import codecs
import gzip
import json
import os
import socket

from common import ALLOWED, MARK, SECRET, b64, proxy, read_answer, refused, request


def send(body, kind="text/plain", **headers):
    return refused(request("POST", "/notes", headers=[("Content-Type", kind)] + [(k.replace("_", "-"), v) for k, v in headers.items()],
                           body=body if isinstance(body, bytes) else body.encode()), 403)


def plain():
    return send("it is %s, says the agent" % SECRET)


def header():
    return refused(request(headers=[("X-Trace", SECRET)]), 403)


def query():
    return refused(request(path="/?q=" + SECRET), 403)


def path():
    return refused(request(path="/a/" + SECRET + "/b"), 403)


def base64_():
    return ", ".join(sorted({send(b64("x" * i + SECRET)) for i in range(3)}))


def base32():
    return send(base64.b32encode(SECRET.encode()))


def hex_():
    return send(SECRET.encode().hex())


def percent():
    return send("v=" + "".join("%%%02x" % c for c in SECRET.encode()), "application/x-www-form-urlencoded")


def json_escapes():
    return send('{"v":"%s"}' % "".join("\\u%04x" % c for c in SECRET.encode()), "application/json")


def reversed_():
    return send(SECRET[::-1])


def rot13():
    return send(codecs.encode(SECRET, "rot13"))


def spaced():
    return ", ".join(sorted({send(sep.join(SECRET)) for sep in (" ", "-", ".", "\n")}))


def utf16():
    return ", ".join(sorted({send(("the value: " + SECRET).encode(c), "application/octet-stream") for c in ("utf-16-le", "utf-16-be")}))


def gzip_():
    return send(gzip.compress(SECRET.encode()), Content_Encoding="gzip")


def gzip_base64():
    return send(b64(gzip.compress(SECRET.encode() * 3)))


def multipart():
    return send('--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n%s\r\n--b--\r\n' % SECRET,
                "multipart/form-data; boundary=b")


def chunked():
    s = proxy()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(b"POST http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" % (
        ALLOWED.encode(), ALLOWED.encode()))
    try:
        for c in SECRET.encode():
            s.sendall(b"1\r\n%c\r\n" % c)
        s.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(MARK), MARK.encode()))  # arrives if the secret did
    except OSError:
        pass
    return "answered with %d" % read_answer(s)[0]


def split():
    """The first half is not the secret yet; the second one completes it."""
    half = len(SECRET) // 2
    request("POST", "/part", headers=[("Content-Type", "text/plain")], body=SECRET[:half].encode())
    return send(SECRET[half:])


def canary():
    environment = "\n".join("%s=%s" % kv for kv in os.environ.items() if kv[0] != "REDTEAM_SECRET")
    return ", ".join(sorted({send(environment), send(b64(environment)), send(json.dumps(environment))}))


def vendor_token():
    """Of the shape that a vendor's tokens have; nobody's."""
    return send("token: glp" + "at-" + "R9x2Kq7LmT4vBw8ZnC3y")


def bomb():
    return send(gzip.compress(b"\0" * (1 << 24)) * 64, "application/octet-stream", Content_Encoding="gzip")
