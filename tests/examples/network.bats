# bats: all tests of a file in a private lab, without root. Copy this, lab.yaml, and
# service.py, which stands for your program.
#
#     nsapply --run --checked lab.yaml -- bats --print-output-on-failure network.bats

setup_file() {
	if [ -z "${NSAPPLY_LAB-}" ]; then
		echo "run it in its lab: nsapply --run --checked lab.yaml -- bats $BATS_TEST_FILENAME" >&2
		return 1
	fi
	cd "$BATS_TEST_DIRNAME" || return
	# bats waits for the end of whoever has its output or its descriptor 3.
	ip netns exec server python3 service.py serve >"$BATS_FILE_TMPDIR/log" 2>&1 3>&- &
	export SERVICE=$!
	until grep -q ready "$BATS_FILE_TMPDIR/log"; do
		kill -0 "$SERVICE"
		sleep 0.05
	done
}

teardown_file() {
	[ -z "${SERVICE-}" ] || kill "$SERVICE"
}

@test "the client gets an answer" {
	run ip netns exec client python3 service.py ask 10.0.2.2
	[ "$status" -eq 0 ]
	[ "$output" = "hello 10.0.1.2" ]
}

@test "without a route it does not" {
	# A lab in the lab, for a test that breaks it.
	run nsapply --run lab.yaml -- sh -c '
		ip -n client route delete default
		ip netns exec client python3 service.py ask 10.0.2.2'
	[ "$status" -eq 1 ]
	[[ "$output" == *"unreachable"* ]]
}

@test "the network is as it was" {
	run nsapply --plan lab.yaml
	[ "$status" -eq 0 ]
	nsapply --check lab.yaml
}
