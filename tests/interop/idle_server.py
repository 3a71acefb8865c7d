"""Measures `palisade serve`: CPU time with 100 plugins that nobody asks, and a good client beside 10,500 idle connections.

    python3 idle_server.py target/release/palisade target/wasm32-wasip1/release/greeter.wasm sample-plugins/greeter/plugin.json
"""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PLUGINS = 100
CONNECTIONS = 10_500
SECONDS = 20

palisade, module, manifest = (os.path.abspath(path) for path in sys.argv[1:4])


def main(folder):
    names = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    env = os.environ | {name: f"{folder}/{name}" for name in names}

    def run(*words):
        return subprocess.run([palisade, *words], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout

    run("key", "generate", "--out", "me")
    run("trust", "add", "me.pub", "--ids", "com.acme.*")
    os.makedirs(f"{folder}/drop")
    for number in range(PLUGINS):
        plugin = f"{folder}/p{number}"
        os.makedirs(plugin)
        shutil.copyfile(module, f"{plugin}/plugin.wasm")
        with open(manifest) as source, open(f"{plugin}/plugin.json", "w") as target:
            json.dump(json.load(source) | {"id": f"com.acme.p{number}", "name": "P", "version": "1.0.0"}, target)
        run("pack", plugin, "-o", f"p{number}.zip")
        run("sign", f"p{number}.zip", "--key", "me.key", "-o", f"drop/p{number}.zip")
    token = run("token", "create", "measure", "--all-scopes").strip()
    words = [palisade, "serve", "--listen", "127.0.0.1:0", "--json", "--watch", "drop"]
    server = subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        measure(server, token)
    finally:
        server.terminate()
        print("exit code", server.wait())


def measure(server, token):
    address = json.loads(server.stdout.readline())["listening"]

    def ask(path):
        request = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def processor_seconds():
        with open(f"/proc/{server.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib():
        with open(f"/proc/{server.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    while ask("/plugins/status")["plugin_system"]["active_plugins"] < PLUGINS:
        time.sleep(0.5)
    before = processor_seconds()
    time.sleep(SECONDS)
    used = (processor_seconds() - before) / SECONDS
    print(f"{PLUGINS} idle plugins: {used:.2%} of a processor, {memory_kib()} KiB")

    before, host, port = memory_kib(), *address.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(CONNECTIONS)]
    times = []
    for _ in range(200):
        began = time.monotonic()
        ask("/plugins/status")
        times.append(time.monotonic() - began)
    times.sort()
    print(f"{len(idle)} idle connections: p99 {times[197] * 1000:.1f} ms, {memory_kib() - before} KiB more")


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
with tempfile.TemporaryDirectory() as folder:
    main(folder)
