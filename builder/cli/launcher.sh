#!/bin/sh
# `envbuild`, kept apart from what steers the user's own Python: with PYTHONHOME set Python would not start, and a
# sitecustomize on PYTHONPATH would run, and could end, before a line of envbuild's. What the variables do to
# environments is checked, so they are left as they are for the programs that envbuild starts.

here=$0
while [ -L "$here" ]; do # pipx and uv put a link on the PATH
    target=$(readlink "$here")
    case $target in
        /*) here=$target ;;
        *) here=$(dirname "$here")/$target ;;
    esac
done
here=$(cd "$(dirname "$here")" && pwd -P)

# Which Python it was installed for says the first line of the entry point that the installer wrote beside this file:
# `#!/its/python`, or, where that path is too long or has a space, `'''exec' '/its/python' "$0" "$@"` in the second.
python=
{
    read -r first
    read -r second
} <"$here/envbuild-entry" 2>/dev/null
case $first in
    "#!"*python*) python=${first#"#!"} ;;
    *)
        python=${second#"'''exec' "}
        python=${python%' "$0" "$@"'}
        python=${python#[\"\']}
        python=${python%[\"\']}
        ;;
esac
# uvx makes environments that may be moved: the line finds its Python beside itself.
case $python in
    "\$(dirname"*) python=$here/python ;;
esac
# pipx adds options of its own to that line (`#!/its/python -E`).
[ -x "$python" ] || python=${python% -*}
if [ ! -x "$python" ]; then
    echo "error: envbuild does not find the Python that it was installed for ($python)" >&2
    echo "  fix: install envbuild again" >&2
    exit 2
fi

# Python 3.11 to 3.13 take this variable in spite of -E, and then look for their modules beside what it names.
if [ -n "${PYTHONEXECUTABLE-}" ]; then
    ENVBUILD_PYTHONEXECUTABLE=$PYTHONEXECUTABLE
    export ENVBUILD_PYTHONEXECUTABLE
    unset PYTHONEXECUTABLE
fi

# -E: no PYTHON* variables; -P: nothing from the working directory; -s: no user site, unless envbuild itself is there.
case $here in
    "$HOME"/.local/bin | "$HOME"/Library/Python/*) exec "$python" -E -P -m builder "$@" ;;
    *) exec "$python" -E -P -s -m builder "$@" ;;
esac
