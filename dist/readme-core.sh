#!/bin/sh
# The core of README.md, made from the overview page, pmr(7).
#	readme-core.sh          print it
#	readme-core.sh FILE     put it into FILE, each part between its marks:
#	                        <!-- from pmr(7): PART --> and <!-- end of pmr(7) -->
set -eu
cd "$(dirname "$0")/.."

core() { # core [PART]: description, tools, pipelines
	LC_ALL=C.UTF-8 mandoc -T markdown man/pmr.7 | awk -v want="${1:-}" '
		# Markup that runs over lines is one line; a code span needs no quotation marks around it.
		function flush() {
			if (text != "") {
				gsub(/'"'"'`/, "`", text)
				gsub(/`'"'"'/, "`", text)
				if (part == "tools" && inside)
					print "- `" tool "` " text
				else if (part == "pipelines")
					comment = text
				else
					print text "\n"
			}
			text = ""
		}
		function endcode() {
			if (code)
				print "```"
			code = 0
		}
		function begin(next_part) {
			flush()
			endcode()
			part = want == "" || want == next_part ? next_part : ""
			inside = 0
			if (part == "tools")
				print "## The tools\n"
			if (part == "pipelines")
				print "## Five pipelines\n\nWith a `collabd` running on the same machine the tools find its socket and need no token. Each of these is run by the tests as it stands here.\n"
		}
		/^#/ { begin($0 == "# DESCRIPTION" ? "description" : $0 == "## The tools" ? "tools" : $0 == "# EXAMPLES" ? "pipelines" : ""); next }
		part == "" { next }
		part == "tools" && /^pmr[a-z-]*\(1\)$/ { flush(); tool = $0; inside = 1; next }
		part == "pipelines" && /^\t/ {
			line = substr($0, 2)
			if (!code)
				print "```sh\n# " tolower(substr(comment, 1, 1)) substr(comment, 2, length(comment) - 2)
			code = 1
			sub(/^\$ /, "", line)
			sub(/^      /, "    ", line)
			print line
			next
		}
		/^[[:space:]]*$/ { if (part != "tools") flush(); endcode(); next }
		{ sub(/^\t/, ""); text = text (text == "" ? "" : " ") $0 }
		END { flush(); endcode() }'
}

if [ $# -eq 0 ]; then
	core
	exit 0
fi
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
for part in description tools pipelines; do
	core $part >"$new/$part"
done
awk -v dir="$new" '
	/^<!-- from pmr\(7\): / {
		print
		while ((getline line < (dir "/" $4)) > 0)
			print line
		skip = 1
	}
	/^<!-- end of pmr\(7\)/ { skip = 0 }
	!skip' "$1" >"$new/file"
cmp -s "$new/file" "$1" || cat "$new/file" >"$1"
