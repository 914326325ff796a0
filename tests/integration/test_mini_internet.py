# SPDX-License-Identifier: Apache-2.0
"""The mini internet itself: what the denials are measured against does answer."""
import subprocess


def host(internet, script):
    return subprocess.run(["ip", "netns", "exec", internet.host, "bash", "-c", script],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()


def test_servers_answer_the_host(internet):
    ca = internet.d + "/ca.pem"
    for name, addr in (("allowed.test", "203.0.113.10"), ("other.test", "203.0.113.11")):
        out = host(internet, "curl -sS --cacert %s --resolve %s:443:%s https://%s/hello" % (ca, name, addr, name))
        assert out == "hello from the world\n", out
    for server in ("203.0.113.53", "8.8.8.8", "1.1.1.1"):
        assert "203.0.113.10" in host(internet, "dig +short @%s allowed.test" % server)


def test_capture_and_packets_see_what_is_sent(internet):
    captured, packets = len(internet.capture()), len(internet.packets())
    host(internet, "exec 3<>/dev/tcp/203.0.113.12/443; echo seen >&3; sleep 0.3")
    host(internet, "echo datagram >/dev/udp/8.8.8.8/853; sleep 0.3")
    new = "\n".join(internet.capture()[captured:])
    assert b"seen\n".hex() in new and b"datagram\n".hex() in new
    assert len(internet.packets()) > packets
