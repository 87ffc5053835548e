#!/usr/bin/env python3
"""Reads an evlog log, format version 2, with nothing but the Python standard library.

Written from docs/format.md alone; it shares no code with evlog, BLAKE3 included. It is the proof that the page is
enough: CI compares what it prints with what evlog reads. It is slow (about a second for 200 kB of log) and meant to
be read.

    evlog_reader.py LOGDIR [--json]

Prints one line for each event of the unbroken prefix, up to the first segment or commit that is not in its place (rules F-02,
F-05, F-12, F-16, F-24, F-31), its fields separated by tabs:

    seq recorded occurred class actor principal correlation key content
    stream number kind kind_version causation protection payload

with `-` for what is absent. The payload is JSON text where the kind is custom and the payload plain, else hexadecimal;
with `--json` a protected payload is null, since it cannot be shown. Then the findings,
`finding VERDICT POSITION RULE`; the verdict; and the root. Sentences go to stderr.
Exit code: 0 clean, 1 findings, 2 the log could not be read.
"""

import json
import os
import re
import stat
import struct
import sys
import zlib

# --- Limits (rule F-04) and kinds (rule F-35) ------------------------------------------------------------------------

FRAME_BODY_LEN_MAX = 16 * 1024 * 1024
EVENTS_PER_COMMIT_MAX = 65_536
EVENT_LEN_MAX = 8_388_864
PAYLOAD_LEN_MAX = 8 * 1024 * 1024
STREAM_LEN_MAX = 200
KIND_NAME_LEN_MAX = 120
ACTOR_LEN_MAX = 256
PRINCIPAL_LEN_MAX = 256
CORRELATION_LEN_MAX = 256
IDEMPOTENCY_KEY_LEN_MAX = 256
SEGMENT_LIMIT_MIN = 1024
SEGMENT_LIMIT_MAX = 1024 * 1024 * 1024
POSITION_MAX = 2**63 - 1
TIME_MAX_NS = 253_402_300_799_999_999_999

FORMAT_VERSION = 2
PRE_RELEASE = 1
CODEC = 1
HEADER_LEN = 96
FRAME_HEADER_LEN = 16
BODY_LEN_MIN = 20
DEPTH_MAX = 127
PLAIN = 0
OF_CONTRACTS = 100

KINDS = {  # Begin: written from the page with `just golden`.
    1: "log.created",
    2: "log.opened",
    3: "log.closed",
    4: "log.recovered",
    5: "log.tail_cut",
    6: "log.checkpoint_signed",
    7: "log.projection_published",
    8: "log.verified",
    9: "log.key_added",
    10: "log.loss_accepted",
    11: "log.clock_corrected",
    12: "log.name_changed",
    13: "log.clock_stepped",
    14: "log.policy_set",
    15: "log.audited",
    16: "log.store_tried",
    100: "status.created",
    101: "status.transitioned",
    102: "status.rejected",
    103: "status.forced_failed",
    104: "status.refused",
    105: "status.overridden",
    200: "story.created",
    201: "story.moved",
    202: "story.step_moved",
    203: "story.rejected",
    204: "story.cancel_requested",
    205: "story.gate_decided",
    206: "story.redriven",
    300: "pipeline.created",
    301: "pipeline.stage_begun",
    302: "pipeline.promotion_intended",
    303: "pipeline.artifacts_published",
    304: "pipeline.validation_reported",
    305: "pipeline.outcome_recorded",
    306: "pipeline.finalized",
    307: "pipeline.refused",
    308: "pipeline.output_captured",
    309: "pipeline.reconciled",
    310: "pipeline.lock_forced",
    311: "pipeline.stage_judged",
    312: "pipeline.limit_exceeded",
    313: "pipeline.inputs_recorded",
    314: "pipeline.taken_over",
    315: "pipeline.process_ended",
    400: "machine.created",
    401: "machine.transitioned",
    402: "machine.rejected",
    403: "machine.forced",
    404: "machine.refused",
}  # End.
CLASSES = {1: "sync", 2: "os"}

