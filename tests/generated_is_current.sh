#!/bin/sh
# usage: generated_is_current.sh GENERATOR schema|manual COMMITTED [TEMPLATE]
# To make it current: build/nsapply-generate schema|manual [TEMPLATE] >COMMITTED
generator=$1 what=$2 committed=$3
shift 3
"$generator" "$what" "$@" | diff -u "$committed" -
