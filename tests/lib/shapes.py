# SPDX-License-Identifier: Apache-2.0
"""Spellings of a secret, and places in a request to put them."""
import base64
import codecs
import gzip
import html
import json
import quopri
import random
import re
import string
import urllib.parse


def _each(fmt):
    return lambda s: b"".join(fmt % b for b in s)


def _fullwidth(s):
    return "".join(chr(0xff01 + b - 0x21) if 0x21 <= b < 0x7f else chr(b) for b in s).encode()


def _math(s):
    def one(b):
        c = chr(b)
        if c.isupper():
            return chr(0x1d5d4 + b - 65)
        return chr(0x1d5ee + b - 97) if c.islower() else chr(0x1d7ec + b - 48) if c.isdigit() else c
    return "".join(map(one, s)).encode()


def _lines(before, value, behind=b"\n", width=76):
    return b"".join(before + value[i:i + width] + behind for i in range(0, len(value), width))


def _file(s):
    """Something of several lines, in which the secret is at the end of one of base64 and the start of the next."""
    return b"# settings\n[default]\nregion = somewhere\nsecret = " + s + b"\nand = words\n"


# Shapes that are found whatever the secret
EVERY = {
    "plain": lambda s: s,
    "percent": _each(b"%%%02x"),
    "percent-upper": _each(b"%%%02X"),
    "percent-some": lambda s: urllib.parse.quote(s, safe="").encode(),
    "percent-twice": _each(b"%%25%02x"),
    "json-u": _each(b"\\u00%02x"),
    "json-u-twice": _each(b"\\\\u00%02x"),
    "json-string": lambda s: json.dumps(json.dumps(s.decode())).encode(),
    "c-hex": _each(b"\\x%02x"),
    "c-octal": _each(b"\\%03o"),
    "c-long": lambda s: _each(b"\\U%08x")(s[:800]),
    "braces": _each(b"\\u{%x}"),
    "percent-u": _each(b"%%u%04X"),
    "entities": _each(b"&#%d;"),
    "entities-zeros": _each(b"&#%012d;"),
    "entities-hex-zeros": _each(b"&#x%020x;"),
    "entities-hex": _each(b"&#x%x;"),
    "html": lambda s: html.escape(s.decode()).encode(),
    "quoted-printable": _each(b"=%02X"),
    "quoted-printable-soft": lambda s: quopri.encodestring(b"y" * 65 + b" " + s),
    "base64": base64.b64encode,
    "base64-url": base64.urlsafe_b64encode,
    "base64-lines": base64.encodebytes,
    "base64-diff": lambda s: _lines(b"+", base64.b64encode(_file(s))),
    "base64-diff-json": lambda s: _lines(b"+", base64.b64encode(_file(s)), b"\\n"),
    "base64-indented": lambda s: b"|\n" + _lines(b"    ", base64.b64encode(_file(s)), width=64),
    "base64-mail": lambda s: _lines(b"> ", base64.b64encode(_file(s))),
    "base64-strings": lambda s: _lines(b'  "', base64.b64encode(_file(s)), b'",\n'),
    "base64-comment": lambda s: _lines(b"// ", base64.b64encode(_file(s))),
    "base64-words": lambda s: _lines(b"", base64.b64encode(_file(s)), b" "),
    "base32": base64.b32encode,
    "hex": lambda s: s.hex().encode(),
    "hex-upper": lambda s: s.hex().upper().encode(),
    "utf16le": lambda s: s.decode().encode("utf-16-le"),
    "utf16-percent": lambda s: _each(b"%%%02x")(s).decode().encode("utf-16-le"),
    "utf16-json": lambda s: _each(b"\\u%04x")(s).decode().encode("utf-16-be"),
    "utf16be": lambda s: s.decode().encode("utf-16-be"),
    "full-width": _fullwidth,
    "full-width-percent": lambda s: _each(b"%%%02X")(_fullwidth(s)[:2700]),
    "full-width-percent-twice": lambda s: _each(b"%%25%02x")(_fullwidth(s)[:1500]),
    "math-bold": _math,
    "math-bold-c-hex": lambda s: _each(b"\\x%02x")(_math(s)[:1900]),
    "zero-width-percent": lambda s: _each(b"%c%%E2%%80%%8B")(s[:800]),
    "zero-width": _each(b"%c\xe2\x80\x8b"),
}
# ... where its first character begins a run of base64 or hexadecimal: not behind a segment of a path
BEGINNING = {
    "base64-gzip-diff": lambda s: _lines(b"+", base64.b64encode(gzip.compress(_file(s)))),
    "base64-utf16": lambda s: base64.b64encode(s.decode().encode("utf-16-le")),
    "base64-utf16-powershell": lambda s: base64.b64encode(("$env:KEY = '%s'" % s.decode()).encode("utf-16-le")),
    "hex-utf16": lambda s: s.decode().encode("utf-16-be").hex().encode(),
}
# Shapes that are found for secrets whose value is known
KNOWN = {
    "reversed": lambda s: s[::-1],
    "rot13": lambda s: codecs.encode(s.decode(), "rot13").encode(),
    "base64-inside-1": lambda s: base64.b64encode(b"x" + s + b"y"),
    "base64-inside-2": lambda s: base64.b64encode(b"xy" + s + b"z"),
    "base64-of-base64": lambda s: base64.b64encode(base64.b64encode(s)),
    "base64-of-hex": lambda s: base64.b64encode(s.hex().encode()),
    "hex-of-base64": lambda s: base64.b64encode(s).hex().encode(),
    "percent-of-base64": lambda s: _each(b"%%%02x")(base64.b64encode(s)),
    "base32-inside": lambda s: base64.b32encode(b"abc" + s),
    "base32-lower": lambda s: base64.b32encode(s).lower(),
    "spaces": _each(b"%c "),
    "dashes": _each(b"%c-"),
    "json-list": _each(b"%c\",\""),
    "lines": _each(b"%c\r\n"),
    "hex-colons": _each(b"%02x:"),
    "hex-spaces": _each(b"%02x "),
}

