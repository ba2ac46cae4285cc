#!/bin/sh
# Denies tunnels from the addresses in denied.txt (one a line), and notes who comes and goes in $SESSIONS_FILE.
call=$(cat)
hook=${call#*'"hook":"'}
hook=${hook%%'"'*}
case $hook in
  admitTunnel)
    from=${call#*'"remote":{"address":"'}
    from=${from%%'"'*}
    grep -qxF -e "$from" denied.txt
    case $? in
      0) echo '{"kind":"deny","reason":"its address is in denied.txt"}' ;;
      1) ;;         # not on the list: the next plugin is asked
      *) exit 1 ;;  # the list cannot be read: a failure denies
    esac
    ;;
  sessionUp | sessionDown)
    printf '%s\n' "$call" >> "$SESSIONS_FILE"
    ;;
esac
