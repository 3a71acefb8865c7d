#!/usr/bin/env python3
"""verify.py BUNDLE PUB.pem: verifies a signed bundle with nothing of Palisade's, only `cryptography` and `zipfile`.

Checks the signature and every digest it covers, not the container profile. Prints `ok ID VERSION`, or the reason why not.
"""
import base64
import hashlib
import json
import sys
import zipfile

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

PAYLOAD_TYPE = "application/vnd.palisade.bundle.v1+json"


def check(holds, what):
    if not holds:
        sys.exit(f"refused: {what}")


bundle, pem = (open(path, "rb").read() for path in sys.argv[1:3])
key = load_pem_public_key(pem)
key_id = "ed25519:" + hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()
archive = zipfile.ZipFile(sys.argv[1])
first, *entries = archive.infolist()
check(first.filename == "META-INF/signature.json", "the first entry is no signature")
envelope = json.loads(archive.read(first))
check(envelope["payloadType"] == PAYLOAD_TYPE, "the payload has another type")
payload = base64.b64decode(envelope["payload"], validate=True)
signatures = [base64.b64decode(s["sig"]) for s in envelope["signatures"] if s["keyid"] == key_id]
check(signatures, f"there is no signature by {key_id}")
key.verify(signatures[0], b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload))
statement = json.loads(payload)
content = bundle[entries[0].header_offset:archive.start_dir]
check(len(content) == statement["content"]["length"], "the content has another length")
check(hashlib.sha256(content).hexdigest() == statement["content"]["sha256"], "the content has another digest")
files = [(e.filename, e.file_size, hashlib.sha256(archive.read(e)).hexdigest()) for e in entries]
check(sorted(files) == sorted((f["path"], f["size"], f["sha256"]) for f in statement["files"]), "the files are others")
print("ok", statement["id"], statement["version"])
