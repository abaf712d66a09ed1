#!/usr/bin/env bash
# One stage of tools/gpu_check.sh, which says what each does and gives it its time.
#   tools/gpu_stage.sh STAGE BUILD_FOLDER ROWS_FILE RESULTS_NAME ARCHITECTURE
# Appends rows of the table to ROWS_FILE: check, result (passed, failed, missed: a bar; - where there is none), figure,
# bar, with tabs between. What it prints is the stage's log.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
stage=$1 folder=$2 rows=$3 recorded=$4 architecture=$5 log=${3%.rows}.log

# row CHECK RESULT FIGURE [BAR]
row() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "${3:--}" "${4:--}" | tee -a "$rows"; }

# against FIGURE BAR: "passed" where the figure is at least the bar.
against() { awk -v figure="$1" -v bar="$2" 'BEGIN { print(figure >= bar ? "passed" : "missed") }'; }

# record NAME COMMAND...: keeps a benchmark's figures; the log is the stage's. Prints where they are.
record() {
    local kept=${recorded}_$1
    shift
    benchmarks/record.sh "$folder" "$kept" "$@" && echo "$TENGEN_RESULTS/$kept.jsonl"
}

# figure FILE: "value name" of each figure.
figures() { sed -n 's/.*"name": "\([^"]*\)", "value": \([0-9.e+-]*\),.*/\2 \1/p' "$1"; }

stage_build() {
    if cmake --preset release -B "$folder" -DTENGEN_CUDA=ON -DTENGEN_CUDA_ARCHITECTURES="$architecture" &&
        cmake --build "$folder" -j "$(nproc)" && "$folder/tengen" info; then
        row build passed "architecture $architecture"
    else
        row build failed "$log"
    fi
}

# One thing at a time where a GPU is measured; a test that finds no GPU here has failed.
tests() {
    local check=$1 said
    shift
    said=$(ctest --test-dir "$folder" "$@" --output-on-failure 2>&1)
    local result=$?
    echo "$said"
    local summary
    summary=$(grep 'tests passed' <<<"$said")
    if grep -Eq 'gpu_[a-z]+ .*(Skipped|Not Run)' <<<"$said"; then
        row "$check" failed "gpu tests were skipped"
    elif [ $result = 0 ]; then
        row "$check" passed "$summary"
    else
        row "$check" failed "${summary:-ctest failed}"
    fi
}
stage_gpu() { tests gpu -L '^gpu$'; }
stage_unit() { tests unit -j "$(nproc)" -L 'unit|cuda_emulated|resume' -LE '^slow$'; }

