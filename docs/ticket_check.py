#!/usr/bin/env python3
"""Reads tickets with nothing of ours: ticket_check.py FILE [TEXT...]

Written from docs/ticket-format.md alone, to show that the page is enough; needs the package `cryptography`. FILE has keys as
docs/ticket-example.json and a scanner's manifest have them. With texts, says what each is. Without, checks the file's examples and
refuses each of them with every single bit changed. Exit code 1 when something is not as the file says.
"""

import base64
import json
import sys
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
NAMESPACE = uuid.UUID("6f1d36f2-8f0b-4c52-9a0e-4b6f2f5a7c11")
SIGNED, WHOLE = 43, 107


class Refused(Exception):
    pass


def base45(text):
    digits, data = [ALPHABET.find(character) for character in text], b""
    if -1 in digits or len(digits) % 3 == 1:
        raise Refused("shape")
    for at in range(0, len(digits), 3):
        chunk = digits[at : at + 3]
        value = sum(digit * 45**place for place, digit in enumerate(chunk))
        if value >= 256 ** (len(chunk) - 1):
            raise Refused("shape")
        data += value.to_bytes(len(chunk) - 1, "big")
    return data


def to_base45(data):
    text = ""
    for at in range(0, len(data), 2):
        chunk = data[at : at + 2]
        value = int.from_bytes(chunk, "big")
        text += "".join(ALPHABET[value // 45**place % 45] for place in range(len(chunk) + 1))
    return text


def read(text, keys):
    data = base45(text)
    if len(data) != WHOLE or data[0] != 1:
        raise Refused("shape")
    name = data[1:9].rstrip(b"\0")
    if not (name.isalnum() and name.isascii()):
        raise Refused("shape")
    kid = name.decode()
    if kid not in keys:
        raise Refused("unknown_key")
    try:
        keys[kid].verify(data[SIGNED:], data[:SIGNED])
    except InvalidSignature:
        raise Refused("forged") from None
    ticket, sale, rotation = data[9:25].hex(), data[25:41].hex(), int.from_bytes(data[41:43], "big")
    return {"ticket": "tkt_" + ticket, "sale": "sale_" + sale, "rotation": rotation, "kid": kid}


def verdict(text, keys):
    try:
        return read(text, keys)
    except Refused as why:
        return str(why)


def flipped(data):
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def check(file, keys):
    for ticket in file["tickets"]:
        name = f"{ticket['payment_reference']}\n{ticket['tier']}\n{ticket['unit']}"
        yield "id", "tkt_" + uuid.uuid5(NAMESPACE, name).hex == ticket["ticket"]
        said = verdict(ticket["text"], keys)
        yield "text", said == {field: ticket[field] for field in ("ticket", "sale", "rotation", "kid")}
        data = base45(ticket["text"])
        yield "bytes", data.hex() == ticket["bytes"] and to_base45(data) == ticket["text"]
        yield "bits of bytes", all(isinstance(verdict(to_base45(other), keys), str) for other in flipped(data))
        texts = (other.decode("latin-1") for other in flipped(ticket["text"].encode()))
        yield "bits of text", all(isinstance(verdict(other, keys), str) for other in texts)
    for refused in file["refused"]:
        yield refused["about"], verdict(refused["text"], keys) == refused["why"]


def public(text):
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def main(path, *texts):
    with open(path, encoding="utf-8") as file:
        file = json.load(file)
    keys = {key["kid"]: public(key["public_key"]) for key in file["keys"]}
    for text in texts:
        print(json.dumps(verdict(text, keys)))
    found = [] if texts else list(check(file, keys))
    for name, holds in found:
        print(name, "ok" if holds else "BROKEN")
    return 0 if texts or (found and all(holds for _, holds in found)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
