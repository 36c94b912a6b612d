#!/usr/bin/env bash
# The tests behind `make test`: first argument, the Python with tests/requirements.txt. The workspace is built already.
# Runs everything even when a part fails, then prints the counts and fails if anything failed. What a machine without network
# cannot have is left out and named; with CI set that is a failure, too.
set -uo pipefail
cd "$(dirname "$0")/.."
log=target/test-logs
mkdir -p "$log"
left_out=()

if ! target/release/hippocamp-models index; then
    left_out+=("tests of recommend_by_plot (its encoder is not there: make models)")
    export HIPPOCAMP_WITHOUT_MINILM=1
fi
if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then
    left_out+=("tests with a browser (no chromium: tests/packages.txt)")
    export HIPPOCAMP_WITHOUT_BROWSER=1
fi
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    left_out+=("tests with PostgreSQL (it is not installed: tests/packages.txt)")
    export HIPPOCAMP_WITHOUT_POSTGRES=1
fi
cargo test --release --workspace --locked --no-fail-fast 2>&1 | tee "$log/cargo.txt"
rust=${PIPESTATUS[0]}
if [ -e .venv/.made ]; then
    "$1" -m pytest tests/python benches/triton 2>&1 | tee "$log/pytest.txt"
    python=${PIPESTATUS[0]}
else
    left_out+=("tests with Python clients (tests/requirements.txt is not installed)")
    echo "not run" >"$log/pytest.txt"
    python=0
fi

echo
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END { printf "rust:   %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$log/cargo.txt"
printf 'python: %s\n' "$(tail -n 1 "$log/pytest.txt" | tr -d '=' | sed -E 's/\x1b\[[0-9;]*m//g; s/^ +| +$//g')"
for part in "${left_out[@]+"${left_out[@]}"}"; do
    echo "LEFT OUT: $part"
done
if [ "$rust" -ne 0 ] || [ "$python" -ne 0 ]; then
    echo "FAILED (cargo test: $rust, pytest: $python)"
    exit 1
fi
if [ "${#left_out[@]}" -gt 0 ] && [ -n "${CI:-}" ]; then
    echo "FAILED (CI leaves nothing out)"
    exit 1
fi