# Own kernels only: what the libraries do with their memory is their business.
sanitize() {
    local own program said
    mapfile -t own < <(sed -n 's/^void cuda_\([a-z0-9_]*\)(struct queue.*/\1/p' cuda/*.cu | sort -u)
    if ! command -v compute-sanitizer >/dev/null; then
        row "$1" failed "compute-sanitizer is not installed; it comes with the toolkit"
        return
    fi
    for program in gpu_ops gpu_env; do
        if said=$(compute-sanitizer --tool "$1" --error-exitcode 9 "$folder/tests/$program" "${own[@]}" 2>&1); then
            row "$1 $program" passed "$(grep -m1 'ERROR SUMMARY\|RACECHECK SUMMARY' <<<"$said" | sed 's/^=* *//')"
        else
            row "$1 $program" failed "$log"
        fi
        echo "$said"
    done
}
stage_memcheck() { sanitize memcheck; }
stage_racecheck() { sanitize racecheck; }
stage_initcheck() { sanitize initcheck; }

stage_check() {
    local network precision said
    for network in models/go7.h5 $(sed -n 's/^MODEL(\([a-z0-9_]*\)).*/\1/p' models/models.def); do
        for precision in f32 tf32 bf16; do
            if said=$("$folder/tengen" check "$network" --device cuda --precision $precision --all 2>&1); then
                row "check $network $precision" passed "$(grep -o 'largest error.*' <<<"$said")"
            else
                row "check $network $precision" failed "$(tail -1 <<<"$said")"
            fi
            echo "$said"
        done
    done
}

stage_train() {
    local config runs value
    runs=$(mktemp -d)
    for config in alphazero_go7 ppo_cartpole a2c_cartpole ppo_minatar_breakout; do
        if "$folder/tengen" train "configs/$config.ini" run.dir="$runs/$config" run.device=cuda run.iterations=5 \
            run.check_every=5 --quiet; then
            row "train $config" passed "5 iterations"
        else
            row "train $config" failed "$log"
        fi
    done
    # To the end, in graphs: to the bar that the README has for the CPU.
    for config in ppo_cartpole dqn_cartpole; do
        if "$folder/tengen" train "configs/$config.ini" run.dir="$runs/whole_$config" run.device=cuda --quiet &&
            "$folder/tengen" eval "$runs/whole_$config" --episodes 100 --json >"$runs/eval"; then
            value=$(figures "$runs/eval" | sed -n 's/ eval.return.mean$//p')
            row "learn $config" "$(against "$value" 475)" "return $value" 475
        else
            row "learn $config" failed "$log"
        fi
    done
    rm -rf "$runs"
}

stage_ops() {
    local results share figure verbose=$rows.verbose
    if ! results=$(record ops bench ops --device cuda --verbose 2>"$verbose"); then
        cat "$verbose"
        row ops failed "$log"
        return
    fi
    cat "$verbose"
    row ops passed "$(figures "$results" | wc -l) figures in $results"
    row "ops fused" - "$(grep -c "convolution .*cuDNN.s graphs, " "$verbose") convolutions by cuDNN's graphs, \
$(grep -c "by cuDNN's older interface" "$verbose") by its older interface"
    # The least shares among what memory bounds where no cache holds the operands: own kernels but those of K^2
    # exponentials a sample.
    while read -r share figure; do
        row "${figure%.share}" "$(against "$share" 0.8)" "$share of a copy's bandwidth" 0.8
    done < <(figures "$results" | grep '^[^ ]* ops\.large_.*\.share$' | grep -v 'clip_scale\|categorical' | sort -g | head -8)
}

net() {
    local results value figure
    if ! results=$(record "net_$1" bench net "$1" --device cuda --batch 32,64,128,256,512,1024,2048,4096 --seconds 0.5); then
        row "net $1" failed "$log"
        return
    fi
    row "net $1" passed "$(figures "$results" | wc -l) figures in $results"
    while read -r value figure; do
        row "$figure" - "$value"
    done < <(figures "$results" | grep -E '\.b(32|256|4096)\..*\.(positions|share)$')
}
stage_net_alphago_policy() { net alphago_policy; }
stage_net_resnet_20x256() { net resnet_20x256; }
stage_net_resnet() { net resnet; }
stage_net_nature_cnn() { net nature_cnn; }

bench() {
    local results value figure check=$1
    shift
    if ! results=$(record "$check" bench "$check" "$@"); then
        row "$check" failed "$log"
        return
    fi
    row "$check" passed "$(figures "$results" | wc -l) figures in $results"
    while read -r value figure; do row "$figure" - "$value"; done < <(figures "$results")
}
stage_selfplay() { bench selfplay --device cuda; }
stage_env() { bench env --device cuda; }

# compare SCRIPT ARGUMENT...: a script of benchmarks/ on the GPU; its ratios, with the bars that go with them. There are
# figures of what was done when the time ran out.
compare() {
    local kept=$TENGEN_RESULTS/${recorded}_$stage.jsonl script=$1 value figure unit least
    shift
    if ! "$PYTHON" -c 'import torch'; then
        row "$stage" failed "$PYTHON has no PyTorch; name one that has by PYTHON"
        return
    fi
    rm -f "$kept"
    timeout 560 "$PYTHON" "benchmarks/$script" --tengen "$folder/tengen" --device cuda "$@" --json "$kept" ||
        row "$stage" failed "exit $?: $log"
    [ -e "$kept" ] || return
    while read -r value figure unit; do
        least=$(figures "$kept" | sed -n "s/^\([^ ]*\) ${figure/.ratio/.bar}$/\1/p")
        row "$figure" "$(if [ -n "$least" ]; then against "$value" "$least"; else echo -; fi)" "$value $unit" "$least"
    done < <(sed -n 's/.*"name": "\([^"]*\.ratio[^"]*\)", "value": \([0-9.e+-]*\), "unit": "\([^"]*\)".*/\2 \1 \3/p' "$kept")
}
pytorch() {
    compare pytorch_compare.py --compile --networks "$1" --batches 1,32,256,1024 --precisions bf16 --rounds 1 --seconds 0.5
}
ppo() { compare ppo_device_compare.py --tasks "$1" --envs 4096,65536 --precisions tf32,bf16 --rounds 2 --seconds 8; }
stage_pytorch_alphago_policy() { pytorch alphago_policy; }
stage_pytorch_resnet_20x256() { pytorch resnet_20x256; }
stage_pytorch_resnet() { pytorch resnet; }
stage_pytorch_nature_cnn() { pytorch nature_cnn; }
stage_ppo_cartpole() { ppo cartpole; }
stage_ppo_breakout() { ppo breakout; }
stage_ppo_space_invaders() { ppo space_invaders; }

"stage_$stage"
