#!/usr/bin/env python3
"""A receiver of webhooks: appends each body to a file, one a line. "--hang": takes the connection and never answers."""
import http.server
import os
import sys
import time


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[1], "ab") as kept:
            kept.write(body + b"\n")
        if "--hang" in sys.argv:
            time.sleep(3600)
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        with open(sys.argv[1] + ".beats", "ab") as kept:
            kept.write(b"beat\n")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
with open(sys.argv[1] + ".port.new", "w") as port:
    port.write(str(server.server_port))
os.rename(sys.argv[1] + ".port.new", sys.argv[1] + ".port")
server.serve_forever()
