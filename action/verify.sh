#!/usr/bin/env bash
# Verifies the environment, keeps the report as JSON, HTML and JUnit, and annotates what failed.
set -euo pipefail

options=(--project "$PROJECT" --json --html "$FOLDER/report.html" --junit "$FOLDER/report.xml")
if [ "$LEVEL" != default ]; then options+=("--$LEVEL"); fi
code=0
envbuild verify "$NAME" "${options[@]}" >"$FOLDER/report.json" || code=$?
if [ "$ANNOTATE" = true ]; then
  "$RUNNER_TEMP/envbuild/venv/bin/python" "$ACTION/action/annotate.py" "$FOLDER/report.json" --name "$NAME" \
    --summary "$GITHUB_STEP_SUMMARY"
fi
exit "$code"
