#!/bin/sh
# Counts the words of each file of a datum: runs of ASCII letters, in lower case.
# Falconeri puts the files below $FALCONERI_PFS/texts and takes what is written to $FALCONERI_PFS/out.
set -eu
LC_ALL=C
export LC_ALL

pfs=${FALCONERI_PFS:-/pfs}
for text in "$pfs"/texts/*; do
  [ -r "$text" ] || { echo "cannot read $text" >&2; exit 1; }
  name=${text##*/}
  echo "counting $name"
  tr -cs 'A-Za-z' '\n' <"$text" | tr 'A-Z' 'a-z' |
    awk 'NF { count[$1]++ } END { for (word in count) print count[word], word }' |
    sort -k1,1nr -k2 >"$pfs/out/$name.counts"
done
