#!/usr/bin/env bats
# The strategy manual: stale changes become conflicts, and people settle them.

load helper

setup() {
	daemon_start
	start '{"conflict_resolution_strategy":"manual","participants":[{"user_id":"eddy","user_name":"Eddy","role":"editor"},{"user_id":"anna","user_name":"Anna","role":"editor"},{"user_id":"cora","user_name":"Cora","role":"commenter"}],"sections":{"intro":{"content":"base\n"}}}'
	export PMR_SOCKET=$SOCKET PMR_REPORT=$REPORT PATH=$BUILD:$PATH TMPDIR=$DIR
	unset PMR_FENCE PMR_SESSION
	BASE=$(pmr-section list | jq .version)
}

teardown() {
	clean_up
}

# conflict: anna changes the section, eddy's change from the base becomes a conflict: ID.
conflict() {
	pmr-section --as anna:Anna set intro --base-seq "$BASE" <<<"${1:-annas}" >/dev/null
	run -73 --separate-stderr pmr-section --as eddy:Eddy set intro --base-seq "$BASE" <<<"${2:-eddys}"
	ID=$(jq -r .conflict_id <<<"$output")
	[ ${#ID} = 36 ]
}

@test "a stale change becomes a conflict, shown with its three versions" {
	conflict
	[ "$(jq -c '[.base_content,.current_content,.proposed_content]' <<<"$output")" = '["base\n","annas\n","eddys\n"]' ]
	[[ $stderr == *"see conflict $ID"* ]]
	# Nothing of it is in the text.
	[ "$(pmr-section get intro)" = annas ]
	run -0 pmr-conflict list
	[ "$(jq -r .conflict_id <<<"$output")" = "$ID" ]
	run -0 pmr-conflict show "$ID"
	[ "$(jq -c '[.base_content,.current_content,.proposed_content,.user_id,.conflicting_users,.resolved]' <<<"$output")" = \
		'["base\n","annas\n","eddys\n","eddy",["anna"],false]' ]
	[ "$(jq .version <<<"$output")" = "$(pmr-section list | jq .version)" ]
	run -66 pmr-conflict show 00000000-0000-4000-8000-000000000000
	run -65 pmr-conflict show nonsense
}

@test "settled with the current text, the proposed one, a merged one; a watcher sees each live" {
	local resolution want
	ws watcher olga "mode=watch&content=delta"
	ws_read watcher
	for resolution in current proposed merged; do
		conflict "annas $resolution" "eddys $resolution"
		ws_until watcher '"type":"conflict_detected"' "\"conflict_id\":\"$ID\"" '"user_id":"eddy"'
		case $resolution in
		current) want="annas current" && run -0 pmr-conflict --as anna resolve "$ID" --current ;;
		proposed) want="eddys proposed" && run -0 pmr-conflict --as anna resolve "$ID" --proposed ;;
		merged) want="both" && run -0 pmr-conflict --as anna resolve "$ID" --merged <<<both ;;
		esac
		ws_until watcher '"type":"conflict_resolved"' "\"conflict_id\":\"$ID\"" "\"resolution\":\"$resolution\"" '"user_id":"anna"'
		[ "$(pmr-section get intro)" = "$want" ]
		BASE=$(pmr-section list | jq .version)
		# Once only.
		run -73 --separate-stderr pmr-conflict resolve "$ID" --current
		[[ $stderr == *"resolved as $resolution"* ]]
	done
	ws_close watcher
	[ "$(pmr-conflict list)" = "" ]
	[ "$(pmr-conflict list --all | jq -r .resolution | paste -sd ' ')" = "current proposed merged" ]
	# Settled ones still show what it was about.
	run -0 pmr-conflict show "$ID"
	[ "$(jq -c '[.base_content,.current_content,.proposed_content,.resolution]' <<<"$output")" = \
		'["eddys proposed\n","annas merged\n","eddys merged\n","merged"]' ]
}

