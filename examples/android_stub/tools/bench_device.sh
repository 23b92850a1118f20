#!/usr/bin/env bash
# Measures the installed app on the connected phone and writes a bench record (recpress.bench/1, "measured").
#
#   tools/bench_device.sh BUNDLE [--runs DIR] [--processes N] [--k N] [--queries N] [--seconds S] [--seed N]
#
# BUNDLE is the folder that was installed (tools/install_bundle.py): the record is refused for any other.
# Needs adb (ADB names another one) and a Python that has recpress-edge (PYTHON). With several phones set
# ANDROID_SERIAL. Unplug the charger and let the phone cool: a phone that throttles gives an INVALID record.
set -euo pipefail

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }
fail() { echo "error: $1" >&2; exit "${2:-1}"; }

tools=$(cd "$(dirname "$0")" && pwd)
adb=${ADB:-adb} python=${PYTHON:-python3}
activity=org.example.recpress.demo/.MainActivity
timeout_s=${TIMEOUT_S:-300}
command="tools/bench_device.sh$(printf ' %q' "$@")"
runs=runs processes=10 k=50 queries=1000 seconds=2 seed=0 bundle=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --runs | --processes | --k | --queries | --seconds | --seed)
      [ $# -gt 1 ] || fail "$1 needs a value" 2
      printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    -*) fail "unknown flag $1. See --help." 2 ;;
    *) [ -z "$bundle" ] || fail "one bundle at a time" 2; bundle=$1; shift ;;
  esac
done
[ -f "$bundle/bundle.json" ] || fail "'$bundle' is not a bundle: it has no bundle.json. See --help." 2
for number in "$processes" "$k" "$queries" "$seed"; do
  [[ $number =~ ^[0-9]+$ ]] || fail "'$number' is not a whole number" 2
done
[[ $seconds =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "--seconds '$seconds' is not a number" 2
command -v "$adb" >/dev/null || fail "adb is missing. Run: apt-get install adb, or set ADB"
[ "$("$adb" get-state 2>/dev/null || true)" = device ] ||
  fail "no phone is ready (adb get-state). Connect one, allow USB debugging; with several set ANDROID_SERIAL."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
facts=$work/facts
run="$(date -u +%Y%m%dT%H%M%SZ)-$$"
mkdir -p "$facts"
date -u +%Y-%m-%dT%H:%M:%SZ >"$facts/created"

# keep PATH WHERE: a file of the phone, laid out as it is there; what it does not show stays absent
keep() {
  mkdir -p "$(dirname "$2$1")"
  "$adb" shell cat "$1" >"$2$1" 2>/dev/null </dev/null || rm -f "$2$1"
}
state() {
  for file in /proc/loadavg /proc/meminfo /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor \
    /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq /sys/class/thermal/thermal_zone0/type \
    /sys/class/thermal/thermal_zone0/temp; do
    keep "$file" "$facts/$1"
  done
  "$adb" shell dumpsys thermalservice >"$facts/$1/thermalservice" 2>/dev/null </dev/null || true
}
# phase NAME: a fresh process of the app that does one phase and says so
phase() {
  "$adb" shell am force-stop "${activity%/*}" </dev/null
  "$adb" shell am start -n "$activity" --es run "$run" --es phase "$1" --ei k "$k" --ei queries "$queries" \
    --es seconds "$seconds" --ei seed "$seed" >/dev/null </dev/null
  for ((waited = 0; waited < timeout_s * 2; waited++)); do
    "$adb" logcat -d -v raw -s RecPressBench:I >"$work/log" </dev/null
    if grep -q "^recpress.android/1 $run $1 [0-9]* .*\"kind\":\"end\"" "$work/log"; then return; fi
    sleep 0.5
  done
  fail "the app did not finish phase $1 within $timeout_s s. Is it installed? adb logcat -s RecPressBench"
}

"$adb" logcat -G 4M </dev/null >/dev/null 2>&1 || true # raw samples must fit until they are read
"$adb" shell getprop </dev/null >"$facts/getprop"
"$adb" shell uname -r </dev/null >"$facts/kernel"
"$adb" shell uname -m </dev/null >"$facts/machine"
for file in /proc/cpuinfo /proc/meminfo /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor \
  /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq; do
  keep "$file" "$facts"
done
state before
for ((n = 1; n <= processes; n++)); do
  echo "cold start $n/$processes" >&2
  phase "cold-$n"
done
echo "timing, then ranking every evaluation user" >&2
phase full
state after
"$python" "$tools/bench_record.py" "$bundle" --log "$work/log" --facts "$facts" --run "$run" --runs "$runs" \
  --k "$k" --processes "$processes" --queries "$queries" --seconds "$seconds" --seed "$seed" --command "$command"
