#!/bin/bash
# install.sh PACKAGE... : installs what is missing of these Debian packages, and starts no daemon.
# One at a time on a machine, so that two clones can run their tests at once.
set -euo pipefail
exec 9>/run/burrow-test-setup.lock
flock --wait 900 9

missing=()
for package; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# A policy that is there already is somebody else's and stays. One with our own text was left by a run that was
# killed: under the lock nobody else uses it.
policy=/usr/sbin/policy-rc.d
text='#!/bin/sh
# Keeps daemons from starting while the tests of Burrow install packages; they remove it when they are done.
exit 101'
if [ ! -e $policy ] || [ "$(cat $policy)" = "$text" ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 130' INT TERM HUP
  printf '%s\n' "$text" >$policy
  chmod 755 $policy
fi

export DEBIAN_FRONTEND=noninteractive
for _ in 1 2 3 4 5; do apt-get update -qq && break; sleep 5; done # another apt may hold the lists
apt-get install -qq --yes --no-install-recommends -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "${missing[@]}"
