"""An HTTP server of Python's own with a document behind a password; prints its port."""
import base64
from http.server import BaseHTTPRequestHandler, HTTPServer

WANTED = "Basic " + base64.b64encode(b"eva:secret").decode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/cfg/export.xml"
        allowed = self.headers.get("Authorization") == WANTED
        self.send_response(200 if found and allowed else 401 if found else 404)
        self.end_headers()
        self.wfile.write(b"<config/>" if found and allowed else b"<error/>")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
