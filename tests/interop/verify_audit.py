#!/usr/bin/env python3
"""verify_audit.py EXPORT PUB.pem: verifies an export of an audit log with nothing of Palisade's, only `cryptography`.

Prints `ok RECORDS`, or the reason why not.
"""
import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key


def check(holds, what):
    if not holds:
        sys.exit(f"refused: {what}")


def ordered(value):
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value, key=lambda name: name.encode("utf-16-be"))}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def canonical(value):
    return json.dumps(ordered(value), ensure_ascii=False, separators=(",", ":")).encode()


first, *lines = open(sys.argv[1], "rb").read().splitlines(keepends=True)
checkpoint = json.loads(first)
signature = base64.b64decode(checkpoint.pop("signature"), validate=True)
key = load_pem_public_key(open(sys.argv[2], "rb").read())
key.verify(signature, b"palisade-audit-checkpoint/1\n" + canonical(checkpoint))
seq, last_hash = 0, "0" * 64
for line in lines:
    record = json.loads(line)
    check(canonical(record) + b"\n" == line, f"the line after record {seq} is spelled in another way")
    own_hash = record.pop("hash")
    check(record["seq"] == seq + 1, f"after record {seq} comes record {record['seq']}")
    check(record["prev_hash"] == last_hash, f"record {seq + 1} does not follow record {seq}")
    check(hashlib.sha256(canonical(record)).hexdigest() == own_hash, f"record {seq + 1} was edited")
    seq, last_hash = seq + 1, own_hash
check((seq, last_hash) == (checkpoint["seq"], checkpoint["hash"]), "the checkpoint is of another end")
print("ok", seq)
