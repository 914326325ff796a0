# SPDX-License-Identifier: Apache-2.0
"""Upstream servers for tests: nginx, and one that answers by script and keeps what it was sent."""
import hashlib
import http.server
import os
import socket
import ssl
import subprocess
import threading
import time


class Raw:
    """Answers each connection by script(sock); every octet read through recv() is kept."""

    def __init__(self, script, tls=None, alpn=()):
        self.script = script
        self.alpn = alpn
        self.seen = []        # one bytearray per connection
        self.open = set()
        self.closed = False
        self.tls = tls        # (cert, key), and what ALPN chooses from
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(64)
        self.address = self.sock.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(s,), daemon=True).start()

    def _one(self, s):
        kept = bytearray()
        self.seen.append(kept)
        self.open.add(s)
        try:
            if self.tls:
                ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                ctx.load_cert_chain(*self.tls)
                ctx.set_alpn_protocols(list(self.alpn))
                self.open.discard(s)
                s = ctx.wrap_socket(s, server_side=True)
                self.open.add(s)
            if self.closed:
                return
            self.script(Conn(s, kept))
        except OSError:
            pass
        finally:
            self.open.discard(s)
            s.close()

    def forget(self):
        """What has been seen so far; its connections go on."""
        for kept in self.seen:
            kept.clear()

    def close(self):
        """With the connections that it has."""
        self.closed = True
        self.sock.close()
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Conn:
    def __init__(self, sock, kept):
        self.sock, self.kept = sock, kept

    def recv(self, n=65536):
        data = self.sock.recv(n)
        self.kept += data
        return data

    def head(self):
        """One request head; False at the end of input."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            octet = self.recv(1)
            if not octet:
                return False
            head += octet
        return head

    def send(self, data):
        self.sock.sendall(data)


def answering(response):
    """Script: this response to every request head."""
    def script(c):
        while c.head():
            c.send(response)
    return script


class Echo(http.server.BaseHTTPRequestHandler):
    """PUT/POST: digest of the body. GET /chunked/N: N octets in chunks. Knows Expect."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _body(self):
        h = hashlib.sha256()
        n = 0
        if self.headers.get("Transfer-Encoding") == "chunked":
            while True:
                size = int(self.rfile.readline(), 16)
                data = self.rfile.read(size + 2)[:-2]
                if not size:
                    break
                h.update(data)
                n += size
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left:
                data = self.rfile.read(min(left, 65536))
                h.update(data)
                n += len(data)
                left -= len(data)
        return "%s %d" % (h.hexdigest(), n)

    def do_PUT(self):
        self.server.expects.append(self.headers.get("Expect"))
        text = self._body().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT

    def do_GET(self):
        left = int(self.path.rsplit("/", 1)[1])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        block = bytes(range(256)) * 40
        while left:
            n = min(left, len(block))
            self.wfile.write(b"%x;x=y\r\n%s\r\n" % (n, block[:n]))
            left -= n
        self.wfile.write(b"0\r\nX-Trailer: 1\r\n\r\n")


class EchoServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cert=None):
        super().__init__(("127.0.0.1", 0), Echo)
        self.expects = []
        if cert:
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ctx.load_cert_chain(*cert)
            self.socket = ctx.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_listening(address, proc):
    for _ in range(500):
        try:
            socket.create_connection(address).close()
            return
        except OSError:
            assert proc.poll() is None, "ended at once"
            time.sleep(0.02)
    raise AssertionError("does not listen")


class Nginx:
    """Serves a directory on loopback: over TLS, plain, and both with HTTP/2."""

    def __init__(self, directory, cert, key):
        self.tls = ("127.0.0.1", free_port())
        self.plain = ("127.0.0.1", free_port())
        self.h2 = ("127.0.0.1", free_port())
        self.h2c = ("127.0.0.1", free_port())
        self.dir = directory
        self.log = os.path.join(directory, "access.log")
        root = os.path.join(directory, "www")
        os.makedirs(root, exist_ok=True)
        os.chmod(directory, 0o755)
        self.root = root
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w") as f:
            f.write("""
daemon off; pid %(d)s/nginx.pid; error_log %(d)s/error.log; worker_processes 1;
events { worker_connections 4096; }
http {
  log_format one '$connection $connection_requests $ssl_server_name $request $ssl_session_reused';
  access_log %(d)s/access.log one; client_body_temp_path %(d)s/body; proxy_temp_path %(d)s/p;
  fastcgi_temp_path %(d)s/f; uwsgi_temp_path %(d)s/u; scgi_temp_path %(d)s/s;
  sendfile on; types { text/html html; } default_type application/octet-stream; keepalive_requests 100000;
  server {
    listen 127.0.0.1:%(tls)d ssl; listen 127.0.0.1:%(plain)d;
    ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
    root %(root)s;
    location /s204 { return 204; }
    location /moved { return 302 http://elsewhere.test/; }
    location /once/ { keepalive_timeout 0; }
    location /up/ { client_max_body_size 0; client_body_buffer_size 1m; proxy_pass_request_body off;
                    proxy_set_header Content-Length ""; proxy_pass http://127.0.0.1:%(plain)d/s204; }
  }
  server {
    listen 127.0.0.1:%(h2)d ssl http2; listen 127.0.0.1:%(h2c)d http2;
    ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
    root %(root)s; client_max_body_size 0;
    location /s204 { return 204; }
  }
}
""" % {"d": directory, "tls": self.tls[1], "plain": self.plain[1], "h2": self.h2[1], "h2c": self.h2c[1], "cert": cert, "key": key,
       "root": root})
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        self.proc = subprocess.Popen(["nginx", "-e", directory + "/error.log", "-c", conf] + user)
        wait_listening(self.plain, self.proc)

    def put(self, name, data):
        os.makedirs(os.path.dirname(os.path.join(self.root, name)), exist_ok=True)
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(data)

    def close(self):
        self.proc.terminate()
        self.proc.wait(timeout=10)
