"""Personal data in text: IP addresses, telephone numbers, e-mail addresses, accounts, passwords in URLs.

What cannot be told apart from something harmless passes: dates, versions, coordinates, digests, case references.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote


class What(Enum):
    """What was found: what it is called, and the field that is made for it, if there is one."""

    IP = "an IP address", "address"
    PASSWORD = "a user name or password in a URL", ""
    TELEPHONE = "a telephone number", "telephone"
    EMAIL = "an e-mail address", "email"
    ACCOUNT = "the name of an account", ""

    def __init__(self, words: str, field: str) -> None:
        self.words = words
        self.field = field


NEVER = frozenset({What.IP, What.PASSWORD})  # shared on nobody's word


@dataclass(frozen=True, slots=True)
class Finding:
    """Where it stands, in characters from 0 and up to the end; never what stands there."""

    what: What
    start: int
    end: int


# Dots and ats also as they are written so that nobody clicks them.
_DOT = r"(?:\.|\s?[\[({<]\s?(?:\.|dot|punkt|point)\s?[\])}>]\s?)"
_AT = r"(?:@|\s?[\[({<]\s?(?:@|at|ät|arobase)\s?[\])}>]\s?)"
_DOTS = re.compile(_DOT, re.IGNORECASE)
_IDEOGRAPHIC_STOP = {0x3002: "."}  # in the host of a URL it is a dot, and NFKC leaves it
_INVISIBLE = "Cf"  # format characters: joiners, soft hyphens, marks of direction
_IPV4 = re.compile(rf"(?<!\w)(?<!\w\.)[0-9]{{1,3}}(?:{_DOT}[0-9]{{1,3}}){{3}}(?!\w|\.[0-9])", re.IGNORECASE)
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
# Numbers with a zero in front may be a time of day or a date; with two, they are an address on a form.
_MOMENT = re.compile(
    r"[0-2]?[0-9](?:\.[0-5][0-9]){2}\.(?:[1-9][0-9]{2}|[0-9]{1,2})|[0-3]?[0-9]\.[01]?[0-9]\.[0-9]{2}\.[0-2]?[0-9]"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f:]{2,39}:[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.])|[0-9A-Fa-f]{3,4}:[0-9A-Fa-f:]{1,34}(?![\w:]))"
)
# Four numbers behind one of these are a version or a place in a text.
_COUNTED = re.compile(
    r"(?:\b(?:v|ver|vers|version|versionen|release|build|firmware|fassung|stand|edition|édition|kapitel|chapter|"
    r"chapitre|abschnitt|section|ziffer|ziff|nr|no|point|punkt|annex|anhang|annexe|para|art)\b\.?|n°|§+)[\s:]*\Z",
    re.IGNORECASE,
)
_COUNTED_CHARACTERS = 16
_EMAIL = re.compile(rf"(?<![\w.+@-])[\w.+-]{{1,64}}{_AT}[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,8}}", re.IGNORECASE)
_SPELLED = re.compile(  # an address as it is spoken
    r"(?<![\w.+-])[\w.+-]{1,64}\s(?:at|ät|arobase)\s[\w-]{1,63}(?:\s(?:dot|punkt|point)\s[\w-]{2,63}){1,8}(?!\w)",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(r"(?<![\w@./+-])@[A-Za-z0-9_][\w.-]{1,63}(?:@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})?")
_URL = re.compile(r"(?<![\w])[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"']{1,8192}")
_BARE = re.compile(r"(?<![\w@./-])(?:[a-z0-9-]{1,63}\.){1,3}[a-z]{2,10}/[^\s<>\"']{1,256}", re.IGNORECASE)
_TAIL = ".,;:!?)]}"
_TRIES_MAX = 1000  # in one text, of what is no telephone number after all
# Worth asking the library of telephone numbers about: it is loaded only then.
_DIGITS = re.compile(r"[+(]?[0-9](?:[\s()./-]{0,3}[0-9]){6,}")
_DATE = re.compile(r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-[0-3][0-9]|[0-3]?[0-9]\.[01]?[0-9]\.(?:19|20)[0-9]{2}")
_URL_FAULTS = {
    What.PASSWORD: "the url has a user name or a password in it",
    What.IP: "the host of the url is an IP address",
    What.ACCOUNT: "the url is the page of an account",
}
_PARTS = re.compile(r"[^:/?#]+://[/\\]*((?:[^/?#\\]*@)?(\[[^\]/?#]*\]?|[^:/?#\\]*)[^/?#\\]*)([^?#]*)")
_PATH = {  # hosts whose first part of a path is an account
    "t.me": re.compile(r"/(?!joinchat/|\+)(?:s/)?[A-Za-z]\w{3,31}/?"),
    "telegram.me": re.compile(r"/(?!joinchat/|\+)(?:s/)?[A-Za-z]\w{3,31}/?"),
    "instagram.com": re.compile(r"/(?!p/|reel/|explore/)[\w.]{1,30}/?"),
    "x.com": re.compile(r"/(?!i/|home|search)\w{1,15}/?"),
    "twitter.com": re.compile(r"/(?!i/|home|search)\w{1,15}/?"),
    "vk.com": re.compile(r"/id[0-9]{1,12}/?"),
}
_AT_NAME = re.compile(r"/@[\w.-]{1,64}(?:@[\w.-]{1,64})?/?")  # elsewhere: TikTok, YouTube, Mastodon and the like


def find(text: str, regions: Sequence[str] = ()) -> list[Finding]:
    """All of it, by where it stands. National telephone numbers are those of these countries."""
    found: list[Finding] = []
    read, places = _read(text)
    taken = bytearray(len(read))
    for one in (*_urls(read), *_addresses(read), *_emails(read), *_accounts(read), *_telephones(read, regions)):
        if taken.find(1, one.start, one.end) < 0:
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(_placed(one, places))
    return sorted(found, key=lambda one: one.start)


def mask(text: str) -> str:
    """The text without its IP addresses."""
    read, places = _read(text)
    for one in sorted((_placed(one, places) for one in _addresses(read)), key=lambda one: -one.start):
        text = f"{text[: one.start]}[IP address]{text[one.end :]}"
    return text


def redact(text: str) -> str:
    """The text without anything that may be somebody's; of telephone numbers those with the code of a country."""
    for one in reversed(find(text)):
        text = f"{text[: one.start]}[{one.what.words}]{text[one.end :]}"
    return text


