#!/bin/sh
# A resident program in POSIX shell: writes each text of a datum in capitals.
# It needs to read nothing of the lines: a datum's files are always in the same place.
set -u
: "${FALCONERI_PFS:=/pfs}"

shout() {
  for file in "$FALCONERI_PFS"/texts/*; do
    tr '[:lower:]' '[:upper:]' <"$file" >"$FALCONERI_PFS/out/${file##*/}" || return
  done
}

echo '{"ready": true}'
while read -r _; do
  if shout >&2; then
    echo '{"done": true}'
  else
    echo '{"error": "a text could not be written in capitals"}'
  fi
done
