#!/bin/sh
# Run a command on the display that is there, else (or with --virtual) on a virtual one.
#
#     sh scripts/with_display.sh [--virtual] COMMAND ...
set -eu
virtual=no
if [ "$1" = --virtual ]; then
    virtual=yes
    shift
fi
if [ "$virtual" = no ] && { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname)" = Darwin ]; }; then
    exec "$@"
fi
if ! command -v xvfb-run >/dev/null 2>&1; then
    [ "$(uname)" = Linux ] || exec "$@"
    echo "xvfb-run is needed; install the package xvfb, then run this again." >&2
    exit 1
fi
TUMOR_UNET_VIRTUAL_DISPLAY=1 exec xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" "$@"
