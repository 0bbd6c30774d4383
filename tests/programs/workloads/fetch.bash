# A server and its client: sockets, a resolver thread, processes that end when they are told to.
set -eu
python3 -c '
import http.server, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.path[1:])
        body = bytes(i * i % 251 for i in range(size))
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
    with open("port.new", "w") as file:
        file.write(str(server.server_address[1]))
    os.rename("port.new", "port")
    for _ in range(4):
        server.handle_request()
' &
while [ ! -e port ]; do sleep 0.05; done
port=$(cat port)
rm port
for size in 1 1000 300000; do
    curl -s --noproxy '*' "http://localhost:$port/$size" | md5sum
done
curl -s --noproxy '*' -o /dev/null -w '%{http_code} %{size_download}\n' "http://127.0.0.1:$port/77"
wait
