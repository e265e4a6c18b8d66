#!/bin/sh
# Set up a virtual environment with all that the demo and the tests need.
#
#     sh scripts/setup.sh .venv
set -eu
venv=$1

python=""
venv_package=""
for candidate in python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11, 3.12 or 3.13 is needed; install one, then run this again." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    venv_package=$("$python" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")')
fi

# shellcheck disable=SC2086
sh "$(dirname "$0")/system_packages.sh" $venv_package

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade --constraint constraints.txt pip
"$venv/bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[all,bioimageio,cluster,dicom]" --group dev
