#!/bin/sh
# A real session, end to end, on a real report: this repository's own month.  Every command is printed
# before it runs; the script exits 0 only if each did what it says.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-$PWD/build}
PATH=$build:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/collabd-demo.XXXXXX")
report=pmr-$(date +%Y-%m)
daemon=
watcher=
bruno=

cleanup() {
	status=$?
	for pid in $bruno $watcher $daemon; do
		kill "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	if [ $status -ne 0 ]; then
		echo "demo: something did not do what it says; its files are in $work" >&2
	else
		rm -rf "$work"
	fi
	exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A line for each argument.
say() { printf '\n' && printf '# %s\n' "$@"; }
# Print a command as one would type it, then run it.
run() {
	printf '$ %s\n' "$1"
	eval "$1"
}
fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# Wait, without sleeping longer than needed, until a file has a line that matches.
await() { # await FILE PATTERN
	tries=0
	until grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "no line \"$2\" came in $1"
		sleep 0.05
	done
}

start_daemon() {
	rm -f "$work/ready"
	mkfifo "$work/ready"
	printf '$ %s\n' "collabd --data-dir data --socket socket --listen 127.0.0.1:0 &"
	collabd --data-dir "$work/data" --socket "$work/socket" --listen 127.0.0.1:0 \
		--ready-fd 3 3>"$work/ready" 2>>"$work/collabd.log" &
	daemon=$!
	# It writes one line once it serves: nobody has to guess how long that takes.
	head -n 1 "$work/ready" >"$work/serving" || true
	[ -s "$work/serving" ] || fail "collabd did not start: $(cat "$work/collabd.log")"
	cat "$work/serving"
}

# ---- the report: what changed in this repository, by whom, what is open ---------------------------

month_report() {
	if git rev-parse HEAD >/dev/null 2>&1; then
		changes=$(git log --since='1 month ago' --date=short --format='- %ad %s')
		[ -n "$changes" ] || changes=$(git log -20 --date=short --format='- %ad %s')
		people=$(git log --format='%an' | sort | uniq -c | sort -rn |
			awk '{n = $1; $1 = ""; print "-" $0 ": " n " commits"}')
	else
		changes=$(find libcollab cmd -name '*.c' -newermt '1 month ago' | sort | sed 's/^/- /')
		people="- no history at hand"
	fi
	open=$(find libcollab cmd -name '*.c' -exec wc -l {} + |
		awk '$2 != "total" && $1 > 400 {print "- " $2 " has " $1 " lines: more than one concern?"}' | sort)
	[ -n "$open" ] || open='- none'
	jq -n --arg c "$changes" --arg p "$people" --arg o "$open" \
		'{changes:{content:$c,title:"What changed"},people:{content:$p,title:"By whom"},
		  "open-points":{content:$o,title:"Open points"}}'
}

say "The report: sections made from this repository's own history."
month_report >"$work/report.json"
cd "$work"
run "jq -r 'to_entries[] | \"\(.key): \(.value.content | split(\"\n\") | length) lines\"' report.json"

say "The daemon, on a scratch directory and a port that is free. No token is needed on its Unix socket:" \
	"the kernel says who is there, and an administrator may act as somebody else (--as)."
start_daemon
PMR_SOCKET=$work/socket
PMR_REPORT=$report
export PMR_SOCKET PMR_REPORT
run "echo \$PMR_SOCKET \$PMR_REPORT"

say "Anna starts the session; Bruno may edit, the CI bot may comment."
run "pmr-session start --as anna:Anna --participant bruno:editor --participant ci:commenter --sections report.json | tee session.json"
session=$(jq -r .session_id session.json)

say "Somebody watches, from the beginning, into a file. It will outlive the daemon."
printf '$ %s\n' "pmr-watch --as ci:CI --since 0 > events.ndjson &"
pmr-watch --as ci:CI --since 0 >events.ndjson 2>watch.log &
watcher=$!
await events.ndjson session_started

say "Bruno takes a seat: a duplex pipe. What he writes goes in, what others do comes out."
mkfifo bruno.in
printf '$ %s\n' "pmr-join --as bruno:Bruno < bruno.in > bruno.out &"
pmr-join --as bruno:Bruno <bruno.in >bruno.out 2>bruno.log &
bruno=$!
exec 4>bruno.in
await bruno.out session_state
run "jq -c 'select(.type==\"session_state\") | {type,you,seq,sections:(.sections|keys)}' bruno.out"

