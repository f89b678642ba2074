#!/usr/bin/env bash
# Trains on the machines of a Slurm job, and goes on in the next job where the time is over:
#
#   sbatch --nodes=4 scripts/launch_slurm.sh configs/multi30k_transformer.yaml --run runs/large
#
# All that follows the script's name is given to `nmt train`. Options of sbatch before it win over
# those below. Each process finds the others by itself, from what srun tells it. The run directory
# must be on a disk that all machines share.
#
# NMT names the program where it is not on the PATH: NMT=.venv/bin/nmt sbatch ...

#SBATCH --job-name=nmt
#SBATCH --output=nmt-%j.log
#SBATCH --open-mode=append        # the job after a requeue has the same number: keep its past

# One process for each machine, which drives all GPUs of it. The other way is one for each GPU:
# --ntasks-per-node=8; then each process takes the GPU of its number on the machine. The results are
# the same; fewer processes mean fewer copies of the data loader.
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=16        # for batches, validation and compilation
#SBATCH --mem=0                   # all of the machine's

# Slurm ends a job that is over its time, or in the way of a more urgent one. Training is told with
# SIGTERM, saves and stops. It is told 120 seconds ahead, which must suffice for one step and a
# checkpoint. Without "B:" the signal goes to the processes, not to this script.
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue                 # also after the failure of a machine

set -euo pipefail

SAVED_AND_STOPPED=143 # 128 + SIGTERM: the exit status of training that was asked to stop
MOST_RESTARTS=${MOST_RESTARTS:-50}

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

case ${1:-} in
    "")
        usage >&2
        exit 2
        ;;
    -h | --help)
        usage
        exit
        ;;
esac

# --kill-on-bad-exit=0: where one process ends, the others find out and say why before they end, too.
# --wait: those that do not, end after two minutes. srun does not take --cpus-per-task from the job.
status=0
srun --kill-on-bad-exit=0 --wait=120 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
    "${NMT:-nmt}" train "$@" || status=$?

# The same job again is the same command again: training resumes. A mistake (status 2) is not tried
# again, nor what has failed for another reason.
if [ "$status" -eq "$SAVED_AND_STOPPED" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "$MOST_RESTARTS" ]; then
    echo "training has saved and stopped; job $SLURM_JOB_ID is queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
