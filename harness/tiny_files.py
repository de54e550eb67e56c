"""The scripts inside the tiny images: all that runs there besides busybox."""

APPLETS = (
    "sh", "ash", "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "dmesg",
    "du", "echo", "env", "expr", "false", "find", "free", "getty", "grep", "halt", "head", "hostname", "httpd", "id",
    "ifconfig", "ip", "kill", "killall", "ln", "ls", "md5sum", "mkdir", "mknod", "mkpasswd", "mount", "mv", "nc", "netstat",
    "nproc", "pgrep", "ping", "pkill", "poweroff", "printf", "ps", "pwd", "readlink", "reboot", "rm", "rmdir",
    "route", "sed", "seq", "sha256sum", "sleep", "sort", "stat", "stty", "tail", "tar", "tee", "test", "top", "touch",
    "tr", "true", "tty", "udhcpc", "umount", "uname", "uptime", "usleep", "vi", "wc", "wget", "which", "whoami",
    "yes",
)  # fmt: skip

# Process 1. `wait` reaps whatever child ends; SIGPWR is LXD's graceful stop, and the end of process 1 is the
# container's. There is nothing to save, so both happen at once.
INIT = """#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
trap 'exit 0' PWR USR1
trap 'reboot -f' INT TERM
/etc/rc >/dev/console 2>&1 </dev/null
while :; do sleep 1000000 & wait $!; done
"""

CRASHING_INIT = """#!/bin/sh
exit 3
"""

LEASE = """#!/bin/sh
case $1 in
bound|renew)
    ip addr flush dev $interface
    ip addr add $ip/${mask:-24} dev $interface
    [ -n "$router" ] && ip route add default via $router
    echo "nameserver $dns" >/etc/resolv.conf ;;
esac
"""

# One HTTP request on standard input and output: 503 until the file is there.
WARMING = """#!/bin/sh
return=$(printf '\\r')
read -r verb path version || exit 0
while read -r line && [ "$line" != "$return" ]; do :; done
if [ -e /run/warm ]; then
    status='200 OK' body=$(hostname)
else
    status='503 Service Unavailable' body='not yet'
fi
printf 'HTTP/1.1 %s\\r\\nContent-Type: text/plain\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n' \\
    "$status" $((${#body} + 1))
[ "$verb" = HEAD ] || echo "$body"
"""

# As the real one: lines of name:password on standard input, hashed into /etc/shadow.
CHPASSWD = """#!/bin/sh
while IFS= read -r line; do
    name=${line%%:*}
    if [ "$name" = "$line" ] || [ -e /etc/nopasswd ]; then
        echo "chpasswd: line 1: $line: not changed" >&2
        exit 1
    fi
    hash=$(printf %s "${line#*:}" | mkpasswd -m sha512 -P 0) || exit 1
    grep -v "^$name:" /etc/shadow >/etc/shadow.new
    echo "$name:$hash:19000:0:99999:7:::" >>/etc/shadow.new
    cat /etc/shadow.new >/etc/shadow
    rm /etc/shadow.new
done
"""

# Behaves as the real one where nobody looks closer: no lists at first, no package without lists, a server afterwards.
APT_GET = """#!/bin/sh
[ "$DEBIAN_FRONTEND" = noninteractive ] || { echo 'E: it would ask' >&2; exit 100; }
for word; do
    case $word in
    update)
        if [ ! -e /run/asked ]; then
            touch /run/asked
            echo "W: Failed to fetch http://deb.example: Temporary failure resolving 'deb.example'" >&2
            exit 100
        fi
        touch /var/lists ;;
    openssh-server)
        [ -e /var/lists ] || { echo 'E: Unable to locate package openssh-server' >&2; exit 100; }
        ln -s dropbear.packed /usr/sbin/sshd
        echo 'Setting up openssh-server ...' ;;
    esac
done
"""
SYSTEMCTL = """#!/bin/sh
if [ "$1 $2" = 'enable ssh.service' ] && [ -e /usr/sbin/sshd ]; then
    touch /etc/enabled
else
    echo "Failed to enable unit: Unit file $2 does not exist." >&2
    exit 1
fi
"""

_BEGIN = """#!/bin/sh
ip link set lo up
ip link set eth0 up
hostname >/var/www/index.html
"""
# The first DHCP answer may be lost while the bridge learns the port: ask again after a second, thirty times.
_ADDRESS = "udhcpc -i eth0 -s /etc/lease -b -q -t 30 -T 1 -A 1 -x hostname:$(hostname) >/dev/null 2>&1\n"
_ECHO = "nc -ll -p 7 -e /bin/cat &\n"
_WEB = "httpd -p 80 -h /var/www\n"

# What each variant does at its start. The ports are opened before the address comes: then the first connection
# that gets through finds them.
RC = {
    "fast": _BEGIN + _WEB + _ECHO + _ADDRESS,
    "slow": _BEGIN + _ECHO + "(sleep 2; exec httpd -f -p 80 -h /var/www) &\n" + _ADDRESS,
    "warming": _BEGIN + _ECHO + "nc -ll -p 80 -e /etc/warming &\n(sleep 1.5; touch /run/warm) &\n" + _ADDRESS,
    "never": _BEGIN + _ADDRESS,
    "nonet": _BEGIN + _WEB + _ECHO,
    "crash": _BEGIN,
    "broken": _BEGIN + _WEB + _ECHO + _ADDRESS,
    "ssh": _BEGIN + _WEB + _ECHO + "dropbear -R -p 22\n" + _ADDRESS,
    "packages": _BEGIN + _WEB + _ECHO + "[ -e /etc/enabled ] && dropbear.packed -R -p 22\n" + _ADDRESS,
    "nopasswd": _BEGIN + _WEB + _ECHO + _ADDRESS,
}

# What some variants have besides: text and mode by path.
MORE = {
    "packages": {"usr/bin/apt-get": (APT_GET, 0o755), "usr/bin/systemctl": (SYSTEMCTL, 0o755)},
    "nopasswd": {"etc/nopasswd": ("", 0o644)},
}
# Where the SSH server lies in those that have one.
SERVERS = {"ssh": "usr/sbin/dropbear", "packages": "usr/sbin/dropbear.packed"}
# What their images say that they are.
SYSTEMS = {"packages": "Debian"}