say "Anna edits a section; Bruno sees it live."
run "pmr-section get --as anna:Anna changes | sed '1i What changed this month, by commit:' | pmr-section set --as anna:Anna changes"
await bruno.out 'What changed this month'

say "Bruno edits another one, through his seat."
run "echo '{\"type\":\"section_update\",\"ref\":\"b1\",\"data\":{\"section_id\":\"summary\",\"changes\":{\"content\":\"A month of sockets and sealing wax.\"}}}' >&4"
await bruno.out '"ref":"b1"'
run "jq -c 'select(.type==\"ack\")' bruno.out"

say "The CI bot turns its findings into comments: one line in, one acknowledgement out."
jq -nc '{section:"open-points",msg:"Each of these wants an owner."},{section:"summary",msg:"Which sealing wax?"}' >findings.ndjson
run "jq -c '{type:\"comment_added\",data:{section_id:.section,content:.msg,parent_comment_id:null}}' findings.ndjson | pmr-send --as ci:CI | tee acks.ndjson"
[ "$(jq -s 'map(select(.type=="ack")) | length' acks.ndjson)" -eq 2 ] || fail "two comments were to be acknowledged"
first=$(jq -rs '.[0].comment_id' acks.ndjson)
second=$(jq -rs '.[1].comment_id' acks.ndjson)

say "Anna replies; Bruno resolves."
run "pmr-comment reply --as anna:Anna $second 'The red one, obviously.'"
run "pmr-comment resolve --as bruno:Bruno $second"
run "pmr-comment list --open | jq -c '{comment_id,section_id,content}'"

say "Carla comes late, as a viewer. The first line she gets is the whole state."
run "pmr-member add --as anna:Anna carla --role viewer"
run "pmr-join --as carla:Carla -n 1 </dev/null | tee carla.out | jq -c '{type,seq,you,participants:[.participants[].user_id],open:[.comments[]|select(.parent_comment_id==null and (.resolved|not))|.content]}'"

[ "$(jq -r '.you.role, (.sections|has("summary"))' carla.out | xargs)" = 'viewer true' ] || fail "Carla did not see the state"

say "Now the power fails: SIGKILL, in the middle of the session. Then it comes back."
before=$(pmr-session show --as anna:Anna | jq .seq)
run "kill -9 \$daemon"
wait "$daemon" 2>/dev/null || true
start_daemon
run "pmr-comment resolve --as bruno:Bruno $first"
run "echo '{\"type\":\"section_update\",\"ref\":\"b2\",\"data\":{\"section_id\":\"summary\",\"changes\":{\"content\":\"A month of sockets, and of red sealing wax.\"}}}' >&4"
await bruno.out '"ref":"b2"'
say "Bruno's seat and the watcher resumed by themselves:"
run "cat bruno.log watch.log"

say "The session ends; Bruno's seat and the watcher are told, and leave with status 0."
run "pmr-session end --as anna:Anna | tee end.json"
exec 4>&-
wait "$watcher" || fail "the watcher ended with status $?"
watcher=
wait "$bruno" || fail "Bruno's seat ended with status $?"
bruno=

say "Nothing is missing: the watcher has every event of the log, once, in order."
end=$(jq .seq end.json)
[ "$end" -gt "$before" ] || fail "the log did not grow after the crash"
run "jq -s 'map(.seq) == [range(1; $end + 1)]' events.ndjson"
[ "$(jq -s --argjson last "$end" 'map(.seq) == [range(1; $last + 1)]' events.ndjson)" = true ] ||
	fail "the watcher's file is not the log"

say "And nobody needs to trust us: the audit chain, checked with jq and sha256sum alone."
cat >verify.sh <<'SH'
hash=0000000000000000000000000000000000000000000000000000000000000000
while IFS= read -r event; do
	digest=$(printf %s "$event" | jq -cSj 'del(.hash)' | sha256sum | cut -d' ' -f1)
	hash=$(printf %s%s "$hash" "$digest" | sha256sum | cut -d' ' -f1)
	[ "$hash" = "$(printf %s "$event" | jq -r .hash)" ] || { echo "broken: $event"; exit 1; }
done
echo "every event follows from the one before; the last hash is $hash"
SH
run "cat verify.sh"
run "sh verify.sh < events.ndjson" || fail "the chain is broken"

say "That was session $session: $(jq -c '{total_changes,total_comments}' end.json). 'man ./man/pmr-session.1' is where to read on."