# --- BLAKE3, from its specification ----------------------------------------------------------------------------------

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
CHUNK_LEN, BLOCK_LEN = 1024, 64
MASK = 0xFFFFFFFF


def _schedule():
    """The order in which each of the seven rounds takes the 16 message words."""
    rounds, order = [], list(range(16))
    for _ in range(7):
        rounds.append(tuple(order))
        order = [order[at] for at in PERMUTATION]
    return rounds


SCHEDULE = _schedule()
COLUMNS_AND_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)


def compress(chaining, words, counter, length, flags):
    """The compression function: the first eight words of its output."""
    v = list(chaining) + list(IV[:4]) + [counter & MASK, counter >> 32, length, flags]
    for order in SCHEDULE:
        for n, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            x = (v[a] + v[b] + words[order[2 * n]]) & MASK
            t = v[d] ^ x
            t = ((t >> 16) | (t << 16)) & MASK
            y = (v[c] + t) & MASK
            u = v[b] ^ y
            u = ((u >> 12) | (u << 20)) & MASK
            x = (x + u + words[order[2 * n + 1]]) & MASK
            t ^= x
            t = ((t >> 8) | (t << 24)) & MASK
            y = (y + t) & MASK
            u ^= y
            v[a], v[b], v[c], v[d] = x, ((u >> 7) | (u << 25)) & MASK, y, t
    return tuple(v[n] ^ v[n + 8] for n in range(8))


