# SPDX-License-Identifier: Apache-2.0
"""Debian's mirror, as the host has it, on loopback: what is taken from it is counted."""
import http.server
import subprocess
import threading
import urllib.error
import urllib.request

import product as products


class Mirror(http.server.ThreadingHTTPServer):
    """Debian's mirror, as the host has it, with an eye on what is taken from it."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        out = subprocess.run(["sh", "-c", '. data/images/debian.sh; echo "$mirror $security"'], cwd=products.ROOT, check=True,
                             stdout=subprocess.PIPE).stdout.decode().split()
        self.bases = {"debian": out[0], "debian-security": out[1]}
        self.debs, self.octets = 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/debian" % self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        archive, path = self.path[1:].split("/", 1)
        headers = {k: self.headers[k] for k in ("If-Modified-Since", "Range") if k in self.headers}
        request = urllib.request.Request(self.server.bases[archive] + "/" + path, headers=headers, method=self.command)
        try:
            r = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as e:
            r = e
        self.send_response(r.status)
        for k in ("Content-Type", "Content-Length", "Last-Modified", "Content-Range"):
            if k in r.headers:
                self.send_header(k, r.headers[k])
        if "Content-Length" not in r.headers and r.status != 304:
            self.send_header("Connection", "close")
        self.end_headers()
        self.server.debs += path.endswith(".deb")
        while self.command == "GET":
            data = r.read(1 << 16)
            if not data:
                break
            try:
                self.wfile.write(data)
            except ConnectionError:
                self.close_connection = True
                return
            self.server.octets += len(data)
