#!/usr/bin/env bash
# Comments what differs between the lock of the pull request and that of its base, and which checks failed: one comment
# for each environment and platform, written anew by each run. Without the right to comment it is only a warning.
set -euo pipefail

git -C "$PROJECT" fetch --quiet --no-tags --depth=1 origin "$BASE"
marker="<!-- envbuild $NAME $RUNNER_OS $RUNNER_ARCH -->"
body="$FOLDER/comment.md"
{
  echo "$marker"
  envbuild diff "$NAME" FETCH_HEAD --project "$PROJECT" --markdown
  if [ -s "$FOLDER/report.json" ]; then
    echo
    "$RUNNER_TEMP/envbuild/venv/bin/python" "$ACTION/action/annotate.py" "$FOLDER/report.json" --name "$NAME" --markdown
  fi
} >"$body"

comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
there=$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$marker\")) | .id" | head -n 1) || there=""
if [ -n "$there" ]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$there" --field "body=@$body" && exit 0
else
  gh api --silent --method POST "$comments" --field "body=@$body" && exit 0
fi
echo "::warning title=envbuild::the comment could not be written; the job needs 'pull-requests: write', which a fork has not"
