#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes C tables of vendor.rules, at build time.

    gen_vendor.py vendor.rules vendor_tables.c vendor_examples.h

A pattern is a small part of a regular expression: characters, \\d \\w \\s, classes, groups with
alternatives, {n} {n,m} ?, (?i) in front; nothing unbounded, a literal of three in each early pattern. In `token:` the secret stands between
< and > when something leads to it or must follow it. Each spelling becomes a row of pieces
(set, least, most), which vendor_match.c runs.
"""
import hashlib
import math
import re
import sys

SPELLINGS_MAX = 96
SAMPLE_MAX = 64
HISTORY_MAX = 4096
ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ESCAPES = {"d": ALNUM[:10], "w": ALNUM + "_", "s": " \t\n\r\f\v", "n": "\n", "r": "\r", "t": "\t"}
KEYS = ("title", "source", "public", "stream", "token", "name", "value", "lead", "check", "example")
REPEATED = ("token", "example")
# A name, up to 16 more characters of it, a word that says secret, what stands between key and value
NAMED = r"(?i)(?:%s)[\w.-]{0,16}(?:key|token|secret|auth|pass)[\w.-]{0,8}(?: string)?[\s\"'`=:?.,(>\\-]{1,8}"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NAMED_CHECK = "after=[\\w+/=-] "
# What stands in documents and samples where a password would
PASSWORDS = """**** ***** ******** ........ xxxx xxxxx xxxxxx xxxxxxxx 1111 1234 12345 123456 [password] admin changeme example
    guest mongo mongodb mypass mypassword mysql pass passwd password password123 postgres pwd rabbitmq redis
    replace_with_password root secret test user your-password your_passwor your_password yourpassword""".split()
EARLY, LITERAL_MIN = 16, 3
TEXT = frozenset(range(32, 127)) | frozenset(range(9, 14))  # decoded views are searched where they are text
PLACEHOLDERS = ("example", "xxxxxx", "redacted", "placeholder", "abcdefgh", "12345678")


class Error(Exception):
    pass


class Pattern:
    """Parses one pattern into .rows: lists of (set, min, max) and the marks "<" and ">"."""

    def __init__(self, text, marks=False):
        self.caseless = text.startswith("(?i)")
        self.text, self.at, self.marks = text[4:] if self.caseless else text, 0, marks
        self.rows = [merge(r) for r in self.alternatives()]
        if self.at != len(self.text):
            raise Error("%r at %d" % (text, self.at))

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self):
        if self.at >= len(self.text):
            raise Error("%r ends too early" % self.text)
        self.at += 1
        return self.text[self.at - 1]

    def alternatives(self):
        rows = self.row()
        while self.peek() == "|":
            self.take()
            rows = rows + self.row()
        return rows

    def row(self):
        rows = [[]]
        while self.peek() not in ("", "|", ")"):
            item = self.repeated(self.item())
            rows = [a + b for a in rows for b in item]
            if len(rows) > SPELLINGS_MAX:
                raise Error("%r has too many spellings" % self.text)
        return rows

    def item(self):
        c = self.take()
        if c == "(":
            if self.text[self.at:self.at + 2] == "?:":
                self.at += 2
            rows = self.alternatives()
            if self.take() != ")":
                raise Error("%r: no )" % self.text)
            return rows
        if self.marks and c in "<>":
            return [[c]]
        if c in "*+{":
            raise Error("%r: unbounded or misplaced %r" % (self.text, c))
        octets = self.in_class() if c == "[" else self.single(c)
        return [[(self.folded(octets), 1, 1)]]

    def single(self, c):
        if c == ".":
            return frozenset(range(256))
        if c == "\\":
            return self.escaped()
        if c in "^$":
            raise Error("%r: anchor" % self.text)
        return frozenset(c.encode())

    def escaped(self):
        c = self.take()
        if c == "x":
            return frozenset([int(self.take() + self.take(), 16)])
        if c in ESCAPES:
            return frozenset(ESCAPES[c].encode())
        if c.isalnum():
            raise Error("%r: \\%s" % (self.text, c))
        return frozenset(c.encode())

    def in_class(self):
        negated, octets = self.peek() == "^", frozenset()
        self.at += negated
        while self.peek() != "]":
            low = self.escaped() if self.peek() == "\\" and self.take() else frozenset(self.take().encode())
            if self.peek() == "-" and self.text[self.at + 1:self.at + 2] != "]":
                self.take()
                high = self.escaped() if self.peek() == "\\" and self.take() else frozenset(self.take().encode())
                low = frozenset(range(min(low), max(high) + 1))
            octets |= low
        self.take()
        return frozenset(range(256)) - octets if negated else octets

    def folded(self, octets):
        if not self.caseless:
            return octets
        return octets | frozenset(ord(f) for o in octets if o < 128 for f in (chr(o).lower(), chr(o).upper()))

    def repeated(self, rows):
        c, least, most = self.peek(), 1, 1
        if c == "?":
            self.take()
            least, most = 0, 1
        elif c == "{":
            m = re.compile(r"\{(\d+)(?:,(\d+))?\}").match(self.text, self.at)
            if not m:
                raise Error("%r: repeat at %d" % (self.text, self.at))
            self.at = m.end()
            least = int(m.group(1))
            most = int(m.group(2) or least)
        if len(rows) == 1 and len(rows[0]) == 1 and rows[0][0] not in ("<", ">") and rows[0][0][1:] == (1, 1):
            return [[(rows[0][0][0], least, most)]]
        out = []
        for n in range(least, most + 1):
            part = [[]]
            for _ in range(n):
                part = [a + b for a in part for b in rows]
            out += part
        return out


def merge(row):
    out = []
    for piece in row:
        if out and piece not in ("<", ">") and out[-1] not in ("<", ">") and out[-1][0] == piece[0] \
                and out[-1][1] == out[-1][2] and piece[1] == piece[2]:
            out[-1] = (piece[0], out[-1][1] + piece[1], out[-1][2] + piece[2])
        else:
            out.append(piece)
    return out


def width(row, which):
    return sum(p[which] for p in row if p not in ("<", ">"))


def literal(row):
    """Length of the longest run of single characters, either case"""
    best = run = 0
    for octets, least, most in row:
        single = len({chr(o).lower() for o in octets}) == 1 and least == most
        run = run + least if single else 0
        best = max(best, run)
    return best


def early_of(value):
    """The first EARLY characters of `value:`, as a pattern"""
    left, out = EARLY, ""
    for part in re.findall(r"(?:\[[^\]]*\]|\\?[^\[{])(?:\{\d+(?:,\d+)?\})?", value):
        char, _, count = part.partition("{")
        n = int(count.rstrip("}").split(",")[0]) if count else 1
        out += char + "{%d}" % min(n, left)
        left -= min(n, left)
        if left == 0 or "," in count:
            break
    return out


class Spelling:
    """A row with its marks taken out."""

    def __init__(self, row):
        self.pieces = [p for p in row if p not in ("<", ">")]
        if row.count("<") > 1 or row.count("<") != row.count(">"):
            raise Error("marks")
        self.body = row.index("<") if "<" in row else 0
        self.tail = row.index(">") - 1 if ">" in row else len(self.pieces)
        self.least = width(self.pieces[self.body:self.tail], 1)
        if not self.pieces or self.pieces[0][1] == 0 or self.least == 0:
            raise Error("a token begins with a piece that may be empty")
        if width(self.pieces, 2) > HISTORY_MAX + HISTORY_MAX // 2:
            raise Error("too long")


class Rule:
    def __init__(self, name, fields):
        self.name, self.title, self.source = name, fields["title"], fields["source"]
        self.public = sorted(fields.get("public", "").split(), key=len, reverse=True)
        self.lead = int(fields.get("lead", 0))
        self.examples = fields["example"]
        if "name" in fields:
            fields = self.named(fields)
        self.stream = fields["stream"]
        pattern = Pattern(self.stream)
        self.caseless = pattern.caseless
        self.stream_re = pattern.text
        self.stream_min = min(width(r, 1) for r in pattern.rows)
        self.stream_max = max(width(r, 2) for r in pattern.rows)
        if any(not p[0] <= TEXT for r in pattern.rows for p in r):
            raise Error("stream: an octet that is neither printable nor white space")
        if any(literal(r) < LITERAL_MIN for r in pattern.rows):
            raise Error("stream: no literal of %d characters in each alternative" % LITERAL_MIN)
        self.spellings = [Spelling(r) for t in fields["token"] for r in Pattern(t, True).rows]
        self.entropy, self.before, self.after, self.crc = None, None, None, False
        self.not_in, self.not_exact = list(PLACEHOLDERS), []
        for word in fields.get("check", "").split():
            self.check(*word.partition("=")[::2])
        if self.entropy is None:
            self.entropy = self.usual_entropy()

    @staticmethod
    def named(fields):
        value = UUID if fields["value"] == "uuid" else fields["value"]
        lead = NAMED % fields["name"]
        return dict(fields, stream=lead + early_of(value), token=[lead + "<" + value + ">"],
                    check=NAMED_CHECK + fields.get("check", ""))

    def check(self, key, value):
        if key == "entropy":
            self.entropy = round(float(value) * 1000)
        elif key in ("before", "after"):
            setattr(self, key, Pattern(value).rows[0][0][0])
        elif key == "crc32":
            self.crc = True
        elif key == "password":
            self.not_exact += PASSWORDS
        elif key == "not":
            self.not_in += value.lower().split(",")
        elif key == "exact":
            self.not_exact += value.lower().split(",")
        else:
            raise Error("check %r" % key)

    def usual_entropy(self):
        """What a thousand random bodies of this length and alphabet pass, and xxxx or 1234 do not."""
        least = min(s.least for s in self.spellings) - max([len(p) for p in self.public] or [0])
        return 2600 if least >= 24 else 2300 if least >= 16 else 1500 if least >= 8 else 0


def parse(text):
    rules, name, fields = [], None, None
    for number, line in enumerate(text.splitlines() + ["rule: "], 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, _, value = line.partition(":")
        value = value.strip()
        try:
            if key == "rule":
                if name:
                    rules.append(Rule(name, fields))
                name, fields = value, {}
                if name and (not re.fullmatch(r"[a-z0-9_]+", name) or name in [r.name for r in rules]):
                    raise Error("name")
            elif key not in KEYS or (key in fields and key not in REPEATED):
                raise Error("key %r" % key)
            elif key in REPEATED:
                fields.setdefault(key, []).append(value)
            else:
                fields[key] = value
        except (Error, KeyError) as e:
            sys.exit("vendor.rules:%d: %s: %s" % (number, name, e))
    return rules


def c_string(text):
    return '"' + "".join(c if c not in '"\\?' else "\\" + c for c in text) + '"'


def c_words(words):
    return " ".join('"%s\\0"' % w.replace("\\", "\\\\") for w in words) or '""'


class Tables:
    def __init__(self, rules):
        self.sets, self.pieces, self.seqs, self.rules = {}, [], [], []
        for r in rules:
            first = len(self.seqs)
            for s in r.spellings:
                self.seqs.append("{ %d, %d, %d, %d, %d }" % (len(self.pieces), len(s.pieces), s.body, s.tail,
                                                            s.least))
                self.pieces += ["{ %d, %d, %d }" % (self.set_of(p[0]), p[1], p[2]) for p in s.pieces]
            self.rules.append(self.rule(r, first))

    def set_of(self, octets):
        return self.sets.setdefault(octets, len(self.sets))

    def rule(self, r, first):
        return "{ %s,\n\t  %s,\n\t  %s,\n\t  %s,\n\t  %s,\n\t  %d, %d, %d, %d, %d, %d, %d, %d, %s, %s,\n\t  %s,\n\t  %s }" % (
            c_string(r.name), c_string(r.title), c_string(r.source), c_words(r.public), c_string(r.stream_re),
            r.stream_min, r.stream_max, r.lead, first, len(r.spellings), r.entropy,
            -1 if r.before is None else self.set_of(r.before), -1 if r.after is None else self.set_of(r.after),
            "true" if r.crc else "false", "true" if r.caseless else "false", c_words(r.not_in), c_words(r.not_exact))

    def set_rows(self):
        for octets in self.sets:
            words = [sum(1 << (o & 63) for o in octets if o >> 6 == i) for i in range(4)]
            yield "{ { %s } }" % ", ".join("0x%x" % w for w in words)


def array(declaration, rows):
    return "const %s = {\n\t%s,\n};\n" % (declaration, ",\n\t".join(rows))


def main(source, tables_path, examples_path):
    with open(source, "rb") as f, open(__file__, "rb") as own:
        text = f.read()
        digest = hashlib.sha256(text + own.read()).hexdigest()
    rules = parse(text.decode("ascii"))
    t = Tables(rules)
    nlogn = [0] + [round(n * math.log2(n) * 1000) for n in range(1, SAMPLE_MAX + 1)]
    with open(tables_path, "w", encoding="ascii") as out:
        out.write("/* Made of vendor.rules by gen_vendor.py */\n#include \"scan/vendor_int.h\"\n#include <assert.h>\n")
        out.write(array("struct vendor_set vendor_sets[]", list(t.set_rows())))
        out.write(array("struct vendor_piece vendor_pieces[]", t.pieces))
        out.write(array("struct vendor_seq vendor_seqs[]", t.seqs))
        out.write(array("struct vendor_rule vendor_rules[]", t.rules))
        out.write("static_assert(VENDOR_WIDTH_MIN <= %d, \"a pattern is shorter\");\n" % min(r.stream_min for r in rules))
        out.write("static_assert(VENDOR_REACH > %d, \"a token reaches further back\");\n"
                  % max(r.stream_max + r.lead for r in rules))
        out.write("const unsigned int vendor_num_rules = %d;\n" % len(rules))
        out.write("const char vendor_rules_digest[] = \"%s\";\n" % digest)
        out.write(array("uint32_t vendor_nlogn[VENDOR_SAMPLE_MAX + 1]", [str(n) for n in nlogn]))
    with open(examples_path, "w", encoding="ascii") as out:
        out.write("/* Made of vendor.rules by gen_vendor.py: templates, never whole tokens */\n")
        out.write(array("struct vendor_example vendor_examples[]",
                        ["{ %d, %s }" % (i, c_string(e)) for i, r in enumerate(rules) for e in r.examples])
                  .replace("const struct", "static const struct", 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
