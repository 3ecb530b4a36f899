#!/usr/bin/env bats
# pmr-json(5) describes what the tools print: every field of every object, with its type.
# shellcheck shell=bash

load helper
load pages

setup() {
	prepare
	export PMR_REPORT=pmr-2024-03
}

teardown() {
	clean_up_pages
}

# objects: a session in which every object of the page comes to be printed; each into files/NAME.
objects() {
	mkdir files
	pmr-session start --strategy manual --participant eddy --participant ci:commenter --as olga:Olga \
		--sections sections.json >files/start
	pmr-session start --as olga >>files/start
	base=$(pmr-session show | jq .seq)
	echo b | pmr-section set --as eddy --base-seq "$base" --ref r1 budget >files/ack
	echo c | pmr-section set --as olga --base-seq "$base" budget >files/conflict 2>/dev/null || true
	echo d | pmr-section set --as olga --base-seq "$base" budget >>files/conflict 2>/dev/null || true
	pmr-comment add --as ci budget 'Once.' --ref r2 >>files/ack
	pmr-comment add --as ci budget 'Once.' --ref r2 >>files/ack
	pmr-comment add --as ci budget 'Hm.' --anchor 0,1 --mention eddy >>files/ack
	pmr-comment add --as eddy budget 'Hm!' >>files/ack
	id=$(pmr-comment list -n 1 | jq -r .comment_id)
	pmr-comment reply --as eddy "$id" Yes >>files/ack
	pmr-comment edit --as ci "$id" Hmm >>files/ack
	pmr-comment resolve --as eddy "$id" >>files/ack
	pmr-comment reopen --as eddy "$id" >>files/ack
	pmr-comment resolve --as eddy "$id" >>files/ack
	pmr-comment add --as ci other 'Gone.' | tee -a files/ack | jq -r .comment_id | pmr-comment delete --as ci - >>files/ack
	pmr-conflict list >>files/conflict
	pmr-conflict show "$(jq -r '.conflict_id // empty' files/conflict | head -n 1)" >>files/conflict
	pmr-conflict resolve --as olga --current "$(jq -r '.conflict_id // empty' files/conflict | head -n 1)" >>files/ack
	pmr-conflict list --all >>files/conflict
	pmr-lock --as eddy budget -- pmr-session show >files/session
	pmr-session show --include sections,comments,conflicts >>files/session
	pmr-member add --as olga ann --role viewer --email ann@example.org >>files/ack
	pmr-member role --as olga ann editor >>files/ack
	pmr-member presence --as ann --ttl 60 >/dev/null
	pmr-member list >files/participant
	pmr-member remove --as olga ann >/dev/null
	echo x | pmr-section set --as eddy new >>files/ack
	pmr-section delete --as eddy new >>files/ack
	echo '{"type":"comment_resolved","data":{"comment_id":"00000000-0000-4000-8000-000000000000"}}' | pmr-send --as eddy >files/error || true
	echo '{' | pmr-send --as eddy >>files/error 2>/dev/null || true
	pmr-session list --all >files/row
	pmr-comment list >files/comment
	pmr-section list >files/section
	pmr-section history budget >files/change
	pmr-log blame budget >files/run
	pmr-log diff 0 >files/difference
	pmr-log verify >files/verdict
	pmr-log state >files/state
	pmr-log state --hash >files/state-hash
	pmr-token show --token-file token >files/claims
	pmr-session end --as olga >files/end
	pmr-log events >files/event
	pmr-watch --cursor-file none -t role_changed | grep '"type":"checkpoint"' >files/checkpoint
	pmr-watch -S 0 | pmr-each --commit cursor -- true
	cp cursor files/cursor
}

# documented: "object TAB field TAB type|type TAB ?" of the page, a line for each field.
documented() {
	awk '/^\.Ss / { object = $NF } /^\.It Cm / { print object "\t" $3 "\t" $5 "\t" ($6 == "No" ? "?" : "") }' "$REPO/man/pmr-json.5"
}

# printed: the same of what was printed.
printed() {
	local file
	for file in files/*; do
		jq -rn --arg o "${file#files/}" '
			def kind: if type == "number" then "integer" else type end;
			[inputs] as $all | $all | map(to_entries[]) | group_by(.key)[] |
			[$o, .[0].key, (map(.value | kind) | unique | join("|")),
			 (if length < ($all | length) then "?" else "" end)] | @tsv' "$file"
	done
}

@test "what is printed is described: every field, its type, whether it is always there" {
	objects
	documented | LC_ALL=C sort >described
	printed | LC_ALL=C sort >found
	awk -F '\t' '
		NR == FNR { types[$1 "." $2] = $3; optional[$1 "." $2] = $4; next }
		!($1 "." $2 in types) { print "not in the page: " $1 "." $2 " (" $3 ")"; next }
		{ n = split($3, kinds, "|")
		  for (i = 1; i <= n; i++)
			if (index("|" types[$1 "." $2] "|", "|" kinds[i] "|") == 0)
				print $1 "." $2 " is also " kinds[i]
		  if ($4 == "?" && optional[$1 "." $2] != "?") print $1 "." $2 " is not always there"
		  seen[$1 "." $2] = 1 }
		END { for (field in types) if (!(field in seen)) print "not printed: " field }' described found >wrong
	[ ! -s wrong ] || fail_with "$(cat wrong)"
}
