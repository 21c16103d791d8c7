#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/schema against pipelines and answers: check_schema.py SOURCE WEFT.

Good pipelines (golden files without an error, the examples) are valid, and files whose golden words say that a key is
unknown, missing or of the wrong type are not. `weft pipeline schema` is a schema that knows the installed plugins.
Answers of `weft run --json` are valid. Exit code 77: python3-jsonschema or python3-yaml is not there.
"""
import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}; apt-get install python3-jsonschema python3-yaml")
    sys.exit(77)


class Core(yaml.SafeLoader):
    """Scalars as Weft reads them: YAML 1.2, without dates and without yes and no."""


Core.yaml_implicit_resolvers = {}
for tag, words, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""])):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{words})$"), list(first))

# What a structure can say; the other errors are of meaning.
STRUCTURAL = re.compile(r"(a node|a slot|select|a pipeline|model \"[^\"]+\"|input \"[^\"]+\"|a source|a sink|batch|on_verdict) has no key|"
                        r"the key \"[a-z]+\" is missing|is a map, found|is true or false, found|has no type|"
                        r"no plugin is named|is a text, found|is empty|has no precision|does not say which it is|this program reads format")
# Errors of meaning that some files have beside a structural one, or that the schema is broader in.
BROADER = {"variable.yaml"}


def load(path):
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Core)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def check_golden(validator, folder):
    n_good = n_bad = 0
    failures = []
    for path in sorted(folder.glob("*.yaml")):
        words = path.with_suffix(".expected").read_text(encoding="utf-8")
        tree = load(path)
        if tree is None or path.name in BROADER:
            continue
        errors = [error.message for error in validator.iter_errors(tree)]
        good = "nothing is wrong" in words
        bad = any(STRUCTURAL.search(line) for line in words.splitlines()
                  if "warning:" not in line and ": parameter \"" not in line)  # parameters are in the schema of `weft` alone
        if good and errors:
            failures.append(f"{path.name}: is good, and the schema says {errors[0]}")
        if bad and not errors:
            failures.append(f"{path.name}: the schema finds nothing wrong in it")
        n_good += good
        n_bad += bad
    return n_good, n_bad, failures


def main():
    source, weft = pathlib.Path(sys.argv[1]), sys.argv[2]
    schema = json.loads((source / "docs/schema/pipeline.schema.json").read_text(encoding="utf-8"))
    answer_schema = json.loads((source / "docs/schema/answer.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator.check_schema(answer_schema)
    validator = jsonschema.Draft7Validator(schema)
    n_good, n_bad, failures = check_golden(validator, source / "tests/golden/pipelines")
    examples = list((source / "examples").glob("*/*.yaml"))
    for path in examples:
        failures += [f"{path}: {error.message}" for error in validator.iter_errors(load(path))]

    own = json.loads(subprocess.run([weft, "pipeline", "schema"], check=True, capture_output=True).stdout)
    jsonschema.Draft7Validator.check_schema(own)
    digits = load(source / "examples/digits/pipeline.yaml")
    if list(jsonschema.Draft7Validator(own).iter_errors(digits)):
        failures.append("weft pipeline schema refuses the digits")
    digits["nodes"]["head"]["params"] = {"no_such_parameter": 1}
    if not list(jsonschema.Draft7Validator(own).iter_errors(digits)):
        failures.append("weft pipeline schema does not know the classifier's parameters")

    answers = [["--picture", "seven.png", "--explain"], ["--words", "seven"], ["--picture", "seven.wav"]]
    for arguments in answers:
        done = subprocess.run([weft, "run", "pipeline.yaml", "--json", *arguments], capture_output=True,
                              cwd=source / "examples/digits", check=False)
        answer = json.loads(done.stdout)
        failures += [f"answer to {arguments}: {error.message}"
                     for error in jsonschema.Draft7Validator(answer_schema).iter_errors(answer)]
    for failure in failures:
        print(failure)
    print(f"{n_good} good and {n_bad} malformed golden files, {len(examples)} examples, {len(answers)} answers")
    sys.exit(1 if failures or not n_good or not n_bad or not examples else 0)


main()
