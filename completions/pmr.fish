# Completion of the pmr tools for fish.  Verbs and options come from the tools themselves.
# fish loads a file by the command's name, so this one is installed once for each tool.

# "word TAB argument TAB help" a line; of the verb alone if there is one.
function __pmr_table
    set -l words (commandline -opc)
    set -l tool $words[1]
    for word in $words[2..-1]
        string match -q -- '-*' $word; and continue
        $tool $word --complete-options 2>/dev/null; and return
    end
    $tool --complete-options 2>/dev/null
end

function __pmr_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l table (__pmr_table)
    for line in $table
        set -l row (string split \t -- $line)
        test "$row[1]" = "$words[-1]"; and test -n "$row[2]"; or continue
        switch $row[2]
            case FILE PATH
                __fish_complete_path $current
            case REPORT SESSION
                set -l member (string lower $row[2])_id
                pmr-session list -q -W 1 2>/dev/null | string replace -rf '.*"'$member'":"([^"]*)".*' '$1'
            case '*|*'
                string split '|' -- $row[2] | string match -rv '[A-Z]'
        end
        return
    end
    for line in $table
        set -l row (string split \t -- $line)
        printf '%s\t%s\n' $row[1] $row[3]
    end
    if not string match -qrv '^-' -- $table
        __fish_complete_path $current
    end
end

for tool in collabd pmr-admin pmr-bench pmr-comment pmr-conflict pmr-each pmr-join pmr-lock pmr-log \
        pmr-member pmr-section pmr-send pmr-session pmr-token pmr-top pmr-wait pmr-watch
    complete -c $tool -f -a '(__pmr_complete)'
end
