# A Redis server asked by its own benchmark and command-line client, saved by a child that it forks,
# stopped and started again from what that saved. The arguments are the server's program, which goes
# by several names, and the number of requests.
set -eu
server=$1 requests=$2
start() {
    (exec -a redis-server "$server" --port 0 --unixsocket "$PWD/socket" --dir "$PWD" --save '' \
        --io-threads 2 --daemonize no) > log 2>&1 &
    while [ ! -S socket ]; do sleep 0.05; done
}
ask() { redis-cli -s "$PWD/socket" "$@"; }
start
redis-benchmark -s "$PWD/socket" -q -n "$requests" -c 20 -P 4 -r 100 \
    -t set,get,incr,lpush,lrange_100,sadd,hset,zadd,mset > /dev/null
ask << 'END'
eval "for i = 1, 1000 do redis.call('hset', 'h' .. i % 10, 'field' .. i, string.rep('x', i)) end local keys = redis.call('hkeys', 'h3') table.sort(keys) return redis.sha1hex(table.concat(keys))" 0
set key value
append key s
object encoding key
bgsave
END
until [ -e dump.rdb ]; do sleep 0.05; done
ask shutdown nosave
wait
start
ask << 'END'
get key
hlen h3
hstrlen h3 field13
shutdown nosave
END
wait
rm -f log dump.rdb
