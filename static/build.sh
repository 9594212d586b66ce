#!/bin/sh
# Builds app.css and app.js from static/src into static/dist (or the folder named). Both are committed: a fresh machine
# needs no front-end tools.
set -eu
cd "$(dirname "$0")/.."
out="${1:-static/dist}"
"${TAILWIND:-.venv/bin/tailwindcss}" -i static/src/app.css -o "$out/app.css" --minify
{ for part in $(LC_ALL=C ls static/src/js/*.js); do cat "$part"; done; } > "$out/app.js"
