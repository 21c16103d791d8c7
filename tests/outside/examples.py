#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what stands in README.md, docs/*.md and plugins/*/README.md: examples.py SOURCE, with weft in PATH.

A block without a language is commands, run as they stand in a copy of examples/. `yaml` is a pipeline or a part of one,
which is completed with what it names of examples/digits and must be good for `weft pipeline check`. `json` must have the
keys of what weft prints of that schema. `text` is neither. A comment above a block says otherwise:
<!-- example: elsewhere FILE -->  FILE of the source runs it       <!-- example: with A=B -->  B stands for A, not installed here
<!-- example: asset -->  the block is an asset                     <!-- example: one-line -->  each chain is a pipeline
<!-- example: says PIPELINE -->  what check says of a mistake in the page's first pipeline: PIPELINE is s/OLD/NEW/
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import yaml

SOURCE = pathlib.Path(sys.argv[1]).resolve()
WORK = pathlib.Path(tempfile.mkdtemp(prefix="weft-examples-"))
DIGITS = yaml.safe_load((SOURCE / "examples/digits/pipeline.yaml").read_text())
# What parts of pipelines name beside the nodes of digits.
INPUTS = {**DIGITS["inputs"], "photo": {"type": "image", "optional": True}}
NODES = {**DIGITS["nodes"],
         "head-see": {"use": "classifier@^1", "model": "head-vit", "in": "see.pooled"},
         "head-hear": {"use": "classifier@^1", "model": "head-ast", "in": "hear.pooled"}}
NODES.update(seen=NODES["head-see"], heard=NODES["head-hear"])
MODELS = ["vit", "ast", "bert", "fusion", "head", "head-vit", "head-ast", "head-bert"]
SEE = """weft: 1
name: see
inputs: {picture: {type: image}}
models: {vit: models/vit}
nodes: {see: {use: vit@^1, model: vit, in: picture, deadline: "${BEAM} s"}}
outputs: {tokens: see.tokens, pooled: see.pooled}
"""
EXPERT_D = 64  # of read.pooled
failures = 0


def blocks(path):
    """Yields (line, language, mark, text)."""
    lines = path.read_text().splitlines()
    begin = None
    for i, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begin is None:
            begin = i
            continue
        mark = re.fullmatch(r"<!-- example: (.*) -->", lines[begin - 1].strip()) if begin else None
        yield begin + 1, lines[begin][3:].strip(), mark.group(1) if mark else "", "\n".join(lines[begin + 1:i]) + "\n"
        begin = None


def run(*command, may_fail=False):
    """Standard output."""
    done = subprocess.run(command, cwd=WORK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0 and not may_fail:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if may_fail == "all" else "")


def write_expert(name):
    """A model of expert-mlp, of zeros."""
    folder, shapes = WORK / "models" / name, {"up.weight": [8, EXPERT_D], "down.weight": [EXPERT_D, 8]}
    header = {key: {"dtype": "F32", "shape": shapes[key], "data_offsets": [k * 2048, (k + 1) * 2048]}
              for k, key in enumerate(shapes)}
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4096))
    (folder / "config.json").write_text(json.dumps({"architectures": ["WeftExpertMlp"], "d_model": EXPERT_D, "d_hidden": 8,
                                                    "activation": "gelu", "gated": False}))


