# A memcached server of four threads, asked by a client of as many. The arguments are the folder of
# the server and the number of rounds.
set -eu
LD_LIBRARY_PATH=$1 "$1/memcached" -u root -t 4 -m 8 -s "$PWD/socket" &
server=$!
while [ ! -S socket ]; do sleep 0.05; done
python3 -I - "$2" << 'END'
import socket, sys, threading
rounds, sums = int(sys.argv[1]), {}
def client(number):
    with socket.socket(socket.AF_UNIX) as server:
        server.connect("socket")
        stream = server.makefile("rwb")
        def ask(text, lines):
            stream.write(text.encode())
            stream.flush()
            return [stream.readline().decode().strip() for _ in range(lines)]
        got = 0
        for i in range(rounds):
            key, value = f"key{number}.{i % 37}", str(i) * (i % 500 + 1)
            assert ask(f"set {key} 0 0 {len(value)}\r\n{value}\r\n", 1) == ["STORED"]
            header, data, end = ask(f"get {key}\r\n", 3)
            assert (data, end) == (value, "END"), (header, end)
            got += len(data)
            if i % 5 == 0:
                assert ask(f"delete {key}\r\n", 1) == ["DELETED"]
        sums[number] = got
threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(sums.items()))
END
kill "$server"
wait "$server" || echo "status $?"
rm -f socket
