#!/bin/sh
# Set up a virtual environment with all that the demo and the tests need.
#
#     sh scripts/setup.sh .venv
set -eu
venv=$1

# What Qt, OpenGL and a virtual screen need, on Debian and Ubuntu.
packages="xvfb xauth libgl1 libegl1 libopengl0 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0
libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
libdbus-1-3 libfontconfig1 libglib2.0-0"

python=""
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
    packages="$packages $("$python" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")')"
fi

if command -v dpkg-query >/dev/null 2>&1; then
    missing=""
    for package in $packages; do
        # libglib2.0-0 is libglib2.0-0t64 on newer releases.
        dpkg-query -W -f '${Status}\n' "$package" "${package}t64" 2>/dev/null | grep -q "install ok installed" ||
            missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        if [ "$(id -u)" = 0 ]; then
            sudo=""
        elif sudo -n true 2>/dev/null; then
            sudo="sudo -n"
        else
            echo "These system packages are missing; install them, then run this again:" >&2
            echo "    sudo apt-get install$missing" >&2
            exit 1
        fi
        $sudo apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
    fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade --constraint constraints.txt pip
"$venv/bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
