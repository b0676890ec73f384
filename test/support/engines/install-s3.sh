#!/bin/sh
# Installs the S3 server that own-s3.ts starts: Ceph's RADOS Gateway with its monitor and object store, of Debian 12.
# Needs root. Starts and enables no service. Does nothing where all is there already.
set -eu

PACKAGES='ceph-mon ceph-osd radosgw'
POLICY=/usr/sbin/policy-rc.d

installed() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort; }

# shellcheck disable=SC2086 # a list
[ "$(installed $PACKAGES | wc -l)" -lt 3 ] || exit 0
[ "$(id -u)" = 0 ] || { echo 'install-s3.sh: needs root' >&2; exit 1; }

work=$(mktemp -d)
ours=
trap 'rm -rf "$work" $ours' EXIT
trap 'exit 1' HUP INT TERM

# dpkg asks this file whether it may start a service. One that is there already is left as it is.
if [ ! -e "$POLICY" ]; then
  ours=$POLICY
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
fi

installed >"$work/before"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list
apt-get install -y -q --no-install-recommends $PACKAGES
installed >"$work/after"

# What came along is not to start with the machine either.
for package in $(comm -13 "$work/before" "$work/after"); do
  dpkg-query -L "$package" | sed -n 's,^/etc/init.d/,,p' | while read -r script; do
    update-rc.d "$script" disable >/dev/null 2>&1 || true
  done
  command -v systemctl >/dev/null || continue
  dpkg-query -L "$package" | sed -n 's,^\(/usr\)\{0\,1\}/lib/systemd/system/\([^/]*\.[a-z]*\)$,\2,p' | while read -r unit; do
    systemctl --no-reload disable "$unit" >/dev/null 2>&1 || true
  done
done
