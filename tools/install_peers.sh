#!/usr/bin/env bash
# Installs by pip what benchmarks/peers_compare.py and benchmarks/minatar_peer.py hold Tengen against:
#   tools/install_peers.sh FOLDER    FOLDER/sb3 and FOLDER/cleanrl, a virtual environment each (11 GB: two of PyTorch)
# CleanRL's package of 1.2.0 asks for a Python before 3.11 and for versions of its time. Its scripts run with what is
# pinned here; ppo_atari.py, the one that needs gym and the Stable-Baselines3 of that time, finds those in
# FOLDER/cleanrl/gym (with the games' files, which newer versions of ale-py bring).
set -euo pipefail
if [ $# -ne 1 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)

python3 -m venv "$folder/sb3"
"$folder/sb3/bin/pip" install stable-baselines3==2.9.2 ale-py minatar opencv-python-headless

python3 -m venv "$folder/cleanrl"
pip=("$folder/cleanrl/bin/pip" install)
"${pip[@]}" torch "numpy<2" "pandas<2.3" matplotlib gymnasium==0.29.1 gym==0.23.1 pygame tensorboard ale-py==0.10.2 "opencv-python-headless<4.12"
"${pip[@]}" --no-deps stable-baselines3==2.9.2
"${pip[@]}" --no-deps --ignore-requires-python cleanrl==1.2.0
"${pip[@]}" --no-deps --upgrade --target "$folder/cleanrl/gym" stable-baselines3==1.8.0 ale-py==0.8.1
cp "$folder"/cleanrl/lib/python3.*/site-packages/ale_py/roms/*.bin "$folder/cleanrl/gym/ale_py/roms/"