def in_url(url: str) -> What | None:
    """What is personal in a URL: who logs in, a host that is an IP address, the page of an account."""
    parts = _PARTS.match(url)
    if parts is None:
        return None
    authority, host, path = parts[1], _host(parts[2]), parts[3]
    if "@" in authority:
        return What.PASSWORD
    if _is_ip(host):
        return What.IP
    if (at_host := _PATH.get(host.removeprefix("www."))) and at_host.fullmatch(path):
        return What.ACCOUNT
    return What.ACCOUNT if "@" in path and _AT_NAME.fullmatch(path) else None


def url_fault(url: str, *, allowed: bool) -> str:
    """Why a URL is not shared, in words; empty if it may be. ``allowed``: also the page of an account."""
    what = in_url(url)
    return "" if what is None or (allowed and what not in NEVER) else _URL_FAULTS[what]


def _read(text: str) -> tuple[str, Sequence[int]]:
    """The text as people read it, and where each of its characters stands.

    Digits, dots and ats of other widths and scripts are those of ASCII, and what is invisible is not there.
    """
    if text.isascii():
        return text, range(len(text))
    places = [place for place, character in enumerate(text) if unicodedata.category(character) != _INVISIBLE]
    return "".join(_as_ascii(text[place]) for place in places), places


def _placed(one: Finding, places: Sequence[int]) -> Finding:
    return Finding(one.what, places[one.start], places[one.end - 1] + 1)


def _as_ascii(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    found = unicodedata.normalize("NFKC", character).translate(_IDEOGRAPHIC_STOP)
    return found if len(found) == 1 else character


def _host(written: str) -> str:
    """The name that browsers look up: of a host in percent signs, in wide characters, or with a dot at its end."""
    name = unicodedata.normalize("NFKC", unquote(written)).translate(_IDEOGRAPHIC_STOP)
    return "".join(filter(str.isprintable, name)).lower().rstrip(".")


def _is_ip(host: str) -> bool:
    """As browsers read it: no name ends in a number, and one number alone is an address too."""
    last = host.rpartition(".")[2]
    return host.startswith("[") or last.isdigit() or last.startswith("0x")


def _urls(text: str) -> Iterator[Finding]:
    if "/" not in text:
        return
    for found in _URL.finditer(text):
        written = found[0].rstrip(_TAIL)
        what = in_url(written)
        if what:
            yield Finding(what, found.start(), found.start() + len(written))
    for found in _BARE.finditer(text):
        written = found[0].rstrip(_TAIL)
        if in_url(f"https://{written}") is What.ACCOUNT:
            yield Finding(What.ACCOUNT, found.start(), found.start() + len(written))


def _addresses(text: str) -> Iterator[Finding]:
    end = 0
    for found in _IPV6.finditer(text) if ":" in text else ():
        written = found[0]
        if written.endswith(":") and not written.endswith("::"):
            written = written[:-1]  # of the sentence
        if written.count(":") > 1 and _is_of_somebody(written):
            yield from _addresses_v4(text, end, found.start())
            end = found.start() + len(written)
            yield Finding(What.IP, found.start(), end)
    yield from _addresses_v4(text, end, len(text))


def _addresses_v4(text: str, start: int, end: int) -> Iterator[Finding]:
    for found in _IPV4.finditer(text, start, end):
        before = text[max(found.start() - _COUNTED_CHARACTERS, 0) : found.start()]
        if _is_v4(_DOTS.sub(".", found[0])) and not _COUNTED.search(before):
            yield Finding(What.IP, found.start(), found.end())


def _is_v4(written: str) -> bool:
    address = _ZEROS.sub("", written)
    return _is_of_somebody(address) and (address == written or not _MOMENT.fullmatch(written))


def _is_of_somebody(written: str) -> bool:
    try:
        found = ipaddress.ip_address(written)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified)


def _emails(text: str) -> Iterator[Finding]:
    for pattern in (_EMAIL, _SPELLED):
        yield from (Finding(What.EMAIL, found.start(), found.end()) for found in pattern.finditer(text))


def _accounts(text: str) -> Iterator[Finding]:
    return (Finding(What.ACCOUNT, found.start(), found.end()) for found in _ACCOUNT.finditer(text))


def _telephones(text: str, regions: Sequence[str]) -> Iterator[Finding]:
    if not _DIGITS.search(text):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher  # noqa: PLC0415 - 15 ms and 3 MB that few texts need

    for region in (None, *regions):
        # A number without its country may be anything: only where it is grouped as that country does.
        leniency = Leniency.STRICT_GROUPING if region else Leniency.VALID
        for found in PhoneNumberMatcher(text, region, leniency, _TRIES_MAX):
            if not _is_date(found.raw_string):
                yield Finding(What.TELEPHONE, found.start, found.end)


def _is_date(written: str) -> bool:
    return _DATE.search(written) is not None
