#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house as a program: `lint.py [FILE...]` (default: every tracked file).

Prints `FILE:LINE: rule: message`; exit 1 when a rule fails, warnings alone exit 0.
`lint.py --self-test` runs every file of fixtures/ and demands exactly the failure its name says.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests", "lint", "fixtures")
C_LINES = (600, 1000)
H_LINES = (200, 350)
FUNCTION_LINES = (60, 120)
NESTING = 4
PARAMETERS = 6
GENERATED = "/* Generated"

# Which headers a folder may include in quotes, by the folder they live in. The build enforces it too.
ALLOWED = {
    "sdk/include": set(),
    "sdk/nn": {"sdk/nn"},
    "registry": {"registry"},
    "core/loader": {"core/loader", "registry"},
    "core/runtime": {"core/runtime", "core/loader", "core/worker"},
    "core/worker": {"core/worker", "core/loader", "core/runtime"},
    "core/install": {"core/install", "core/loader", "registry"},
    "core/graph": {"core/graph", "core/loader", "core/runtime", "core/worker", "registry"},
    "core/session": {"core/session", "core/graph", "core/loader", "core/runtime", "core/worker", "registry"},
}
NO_GLIB = ("core/runtime/", "core/worker/", "sdk/")


class Report:
    def __init__(self):
        self.failed = []
        self.warned = []

    def fail(self, path, line, rule, message):
        self.failed.append((path, line, rule, message))

    def warn(self, path, line, rule, message):
        self.warned.append((path, line, rule, message))


