"""curl against the server of Python, which asks for a name: basic and digest, wrong and right."""
import base64
import hashlib
import http.server
import subprocess

from talk import SERVER, Log, background, needs

BASIC = "Basic " + base64.b64encode(b"keeper:bottle").decode()


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def proven(self, given):
        if self.path == "/basic":
            return given == BASIC
        said = dict(part.strip().split("=", 1) for part in given.removeprefix("Digest ").split(",") if "=" in part)
        said = {key: value.strip('"') for key, value in said.items()}
        first = hashlib.md5(b"keeper:mill:bottle").hexdigest()
        second = hashlib.md5(f"{self.command}:{self.path}".encode()).hexdigest()
        words = [first, "731", said.get("nc", ""), said.get("cnonce", ""), "auth", second]
        return said.get("response") == hashlib.md5(":".join(words).encode()).hexdigest()

    def do_GET(self):
        proven = self.proven(self.headers.get("Authorization", ""))
        offers = {"/basic": 'Basic realm="mill"', "/digest": 'Digest realm="mill", nonce="731", qop="auth"'}
        self.send_response(200 if proven else 401)
        if not proven:
            self.send_header("WWW-Authenticate", offers[self.path])
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"OK\n")


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        super().server_bind()
        self.server_name = "panel"


needs("curl")
background(Server((SERVER, 80), Page).serve_forever)
log = Log("http")
# With digest the client asks first and answers the challenge then.
for method, password, requests in (("basic", "bottle", 1), ("basic", "wrong", 1), ("digest", "bottle", 2),
                                   ("digest", "wrong", 2)):
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"--{method}", "-u", f"keeper:{password}",
               f"http://{SERVER}/{method}"]
    code = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    assert code == ("200" if password == "bottle" else "401"), code
    log.did("read", requests)
    log.count("http_request", "client", requests, method="GET")
    log.sign_in(f"http {method}", "keeper", password == "bottle")
log.close()
