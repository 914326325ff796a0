# SPDX-License-Identifier: Apache-2.0
"""Clients as people write them: programs that fetch a URL to standard output, through the proxy that
their environment names."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BOT_BOTTLE_BUILD", os.path.join(ROOT, "build"))
PYTHON = "/usr/bin/python3"
UNDICI = "undici@6.21.3"  # the last series that Node 18 runs

NODE = """
const https = require('https'), tls = require('tls'), http = require('http');
const [proxy, host, path] = [new URL(process.env.HTTPS_PROXY), process.argv[1], process.argv[2]];
const c = http.request({host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: host + ':443',
  headers: {host: host + ':443'}});
c.on('connect', (res, socket, head) => {
  if (res.statusCode !== 200) { process.stdout.write('status ' + res.statusCode + head); process.exit(1); }
  https.get({host, path, headers: {host}, createConnection: () => tls.connect({socket, servername: host})}, (r) => {
    r.pipe(process.stdout); });
});
c.on('error', (e) => { console.error(e); process.exit(1); });
c.end();
"""
# what programs do that know the variables (Node's own fetch does from version 24 on)
UNDICI_FETCH = """
const { fetch, EnvHttpProxyAgent, setGlobalDispatcher } = require('undici');
setGlobalDispatcher(new EnvHttpProxyAgent());
fetch(process.argv[1]).then(async (r) => {
  if (!r.ok) { console.error('status ' + r.status); process.exit(1); }
  for await (const chunk of r.body) process.stdout.write(chunk);
}).catch((e) => { console.error(e); process.exit(1); });
"""
PY = {
    "urllib": "import sys,urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())",
    "requests": "import sys,requests; r=requests.get(sys.argv[1]); r.raise_for_status(); "
                "sys.stdout.buffer.write(r.content)",
    "httpx": "import sys,httpx; r=httpx.get(sys.argv[1]); r.raise_for_status(); sys.stdout.buffer.write(r.content)",
    "aiohttp": "import sys,ssl,asyncio,aiohttp\nasync def go():\n"
               " async with aiohttp.ClientSession(trust_env=True) as s:\n"
               "  async with s.get(sys.argv[1], ssl=ssl.create_default_context()) as r:\n"
               "   r.raise_for_status(); sys.stdout.buffer.write(await r.read())\nasyncio.run(go())",
}


GO = """
package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
	r, err := http.Get(os.Args[1])
	if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
	if r.StatusCode != 200 { fmt.Fprintln(os.Stderr, r.Status); os.Exit(1) }
	if _, err = io.Copy(os.Stdout, r.Body); err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
}
"""
JAVA = """
import java.net.*;
import java.net.http.*;
public class Fetch {
	public static void main(String[] a) throws Exception {
		HttpClient c = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
		var r = c.send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofInputStream());
		if (r.statusCode() != 200) { System.err.println(r.statusCode()); System.exit(1); }
		r.body().transferTo(System.out);
		System.out.flush();
	}
}
"""


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Clients:
    """@directory: for what is compiled and installed, made when it is first needed. @env: of the programs."""

    def __init__(self, directory, env, root, port):
        self.dir, self.env, self.root, self.port = directory, env, root, port
        os.makedirs(directory, exist_ok=True)

    def _go(self):
        if not os.path.exists(self.dir + "/fetch"):
            write(self.dir + "/fetch.go", GO)
            env = dict(self.env, GOCACHE=self.dir + "/cache", GO111MODULE="off", CGO_ENABLED="0")
            subprocess.run(["go", "build", "-o", self.dir + "/fetch", self.dir + "/fetch.go"], check=True, env=env)
        return self.dir + "/fetch"

    def _java(self):
        """With the trust store that bottled makes."""
        store = self.dir + "/java.p12"
        if not os.path.exists(store):
            write(self.dir + "/Fetch.java", JAVA)
            subprocess.run(["javac", "-d", self.dir, self.dir + "/Fetch.java"], check=True)
            tool = os.path.join(BUILD, "tests/unit/proc/bottled/test-bottled-java_trust")
            with open(store, "wb") as f:
                f.write(subprocess.run([tool, self.root], capture_output=True, check=True).stdout)
            self.env["JAVA_TOOL_OPTIONS"] = (
                "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=%d -Djavax.net.ssl.trustStore=%s "
                "-Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit" % (self.port, store))
        return self.dir

    def _undici(self):
        """From the npm registry, around the guard."""
        if not os.path.exists(self.dir + "/node_modules/undici"):
            # a cache of its own: two at once in one do not agree
            subprocess.run(["npm", "install", "--prefix", self.dir, "--cache", self.dir + "/npm", "--fetch-retries", "5",
                            "--no-audit", "--no-fund", "--loglevel", "error", UNDICI], check=True, timeout=120)
        self.env["NODE_PATH"] = self.dir + "/node_modules"
        return UNDICI_FETCH

    def argv(self, client, host, name, scheme="https"):
        """argv for fetching SCHEME://HOST/NAME to stdout."""
        url = "%s://%s/%s" % (scheme, host, name)
        if client == "node":
            return ["node", "-e", NODE, host, "/" + name]
        if client == "undici":
            return ["node", "-e", self._undici(), url]
        if client == "go":
            return [self._go(), url]
        if client == "java":
            return ["java", "-cp", self._java(), "Fetch", url]
        if client in PY:
            return [PYTHON, "-c", PY[client], url]
        return {"curl": ["curl", "-sS", "--fail-with-body"], "curl-http1": ["curl", "-sS", "--http1.1", "-f"],
                "curl-compressed": ["curl", "-sS", "--compressed", "-f"],
                # in a bottle the system's own bundle has the root
                "wget": ["wget", "-nv", "-t", "1", "-O-"]}[client] + [url]


CLIENTS = ["curl", "curl-http1", "curl-compressed", "wget", "node", "undici", "go", "java"] + list(PY)