def chunk_value(data, counter, extra_flags=0):
    """The chaining value of one chunk of at most 1024 bytes; with ROOT, the hash."""
    value, blocks = IV, max(1, (len(data) + BLOCK_LEN - 1) // BLOCK_LEN)
    for n in range(blocks):
        block = data[n * BLOCK_LEN:(n + 1) * BLOCK_LEN]
        flags = CHUNK_START if n == 0 else 0
        if n == blocks - 1:
            flags |= CHUNK_END | extra_flags
        words = struct.unpack("<16I", block.ljust(BLOCK_LEN, b"\0"))
        value = compress(value, words, counter, len(block), flags)
    return value


def parent_value(left, right, extra_flags=0):
    return compress(IV, left + right, 0, BLOCK_LEN, PARENT | extra_flags)


class Blake3:
    """The hash of a string that grows. `root` may be asked at any time."""

    def __init__(self):
        self.subtrees, self.chunks, self.tail = [], 0, b""

    def size(self):
        return self.chunks * CHUNK_LEN + len(self.tail)

    def update(self, data):
        data = self.tail + bytes(data)
        at = 0
        # A chunk enters the tree only when a byte after it is known: the topmost node is hashed differently.
        while len(data) - at > CHUNK_LEN:
            value = chunk_value(data[at:at + CHUNK_LEN], self.chunks)
            self.chunks += 1
            at += CHUNK_LEN
            count = self.chunks
            while count % 2 == 0:
                value = parent_value(self.subtrees.pop(), value)
                count //= 2
            self.subtrees.append(value)
        self.tail = data[at:]

    def root(self):
        if not self.subtrees:
            value = chunk_value(self.tail, 0, ROOT)
        else:
            value = chunk_value(self.tail, self.chunks)
            for n in range(len(self.subtrees) - 1, -1, -1):
                value = parent_value(self.subtrees[n], value, ROOT if n == 0 else 0)
        return struct.pack("<8I", *value)


# --- The codec (rules F-40 to F-45, F-50) ----------------------------------------------------------------------------------


class Flaw(Exception):
    """Bytes of a body that are not what they must be: rule, position, sentence."""

    def __init__(self, rule, position, message):
        super().__init__(message)
        self.rule, self.position = rule, position


class Cursor:
    def __init__(self, data, position):
        self.data, self.at, self.base = data, 0, position

    def fail(self, rule, message, at=None):
        raise Flaw(rule, self.base + (self.at if at is None else at), message)

    def take(self, count, what):
        if count > len(self.data) - self.at:
            self.fail("F-30", f"commit ends within {what}")
        out = self.data[self.at:self.at + count]
        self.at += count
        return out

    def byte(self, what):
        return self.take(1, what)[0]

    def varint(self, what, most=None, rule="F-04"):
        start, first = self.at, self.byte(what)
        if first <= 250:
            value = first
        elif first > 253:
            self.fail("F-40", f"{what}: {first} announces no integer of at most 64 bits", start)
        else:
            width = {251: 2, 252: 4, 253: 8}[first]
            value = int.from_bytes(self.take(width, what), "little")
            if value < {251: 251, 252: 2**16, 253: 2**32}[first]:
                self.fail("F-41", f"{what} is written in more bytes than it needs", start)
        if most is not None and value > most:
            self.fail(rule, f"{what}: expected at most {most}, found {value}", start)
        return value

    def signed(self, what):
        zigzag = self.varint(what)
        return (zigzag >> 1) ^ -(zigzag & 1)

    def time(self, what):
        """A signed integer of up to 16 bytes (rule F-50)."""
        start = self.at
        if self.data[start:start + 1] == b"\xfe":
            self.at += 1
            zigzag = int.from_bytes(self.take(16, what), "little")
            if zigzag < 2**64:
                self.fail("F-41", f"{what} is written in more bytes than it needs", start)
            time_ns = (zigzag >> 1) ^ -(zigzag & 1)
        else:
            time_ns = self.signed(what)
        if not 0 <= time_ns <= TIME_MAX_NS:
            self.fail("F-50", f"{what}: expected from 0 to {TIME_MAX_NS}, found {time_ns}", start)
        return time_ns

    def option(self, what):
        start, tag = self.at, self.byte(what)
        if tag > 1:
            self.fail("F-43", f"{what}: expected 0 or 1, found {tag}", start)
        return tag == 1

    def string(self, what, most):
        return self.take(self.varint(what, most), what)

    def given(self, what, most, rule):
        """Text that is left out rather than empty."""
        if not self.option(what):
            return None
        start = self.at
        text = self.text(what, most)
        if not text:
            self.fail(rule, f"{what} is empty", start)
        return text

    def text(self, what, most, rule="F-44"):
        start = self.at
        raw = self.string(what, most)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.fail(rule, f"{what} is not UTF-8", start)
        if any(byte < 32 or byte == 127 for byte in raw):
            self.fail(rule, f"{what} holds a control character", start)
        return text


# --- Commits and events (rules F-30 to F-39, F-46 to F-48) -------------------------------------------------------------


def read_commit(body, position):
    """One commit: its head, and its events. Raises Flaw."""
    cursor = Cursor(body, position)
    head = read_head(cursor)
    streams = read_streams(cursor)
    start, count = cursor.at, cursor.varint("number of events", EVENTS_PER_COMMIT_MAX)
    if count == 0:
        cursor.fail("F-38", "a commit without events")
    if len(streams) > count:
        cursor.fail("F-47", f"{len(streams)} streams for {count} events", start)
    events, used = [], set()
    for seq in range(head["first_seq"], head["first_seq"] + count):
        start, index = cursor.at, cursor.varint("stream of an event", len(streams) - 1, "F-47")
        used.add(index)
        stream = streams[index]
        event = read_event(cursor, start, seq, stream["name"], stream["next"])
        stream["next"] += 1
        events.append(event)
    if cursor.at != len(body):
        cursor.fail("F-30", f"{len(body) - cursor.at} bytes after the last event")
    if len(used) != len(streams):
        cursor.fail("F-47", "a stream without events")
    return head, events


def read_head(cursor):
    first_seq = cursor.varint("first seq", POSITION_MAX)
    recorded_ns = cursor.signed("recorded")
    occurred_ns = cursor.time("occurred") if cursor.option("occurred") else None
    start, durability = cursor.at, cursor.byte("durability class")
    if durability not in CLASSES:
        cursor.fail("F-32", "durability class has no meaning", start)
    actor = cursor.text("actor", ACTOR_LEN_MAX)
    principal = cursor.given("principal", PRINCIPAL_LEN_MAX, "F-48")
    correlation = cursor.given("correlation", CORRELATION_LEN_MAX, "F-48")
    key = cursor.given("idempotency key", IDEMPOTENCY_KEY_LEN_MAX, "F-36")
    content = None if key is None else cursor.take(32, "content digest")
    return {
        "first_seq": first_seq, "recorded_ns": recorded_ns, "occurred_ns": occurred_ns,
        "durability": CLASSES[durability], "actor": actor, "principal": principal, "correlation": correlation,
        "key": key, "content": content,
    }


def read_streams(cursor):
    """The list of streams (rule F-46)."""
    count = cursor.varint("number of streams", EVENTS_PER_COMMIT_MAX)
    if count == 0:
        cursor.fail("F-46", "a commit without streams")
    streams = []
    for _ in range(count):
        start, name = cursor.at, cursor.text("stream", STREAM_LEN_MAX)
        if not name:
            cursor.fail("F-33", "a stream without a name", start)
        number = cursor.varint("number within the stream", POSITION_MAX)
        if streams and name.encode("utf-8") <= streams[-1]["name"].encode("utf-8"):
            cursor.fail("F-46", f"stream `{name}` does not follow in the order of the bytes", start)
        streams.append({"name": name, "next": number})
    return streams


def read_event(cursor, start, seq, stream, number):
    """An event after the index of its stream; its details are a byte string."""
    length = cursor.varint("event", EVENT_LEN_MAX)
    begin = cursor.at
    details = Cursor(cursor.take(length, "event"), cursor.base + begin)
    kind_start, tag = details.at, details.varint("kind")
    if tag == 0:
        kind = details.varint("kind", 65_535)
    elif tag == 1:
        kind = details.text("kind", KIND_NAME_LEN_MAX, "F-35")
    else:
        details.fail("F-35", f"kind: expected 0 or 1, found {tag}", kind_start)
    version = details.varint("kind version", 65_535)
    causation = details.varint("causation") if details.option("causation") else None
    protection = details.byte("protection")
    payload = details.data[details.at:]
    if len(payload) > PAYLOAD_LEN_MAX:
        details.fail("F-04", f"payload: expected at most {PAYLOAD_LEN_MAX}, found {len(payload)}")
    if number > seq:
        cursor.fail("F-34", f"number {number} within the stream is more than seq {seq}", start)
    if isinstance(kind, str) and (not kind.startswith("custom/") or kind == "custom/"):
        cursor.fail("F-35", f"kind `{kind}` does not begin with `custom/`", start)
    if causation is not None and causation >= seq:
        cursor.fail("F-37", f"seq {seq} is caused by {causation}, which is not earlier", start)
    return {
        "seq": seq, "stream": stream, "number": number, "kind": kind, "kind_version": version,
        "causation": causation, "protection": protection, "payload": payload,
    }


# --- RFC 8785, to check the payloads of custom kinds (rule F-39) -------------------------------------------------------


def canonical(value):
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ecmascript_number(float(value))
    return json.dumps(value, ensure_ascii=False)


def ecmascript_number(value):
    """As ECMAScript prints a double. Python finds the same shortest digits, and places the point differently."""
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("not a number of JSON")
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


def unique_members(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member twice")
    return dict(pairs)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def is_canonical(payload):
    try:
        text = payload.decode("utf-8")
        value = json.loads(text, object_pairs_hook=unique_members)
        return depth(value) <= DEPTH_MAX and canonical(value) == text
    except (ValueError, RecursionError, OverflowError):
        return False


def is_plain_custom(event):
    return isinstance(event["kind"], str) and event["protection"] == PLAIN


def is_of_log(event):
    """Whether the kind is one of the log's own (rule F-49)."""
    return isinstance(event["kind"], int) and event["kind"] < OF_CONTRACTS


def is_stream_name(name):
    """Rule F-33."""
    return name == "$log" or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name) is not None


# --- The log -----------------------------------------------------------------------------------------------------------

WORST_FIRST = ("tampered", "truncated", "damaged", "torn_tail", "clean")


class Unreadable(Exception):
    """The log cannot be read by this program."""


class Reader:
    def __init__(self, on_event):
        self.on_event = on_event
        self.tree, self.roots_known = Blake3(), True
        self.log_id = self.limit = None
        self.segments = 0
        self.position = self.next_seq = self.durable = 0
        self.seq_unknown = self.lossy = False
        self.numbers, self.contents = {}, {}
        self.findings, self.prefix = [], None
        self.previous_len = None

    def tell(self, verdict, position, rule, message):
        self.findings.append((verdict, position, rule, message))

    def verdict(self):
        return min([finding[0] for finding in self.findings] + ["clean"], key=WORST_FIRST.index)

    def changed(self):
        """What a contradiction means: after damage its consequence, otherwise someone made the checksums match."""
        return "damaged" if self.verdict() in ("damaged", "truncated") else "tampered"

    def here(self):
        return self.position, self.next_seq, self.tree.root()

    def end_shown(self):
        """The unbroken prefix ends here (rule F-05)."""
        if self.prefix is None:
            self.prefix = self.here()

    def end_prefix(self):
        self.whole = False
        self.end_shown()

    def gap(self):
        self.seq_unknown = self.lossy = True

    def advance(self, data):
        self.tree.update(data)
        self.position += len(data)

    def segment(self, name, data, following):
        """One segment file; `following` is the position in the next one's name, None for the last file."""
        last = following is None
        self.base, self.frames, self.whole, self.last = self.position, 0, True, last
        # What stands where the next segment begins is not shown: it is the one or the other.
        self.until = POSITION_MAX if last else following
        self.segments += 1
        readable = self.header(name, data)
        at = min(HEADER_LEN, len(data))
        if readable:
            at = self.read_frames(data, at)
        self.advance(data[at:])
        self.previous_len = self.position - self.base if readable and self.whole else None

    def header(self, name, data):
        """Checks the header and passes over it. Whether frames can be read after it (rules F-10 to F-16)."""
        if len(data) < HEADER_LEN:
            self.tell("damaged", self.position, "F-10", f"segment header: expected 96 bytes, found {len(data)}")
            self.end_prefix()
            self.advance(data)
            return False
        header = data[:HEADER_LEN]
        rule, message = self.header_flaw(name, header)
        if rule:
            self.tell("damaged", self.position, rule, message)
            self.end_prefix()
            if name != self.position:
                self.move_to(name)
        else:
            self.good_header(name, header)
        self.advance(header)
        return self.log_id is not None

    def header_flaw(self, name, header):
        version, codec = struct.unpack_from("<II", header, 8)
        crc_ok = zlib.crc32(header[:92]) == struct.unpack_from("<I", header, 92)[0]
        if header[:8] != b"evlogseg":
            return "F-10", "segment header: expected it to begin with `evlogseg`"
        at_start = self.segments == 1 and name == 0
        if version > FORMAT_VERSION:
            mended = header[:8] + struct.pack("<I", FORMAT_VERSION) + header[12:92]
            only_that = zlib.crc32(mended) == struct.unpack_from("<I", header, 92)[0]
            if at_start and not only_that:
                raise Unreadable(f"format version {version} is newer than this program reads: expected 2")
            return "F-11", f"format version: expected 2, found {version}"
        if not crc_ok:
            return "F-13", "segment header: checksum does not match"
        if version == PRE_RELEASE and at_start:
            raise Unreadable("format version 1 was written by a pre-release of evlog: expected 2")
        limit, position, first_seq = struct.unpack_from("<QQQ", header, 32)
        if version != FORMAT_VERSION or codec != CODEC:
            return "F-11", f"expected version 2 and codec 1, found {version} and {codec}"
        if not SEGMENT_LIMIT_MIN <= limit <= SEGMENT_LIMIT_MAX or max(position, first_seq) > POSITION_MAX:
            return "F-12", "segment header: a field is out of range"
        if header[88:92] != bytes(4):
            return "F-12", "segment header: the reserved field is not zero"
        return None, None

    def good_header(self, name, header):
        log_id = header[16:32]
        limit, position, first_seq = struct.unpack_from("<QQQ", header, 32)
        if self.log_id is None:
            self.log_id, self.limit = log_id, limit
        # Readers show nothing of a segment that is not in its place.
        is_of_another = (log_id, limit) != (self.log_id, self.limit)
        if is_of_another or position != name or not self.expects(first_seq):
            self.end_shown()
        if is_of_another:
            self.tell("tampered", position, "F-12", "log id or segment size limit is not that of the first segment")
        if position != name:
            self.tell("tampered", position, "F-02", f"segment file is named {name}, its header says {position}")
        running = self.position
        if position != running:
            verdict = "truncated" if position > running else self.changed()
            self.tell(verdict, running, "F-16", f"position: expected {running}, found {position}")
            self.end_prefix()
            self.move_to(position)
        if self.previous_len == HEADER_LEN:
            self.tell("tampered", running - HEADER_LEN, "F-15", "a sealed segment without a frame")
        if not self.expects(first_seq):
            self.tell(self.changed(), position, "F-16", f"first seq: expected {self.next_seq}, found {first_seq}")
        self.lossy |= first_seq != self.next_seq
        self.next_seq, self.seq_unknown = first_seq, False
        if self.roots_known and self.tree.root() != header[56:88]:
            self.tell(self.changed(), position, "F-14", "root of the bytes before this segment does not match")
            self.roots_known = False

    def move_to(self, position):
        self.position = self.base = position
        self.roots_known, self.previous_len = False, None
        self.gap()

    def expects(self, seq):
        return seq >= self.next_seq if self.seq_unknown else seq == self.next_seq

    def frame_at(self, data, at):
        """Rules F-20 to F-23. A frame as (durable-before, body), or why there is none: `incomplete`, or a flaw."""
        if at + 4 > len(data):
            return None, ("incomplete", "F-21", "a frame header is not whole")
        length = struct.unpack_from("<I", data, at)[0]
        if length > FRAME_BODY_LEN_MAX:
            return None, ("corrupt", "F-21", f"frame of {length} bytes is longer than the limit")
        if at + FRAME_HEADER_LEN + length > len(data):
            found = len(data) - at
            return None, ("incomplete", "F-21", f"frame: expected {length + 16} bytes, found {found}")
        crc, durable = struct.unpack_from("<IQ", data, at + 4)
        body = data[at + FRAME_HEADER_LEN:at + FRAME_HEADER_LEN + length]
        position = self.base + at
        covered = self.log_id + struct.pack("<QIQ", position, length, durable) + body
        if zlib.crc32(covered) != crc:
            return None, ("corrupt", "F-22", "frame: checksum does not match")
        if durable > position:
            return None, ("corrupt", "F-23", f"durable-before {durable} is beyond the frame's position")
        return (durable, body), None

    def read_frames(self, data, at):
        """Reads to the end of the segment; gives back how far bytes were passed over."""
        while at < len(data):
            if data[at:at + 4] == bytes(len(data[at:at + 4])):
                at, flaw = self.zeros(data, at)
                if flaw is None:
                    return at
            else:
                frame, flaw = self.frame_at(data, at)
                if frame is not None:
                    at = self.frame(data, at, *frame)
                    continue
                self.end_prefix()
            at = self.search(data, at, flaw)
        return at

    def zeros(self, data, at):
        """Rule F-25. A length of 0: the rest of the last segment is zeros."""
        self.end_prefix()
        if any(data[at:]):
            return at, ("corrupt", "F-25", "bytes other than zero follow a length of 0")
        if not self.last:
            self.tell("damaged", self.base + at, "F-25", "a sealed segment ends in zeros")
            self.gap()
        return at, None

    def frame(self, data, at, durable, body):
        position, end = self.base + at, at + FRAME_HEADER_LEN + len(body)
        try:
            head, events = read_commit(body, position + FRAME_HEADER_LEN)
        except Flaw as flaw:
            self.tell("damaged", flaw.position, flaw.rule, str(flaw))
            self.end_prefix()
            self.gap()
        else:
            self.check_roll(at, end - at, durable)
            self.commit(position, self.base + end, durable, head, events)
        self.frames += 1
        self.advance(data[at:end])
        return end

    def check_roll(self, at, length, durable):
        """Rule F-15."""
        position = self.base + at
        if self.frames > 0 and at + length > self.limit:
            self.tell("tampered", position, "F-15", "segment is longer than its limit")
        # The first frame that can be read need not be the first. A writer that stopped between a header and its first frame leaves the cut to the next session, whose first
        # frame states that the header was durable.
        before = self.previous_len
        if at == HEADER_LEN and before is not None and durable <= self.base:
            if before <= HEADER_LEN or before + length <= self.limit:
                self.tell("tampered", position, "F-15", "the frame would have fitted into the segment before")

    def commit(self, position, end, durable, head, events):
        """The order of commits and events (rules F-24, F-31), and each event."""
        first_seq = head["first_seq"]
        # Readers show nothing from a commit on that is not in its place.
        if durable < self.durable or not self.expects(first_seq):
            self.end_shown()
        if durable < self.durable:
            self.tell("tampered", position, "F-24", f"durable-before fell from {self.durable} to {durable}")
        self.durable = max(self.durable, durable)
        if not self.expects(first_seq):
            self.tell("tampered", position, "F-31", f"first seq: expected {self.next_seq}, found {first_seq}")
            self.lossy = True
        before = None
        for event in events:
            self.event(position, head, event, is_of_log(events[0]))
            if head["key"] is not None and event["stream"] != before:
                first = self.contents.setdefault((event["stream"], head["key"]), head["content"])
                if first != head["content"]:
                    self.tell("tampered", position, "F-36", f"key `{head['key']}` comes again with other content")
            before = event["stream"]
            if self.prefix is None and end <= self.until:
                self.on_event(head, event)
        self.seq_unknown = False
        self.next_seq = first_seq + len(events)

    def event(self, position, head, event, is_own):
        """One event in its place (rules F-33, F-34, F-39, F-49)."""
        stream, number, seq = event["stream"], event["number"], event["seq"]
        expected = self.numbers.get(stream, 0)
        if number < expected or (number != expected and not self.lossy):
            self.tell("tampered", position, "F-34", f"stream `{stream}`: expected {expected}, found {number}")
        self.numbers[stream] = number + 1
        if not is_stream_name(stream):
            self.tell("tampered", position, "F-33", f"seq {seq}: the stream's name is that of no run")
        said = any(head[name] is not None for name in ("occurred_ns", "correlation", "key"))
        if is_of_log(event) != is_own or (is_own and (stream != "$log" or said)):
            self.tell("tampered", position, "F-49", f"seq {seq}: an event of the log's own is not by itself in `$log`")
        if is_plain_custom(event) and not is_canonical(event["payload"]):
            self.tell("tampered", position, "F-39", f"seq {seq}: payload is not RFC 8785 text")

    def search(self, data, start, flaw):
        """Rule F-26: what a frame that fails means depends on what follows it, and on the segment."""
        at, begin, passed = start, self.base + start, 0
        while at + FRAME_HEADER_LEN <= len(data):
            length, _, durable = struct.unpack_from("<IIQ", data, at)
            if BODY_LEN_MIN <= length <= FRAME_BODY_LEN_MAX and self.durable <= durable <= self.base + at:
                frame, _ = self.frame_at(data, at)
                if frame is not None and self.last and durable <= begin:
                    # Of a group that was never acknowledged, and on disk before its predecessor: not committed.
                    at, passed = at + FRAME_HEADER_LEN + length, passed + 1
                    continue
                if frame is not None:
                    self.tell("damaged", begin, flaw[1], flaw[2])
                    gap = f"{at - start} bytes, with {passed} whole frames among them" if passed else f"{at - start} bytes that are none"
                    self.tell("damaged", self.base + at, "F-26", f"frames go on after {gap}")
                    self.gap()
                    self.advance(data[start:at])
                    return at
            at += 1
        after = f", and {passed} whole frames after it" if passed else ""
        self.tell("torn_tail" if self.last else "damaged", begin, flaw[1], flaw[2] + after)
        self.gap()
        self.advance(data[start:])
        return len(data)


# --- The command line --------------------------------------------------------------------------------------------------


def kind_name(kind):
    return kind if isinstance(kind, str) else KINDS.get(kind, f"built-in/{kind}")


def payload_text(event):
    payload = event["payload"]
    if is_plain_custom(event):
        try:
            text = payload.decode("utf-8")
            if not any(byte < 32 or byte == 127 for byte in payload):
                return text
        except UnicodeDecodeError:
            pass
    return payload.hex() or "-"


def print_line(head, event):
    absent = lambda value: "-" if value is None else str(value)
    content = None if head["content"] is None else head["content"].hex()
    fields = (
        event["seq"], head["recorded_ns"], absent(head["occurred_ns"]), head["durability"], head["actor"] or "-",
        absent(head["principal"]), absent(head["correlation"]), absent(head["key"]), absent(content),
        event["stream"], event["number"], kind_name(event["kind"]), event["kind_version"], absent(event["causation"]),
        event["protection"], payload_text(event),
    )
    print("\t".join(map(str, fields)))


def print_json(head, event):
    out = dict(head, **event)
    del out["first_seq"]
    out["kind"], out["payload"] = kind_name(event["kind"]), event["payload"].hex()
    out["content"] = None if head["content"] is None else head["content"].hex()
    if event["protection"] != PLAIN:
        out["payload"] = None
    elif isinstance(event["kind"], str) and is_canonical(event["payload"]):
        out["payload"] = json.loads(event["payload"])
    print(json.dumps(out, ensure_ascii=False, sort_keys=True))


def read_log(directory, on_event):
    segments = os.path.join(directory, "segments")
    if not stat.S_ISDIR(os.lstat(segments).st_mode):
        raise Unreadable(f"{segments}: no directory")
    names = sorted(name for name in os.listdir(segments) if re.fullmatch(r"[0-9]{20}\.seg", name))
    if not names:
        raise Unreadable(f"{segments}: no segment file")
    reader = Reader(on_event)
    for n, name in enumerate(names):
        path = os.path.join(segments, name)
        # A link may lead to another log, and a pipe would be waited for.
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Unreadable(f"{path}: no regular file")
        with open(path, "rb") as file:
            following = int(names[n + 1][:20]) if n + 1 < len(names) else None
            reader.segment(int(name[:20]), file.read(), following)
    return reader


def main(arguments):
    as_json = "--json" in arguments
    paths = [argument for argument in arguments if argument != "--json"]
    if len(paths) != 1 or paths[0].startswith("-"):
        print("usage: evlog_reader.py LOGDIR [--json]", file=sys.stderr)
        return 2
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        reader = read_log(paths[0], print_json if as_json else print_line)
    except (OSError, Unreadable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size, next_seq, root = reader.prefix or reader.here()
    verdict = reader.verdict()
    for finding in reader.findings:
        print("{}: at position {}: {} ({})".format(finding[0], finding[1], finding[3], finding[2]), file=sys.stderr)
    if as_json:
        findings = [dict(zip(("verdict", "position", "rule", "message"), finding)) for finding in reader.findings]
        out = {"verdict": verdict, "findings": findings, "root": root.hex(), "size": size, "next_seq": next_seq}
        print(json.dumps(out, sort_keys=True))
    else:
        for finding in reader.findings:
            print("finding", *finding[:3])
        print("verdict", verdict)
        print("root", root.hex(), "size", size, "next_seq", next_seq)
    return 0 if verdict == "clean" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