@test "a merged text comes from a file, from stdin, from - behind a session" {
	conflict
	echo from a file >"$DIR/merged"
	run -0 pmr-conflict resolve "$ID" --merged "$DIR/merged"
	[ "$(pmr-section get intro)" = "from a file" ]
	BASE=$(pmr-section list | jq .version)
	conflict
	run -64 pmr-conflict -s - resolve "$ID" --merged <<<"{\"session_id\":\"$SESSION\"}"
	run -0 env -u PMR_REPORT pmr-conflict -s - resolve "$ID" --merged - <<<"{\"session_id\":\"$SESSION\"}"$'\n'"behind it"
	[ "$(pmr-section get intro)" = "behind it" ]
	run -64 pmr-conflict resolve "$ID"
	run -64 pmr-conflict resolve "$ID" --current --merged
	run -64 pmr-conflict resolve "$ID" --current "$DIR/merged"
	run -74 pmr-conflict resolve "$ID" --merged "$DIR/nowhere"
	head -c 10 /dev/zero >"$DIR/zeros"
	run -65 pmr-conflict resolve "$ID" --merged "$DIR/zeros"
}

@test "a section that moved since gives 73 with three versions, and --base-seq settles it all the same" {
	local version resolution
	for resolution in --current --proposed --merged; do
		conflict
		version=$(pmr-section list | jq .version)
		pmr-section set intro --base-seq "$version" <<<"moved on" >/dev/null
		run -73 --separate-stderr pmr-conflict resolve "$ID" $resolution <<<mine
		[ "$(jq -c '[.code,.base_content,.current_content]' <<<"$output")" = '["version_mismatch","'"$(pmr-section get intro --at "$BASE")"'\n","moved on\n"]' ]
		case $resolution in
		--merged) [ "$(jq -r .proposed_content <<<"$output")" = mine ] ;;
		*) [ "$(jq -r .proposed_content <<<"$output")" = eddys ] ;;
		esac
		[ "$(jq .version <<<"$output")" = "$(pmr-conflict show "$ID" | jq .version)" ]
		run -0 pmr-conflict resolve "$ID" $resolution --base-seq "$(jq .version <<<"$output")" <<<mine
		BASE=$(pmr-section list | jq .version)
	done
	[ "$(pmr-section get intro)" = mine ]
	[ "$(pmr-conflict list)" = "" ]
}

@test "an edit whose section changed meanwhile becomes a conflict; its text is in it" {
	run -73 --separate-stderr pmr-section --as eddy:Eddy edit intro -- sh -c "cat; echo eddys
		echo base and annas | pmr-section --as anna set intro --base-seq $BASE >/dev/null"
	[ "$(jq -c '[.base_content,.current_content,.proposed_content]' <<<"$output")" = '["base\n","base and annas\n","base\neddys\n"]' ]
	[[ $stderr != *"kept in"* ]]
	run -0 pmr-conflict resolve "$(jq -r .conflict_id <<<"$output")" --proposed
	[ "$(pmr-section get intro)" = $'base\neddys' ]
	# Without others in between there is none.
	run -0 pmr-section edit intro -- sed s/eddys/EDDYS/
	[ "$(pmr-section get intro)" = $'base\nEDDYS' ]
}

@test "roles, locks and fences count for conflicts too" {
	conflict
	run -77 pmr-conflict --as cora resolve "$ID" --current
	run -75 pmr-lock intro -- env -u PMR_FENCE pmr-conflict resolve "$ID" --proposed
	run -0 pmr-lock intro -- pmr-conflict resolve "$ID" --proposed
	[ "$(pmr-section get intro)" = eddys ]
}

@test "a section that was deleted meanwhile" {
	conflict
	pmr-section delete intro --base-seq "$(pmr-section list | jq .version)" >/dev/null
	run -0 pmr-conflict show "$ID"
	[ "$(jq -c '[.base_content,.current_content,.proposed_changes.content,.version]' <<<"$output")" = '["base\n",null,"eddys\n",0]' ]
	run -73 --separate-stderr pmr-conflict resolve "$ID" --proposed
	run -0 pmr-conflict resolve "$ID" --proposed --base-seq "$(pmr-log state --hash | jq .seq)"
	[ "$(pmr-section get intro)" = eddys ]
}

@test "conflicts survive a restart and end with the session readable" {
	conflict
	daemon_kill
	daemon_start
	run -0 pmr-conflict show "$ID"
	[ "$(jq -c '[.base_content,.current_content,.proposed_content]' <<<"$output")" = '["base\n","annas\n","eddys\n"]' ]
	pmr-session end >/dev/null
	run -0 pmr-conflict show "$ID"
	[ "$(jq -c '[.base_content,.current_content,.proposed_content]' <<<"$output")" = '["base\n","annas\n","eddys\n"]' ]
	run -66 pmr-conflict resolve "$ID" --current
}
