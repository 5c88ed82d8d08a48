#!/usr/bin/env python3
"""Draws the order of a fairness file again, with nothing but Python: fairness_check.py FILE

Written from docs/fairness.md alone, to show that the page is enough. It checks what `onsale verify-shuffle` checks but
for times and the beacon's BLS signature. Exit code 1 when something does not fit.
"""

import base64
import hashlib
import json
import sys

LABEL = b"onsale draw 1"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def items(text, size):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return [data[at : at + size] for at in range(0, len(data), size)]


def merkle_root(leaves):
    if not leaves:
        return sha256()
    while len(leaves) > 1:
        pairs = [sha256(b"\x01", *leaves[at : at + 2]) for at in range(0, len(leaves) - 1, 2)]
        leaves = pairs + ([leaves[-1]] if len(leaves) % 2 else [])
    return leaves[0]


def words(key):
    block = 0
    while True:
        data = sha256(key, block.to_bytes(8, "big"))
        yield from (int.from_bytes(data[at : at + 4], "big") for at in range(0, 32, 4))
        block += 1


def order(key, count):
    stream, ranks = words(key), list(range(count))
    for index in range(count - 1):
        bound = count - index
        fair = 2**32 // bound * bound
        word = next(word for word in stream if word < fair)
        other = index + word % bound
        ranks[index], ranks[other] = ranks[other], ranks[index]
    return ranks


def check(draw):
    seed, root, count = bytes.fromhex(draw["seed"]), bytes.fromhex(draw["root"]), draw["count"]
    yield "seed", sha256(seed).hex() == draw["seed_hash"]
    leaves = items(draw["leaves"], 32)
    yield "leaves", len(leaves) == count and merkle_root(leaves) == root
    flag, value = b"\x00", bytes(32)
    if draw["self_attested"] is None:
        flag, value = b"\x01", bytes.fromhex(draw["beacon"]["randomness"])
        yield "beacon", sha256(bytes.fromhex(draw["beacon"]["signature"])) == value
    key = sha256(LABEL, seed, root, count.to_bytes(4, "big"), flag, value)
    ranks = [int.from_bytes(rank, "big") for rank in items(draw["order"], 4)]
    yield "order", order(key, count) == ranks


def main(path):
    with open(path, encoding="utf-8") as file:
        draws = [draw for draw in json.load(file)["draws"] if draw["seed"]]
    found = [(draw["phase"], name, holds) for draw in draws for name, holds in check(draw)]
    for phase, name, holds in found:
        print(phase, name, "ok" if holds else "BROKEN")
    return 0 if found and all(holds for _, _, holds in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
