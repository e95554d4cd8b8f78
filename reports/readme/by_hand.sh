#!/bin/sh
# Check a Tenken bundle with unzip, sha256sum and openssl (3.0 or later) only.
# usage: sh by_hand.sh BUNDLE.zip VKEY [TSA=ROOT.pem ...]
# VKEY, and name and root certificate of each time-stamp authority, stand in the trust file you hold, never in the bundle
set -eu
LC_ALL=C
export LC_ALL
ok() { echo "OK  $1"; }
bad() {
  echo "NG  $1"
  exit 1
}
bundle=$1
vkey=$2
shift 2
from=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/b"
unzip -qq -n "$bundle" -d "$work/b" </dev/null || bad "0 the file is no undamaged zip"
cd "$work/b"
for file in SHA256SUMS run.json run.tlog-proof checkpoint plan.json; do
  [ -f "$file" ] || bad "0 $file is missing"
done

sha256sum -c --strict --quiet SHA256SUMS || bad "1 a file was altered or is missing"
ok "1 every file has the hash that SHA256SUMS gives"

{
  cut -c67- SHA256SUMS
  printf '%s\n' SHA256SUMS run.json run.tlog-proof checkpoint
  ls checkpoint.*.tsr 2>/dev/null || true
} | sort >../expected
find . ! -type d | sed 's|^\./||' | sort >../found
cmp -s ../expected ../found || bad "2 there is a file that SHA256SUMS does not name"
ok "2 there is no other file"

sums=$(sha256sum <SHA256SUMS | cut -c1-64)
grep -qF "\"subject\":[{\"digest\":{\"sha256\":\"$sums\"},\"name\":\"SHA256SUMS\"}]" run.json ||
  bad "3 run.json is not about this SHA256SUMS"
plan=$(sha256sum <plan.json | cut -c1-64)
grep -qF "\"plan\":{\"sha256\":\"$plan\"}" run.json || bad "3 run.json is not about this plan.json"
ok "3 run.json names SHA256SUMS and plan.json"

grep -o '"target":"[^"]*"' plan.json | cut -d'"' -f4 >../targets || bad "4 plan.json names no target"
while read -r target; do
  grep -qF "\"plan\":\"$plan\"" "evidence/$target.json" || bad "4 no evidence of $target from this run"
done <../targets
ok "4 every target of the plan has its evidence ($(wc -l <../targets) targets)"

sed '1,/^$/d' run.tlog-proof | cmp -s - checkpoint || bad "5 run.tlog-proof is about another checkpoint"
index=$(sed -n 's/^index \([0-9]\{1,15\}\)$/\1/p' run.tlog-proof)
size=$(sed -n '2s/^\([0-9]\{1,15\}\)$/\1/p' checkpoint)
[ -n "$index" ] && [ -n "$size" ] && [ "$index" -lt "$size" ] || bad "5 no index or no size"
fn=$index
sn=$((size - 1))
{ printf '\000' && cat run.json; } | openssl dgst -sha256 -binary >../hash
sed '1,2d;/^$/,$d' run.tlog-proof >../path
while read -r line; do
  [ "$sn" -gt 0 ] || bad "5 the path is too long"
  printf '%s' "$line" | base64 -d >../sibling || bad "5 the path is damaged"
  if [ $((fn % 2)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
    { printf '\001' && cat ../sibling ../hash; } | openssl dgst -sha256 -binary >../next
    while [ $((fn % 2)) -eq 0 ] && [ "$fn" -ne 0 ]; do
      fn=$((fn / 2))
      sn=$((sn / 2))
    done
  else
    { printf '\001' && cat ../hash ../sibling; } | openssl dgst -sha256 -binary >../next
  fi
  mv ../next ../hash
  fn=$((fn / 2))
  sn=$((sn / 2))
done <../path
[ "$sn" -eq 0 ] && [ "$(base64 <../hash)" = "$(sed -n 3p checkpoint)" ] || bad "5 the run is not in the log"
ok "5 the run is entry $((index + 1)) of a log of $size"

name=${vkey%%+*}
[ "$(sed -n 1p checkpoint)" = "$name" ] || bad "6 the checkpoint is of another log than $name"
{
  printf '\060\052\060\005\006\003\053\145\160\003\041\000'
  printf '%s' "$vkey" | cut -d+ -f3- | base64 -d | tail -c 32
} >../key.der
sed '/^$/,$d' checkpoint >../text
sed -n 's/^— //p' checkpoint | while read -r who line; do
  [ "$who" = "$name" ] && printf '%s\n' "$line"
done | sed -n 1p | base64 -d | tail -c 64 >../signature
openssl pkeyutl -verify -pubin -keyform DER -inkey ../key.der -rawin -in ../text -sigfile ../signature \
  >/dev/null 2>&1 || bad "6 the signature is not by the key you hold"
ok "6 the log was signed by the key you hold"

for tsa in "$@"; do
  root=${tsa#*=}
  case $root in /*) ;; *) root=$from/$root ;; esac
  for what in plan.json checkpoint; do
    token=${what%.json}.${tsa%%=*}.tsr
    [ -f "$token" ] || bad "7 $token is missing"
    # Its certificate counts at the token's own time: it will have ended when somebody reads this.
    when=$(openssl ts -reply -in "$token" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
    openssl ts -verify -data "$what" -in "$token" -CAfile "$root" -attime "$(date -d "$when" +%s)" \
      >/dev/null 2>&1 || bad "7 $token is no time stamp of $what by ${tsa%%=*}"
    ok "7 $what existed at $when, says ${tsa%%=*}"
  done
done
if ! ls checkpoint.*.tsr >/dev/null 2>&1; then
  echo "--  UNTIMED: no time stamp; nobody but the signer says when"
elif [ $# -eq 0 ]; then
  echo "--  time stamps are there and were not checked: give TSA=ROOT.pem for each authority you trust"
fi
