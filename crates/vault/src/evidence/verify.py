#!/usr/bin/env python3
"""Checks a folder of evidence with hashlib and openssl; prints what does not hold, then exits 1.

    verify.py FOLDER [LOG_KEY]      LOG_KEY: what the vault printed when it was made
"""
import base64
import hashlib
import json
import pathlib
import subprocess
import sys

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
wrong = []


def sha(data):
    return hashlib.sha256(data).digest()


def signed(key, text, signature):
    """Whether the signature over a file is of a public key; openssl decides."""
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", folder / "keys" / key]
    command += ["-rawin", "-in", text, "-sigfile", signature]
    if subprocess.run(command, capture_output=True).returncode:
        wrong.append(f"{text.relative_to(folder)}: not signed with {key}")


def same_key(name):
    """Whether both forms of a public key are the same key."""
    pem = (folder / "keys" / f"{name}.pem").read_text().split("\n")[1]
    verifier = (folder / "keys" / f"{name}.vkey").read_text().strip().split("+", 2)[2]
    if base64.b64decode(pem)[12:] != base64.b64decode(verifier)[1:]:
        wrong.append(f"keys/{name}: the two forms are of different keys")


def root_by(entry, number, size, path):
    """The root that a proof leads to (RFC 9162, 2.1.3.2); None when the proof is no proof."""
    node, last, value = number, size - 1, sha(b"\0" + entry)
    for step in path:
        if not last:
            return None
        if node & 1 or node == last:
            value = sha(b"\1" + step + value)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            value = sha(b"\1" + value + step)
        node, last = node >> 1, last >> 1
    return None if last else value


def check_sums():
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    listed = {"SHA256SUMS", "SHA256SUMS.sig"}
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        if line.startswith("#"):
            continue
        expected, name = line.split("  ", 1)
        listed.add(name)
        path = folder / name
        if not path.is_file() or sha(path.read_bytes()).hex() != expected:
            wrong.append(f"{name}: not as listed")
    wrong.extend(f"{name}: not listed" for name in sorted(there - listed))


def check_log():
    text = (folder / "checkpoint/log.text").read_text()
    _, size, root = text.split("\n")[:3]
    size, root = int(size), base64.b64decode(root)
    for path in sorted((folder / "entries").iterdir()):
        number = int(path.stem)
        proof = (folder / "proofs" / f"{path.stem}.tlog-proof").read_text()
        head = proof.split("\n\n")[0].split("\n")
        steps = [base64.b64decode(line) for line in head[2:] if line]
        right = number < size and head[1] == f"index {number}"
        if not right or root_by(path.read_bytes(), number, size, steps) != root:
            wrong.append(f"{path.name}: the log is not shown to contain it")
    about = json.loads((folder / "evidence.json").read_text())
    if about["first"] is not None:
        have = {int(path.stem) for path in (folder / "entries").iterdir()}
        missing = [n for n in range(about["first"], about["last"] + 1) if n not in have]
        if missing != about["withheld"]:
            wrong.append("evidence.json: entries of the period are missing")
    return about


def main():
    check_sums()
    signed("log.pem", folder / "checkpoint/log.text", folder / "checkpoint/log.sig")
    for text in sorted(folder.glob("checkpoint/witness-*.text")):
        signed(f"{text.stem}.pem", text, text.with_suffix(".sig"))
    for text in sorted(folder.glob("approvals/*.text")):
        key = text.name[:-5].split("@", 1)[1]
        signed(f"{key}.pem", text, text.with_name(f"{text.name[:-5]}.sig"))
    for pem in sorted((folder / "keys").glob("*.pem")):
        same_key(pem.name[:-4])
    about = check_log()
    if about["signed_by"]:
        signed("signer.pem", folder / "SHA256SUMS", folder / "SHA256SUMS.sig")
    if len(sys.argv) > 2 and (folder / "keys/log.vkey").read_text().strip() != sys.argv[2]:
        wrong.append("keys/log.vkey: not the key given")
    for line in wrong:
        print(line)
    if not wrong:
        print("all holds")
    sys.exit(bool(wrong))


try:
    main()
except Exception as error:  # what cannot be read does not hold
    print(f"it cannot be read: {error!r}")
    sys.exit(1)
