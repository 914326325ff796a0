# SPDX-License-Identifier: Apache-2.0
"""A client of HTTP/2 that says what it is told to, by hyper-h2 and by hand; and a server to match."""
import select
import socket

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import hyperframe.frame as frames


class Answer:
    def __init__(self):
        self.status = None
        self.fields = []
        self.informational = []
        self.body = b""
        self.trailers = []
        self.ended = False
        self.reset = None      # error code


class Client:
    """@sock: connected, and past TLS where there is any."""

    def __init__(self, sock, authority="a.test", scheme="https"):
        self.sock = sock
        self.authority = authority
        self.scheme = scheme
        self.answers = {}
        self.goaway = None
        self.closed = False
        self.hpack = hpack.Encoder()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="latin-1", validate_outbound_headers=False,
            normalize_outbound_headers=False, validate_inbound_headers=False))
        self.h2.initiate_connection()
        self.auto_credit = True
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.raw(data)

    def raw(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed = True

    def head(self, path="/", method="GET", extra=(), **pseudo):
        names = {"method": method, "scheme": self.scheme, "path": path, "authority": self.authority}
        names.update(pseudo)
        return [(":" + k, v) for k, v in names.items() if v is not None] + list(extra)

    def begin(self, fields, end=True):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, fields, end_stream=end)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def begin_raw(self, fields, end=True, cut=None):
        """Past every check of hyper-h2; @cut: octets of the section in each frame."""
        stream = self.h2.get_next_available_stream_id()
        # hyper-h2 has to know it
        self.h2.send_headers(stream, [(":method", "GET"), (":path", "/"), (":scheme", "https"),
                                      (":authority", "x")], end_stream=end)
        self.h2.data_to_send()
        self.answers[stream] = Answer()
        block = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(n, v) for n, v in fields])
        cut = cut or len(block)
        pieces = [block[i:i + cut] for i in range(0, len(block), cut)]
        for i, piece in enumerate(pieces):
            f = frames.ContinuationFrame(stream, piece) if i else frames.HeadersFrame(stream, piece)
            if i == 0 and end:
                f.flags.add("END_STREAM")
            if i == len(pieces) - 1:
                f.flags.add("END_HEADERS")
            self.raw(f.serialize())
        return stream

    def send(self, stream, data, end=False, size=16384):
        """Within the windows; frames of at most @size octets. False when the stream is over."""
        while data or end:
            a = self.answers[stream]
            if a.reset is not None or self.closed:
                return False
            room = min(self.h2.local_flow_control_window(stream), size, len(data))
            if data and room <= 0:
                if not self.read(10):
                    return False
                continue
            self.h2.send_data(stream, data[:room], end_stream=end and room == len(data))
            data = data[room:]
            self.flush()
            if not data:
                break
        return True

    def read(self, timeout=10):
        """What has come, or False."""
        if not (hasattr(self.sock, "pending") and self.sock.pending()):
            if not select.select([self.sock], [], [], timeout)[0]:
                return False
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        for ev in self.h2.receive_data(data):
            self.take(ev)
        self.flush()
        return True

    def take(self, ev):
        a = self.answers.get(getattr(ev, "stream_id", None))
        if isinstance(ev, h2.events.ConnectionTerminated):
            self.goaway = ev.error_code
        if a is None:
            return
        if isinstance(ev, h2.events.InformationalResponseReceived):
            a.informational.append(dict(ev.headers)[":status"])
        elif isinstance(ev, h2.events.ResponseReceived):
            a.fields = ev.headers
            a.status = int(dict(ev.headers)[":status"])
        elif isinstance(ev, h2.events.DataReceived):
            a.body += ev.data
            if self.auto_credit:
                self.h2.acknowledge_received_data(ev.flow_controlled_length, ev.stream_id)
        elif isinstance(ev, h2.events.TrailersReceived):
            a.trailers = ev.headers
        elif isinstance(ev, h2.events.StreamEnded):
            a.ended = True
        elif isinstance(ev, h2.events.StreamReset):
            a.reset = ev.error_code

    def wait(self, stream, what=lambda a: a.ended or a.reset is not None, timeout=15):
        while not what(self.answers[stream]) and not self.closed:
            if not self.read(timeout):
                break
        return self.answers[stream]

    def ask(self, path="/", method="GET", body=None, extra=(), **pseudo):
        fields = self.head(path, method, extra, **pseudo)
        stream = self.begin(fields, end=body is None)
        if body is not None:
            self.send(stream, body, end=True)
        return self.wait(stream)

    def until_closed(self, timeout=15):
        while not self.closed and self.read(timeout):
            pass
        return self.closed

    def close(self):
        self.sock.close()


def server(handler):
    """Script for upstreams.Raw: handler(conn, event, c) for every event of hyper-h2."""
    def script(c):
        conn = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        conn.initiate_connection()
        c.send(conn.data_to_send())
        while True:
            try:
                data = c.recv()
            except (OSError, socket.timeout):
                return
            if not data:
                return
            for ev in conn.receive_data(data):
                if isinstance(ev, h2.events.DataReceived) and ev.flow_controlled_length:
                    conn.acknowledge_received_data(ev.flow_controlled_length, ev.stream_id)
                handler(conn, ev, c)
            out = conn.data_to_send()
            if out:
                c.send(out)
    return script