def prepare():
    os.environ["XDG_DATA_HOME"] = str(WORK / "home")  # nobody's own catalogue is touched
    os.environ.pop("WEFT_CATALOGUE", None)
    shutil.copytree(SOURCE / "examples", WORK / "examples")
    (WORK / "models").mkdir()
    for name in MODELS:
        (WORK / "models" / name).symlink_to(WORK / "examples/digits/models" / name)
    write_expert("fraud")
    write_expert("loans")
    (WORK / "see.yaml").write_text(SEE)
    (WORK / "data").mkdir()
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (24000,), }".ljust(117) + b"\n"
    (WORK / "data/vib.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(96000))
    (WORK / "data/temp.csv").write_text("timestamp,degrees\n0,20.5\n1,20.6\n")
    good = [{"picture": "examples/digits/seven.png", "speech": "examples/digits/seven.wav", "words": word,
             "$expect": "7"} for word in ("seven", "7", "sieben")]
    bad = {"picture": "missing.png", "$expect": "0"}
    for name, lines in (("good", good), ("test", [{**line, "speaker": "theo"} for line in [*good, bad]])):
        (WORK / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("vit", "ast", "fusion", "head"):
        run("weft", "model", "add", f"examples/digits/models/{name}", "--name", name)


def named(value):
    """Every word of a value that may be a reference."""
    if isinstance(value, dict):
        return set().union(*(named(one) for key, one in value.items() if key not in ("use", "model")))
    if isinstance(value, list):
        return set().union(*map(named, value))
    return set(re.findall(r"[A-Za-z][\w-]*", value)) if isinstance(value, str) else set()


def complete(part):
    """A whole pipeline of a part: what it names and does not have comes from digits, what nothing reads is put out."""
    whole = {"weft": 1, "name": "example", **part}
    own = dict(whole.get("nodes") or {})
    nodes, models, inputs = dict(own), dict(whole.get("models") or {}), dict(whole.get("inputs") or {})
    if not nodes and inputs:
        nodes["save"] = {"use": "jsonl@^1", "in": {name: name for name in inputs}}
    for _ in range(len(NODES)):
        words = named(list(nodes.values()))
        nodes.update({name: NODES[name] for name in words & set(NODES) if name not in nodes})
        inputs.update({name: INPUTS[name] for name in words & set(INPUTS) if name not in inputs})
    wanted = {node["model"] for node in nodes.values() if node.get("model") in MODELS}
    models.update({name: f"models/{name}" for name in wanted if name not in models})
    whole.update(nodes=nodes, inputs=inputs)
    if models:
        whole["models"] = models
    if "outputs" not in whole:
        read = named([node.get("in") for node in nodes.values()] + [whole.get("sinks")])
        whole["outputs"] = {name: name for name in nodes if name not in read} or {name: name for name in nodes}
    return whole


def check_yaml(text, mark):
    if mark.startswith("with "):
        old, new = mark[5:].split("=", 1)
        if old not in text:
            raise AssertionError(f"{old} does not stand in it")
        text = text.replace(old, new)
    if mark == "asset":
        (WORK / "asset.yaml").write_text(text)
        run("weft", "asset", "add", "asset.yaml", "--name", "example")
        return
    part = yaml.safe_load(text)
    whole = text
    if "weft" not in part:
        sections = {"inputs", "models", "assets", "nodes", "context", "sinks", "outputs", "lead", "deadline", "require"}
        whole = yaml.safe_dump(complete(part if set(part) <= sections else {"nodes": part}), sort_keys=False, allow_unicode=True)
    (WORK / "example.yaml").write_text(whole)
    try:
        run("weft", "pipeline", "check", "example.yaml")
    except AssertionError as wrong:
        raise AssertionError(f"{wrong}of:\n{whole}") from wrong


def check_one_line(text):
    pipelines = re.split(r"\n(?! )", text.strip())
    for one in pipelines:
        run("weft", "pipeline", "check", " ".join(one.split()))


def check_says(text, mark, page):
    """The first message of the block is what check says of the page's first pipeline with OLD for NEW."""
    old, new = mark.split("/")[1:3]
    first = next(text for _, language, _, text in blocks(page) if language == "yaml")
    if old not in first:
        raise AssertionError(f"{old} does not stand in the first pipeline of the page")
    (WORK / "digits.yaml").write_text(first.replace(old, new))
    said = run("weft", "pipeline", "check", "digits.yaml", may_fail="all")
    for line in text.splitlines()[:2]:
        if line not in said:
            raise AssertionError(f"check does not say\n{line}\nbut\n{said}")


PIPELINE = "examples/digits/pipeline.yaml"
REAL = {
    "weft.answer/1": ["run", PIPELINE, "--picture", "examples/digits/seven.png", "--speech", "examples/digits/seven.wav"],
    "weft.eval/1": ["eval", PIPELINE, "test.jsonl", "--by", "speaker", "--require", "accuracy>=0.98",
                    *(f"--metric={name}" for name in ("accuracy", "per-class", "confusion", "ece", "aurc", "auroc"))],
    "weft.profile/1": ["profile", PIPELINE, "--batch", "good.jsonl", "--clients", "3"],
    "weft.plan/1": ["inspect", "plan", PIPELINE, "--precision", "int8"],
    "weft.compute/1": ["inspect", "compute"],
    "weft.diagnostics/1": ["pipeline", "check", "wrong.yaml"],
}
# Maps whose keys are names, numbers of a machine, or labels.
OPEN = re.compile(r"\.(attributes|sizes|workers|nodes_ms|lacking)$|\.metrics$")


def fits(shown, real, path):
    """What in `shown` the real value lacks: a list of words."""
    if shown is None or real is None:
        return []
    if isinstance(shown, dict) and isinstance(real, dict):
        if OPEN.search(path):
            return []
        found = [f"{path}.{key} is not there: {', '.join(real)}" for key in shown if key not in real]
        return found + [one for key in shown if key in real for one in fits(shown[key], real[key], f"{path}.{key}")]
    if isinstance(shown, list) and isinstance(real, list):
        if shown and not real:
            return [f"{path} is empty"]
        return [lack for one in shown for lack in min((fits(one, other, f"{path}[]") for other in real), key=len)]
    number = (int, float)
    same = isinstance(shown, bool) == isinstance(real, bool) and (
        isinstance(shown, number) and isinstance(real, number) or type(shown) is type(real))
    return [] if same else [f"{path} is {json.dumps(real)[:80]}, not like {json.dumps(shown)[:80]}"]


def check_json(text):
    shown = json.loads(text)
    wrong = (SOURCE / PIPELINE).read_text().replace("in: picture}", "in: speech}").replace("models/", "examples/digits/models/")
    (WORK / "wrong.yaml").write_text(wrong)
    real = json.loads(run("weft", *REAL[shown["schema"]], "--json", may_fail=True))
    lacks = fits(shown, real, shown["schema"])
    if lacks:
        raise AssertionError("\n".join(lacks))


def check_commands(text):
    run("bash", "-e", "-c", text)


def check(page, language, mark, text):
    if mark.startswith("elsewhere "):
        if not (SOURCE / mark.split(" ", 1)[1]).is_file():
            raise AssertionError(f"{mark}: no such file")
    elif mark == "one-line":
        check_one_line(text)
    elif mark.startswith("says "):
        check_says(text, mark, page)
    elif language == "yaml":
        check_yaml(text, mark)
    elif language == "json":
        check_json(text)
    elif language == "":
        check_commands(text)
    elif language != "text":
        raise AssertionError(f"a block in \"{language}\" that nothing checks")


def main():
    global failures
    pages = [SOURCE / "README.md", *sorted(SOURCE.glob("docs/*.md")), *sorted(SOURCE.glob("plugins/*/README.md"))]
    n = 0
    prepare()
    for page in pages:
        for line, language, mark, text in blocks(page):
            n += 1
            try:
                check(page, language, mark, text)
            except (AssertionError, ValueError, KeyError, StopIteration) as wrong:
                failures += 1
                print(f"{page.relative_to(SOURCE)}:{line}: {wrong if isinstance(wrong, AssertionError) else repr(wrong)}")
    print(f"examples: {n} blocks, {failures} wrong")
    shutil.rmtree(WORK)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
