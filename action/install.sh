#!/usr/bin/env bash
# Installs envbuild from the folder of the action, apart from every other Python, and says where reports and packages go.
set -euo pipefail

home="$RUNNER_TEMP/envbuild"
"$PYTHON" -m venv "$home/venv"
"$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$ACTION"
mkdir -p "$home/bin" "$home/report" "$home/cache"
# Only the command itself goes on the PATH: the environment's Python is not to be hidden by ours.
ln -sf "$home/venv/bin/envbuild" "$home/bin/envbuild"
echo "$home/bin" >>"$GITHUB_PATH"
{
  echo "folder=$home/report"
  echo "cache=$home/cache"
} >>"$GITHUB_OUTPUT"
