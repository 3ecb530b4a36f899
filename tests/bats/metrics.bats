# /metrics: well-formed, bounded, and what it counts is what the clients count.
# shellcheck shell=bash disable=SC2016

load helper

setup_file() {
	printf '[limits]\nsession_starts_per_minute = 0\nmessages_per_second = 0\nconnections_per_user = 0\n' \
		>"$BATS_FILE_TMPDIR/conf"
}

setup() {
	daemon_start --config "$BATS_FILE_TMPDIR/conf"
}

teardown() {
	clean_up
}

scrape() {
	api GET /metrics
	want 200
	PAGE=$BODY
}

# value NAME: of the page that was scraped, to VALUE.
value() {
	VALUE=$(awk -v n="$1" '$1 == n { print $2 }' <<<"$PAGE")
	[ -n "$VALUE" ] || fail_with "no $1"
}

bench() {
	run --separate-stderr "$BUILD/pmr-bench" --socket "$SOCKET" --duration 0.3 --warmup 0.1 --keep "$@" </dev/null
	[ "$status" -eq 0 ] || fail_with "$output" "$stderr"
}

# What `promtool check metrics` looks for, and more: every metric has one HELP and one TYPE, in that
# order, before its samples, which stand together; names have the right end and base units.
@test "names, help and types are as Prometheus wants them" {
	bench --readers 2
	scrape
	bad=$(awk '
		function fail(why) { print NR ": " why ": " $0; }
		/^# HELP / {
			name = $3
			if (seen[name]++) fail("twice")
			if ($0 !~ /^# HELP collabd_[a-z0-9_]+ [A-Z0-9].*\.$/) fail("help is no sentence")
			help = name; next
		}
		/^# TYPE / {
			if ($3 != help) fail("TYPE without HELP")
			type = $4; current = $3
			if (type == "counter" && current !~ /_total$/) fail("a counter ends with _total")
			if (type != "counter" && current ~ /_total$/) fail("only a counter ends with _total")
			if (type == "gauge" && current ~ /_(count|sum|bucket)$/) fail("an end of histograms")
			if (type !~ /^(counter|gauge|histogram)$/) fail("type")
			if (current ~ /_(ms|us|milliseconds|microseconds|kb|mb|minutes)(_|$)/) fail("no base unit")
			next
		}
		/^$/ { next }
		/^#/ { fail("comment"); next }
		{
			name = $1; sub(/\{.*/, "", name); base = name
			if (type == "histogram") sub(/_(bucket|sum|count)$/, "", base)
			if (base != current) fail("not below its TYPE")
			if ($0 !~ /^[a-z0-9_]+(\{[a-z]+="[^"]*"\})? -?[0-9.e+-]+$/) fail("not a sample")
			if (sample[$1]++) fail("twice")
		}' <<<"$PAGE")
	[ -z "$bad" ] || fail_with "$bad"
	for name in rooms connections users_online events_total acks_total errors_total deliveries_total \
		received_bytes_total sent_bytes_total queue_bytes slow_closes_total commit_records \
		commit_seconds fsync_seconds ack_seconds delivery_seconds auth_failures_total \
		connect_failures_total joins_total store_bytes store_scrub_pending log_events snapshot_age_seconds \
		loop_lag_max_seconds build_info; do
		grep -q "^# TYPE collabd_$name " <<<"$PAGE" || fail_with "no collabd_$name" || return 1
	done
}

@test "histograms: buckets only grow, and the last one is the count" {
	bench --readers 3 --window 4
	scrape
	bad=$(awk '
		/_bucket\{/ {
			name = $1; sub(/_bucket.*/, "", name)
			if ($2 + 0 < last[name] + 0) print "falls: " $0
			last[name] = $2
		}
		/_count / {
			name = $1; sub(/_count$/, "", name)
			if (name in last && last[name] != $2) print "not the last bucket: " $0
		}' <<<"$PAGE")
	[ -z "$bad" ] || fail_with "$bad"
	value collabd_fsync_seconds_count
	[ "$VALUE" -gt 0 ]
	value collabd_ack_seconds_sum
	[ "$VALUE" != 0 ]
}

@test "labels are bounded: no user, session, report or section" {
	bench --name secret-report --readers 1
	scrape
	bad=$(grep -v '^#' <<<"$PAGE" | grep -o '{[a-z]*=' | grep -vE '^\{(code|le|outcome|type|version)=' || true)
	[ -z "$bad" ] || fail_with "$bad"
	[[ $PAGE != *secret-report* && $PAGE != *@local* ]]
}

@test "under load, the counters add up to what the clients counted" {
	"$BUILD/pmr-bench" --socket "$SOCKET" --sessions 3 --writers 2 --readers 4 --window 8 --duration 1 \
		--warmup 0.1 --keep >"$DIR/result" 3>&- &
	load=$!
	before=0
	scrapes=0
	# Scraped all the while: no counter ever falls.
	while kill -0 $load 2>/dev/null; do
		scrape
		value collabd_acks_total
		[ "$VALUE" -ge "$before" ]
		before=$VALUE
		scrapes=$((scrapes + 1))
	done
	wait $load
	[ "$scrapes" -gt 1 ]
	scrape
	BODY=$(cat "$DIR/result")
	acked=$(json .all_acked) delivered=$(json .all_deliveries)
	value collabd_acks_total
	[ "$VALUE" = "$acked" ] || fail_with "acks: $VALUE, the clients have $acked"
	value 'collabd_events_total{type="section_update"}'
	[ "$VALUE" = "$acked" ] || fail_with "events: $VALUE, the clients have $acked"
	value collabd_ack_seconds_count
	[ "$VALUE" = "$acked" ] || fail_with "timed acks: $VALUE, the clients have $acked"
	value collabd_messages_total
	[ "$VALUE" = "$acked" ] || fail_with "messages: $VALUE"
	value 'collabd_joins_total{outcome="fresh"}'
	[ "$VALUE" = 18 ]
	value collabd_connects_total
	[ "$VALUE" = 18 ]
	# When the clients leave, who is still there may hear of it: at most once a connection.
	value collabd_deliveries_total
	[ "$VALUE" -ge "$delivered" ] && [ "$VALUE" -le $((delivered + 18 * 2)) ] ||
		fail_with "deliveries: $VALUE, the clients have $delivered"
	value collabd_delivery_seconds_count
	[ "$VALUE" -le "$((delivered + 18 * 2))" ] && [ "$VALUE" -gt 0 ]
	value collabd_store_records_total
	[ "$VALUE" -ge "$acked" ]
}

@test "refusals and failed logins are counted" {
	start
	secret
	scrape
	value collabd_connect_failures_total
	before=$VALUE
	ws a vera "/ws/reports/pmr/no-such-report/collaborate"
	[[ $MSG == '#http 404' ]]
	ws_end a
	scrape
	value collabd_connect_failures_total
	[ "$VALUE" = $((before + 1)) ]
	value collabd_auth_failures_total
	before=$VALUE
	http "$URL/api/sessions"
	[ "$STATUS" = 401 ]
	scrape
	value collabd_auth_failures_total
	[ "$VALUE" = $((before + 1)) ]
}

@test "the alert rules and the dashboard ask for metrics that there are" {
	scrape
	cd "$BATS_TEST_DIRNAME/../.."
	jq -e '.panels | length > 10' dist/grafana/collabd.json >/dev/null
	for name in $(grep -oh 'collabd_[a-z_]*' dist/prometheus/collabd.rules.yml dist/grafana/collabd.json | sort -u); do
		base=${name%_bucket}
		grep -Eq "^# TYPE ($name|$base|${name%_sum}|${name%_count}) " <<<"$PAGE" || fail_with "no $name" || return 1
	done
}
