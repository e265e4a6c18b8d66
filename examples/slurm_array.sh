#!/bin/sh
# Segment a folder of scans as an array of jobs, each of which does its part:
#
#     sbatch --array=1-20 examples/slurm_array.sh SCANS OUT
#
# To go on after a time limit or a lost node, submit the same again.
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
set -eu
part=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
mkdir -p "$2"
exec napari-tumor-unet segment "$1" --out "$2" --continue --part "$part" --workers "${SLURM_CPUS_PER_TASK:-1}" \
    --table "$2/table-$SLURM_ARRAY_TASK_ID.csv"
