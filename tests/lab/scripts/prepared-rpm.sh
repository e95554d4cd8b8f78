# shellcheck shell=sh disable=SC2154
# On top of prepared.sh for the RPM host: what its installer leaves, and every fix installed.
mkdir -p /var/log/anaconda
echo 'anaconda' > /var/log/anaconda/anaconda.log
touch -d "@$((NOW - 730 * 86400))" /var/log/anaconda/anaconda.log /var/log/anaconda
/srv/repo/publish
faketime '2 days ago' rpm -U /srv/repo/Packages/bash-5.1.8-10.*.rpm /srv/repo/Packages/curl-*.el9_4.1.*.rpm \
    /srv/repo/Packages/openssl-libs-*-28.*.rpm
