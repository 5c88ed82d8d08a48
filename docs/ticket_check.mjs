// What ticket_check.py does, with WebCrypto, as a scanner in a browser would: node ticket_check.mjs FILE [TEXT...]
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const SIGNED = 43;
const WHOLE = 107;

class Refused extends Error {}

export function base45(text) {
    const digits = [...text].map((character) => ALPHABET.indexOf(character));
    if (digits.includes(-1) || digits.length % 3 === 1) throw new Refused("shape");
    const bytes = [];
    for (let at = 0; at < digits.length; at += 3) {
        const [low, middle, high] = digits.slice(at, at + 3);
        const value = low + middle * 45 + (high ?? 0) * 2025;
        if (value > (high === undefined ? 0xff : 0xffff)) throw new Refused("shape");
        if (high !== undefined) bytes.push(value >> 8);
        bytes.push(value & 0xff);
    }
    return Uint8Array.from(bytes);
}

export function toBase45(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 2) {
        const pair = at + 1 < bytes.length;
        const value = pair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
        text += ALPHABET[value % 45] + ALPHABET[Math.floor(value / 45) % 45];
        if (pair) text += ALPHABET[Math.floor(value / 2025)];
    }
    return text;
}

export async function importKeys(keys) {
    const raw = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const imported = keys.map(async ({ kid, public_key }) => [
        kid,
        await crypto.subtle.importKey("raw", raw(public_key), "Ed25519", false, ["verify"]),
    ]);
    return new Map(await Promise.all(imported));
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export async function read(text, keys) {
    const bytes = base45(text);
    if (bytes.length !== WHOLE || bytes[0] !== 1) throw new Refused("shape");
    const kid = String.fromCharCode(...bytes.slice(1, 9)).replace(/\0+$/, "");
    if (!/^[A-Za-z0-9]+$/.test(kid)) throw new Refused("shape");
    const key = keys.get(kid);
    if (!key) throw new Refused("unknown_key");
    const genuine = await crypto.subtle.verify("Ed25519", key, bytes.slice(SIGNED), bytes.slice(0, SIGNED));
    if (!genuine) throw new Refused("forged");
    const [ticket, sale] = [`tkt_${hex(bytes.slice(9, 25))}`, `sale_${hex(bytes.slice(25, 41))}`];
    return { ticket, sale, rotation: bytes[41] * 256 + bytes[42], kid };
}

export async function verdict(text, keys) {
    try {
        return await read(text, keys);
    } catch (error) {
        if (error instanceof Refused) return error.message;
        throw error;
    }
}

function* flipped(bytes) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] ^= 1 << (bit & 7);
        yield changed;
    }
}

async function allRefused(texts, keys) {
    for (const text of texts) if (typeof (await verdict(text, keys)) !== "string") return false;
    return true;
}

async function* check(file, keys) {
    for (const { ticket, sale, rotation, kid, bytes, text } of file.tickets) {
        const said = await verdict(text, keys);
        yield ["text", JSON.stringify(said) === JSON.stringify({ ticket, sale, rotation, kid })];
        const data = base45(text);
        yield ["bytes", hex(data) === bytes && toBase45(data) === text];
        yield ["bits of bytes", await allRefused([...flipped(data)].map(toBase45), keys)];
        const texts = [...flipped(new TextEncoder().encode(text))].map((other) => String.fromCharCode(...other));
        yield ["bits of text", await allRefused(texts, keys)];
    }
    for (const { about, why, text } of file.refused) yield [about, (await verdict(text, keys)) === why];
}

async function main(path, ...texts) {
    const file = JSON.parse(await readFile(path, "utf8"));
    const keys = await importKeys(file.keys);
    for (const text of texts) console.log(JSON.stringify(await verdict(text, keys)));
    if (texts.length > 0) return 0;
    const found = [];
    for await (const item of check(file, keys)) found.push(item);
    for (const [name, holds] of found) console.log(name, holds ? "ok" : "BROKEN");
    return found.length > 0 && found.every(([, holds]) => holds) ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = await main(...process.argv.slice(2));