def code_only(text):
    """Blanks comments and strings, keeps lines."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", blank, text, flags=re.S)


def check_size(path, lines, report):
    warn, fail = C_LINES if path.endswith(".c") else H_LINES
    if len(lines) > fail:
        report.fail(path, len(lines), "file-size", f"{len(lines)} lines, the most is {fail}")
    elif len(lines) > warn:
        report.warn(path, len(lines), "file-size", f"{len(lines)} lines, better {warn}")


def functions(code):
    """(name line, name, parameters, body first line, body last line) of each function definition at column 0."""
    lines = code.split("\n")
    start = None
    for number, line in enumerate(lines):
        if line.startswith("{") and start is not None:
            end = number
            while end < len(lines) and not lines[end].startswith("}"):
                end += 1
            head = " ".join(lines[start:number])
            match = re.search(r"([A-Za-z_]\w*)\s*\(", head)
            if match and "=" not in head.split("(")[0] and not head.startswith(("struct ", "enum ", "union ")) | (
                    "(" not in head):
                yield start, match.group(1), head[match.end():head.rfind(")")], number, end
            start = None
        elif re.match(r"[A-Za-z_]", line) and line.rstrip().endswith((")", ",")) and "(" in line or (
                start is not None and line.startswith((" ", "\t"))):
            start = number if re.match(r"[A-Za-z_]", line) else start
        else:
            start = None


def count_parameters(text):
    depth, count = 0, 1
    for char in text:
        depth += char in "([{"
        depth -= char in ")]}"
        count += char == "," and depth == 0
    return 0 if text.strip() in ("", "void") else count


def check_functions(path, code, report):
    lines = code.split("\n")
    for start, name, parameters, first, last in functions(code):
        size = last - first + 1
        if size > FUNCTION_LINES[1]:
            report.fail(path, start + 1, "function-size", f"{name} has {size} lines, the most is {FUNCTION_LINES[1]}")
        elif size > FUNCTION_LINES[0]:
            report.warn(path, start + 1, "function-size", f"{name} has {size} lines, better {FUNCTION_LINES[0]}")
        n = count_parameters(parameters)
        if n > PARAMETERS:
            report.fail(path, start + 1, "parameters", f"{name} takes {n}, the most is {PARAMETERS}: make a struct")
        depth = 0
        for number in range(first, last):
            depth += lines[number].count("{") - lines[number].count("}")
            if depth > NESTING + 1:
                report.fail(path, number + 1, "nesting", f"{name} nests {depth - 1} deep, the most is {NESTING}")
                break


def check_includes(path, text, report):
    folder = next((f for f in sorted(ALLOWED, key=len, reverse=True) if path.startswith(f + "/")), None)
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        name = match.group(2)
        if path.startswith(NO_GLIB) and (name.startswith(("glib", "gio")) or name == "glib.h"):
            report.fail(path, number, "no-glib", f"{name}: this folder builds without GLib")
        if path.startswith("sdk/include/") and match.group(1) == "<" and name not in (
                "stddef.h", "stdint.h") and not name.startswith("weft/"):
            report.fail(path, number, "contract-includes", f"{name}: the contract includes nothing but C11's own")
        if path.startswith("plugins/") and re.search(r"(^|/)(core|registry)/", name):
            report.fail(path, number, "direction", f"{name}: plugins never see the core")
        if folder and match.group(1) == '"' and folder != "sdk/include":
            here = os.path.join(ROOT, folder, os.path.basename(name))
            homes = [f for f in ALLOWED if os.path.exists(os.path.join(ROOT, f, name))]
            if homes and not os.path.exists(here) and not set(homes) & ALLOWED[folder]:
                report.fail(path, number, "direction", f"{name} lives in {homes[0]}, which {folder} may not include")


def check_words(path, code, text, report):
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        if path.startswith("core/") and re.search(r"\bgoto\b", line):
            report.fail(path, number, "goto", "no goto in the core: early returns and g_autoptr")
        if re.search(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atof|alloca)\s*\(", line):
            report.fail(path, number, "unsafe-call", line.strip())
        library = path.startswith(("core/loader/", "core/runtime/", "core/graph/", "core/session/", "registry/",
                                   "plugins/", "sdk/nn/")) and "/tests/" not in path
        if library and not path.endswith(("main.c", "weft-manifest.c")) and re.search(
                r"(?<![\w.>])(exit|_exit|abort|printf|puts|perror|fprintf|g_error|g_assert\w*)\s*\(", line):
            report.fail(path, number, "library-manners", "a library neither ends the process nor prints: " + line.strip())
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            report.fail(path, number, "unfinished", line.strip()[:80])
        if "\t" in line and path.endswith((".c", ".h")):
            report.fail(path, number, "tab", "indent with two spaces")
        if len(line) > 132 and GENERATED not in text[:400]:
            report.fail(path, number, "line-length", f"{len(line)} characters, the most is 132")


def check_names(path, code, report):
    """Functions that a core or registry header declares carry the prefix."""
    if not path.endswith(".h") or not path.startswith(("core/", "registry/", "sdk/")):
        return
    for number, line in enumerate(code.split("\n"), 1):
        match = re.match(r"(?:static inline\s+)?(?:const\s+)?(?:struct\s+|enum\s+)?\w+[\s*]+(\w+)\s*\(", line)
        if match and not line.startswith(("#", " ", "return")) and not re.match(
                r"(weft_|_?weft|G_|WEFT_|LLVM)", match.group(1)) and "typedef" not in line:
            report.fail(path, number, "prefix", f"{match.group(1)} lacks weft_")


def check_paths(path, text, report):
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"(?<![\w.])/(work|farm|root)/|/home/\w", line) and not path.startswith("tests/lint/"):
            report.fail(path, number, "machine-path", line.strip()[:80])


def lint_file(path, report):
    with open(os.path.join(ROOT, path), "rb") as file:
        raw = file.read()
    if b"\0" in raw[:4096]:
        return
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        if path.endswith((".c", ".h", ".py", ".md", ".build")):
            report.fail(path, 1, "encoding", "is not UTF-8")
        return
    check_paths(path, text, report)
    if not path.endswith((".c", ".h")):
        return
    code = code_only(text)
    lines = text.rstrip("\n").split("\n")
    if GENERATED not in text[:400]:
        check_size(path, lines, report)
        check_functions(path, code, report)
    if "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        report.fail(path, 1, "spdx", "the first line names the licence")
    check_includes(path, text, report)
    check_words(path, code, text, report)
    check_names(path, code, report)


def self_test():
    """Each fixture states its pretended path in its second line and fails by the rule it is named after."""
    bad = 0
    for name in sorted(os.listdir(FIXTURES)):
        source = os.path.join(FIXTURES, name)
        rule = name.rsplit(".", 1)[0]
        with open(source, encoding="utf-8") as file:
            text = file.read()
        pretended = re.search(r"lint-path: (\S+)", text).group(1)
        if rule == "file-size":
            text += "int a_line;\n" * (C_LINES[1] + 1)
        if rule == "function-size":
            text = text.replace("  BODY\n", "  work();\n" * (FUNCTION_LINES[1] + 1))
        report = Report()
        code = code_only(text)
        check_paths(pretended, text, report)
        check_size(pretended, text.split("\n"), report)
        check_functions(pretended, code, report)
        if "SPDX-License-Identifier: Apache-2.0" not in text.split("\n")[0]:
            report.fail(pretended, 1, "spdx", "missing")
        check_includes(pretended, text, report)
        check_words(pretended, code, text, report)
        check_names(pretended, code, report)
        found = {r for _, _, r, _ in report.failed}
        good = found == ({rule} if not rule.startswith("good") else set())
        print(f"{'ok  ' if good else 'FAIL'} {name}: {sorted(found) or 'nothing'}")
        bad += not good
    return 1 if bad else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files = sys.argv[1:] or subprocess.run(["git", "-C", ROOT, "ls-files", "--cached"], capture_output=True, text=True,
                                           check=True).stdout.split("\n")
    report = Report()
    for path in files:
        if path and not path.startswith("tests/lint/fixtures/") and os.path.isfile(os.path.join(ROOT, path)):
            lint_file(path, report)
    for path, line, rule, message in report.warned:
        print(f"{path}:{line}: warning: {rule}: {message}")
    for path, line, rule, message in report.failed:
        print(f"{path}:{line}: {rule}: {message}")
    print(f"lint: {len(report.failed)} failures, {len(report.warned)} warnings")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
