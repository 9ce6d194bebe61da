"""Opens model files with something changed in them, and tells what harm that did.

Run by test_untrusted.py in a process of its own, which a file might crash:
    open_mutated_models.py COUNT SEED FILE...

The last line it prints is JSON: how many were opened and refused, and a list of harm:
other exceptions than ColorizeError, more than 5 seconds, anything done to other files,
processes or the network. The memory it may take is bounded: what needs more is harm.
"""

import collections
import json
import os
import random
import resource
import sys
import time
import traceback
import warnings
import zipfile
from pathlib import Path

from colorize.errors import ColorizeError
from colorize.models import saved

SECONDS = 5
MEMORY = 2 << 30  # bytes beside what Keras takes from the start
ABSURD = [
    None, True, 0, -1, 7, 2**15, 2**31, 10**9, 10**30, -(10**9), 1e300, float("nan"),
    float("inf"), 0.5, "", "relu", "x" * 10**5, "../../etc/passwd", "\x00", [], {},
    [[]], [None] * 5, [10**6] * 4, {"class_name": "Lambda"}, {"class_name": None},
    {"class_name": "__numpy__", "config": {"value": [[1], [2, 3]], "dtype": "O"}},
    {"class_name": "__slice__", "config": {"start": 0, "stop": 10**12, "step": None}},
    {"class_name": "__keras_tensor__",
     "config": {"shape": [2**40], "dtype": "float32", "keras_history": ["x", 9, 9]}},
]  # fmt: skip
WATCHED = {
    "os.exec", "os.fork", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link",
    "os.system", "os.truncate", "pickle.find_class", "shutil.copyfile", "shutil.rmtree",
    "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "code.__new__",
}  # fmt: skip

random = random.Random()
done: list[str] = []  # that a model file should not make a program do
watching = False


def watch(event, arguments):
    if not watching:
        return
    writes = event == "open" and (
        any(c in "wax+" for c in arguments[1] or "")
        or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )
    if writes or event in WATCHED:
        done.append(f"{event}{arguments[:2]}")


def flip(data, most=8):
    changed = bytearray(data)
    for _ in range(random.randint(1, most)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def cut(data):
    return data[: random.randrange(len(data))]


def places(value):
    """Every place in a JSON value: what it is in, and its key or index there."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from places(item)


def edit(data, change):
    config = json.loads(data)
    for _ in range(random.choice([1, 1, 1, 3])):
        change(*random.choice(list(places(config))), config)
    return json.dumps(config).encode()


def absurd(within, key, config):
    within[key] = random.choice(ABSURD)


def graft(within, key, config):
    """Puts a copy of one part of the description in the place of another."""
    donor, place = random.choice(list(places(config)))
    within[key] = json.loads(json.dumps(donor[place]))


def drop(within, key, config):
    del within[key]


def rebuilt(change, name):
    def mutate(data, entries):
        return entries | {name: change(entries[name])}

    return mutate


CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MUTATIONS = {
    "bytes of the file": lambda data, entries: flip(data),
    "file cut short": lambda data, entries: cut(data),
    "bytes of the description": rebuilt(flip, CONFIG),
    "absurd values": rebuilt(lambda data: edit(data, absurd), CONFIG),
    "other parts": rebuilt(lambda data: edit(data, graft), CONFIG),
    "missing parts": rebuilt(lambda data: edit(data, drop), CONFIG),
    "bytes of the weights": rebuilt(flip, WEIGHTS),
    "bytes where the weights begin": rebuilt(
        lambda data: flip(data[:4000]) + data[4000:], WEIGHTS
    ),
    "weights cut short": rebuilt(
        lambda data: data[: random.randrange(len(data))], WEIGHTS
    ),
}


def mutated(source, mutate, path):
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    changed = mutate(source.read_bytes(), entries)
    if isinstance(changed, bytes):
        path.write_bytes(changed)
        return
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in changed.items():
            archive.writestr(name, data)


def opened(path):
    """`opened`, `refused`, or what harm it did."""
    global watching
    done.clear()
    start = time.thread_time()
    watching = True
    try:
        saved.open_model(path)
        outcome = "opened"
    except ColorizeError as e:
        outcome = "refused" if "\n" not in str(e) else f"several lines: {e}"
        refusals[str(e).removeprefix(f"{path}: ")[:70]] += 1
    except BaseException:
        outcome = traceback.format_exc()[-1500:]
    watching = False
    if (took := time.thread_time() - start) > SECONDS:
        outcome = f"{took:.1f} seconds"
    return f"{outcome}, and did {done}" if done else outcome


refusals = collections.Counter()
count, seed, *sources = sys.argv[1:]
random.seed(int(seed))
warnings.simplefilter("ignore")
for source in sources:
    saved.open_model(Path(source))  # what is imported late is imported now
pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
used = pages * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
sys.addaudithook(watch)
counts = {"opened": 0, "refused": 0, "harm": []}
longest = 0.0
for i in range(int(count)):
    name = list(MUTATIONS)[i % len(MUTATIONS)]
    source = Path(random.choice(sources))
    path = Path(f"mutated-{i}.keras")  # stays, if it crashes this process
    mutated(source, MUTATIONS[name], path)
    print(i, name, source, flush=True)
    start = time.thread_time()
    outcome = opened(path)
    longest = max(longest, time.thread_time() - start)
    if outcome in ("opened", "refused"):
        counts[outcome] += 1
        path.unlink()
    else:
        counts["harm"].append(f"{i} {name} of {source}: {outcome}")
print(*(f"{n:4} {line}" for line, n in refusals.most_common()), sep="\n")
print(f"longest: {longest:.2f} s")
print(json.dumps(counts))
