"""The table in docs/performance.md: this program and the other tools in turn, in one run on one quiet machine.

usage: compare.py RESLSTM RAVDESS [ROUNDS]      RESLSTM: the release binary; RAVDESS: the restored corpus; ROUNDS: 2

Every figure of the other tools is printed with every figure of ours, in the order they were measured.
"""
import json, os, re, statistics, subprocess, sys, tempfile, time
from datetime import datetime

if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
reslstm, ravdess = map(os.path.abspath, sys.argv[1:3])
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 2
peers = os.path.dirname(os.path.abspath(__file__))
scratch = tempfile.TemporaryDirectory(prefix="reslstm-compare-")  # removed at the end, after an error too
os.chdir(scratch.name)


def run(*command):
    """Runs a command to its end: what it printed, its seconds and its peak memory in MB."""
    start = time.perf_counter()
    with open("stdout", "w+") as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        return out.read(), seconds, usage.ru_maxrss / 1024


def peer(script, *arguments):
    return run(sys.executable, os.path.join(peers, script), *arguments)[0]


def row(work, ours, other, ratios):
    print(f"| {work} | {ours} | {other} | {ratios} |", flush=True)


def listed(figures, digits):
    return ", ".join(f"{figure:.{digits}f}" for figure in figures)


def features():
    """Every WAV read once before, so that its file lies in the page cache for both. A new folder each time: where files have just
    been deleted, ext4 makes new ones at half the speed."""
    for folder, _, names in os.walk(ravdess):
        for name in names:
            open(os.path.join(folder, name), "rb").read()
    ours, other = [], []
    for _ in range(rounds):
        for _ in range(5):
            ours.append(run(reslstm, "features", ravdess, "-o", f"features-{len(ours)}")[1])
        other.append(float(re.search(r"total ([\d.]+)s", peer("librosa_features.py", ravdess, "features.npz"))[1]))
    median, best = statistics.median(ours), min(ours)
    row(f"features, 2 threads, median of {len(ours)}", f"{median:.3f} s ({best:.3f} to {max(ours):.3f})",
        f"librosa {listed(other, 1)} s", listed((t / median for t in other), 1))


def epochs(batch):
    ours, other = [], []
    for attempt in range(rounds):
        printed = run(reslstm, "train", ravdess, "-o", f"model-{batch}-{attempt}", "--recipe", "paper", "--epochs", "12", "--batch", str(batch),
                      "--threads", "1", "--json")[0]
        ours.append(statistics.median(epoch["seconds"] for epoch in json.loads(printed)["epochs"]))
        printed = peer("torch_ser.py", "features.npz", "--lr", "0.01", "--dropout", "0.4", "--t0", "5", "--folds", "0",
                       "--epochs", "2", "--batch", str(batch))
        other.append(float(re.search(r"s/epoch median ([\d.]+)", printed)[1]))
    row(f"epoch, batch {batch}", f"{listed(ours, 3)} s", f"PyTorch {listed(other, 2)} s",
        listed((t / o for o, t in zip(ours, other)), 1))


def in_use():
    benches, onnx, torch = [], [], []
    for _ in range(3):
        benches.append(json.loads(run(reslstm, "bench", "--json")[0]))
        printed = peer("infer_latency.py")
        torch.append(1000 * float(re.search(r"torch eager ms ([\d.]+)", printed)[1]))
        onnx.append(1000 * float(re.search(r"onnxruntime ms ([\d.]+)", printed)[1]))
    for index, batch in enumerate((8, 16, 64)):
        steps = [bench["steps"][index] for bench in benches]
        row(f"training steps, batch {batch}", f"{listed((step['gflops'] for step in steps), 1)} GFLOP/s",
            f"peak {listed((bench['peak_gflops'] for bench in benches), 1)} GFLOP/s",
            listed((100 * step["of_peak"] for step in steps), 1) + " %")
    clip = [bench["inference"]["clip_us"] for bench in benches]
    row("one clip of 87 frames", f"{listed(clip, 0)} µs", f"ONNX Runtime {listed(onnx, 0)}, PyTorch {listed(torch, 0)} µs",
        " and ".join(listed((t / o for o, t in zip(clip, other)), 2) for other in (onnx, torch)))
    row("streaming, one frame", f"{listed((bench['inference']['frame_us'] for bench in benches), 2)} µs", "", "")


def cores():
    seconds, memory = {1: [], 2: []}, []
    for attempt in range(rounds):
        for threads in (2, 1):
            _, taken, peak = run(reslstm, "cv", ravdess, "-o", f"cv-{attempt}-{threads}", "--recipe", "paper", "--runs", "2",
                                 "--epochs", "10",
                                 "--threads", str(threads))
            seconds[threads].append(taken)
            if threads == 2:
                memory.append(peak)
    row("cv --runs 2, two cores and one", f"{listed(seconds[2], 1)} s", f"{listed(seconds[1], 1)} s",
        listed((one / two for two, one in zip(seconds[2], seconds[1])), 2))
    row("memory of cv, 2 threads", f"{max(memory):.0f} MB", "", "")


def process():
    clip = next(os.path.join(folder, name) for folder, _, names in sorted(os.walk(ravdess)) for name in sorted(names)
                if name.endswith(".wav"))
    taken = [1000 * run(reslstm, "predict", clip)[1] for _ in range(30)]
    row("a WAV to its label, median of 30", f"{statistics.median(taken):.1f} ms", "", "")


print(f"{datetime.now():%Y-%m-%d %H:%M}, {run(reslstm, '--version')[0].strip()}, every figure in the order measured\n")
print("| work | ours | the other | ratios |\n|---|---|---|---|")
run(reslstm, "train", ravdess, "-o", "model", "--recipe", "paper", "--epochs", "1")  # fills the feature cache of train and cv
features()
for batch in (8, 16, 64):
    epochs(batch)
in_use()
cores()
process()
