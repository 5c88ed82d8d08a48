# The guardian of one private server: ends the server and removes its directory once the owner is gone.
#
# Arguments: $1 the server's directory, $2 the signal that ends the server at once (QUIT or KILL).
# Input:     lines, each the id of the process to end, 0 for none; the last complete line counts. The owner alone holds
#            the writing end, so end of input means that the owner has ended, in whatever way.
# Bound:     100 looks of 50 ms before the server is killed.
trap '' HUP INT PIPE TERM

# Running, and not merely waiting for a process 1 that is slow to collect the dead (as in some containers).
runs() {
    kill -s 0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

server=0
while read -r line; do server=$line; done
if [ "$server" -gt 0 ] && kill -s "$2" "$server" 2>/dev/null; then
    looks=0
    while [ "$looks" -lt 100 ] && runs "$server"; do
        sleep 0.05
        looks=$((looks + 1))
    done
    runs "$server" && kill -s KILL "$server" 2>/dev/null
fi
rm -rf -- "$1"
