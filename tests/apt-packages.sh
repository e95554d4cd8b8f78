#!/bin/sh
# Install the Debian packages that the tests need, or say which are missing.
set -eu
folder=$(dirname "$0")
wanted=$(cat "$folder"/apt-packages.txt "$folder"/lab/packages.txt | sed 's/#.*//' | sort -u)
missing=
for package in $wanted; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "these packages are missing, and only root can install them:$missing" >&2
  exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
