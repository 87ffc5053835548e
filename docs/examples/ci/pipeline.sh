#!/bin/sh
# A job for any other CI system: runs a plan, and checks the log and the files. The exit code is that of the run; if the run
# is good and a check is not, it is 1. Usage: pipeline.sh PLAN
set -u
export EVLOG_LOG=target/evlog
code=0
evlog run "$1" --run-id ci --out target --show-output || code=$?
check() { "$@" || { [ "$code" != 0 ] || code=1; }; }
check evlog explain ci
check evlog verify --quiet
check evlog project --check target
exit "$code"
