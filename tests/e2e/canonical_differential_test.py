"""The bytes that are sent, against Python's json over a generated corpus."""

import json
import random
import unittest

from e2e import DaemonTest

SEED = 20261123
DOCUMENTS = 360

STRINGS = [
    "",
    "a",
    "é",
    "ü",
    "ß€",
    "日本",
    "😀",
    "\U0010ffff",
    "\x7f",
    "\x80",
    "\u2028",
    "\ufffe",
    "\ue000",
    "</script>",
    "\\",
    '"',
    "/",
    "\b\f\n\r\t",
    "\x00",
    "\x01\x1f",
    "a b",
    "0",
    "é́",
    "ﬀ",
]
NUMBERS = [
    "0",
    "-0",
    "-0.0",
    "0.10",
    "1.0",
    "1.50e+03",
    "1E5",
    "1e-7",
    "100",
    "9007199254740993",
    "123456789012345678901234567890",
    "-170141183460469231731687303715884105729",
    "3.141592653589793238",
    "1e308",
    "5e-324",
    "0.1e1",
    "2.2250738585072014e-308",
    "18446744073709551616",
    "1e0",
    "12.0000",
]


class Raw:
    """A number by its digits, which Python's own types would change."""

    def __init__(self, digits):
        self.digits = digits


def escaped(text, random_source):
    """A JSON string that means `text`, in one of the many spellings that are allowed."""
    out = []
    for character in text:
        code = ord(character)
        style = random_source.random()
        if character in '"\\' or code < 0x20 or style < 0.2:
            units = character.encode("utf-16-be")
            out += [f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)]
        elif character == "/" and style < 0.6:
            out.append("\\/")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


class Corpus:
    """Random documents: text as a client might send it."""

    def __init__(self, seed, numbers):
        self.random, self.numbers = random.Random(seed), numbers

    def space(self):
        return "".join(self.random.choices([" ", "\n", "\t", "\r", ""], k=2))

    def string(self):
        parts = self.random.choices(STRINGS, k=self.random.randint(0, 3))
        return escaped("".join(parts), self.random)

    def value(self, depth):
        kind = self.random.randint(0, 9 if depth > 0 else 5)
        if kind <= 1:
            return self.string()
        if kind <= 4:
            return self.random.choice(self.numbers)
        if kind == 5:
            return self.random.choice(["true", "false", "null"])
        return self.list(depth) if kind <= 7 else self.object(depth)

    def list(self, depth):
        items = [
            self.space() + self.value(depth - 1) + self.space()
            for _ in range(self.random.randint(0, 4))
        ]
        return "[" + ",".join(items) + "]"

    def object(self, depth):
        members = [
            f"{self.space()}{self.string()}{self.space()}:{self.space()}{self.value(depth - 1)}"
            for _ in range(self.random.randint(0, 6))
        ]
        if members and self.random.random() < 0.3:
            members.append(members[0].split(":")[0] + ":" + self.value(0))  # the name once more
        return "{" + ",".join(members) + self.space() + "}"


def canonical(value):
    """What json.dumps writes, with numbers by their digits."""
    if isinstance(value, Raw):
        return value.digits
    if isinstance(value, dict):
        members = (json.dumps(key) + ":" + canonical(value[key]) for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)


def kept_by_python(digits):
    return json.dumps(json.loads(digits)) == digits


class CanonicalDifferentialTest(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api.create(cls.receiver.url("/corpus"), ["user.created"], max_in_flight=64)

    def send(self, documents):
        """What was received for each document, by its place."""
        self.receiver.clear()
        for place, text in enumerate(documents):
            body = (
                f'{{"event_type":"user.created","event_id":"{self._testMethodName[-20:]}_{place}",'
                f'"timestamp":"2026-11-23T09:00:00Z","data":{text}}}'
            ).encode()
            answer = self.api.request("POST", "/api/v1/events", body)
            self.assertEqual(202, answer.status, f"{answer} for {text!r}")
        received = {}
        for request in self.receiver.wait_for(len(documents), "/corpus", timeout=40):
            event_id = request.header("X-ScaiKey-Event-ID")
            received[int(event_id.rsplit("_", 1)[1])] = (event_id, request.body)
        return received

    def compare(self, documents, expected):
        received = self.send(documents)
        for place, text in enumerate(documents):
            event_id, body = received[place]
            wanted = (
                f'{{"data":{expected(text)},"event_id":"{event_id}",'
                '"event_type":"user.created","timestamp":"2026-11-23T09:00:00.000Z"}'
            )
            self.assertEqual(wanted.encode(), body, f"seed {SEED}, document {place}: {text!r}")

    def test_documents_whose_digits_python_keeps_equal_json_dumps(self):
        corpus = Corpus(SEED, [n for n in NUMBERS if kept_by_python(n)])
        self.compare(
            [corpus.object(5) for _ in range(DOCUMENTS)],
            lambda text: json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True),
        )

    def test_documents_with_any_number_keep_its_digits(self):
        corpus = Corpus(SEED + 1, NUMBERS)
        documents = [corpus.object(4) for _ in range(DOCUMENTS // 2)]
        documents += ['{"n":%s}' % number for number in NUMBERS]
        self.compare(
            documents, lambda text: canonical(json.loads(text, parse_int=Raw, parse_float=Raw))
        )

    def test_the_last_of_duplicate_names_is_kept(self):
        self.compare(
            ['{"a":1,"a":2}', '{"a":1,"\\u0061":{"b":1,"b":2}}'],
            lambda text: canonical(json.loads(text, parse_int=Raw)),
        )

    def test_names_are_sorted_by_code_point(self):
        names = ["\ufffd", "\U0001f600", "a", "B", "é", "", "a\x00", "aa", "\x7f"]
        self.compare(
            [json.dumps({name: 1 for name in names}, ensure_ascii=False)],
            lambda text: json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True),
        )

    def test_nesting_of_100_is_taken_and_of_200_refused(self):
        self.compare(
            ['{"a":' * 100 + "1" + "}" * 100, '{"a":' + "[" * 100 + "]" * 100 + "}"],
            lambda text: text,
        )
        for text in (
            '{"a":' * 200 + "1" + "}" * 200,
            '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        ):
            self.refused(text)

    def refused(self, text):
        body = f'{{"event_type":"user.created","data":{text}}}'.encode("utf-8", "surrogatepass")
        answer = self.api.request("POST", "/api/v1/events", body)
        self.assertEqual(422, answer.status, f"{answer} for {text[:80]!r}")

    def test_what_no_receiver_could_read_is_refused(self):
        for value in (
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '"\\ud83d"',
            '"\ud800"',
            "1e400",
            "-1e999",
            "NaN",
            "Infinity",
            "01",
            "+1",
            ".5",
            "1.",
            "0x1",
            "'a'",
            '"\n"',
            '"\\x41"',
            "[1,]",
            "tru",
        ):
            self.refused('{"a":' + value + "}")
        for name in ('"\\ud800"', "a", "1"):
            self.refused("{" + name + ":1}")


if __name__ == "__main__":
    unittest.main()