# Octets that a header value cannot carry
_NOT_IN_FIELD = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_TARGET = re.compile(rb"[\x00-\x20\x7f-\xff#]")


def places(value):
    """name → (target, fields, body) for every place that can carry the octets."""
    found = {}
    if not _NOT_IN_TARGET.search(value):
        found["path"] = (b"/a/" + value + b"/b", [], b"")
        found["query-value"] = (b"/a?x=1&note=" + value, [], b"")
        found["query-name"] = (b"/a?" + value + b"=1", [], b"")
    if not _NOT_IN_FIELD.search(value):
        found["header"] = (b"/", [(b"X-Note", value)], b"")
        found["user-agent"] = (b"/", [(b"User-Agent", b"agent/1 (" + value + b")")], b"")
        found["referer"] = (b"/", [(b"Referer", b"https://x.test/" + value)], b"")
    found["json"] = (b"/", [(b"Content-Type", b"application/json")], b'{"a": ["' + value + b'"], "b": 1}')
    found["form"] = (b"/", [(b"Content-Type", b"application/x-www-form-urlencoded")], b"a=1&b=" + value + b"&c=2")
    found["text"] = (b"/", [], b"before " + value + b" behind")
    found["body-alone"] = (b"/", [], value)
    found["multipart"] = (b"/", [(b"Content-Type", b"multipart/form-data; boundary=xyz")],
                          b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\n'
                          + value + b"\r\n--xyz--\r\n")
    found["deep"] = (b"/", [], b"word and more text. " * 3000 + value + b" text" * 3000)
    return found


_CLASSES = {
    "digit": string.digits, "hex": "0123456789abcdef", "HEX": "0123456789ABCDEF",
    "lower": string.digits + string.ascii_lowercase, "upper": string.digits + string.ascii_uppercase,
    "alpha": string.ascii_letters, "alnum": string.digits + string.ascii_letters,
    "base32": "234567" + string.ascii_uppercase, "b64": string.digits + string.ascii_letters + "+/",
    "b64u": string.digits + string.ascii_letters + "-_"}


def vendor_examples(path, seed=1):
    """(rule, example) from the rules' templates; without those that need check digits."""
    rnd = random.Random(seed)
    rule, found = None, []
    for line in open(path, encoding="utf-8"):
        key, _, value = line.rstrip("\n").partition(": ")
        if key == "rule":
            rule = value
        if key != "example" or "{crc}" in value or "{nl}" in value or "{bech32" in value:
            continue
        text = re.sub(r"\{([A-Za-z0-9]+):(\d+)\}",
                      lambda m: "".join(rnd.choice(_CLASSES[m[1]]) for _ in range(int(m[2]))), value)
        found.append((rule, text.encode()))
    return found
