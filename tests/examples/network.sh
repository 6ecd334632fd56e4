#!/bin/sh
# Shell, as the kernel's selftests have it: KTAP on standard output, status 0 passed, 1 failed, 4 skipped
# because this machine cannot. Needs no root. Copy this, lab.yaml, and service.py, which stands for
# your program.
#
#     ./network.sh
cd "$(dirname "$0")" || exit 1

if [ -z "${NSAPPLY_LAB-}" ]; then
	# An empty lab tells whether there can be one; what then fails has another cause, and is no reason
	# to skip.
	if ! why=$(echo 'name: empty' | nsapply --run - -- true 2>&1); then
		echo 'TAP version 13'
		echo '1..0 # SKIP no private network here'
		echo "$why" | sed 's/^/# /'
		exit 4
	fi
	exec nsapply --run --checked lab.yaml -- "./${0##*/}"
fi

n=0 failed=0

# check NAME ANSWER: one test
check() {
	n=$((n + 1))
	said=$(ip netns exec client python3 service.py ask 10.0.2.2 2>&1)
	if [ "$said" = "$2" ]; then
		echo "ok $n $1"
	else
		failed=1
		echo "not ok $n $1"
		echo "expected '$2', got '$said'" | sed 's/^/# /'
	fi
}

# It ends with the lab, whatever happens here.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
ip netns exec server python3 service.py serve >"$log" &
until grep -q ready "$log"; do
	kill -0 $! || exit 1
	sleep 0.05
done

echo 'TAP version 13'
check 'the client gets an answer' 'hello 10.0.1.2'
ip -n client route delete default
check 'without a route it does not' '10.0.2.2: Network is unreachable'
nsapply --quiet --wait 10 lab.yaml
check 'applying again mends it' 'hello 10.0.1.2'
echo "1..$n"
exit $failed
