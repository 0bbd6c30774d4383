# makes: memcached
#
# Memcached and its event library as the distribution has them, unpacked only: its package, once
# installed, would start a server.
# Called in an empty folder with OUT and JOBS set.

event=$(apt-cache depends memcached | sed -n 's/.*Depends: \(libevent[^ ]*\)$/\1/p')
apt-get download memcached "$event"
for package in *.deb; do dpkg -x "$package" .; done
cp usr/bin/memcached "$OUT/"
cp -P usr/lib/*/libevent*.so* "$OUT/"
