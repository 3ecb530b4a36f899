# Completion of collabd and the pmr tools for fish.  Verbs, options and operands come from the tools
# themselves; ids from the server, if it answers at once.
# fish loads a file by the command's name, so this one is installed once for each tool.

# ids TOOL MEMBER WORD...: that member of each line of its list, for the server and session that the
# words say, within 300 ms; silent on failure.
function __pmr_ids
    set -l run pmr-$argv[1]
    set -l member $argv[2]
    set -l words $argv[3..-1]
    set -l where
    string match -qr '(^|/)pmr$' -- $words[1]; and set run $words[1] $argv[1]
    if test $argv[1] != session
        for i in (seq 2 (count $words))
            string match -qr '^(-r|-s|-P|--report|--session|--url|--socket|--profile|--token-file|--as)$' -- $words[$i]
            and set -a where $words[$i..(math $i + 1)]
        end
    end
    timeout 0.3 $run list -q -W 0.3 $where 2>/dev/null </dev/null | string replace -rf '.*"'$member'":"([^"]*)".*' '$1'
end

# The candidates for an argument or an operand of this name.
function __pmr_candidates
    set -l words $argv[2..-1]
    switch $argv[1]
        case '*COMMENT*'
            __pmr_ids comment comment_id $words
        case '*CONFLICT*'
            __pmr_ids conflict conflict_id $words
        case '*SECTION*'
            __pmr_ids section section_id $words
        case '*SESSION*'
            __pmr_ids session session_id $words
        case '*REPORT*'
            __pmr_ids session report_id $words
        case 'USER*'
            __pmr_ids member user_id $words
        case '*VERB*'
            $words[1] --complete-options 2>/dev/null | string match -r '^[a-z][^\t]*'
        case '*FILE*' PATH ''
            __fish_complete_path (commandline -ct)
        case '*|*'
            string split '|' -- $argv[1] | string match -rv '[A-Z]'
    end
end

function __pmr_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l run $words[1]
    set -l typed $words[2..-1]
    # pmr X is pmr-X.
    if string match -qr '(^|/)pmr$' -- $run; and set -q typed[1]; and not string match -qr '^(-.*|use|help)$' -- $typed[1]
        set run $run $typed[1]
        set -e typed[1]
    end
    # "word TAB argument TAB help" a line; of the verb alone if there is one.
    set -l all ($run --complete-options 2>/dev/null)
    set -l table $all
    set -l verb
    for word in $typed
        if string match -qr "^"(string escape --style=regex -- $word)"\t" -- $all; and not string match -q -- '-*' $word
            set verb $word
            set table ($run $word --complete-options 2>/dev/null)
            break
        end
    end
    set -l names
    for line in $table
        set -l row (string split \t -- $line)
        if test -z "$row[1]"
            set names (string split ' ' -- $row[2])
        else if test "$row[1]" = "$words[-1]"; and string match -q -- '-*' $row[1]; and test -n "$row[2]"
            __pmr_candidates $row[2] $words
            return
        end
    end
    for line in $table
        set -l row (string split \t -- $line)
        if test -n "$row[1]"; and begin; string match -q -- '-*' $current; or not string match -q -- '-*' $row[1]; end
            printf '%s\t%s\n' $row[1] $row[3]
        end
    end
    string match -q -- '-*' $current; and return
    string match -qr '^[a-z]' -- $table; and return
    # Which operand it is: those before it are counted.
    set -l n 1
    set -l skip
    for word in $typed
        if test -n "$skip"
            set skip
        else if string match -q -- '-*' $word
            for line in $table
                set -l row (string split \t -- $line)
                test "$row[1]" = "$word"; and set skip $row[2]
            end
        else if test "$word" = "$verb"
            set verb
        else
            set n (math $n + 1)
        end
    end
    if test $n -gt (count $names); and string match -q '*...*' -- $names[-1]
        set n (count $names)
    end
    __pmr_candidates "$names[$n]" $words
end

for tool in collabd pmr pmr-admin pmr-bench pmr-comment pmr-conflict pmr-each pmr-join pmr-lock pmr-log \
        pmr-member pmr-section pmr-send pmr-session pmr-token pmr-top pmr-wait pmr-watch
    complete -c $tool -f -a '(__pmr_complete)'
end
