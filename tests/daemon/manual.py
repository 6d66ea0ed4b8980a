#!/usr/bin/env python3
"""The manual pages and the completions say what the programs say of themselves, and their readers take them.
usage: manual.py CAMBENCH CAMBENCHD FOLDER-WITH-CAMBENCHD.8; ends with 1 and a sentence when something differs."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

cambench, cambenchd, folder = sys.argv[1:4]


def said(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def options_in(help_text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", help_text))


def verbs_in(help_text):
    part = help_text.split("Subcommands:")[1] if "Subcommands:" in help_text else ""
    return re.findall(r"^  ([a-z]+) ", part, re.M)


def places(words=()):
    text = said(cambench, *words, "--help")
    yield words, text
    for verb in verbs_in(text):
        yield from places(words + (verb,))


page = said(cambench, "manual")
plain = page.replace("\\-", "-")
for words, text in places():
    if not verbs_in(text):
        section = re.search(r"^\.SS cambench " + " ".join(words) + r"$(.*?)(?=^\.S[SH] )", plain, re.M | re.S)
        assert section, f"the manual has no section of {words}"
        for option in options_in(text.split("Formats:")[0]) - {"--help"}:
            assert option in section.group(1) or option in plain.split(".SH VERBS")[0], f"{words}: no word on {option}"
for code in "01234":
    assert f".TP\n{code}\n" in page, f"exit code {code} is not told"

daemon_page = pathlib.Path(folder, "cambenchd.8").read_text().replace("\\-", "-").replace("\\fB", "")
assert options_in(said(cambenchd, "--help")) <= options_in(daemon_page), "cambenchd(8) does not know every option"

if shutil.which("man"):
    for text in (page, pathlib.Path(folder, "cambenchd.8").read_text()):
        with tempfile.NamedTemporaryFile("w", suffix=".1") as file:
            file.write(text)
            file.flush()
            done = subprocess.run(["man", "--warnings", "-l", "-E", "UTF-8", file.name], capture_output=True, text=True,
                                  env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, check=False)
            assert done.returncode == 0 and not done.stderr, f"man: {done.stderr[:500]}"

bash = said(cambench, "completion", "bash")


def completed(*words):
    script = bash + f"\nCOMP_WORDS=({' '.join(repr(w) for w in ('cambench',) + words)})\nCOMP_CWORD={len(words)}\n" \
        "_cambench\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    return said("bash", "--norc", "-c", script).split()


assert completed("exp") == ["export"]
assert set(completed("recipe", "")) >= {"check", "list", "show"}
assert completed("recipe", "check", "--ce") == ["--cell"]
assert "--cell" in completed("start", "A1", "rate-test-3e", "--c")
assert completed("export", "r000001", "zz") == []  # then bash offers files
for shell in ("zsh", "fish"):
    text = said(cambench, "completion", shell)
    if shutil.which(shell):
        said(shell, "-n", text=text) if shell == "fish" else said(shell, "-nc", text)
if shutil.which("fish"):
    with tempfile.NamedTemporaryFile("w", suffix=".fish") as file:
        file.write(said(cambench, "completion", "fish"))
        file.flush()
        found = said("fish", "--no-config", "-c", f"source {file.name}; complete -C 'cambench recipe ch'")
        assert found.startswith("check\t"), found
print(f"{len(list(places()))} verbs and groups: manual and completions agree with --help")
