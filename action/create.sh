#!/usr/bin/env bash
# Builds the environment exactly as locked; it is verified by the next step, which keeps the report.
set -euo pipefail

options=()
for group in $GROUPS_WANTED; do options+=(--group "$group"); done
envbuild create "$NAME" --project "$PROJECT" --locked --no-verify --json ${options[@]+"${options[@]}"} >"$FOLDER/create.json"
"$RUNNER_TEMP/envbuild/venv/bin/python" - "$FOLDER/create.json" >>"$GITHUB_OUTPUT" <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    result = json.load(file)["result"]
print(f"prefix={result['prefix']}\npython={result['python']}")
PYTHON
