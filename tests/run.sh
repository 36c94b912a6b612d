#!/usr/bin/env bash
# The tests behind `make test`: first argument, the Python with tests/requirements.txt. The workspace is built already.
# Runs everything even when a part fails, then prints the counts and fails if anything failed.
set -uo pipefail
cd "$(dirname "$0")/.."
log=target/test-logs
mkdir -p "$log"

cargo test --release --workspace --locked --no-fail-fast 2>&1 | tee "$log/cargo.txt"
rust=${PIPESTATUS[0]}
"$1" -m pytest tests/python benches/triton 2>&1 | tee "$log/pytest.txt"
python=${PIPESTATUS[0]}

echo
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "rust:   %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$log/cargo.txt"
printf 'python: %s\n' "$(tail -n 1 "$log/pytest.txt" | tr -d '=' | sed -E 's/\x1b\[[0-9;]*m//g; s/^ +| +$//g')"
if [ "$rust" -ne 0 ] || [ "$python" -ne 0 ]; then
    echo "FAILED (cargo test: $rust, pytest: $python)"
    exit 1
fi
