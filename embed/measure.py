#!/usr/bin/env python3
"""Measures every way to use the engine with one model and one clip, and prints the table of docs/embedding.md.

usage: measure.py RESLSTM MODEL.safetensors        the command, and a model for 48 kHz such as the bundled paper

Run it on an idle machine, with the Python that embed/python/test made, where onnxruntime is installed too; node and
cargo must be there. It builds what it measures. Time is the fastest of 30 calls: 4 s of samples in memory in,
probabilities out. Memory is how much the process grows from before the model is loaded to its largest: program code counts.
"""
import array
import ctypes
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import wave

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RATE = 48_000
CALLS = 30


def memory(begin=False):
    """The largest memory of this process, kB, since the last call with `begin`."""
    if begin:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1])


def fastest(call):
    """The shortest of several calls, ms, and what the last one returned."""
    best = float("inf")
    for _ in range(CALLS):
        begin = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - begin)
    return 1e3 * best, result


def of_c(library, model, samples):
    before = memory(begin=True)
    c = ctypes.CDLL(library)
    handle, data = ctypes.c_void_p(), pathlib.Path(model).read_bytes()
    assert c.reslstm_model_load(data, ctypes.c_size_t(len(data)), ctypes.byref(handle)) == 0
    c.reslstm_model_classes.restype = ctypes.c_size_t
    classes = c.reslstm_model_classes(handle)
    probabilities, sound = (ctypes.c_float * classes)(), ctypes.create_string_buffer(64)
    clip = (ctypes.c_float * len(samples)).from_buffer(samples)
    size, many = ctypes.c_size_t(len(samples)), ctypes.c_size_t(classes)

    def call():
        assert c.reslstm_predict(handle, clip, size, ctypes.c_uint32(RATE), probabilities, many, sound) == 0
        return list(probabilities)

    return before, *fastest(call)


def of_python(_, model, samples):
    import numpy

    clip, before = numpy.frombuffer(samples, numpy.float32), memory(begin=True)
    import reslstm

    loaded = reslstm.load(model)
    return before, *fastest(lambda: list(loaded.predict(clip, RATE).probabilities.values()))


def of_onnx(graph, _, samples):
    import numpy
    import onnxruntime

    clip, before, options = numpy.frombuffer(samples, numpy.float32), memory(begin=True), onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options)
    return before, *fastest(lambda: session.run(["probabilities"], {"samples": clip})[0].tolist())


WAYS = {"c": of_c, "python": of_python, "onnx": of_onnx}

NODE = """
const { readFileSync } = await import("node:fs");
const [pkg, build, model, samples] = process.argv.slice(1);
const { Model } = await import(`${pkg}/reslstm.js`);
const loaded = await Model.load(readFileSync(model), { build });
const clip = new Float32Array(readFileSync(samples).buffer.slice(0));
let best = Infinity, result;
for (let n = 0; n < CALLS; n += 1) {
  const begin = performance.now();
  result = loaded.predict(clip, 48000);
  best = Math.min(best, performance.now() - begin);
}
const { memory } = (await import(`${pkg}/${build}/engine.js`)).initSync({ module: readFileSync(`${pkg}/${build}/engine_bg.wasm`) });
console.log(JSON.stringify([memory.buffer.byteLength / 1024, best, Object.values(result.probabilities)]));
""".replace("CALLS", str(CALLS))


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def measured(way, *arguments):
    """Memory (kB), time (ms) and probabilities, in a process of its own."""
    return json.loads(run(sys.executable, __file__, "--way", way, *arguments))


def whole_program(*command):
    """The shortest run of a program, ms, and its largest memory, kB."""
    best = float("inf")
    for _ in range(CALLS):
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, command
        best = min(best, time.perf_counter() - begin)
    return 1e3 * best, used.ru_maxrss


def kilobytes(path):
    return f"{os.path.getsize(path) / 1000:,.0f} kB"


def main(reslstm, model):
    reslstm, model = os.path.abspath(reslstm), os.path.abspath(model)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        run(reslstm, "synth", work / "speech", "--speakers", 1, "--statements", 1, "--repetitions", 1, stderr=subprocess.DEVNULL)
        with wave.open(str(sorted((work / "speech").rglob("*.wav"))[0])) as clip:
            assert clip.getframerate() == RATE
            once = array.array("h", clip.readframes(clip.getnframes()))
        whole = array.array("h", (once[n % len(once)] for n in range(4 * RATE)))
        with wave.open(str(work / "clip.wav"), "wb") as clip:
            clip.setparams((1, 2, RATE, 0, "NONE", ""))
            clip.writeframes(whole.tobytes())
        samples = work / "clip.f32"
        samples.write_bytes(array.array("f", [value / 32768 for value in whole]).tobytes())
        truth = json.loads(run(reslstm, "predict", work / "clip.wav", "--model", model, "--no-gate", "--json"))
        truth = list(truth["probabilities"].values())

        def row(way, size, memory, ms, probabilities):
            worst = max(abs(a - b) for a, b in zip(truth, probabilities, strict=True))
            print(f"| {way} | {size} | {memory / 1000:.1f} MB | {ms:.1f} ms | {worst:.1e} |", flush=True)

        # These two resample nothing.
        is_of_rate = json.loads(run(reslstm, "info", model, "--json"))["metadata"]["sample_rate"] == RATE
        if is_of_rate:
            run("cargo", "build", "--quiet", "--package", "reslstm", "--profile", "embed", "--no-default-features",
                "--features", "std", "--example", "embed", cwd=ROOT)
            embed = target / "embed/examples/embed"
            best, most = whole_program(embed, model, work / "clip.wav")
            print(f"| Rust, whole program | {kilobytes(embed)} | {most / 1000:.1f} MB | {best:.1f} ms | |", flush=True)
        run("cargo", "build", "--quiet", "--release", cwd=HERE / "c")
        library = target / "release/libreslstm.so"
        row("C", kilobytes(library), *measured("c", library, model, samples))
        wheels = sorted((target / "venv/wheels").glob("reslstm-*.whl"), key=os.path.getmtime)
        row("Python", kilobytes(wheels[-1]), *measured("python", "", model, samples))
        run(HERE / "web/build", work / "pkg")
        for build in ["simd128", "scalar"]:
            engine = gzip.compress((work / f"pkg/{build}/engine_bg.wasm").read_bytes())
            result = run("node", "--input-type=module", "--eval", NODE, work / "pkg", build, model, samples)
            row(f"web, `{build}`", f"{len(engine) / 1000:,.0f} kB", *json.loads(result))
        if is_of_rate:
            run(reslstm, "export", model, "-o", work / "clip.onnx", "--with-front-end", stderr=subprocess.DEVNULL)
            row("ONNX Runtime", kilobytes(work / "clip.onnx"), *measured("onnx", work / "clip.onnx", model, samples))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        way, what, model, samples = sys.argv[2:]
        before, ms, probabilities = WAYS[way](what, model, array.array("f", pathlib.Path(samples).read_bytes()))
        print(json.dumps([memory() - before, ms, probabilities]))
    elif len(sys.argv) == 3:
        main(*sys.argv[1:])
    else:
        sys.exit(__doc__)
