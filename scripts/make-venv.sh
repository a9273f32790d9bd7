#!/bin/sh
# Make a virtual environment with pip in it, on a machine that may lack Debian's python3-venv.
set -eu
python=$1
venv=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $python is older than 3.11; say which to use: make PYTHON=/path/to/python3.11" >&2
    exit 2
}
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
rm -rf "$venv"
if "$python" -m venv "$venv" >/dev/null 2>&1; then
    exit 0
fi
rm -rf "$venv"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing python3-venv with apt"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv >/dev/null
    if "$python" -m venv "$venv"; then
        exit 0
    fi
    rm -rf "$venv"
fi
echo "making the environment with virtualenv"
mkdir -p .cache
"$python" -m pip install --quiet --target .cache/virtualenv virtualenv
PYTHONPATH=.cache/virtualenv "$python" -m virtualenv --quiet "$venv"
