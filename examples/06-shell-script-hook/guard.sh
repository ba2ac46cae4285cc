#!/bin/sh
# Denies tunnels from the addresses in denied.txt (one a line), and notes who comes and goes in $SESSIONS_FILE.
call=$(cat)
hook=${call#*'"hook":"'}
hook=${hook%%'"'*}
case $hook in
  admitTunnel)
    from=${call#*'"remote":{"address":"'}
    from=${from%%'"'*}
    if grep -qxF -e "$from" denied.txt; then
      echo '{"kind":"deny","reason":"its address is in denied.txt"}'
    fi
    ;;
  sessionUp | sessionDown)
    printf '%s\n' "$call" >> "$SESSIONS_FILE"
    ;;
esac
