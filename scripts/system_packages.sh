#!/bin/sh
# Install what Qt, OpenGL and a virtual screen need, on Debian and Ubuntu; elsewhere do nothing.
#
#     sh scripts/system_packages.sh [FURTHER PACKAGE ...]
set -eu
packages="xvfb xauth libgl1 libegl1 libopengl0 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0
libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
libdbus-1-3 libfontconfig1 libglib2.0-0 $*"

command -v dpkg-query >/dev/null 2>&1 || exit 0
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
