#!/bin/sh
# Builds app.css from static/src into static/dist (or the folder named). It is committed: a fresh machine needs no
# front-end tools.
set -eu
cd "$(dirname "$0")/.."
out="${1:-static/dist}"
"${TAILWIND:-.venv/bin/tailwindcss}" -i static/src/app.css -o "$out/app.css" --minify
