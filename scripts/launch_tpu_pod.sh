#!/usr/bin/env bash
# Installs, starts, watches and stops training on all hosts of a Cloud TPU pod:
#
#   export TPU=my-pod ZONE=us-central2-b               # and, if need be, PROJECT
#   scripts/launch_tpu_pod.sh install                  # this directory and its packages, to all hosts
#   scripts/launch_tpu_pod.sh copy corpus              # a file or a folder, to all hosts
#   scripts/launch_tpu_pod.sh start configs/multi30k_transformer.yaml --run /shared/runs/large
#   scripts/launch_tpu_pod.sh log                      # what the first host prints
#   scripts/launch_tpu_pod.sh stop                     # training saves, then stops
#   scripts/launch_tpu_pod.sh start ...                # the same again: training resumes
#
# A pod has several hosts, and every one runs the same command; they find each other by themselves.
# The run directory must be on a disk that all of them share, such as a Filestore mounted at /shared.
# What the pod loses when it is preempted is only what is not in there.

set -euo pipefail

FOLDER=nmt-training # in the home directory of every host
PYTHON=${PYTHON:-python3.11}

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    exit 2
}

# gcloud asks nothing, and names the pod in every command.
tpu_vm() {
    local command=$1
    shift
    gcloud compute tpus tpu-vm "$command" "$@" --zone="$ZONE" ${PROJECT:+--project="$PROJECT"} --quiet
}

on_hosts() { # WORKER COMMAND; "all" is every host
    tpu_vm ssh "$TPU" --worker="$1" --command="$2"
}

# What is committed here, without runs and environments; then Python and the packages for TPUs. The
# images of TPU hosts have an older Python.
install() {
    local archive
    archive=$(mktemp --suffix=.tar.gz)
    # shellcheck disable=SC2064 # the name is known now, and gone with the function
    trap "rm -f '$archive'" EXIT
    git archive --format=tar.gz --output="$archive" HEAD
    tpu_vm scp "$archive" "$TPU:nmt.tar.gz" --worker=all
    on_hosts all "set -e
        command -v $PYTHON >/dev/null || { sudo apt-get update -q; sudo apt-get install -q -y $PYTHON-venv; }
        mkdir -p $FOLDER
        tar -xzf nmt.tar.gz -C $FOLDER
        cd $FOLDER
        [ -x .venv/bin/python ] || $PYTHON -m venv .venv
        .venv/bin/python -m pip install --quiet --editable '.[tpu]'"
}

copy() {
    [ $# -eq 1 ] || usage
    tpu_vm scp --recurse "$1" "$TPU:$FOLDER/" --worker=all
}

# Training outlives the connection that starts it. Nothing is started twice: a TPU serves one process.
start() {
    [ $# -ge 1 ] || usage
    local arguments
    arguments=$(printf ' %q' "$@")
    on_hosts all "cd $FOLDER || exit
        if [ -f nmt.pid ] && kill -0 \$(cat nmt.pid) 2>/dev/null; then
            echo 'training runs already' >&2
            exit 2
        fi
        nohup .venv/bin/nmt train$arguments </dev/null >>nmt.log 2>&1 &
        echo \$! >nmt.pid"
}

log() {
    on_hosts 0 "tail -n 100 -F $FOLDER/nmt.log"
}

# All hosts agree on the step after which they save, whoever hears of it first; then they stop.
stop() {
    on_hosts all "cd $FOLDER || exit
        [ -f nmt.pid ] && kill -TERM \$(cat nmt.pid) 2>/dev/null || { echo 'no training runs'; exit; }
        while kill -0 \$(cat nmt.pid) 2>/dev/null; do sleep 1; done
        tail -n 2 nmt.log"
}

case ${1:-} in
    install | copy | start | log | stop)
        : "${TPU:?must name the pod}" "${ZONE:?must name the zone of the pod}"
        "$@"
        ;;
    *) usage ;;
esac
