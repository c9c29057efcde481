"""What is personal in sentences as duty desks write them, and what only looks like it. All of it is made up."""

import pytest

from node.content import personal
from node.content.personal import What

REGIONS = ("DE", "FR", "GB")
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}  # as East Asian keyboards type them
ARABIC_IP = "203.0.113.77".translate({48 + digit: 0x660 + digit for digit in range(10)})
WIDE_IP, WIDE_EMAIL = "203.0.113.77".translate(WIDE), "erika@example.org".replace("@", "\uff20")

FOUND = [
    ("Der Upload kam von 203.0.113.77 gegen 14:05 Uhr.", "203.0.113.77", What.IP),
    ("Connexion depuis 198.51.100[.]23, port 443.", "198.51.100[.]23", What.IP),
    ("Seen at 192.0.2.14/32 and nowhere else", "192.0.2.14", What.IP),
    ("Serveur joint en 2001:db8:85a3::8a2e:370:7334.", "2001:db8:85a3::8a2e:370:7334", What.IP),
    ("the host [2001:db8::1]:8080 answers", "2001:db8::1", What.IP),
    ("mapped as ::ffff:203.0.113.9 in the log", "::ffff:203.0.113.9", What.IP),
    ("Anfrage über 2001:db8::7: keine Antwort", "2001:db8::7", What.IP),
    ("Aus dem Formular: 203.000.113.077, zweimal", "203.000.113.077", What.IP),
    ("the login came from 203.0.113.07 again", "203.0.113.07", What.IP),
    ("Upload von 203[dot]0[dot]113[dot]77 um 12 Uhr", "203[dot]0[dot]113[dot]77", What.IP),
    ("depuis 203 (point) 0 (point) 113 (point) 77, port 443", "203 (point) 0 (point) 113 (point) 77", What.IP),
    (f"Später… von {WIDE_IP} aus", WIDE_IP, What.IP),
    ("Gemeldet: 203。0。113。77, dann nichts mehr", "203。0。113。77", What.IP),
    (f"wieder {ARABIC_IP} gesehen", ARABIC_IP, What.IP),
    ("und dann...203.0.113.77", "203.0.113.77", What.IP),
    ("Live on http://203.0.113.5:8080/watch?v=2, still up", "http://203.0.113.5:8080/watch?v=2", What.IP),
    ("Live on http://[2001:db8::5]/watch.", "http://[2001:db8::5]/watch", What.IP),
    ("Live on http://203.0.113.%37%37/watch, still up", "http://203.0.113.%37%37/watch", What.IP),
    ("Zugang ftp://max:geheim@files.example.org/a", "ftp://max:geheim@files.example.org/a", What.PASSWORD),
    ("Rückruf bitte unter +49 30 901820, Tag und Nacht", "+49 30 901820", What.TELEPHONE),
    ("Hinweise an 030 901820 erbeten", "030 901820", What.TELEPHONE),
    ("Appelez le 01 40 07 60 60 avant midi.", "01 40 07 60 60", What.TELEPHONE),
    ("joignable au (+33) 1 40 07 60 60", "(+33) 1 40 07 60 60", What.TELEPHONE),
    ("The caller used +44 7911 123456 twice", "+44 7911 123456", What.TELEPHONE),
    ("Kontakt: erika.mustermann@example.org.", "erika.mustermann@example.org", What.EMAIL),
    ("écrire à jean.dupont [at] example.fr", "jean.dupont [at] example.fr", What.EMAIL),
    ("write to jane.doe[at]example[dot]com", "jane.doe[at]example[dot]com", What.EMAIL),
    ("Kontakt: erika (ät) example (Punkt) org", "erika (ät) example (Punkt) org", What.EMAIL),
    ("reach me: jane at example dot com, day or night", "jane at example dot com", What.EMAIL),
    ("Kontakt: Erika.M ät post Punkt example Punkt org", "Erika.M ät post Punkt example Punkt org", What.EMAIL),
    ("von 203.0\u200b.113\u00ad.7\u200d7 aus", "203.0\u200b.113\u00ad.7\u200d7", What.IP),
    ("an eri\u200bka@exam\u2060ple.org\u200b.", "eri\u200bka@exam\u2060ple.org", What.EMAIL),
    ("Rückruf +49 30\u200b 9018\u200b20", "+49 30\u200b 9018\u200b20", What.TELEPHONE),
    (f"Über {WIDE_EMAIL} erreichbar", WIDE_EMAIL, What.EMAIL),
    ("sent from x_y+z@mail.example.co.uk today", "x_y+z@mail.example.co.uk", What.EMAIL),
    ("Das Video lud @max_muster88 hoch", "@max_muster88", What.ACCOUNT),
    ("Geteilt von \uff20max_muster88, mehrfach", "\uff20max_muster88", What.ACCOUNT),
    ("reposted by @anna@social.example since noon", "@anna@social.example", What.ACCOUNT),
    ("Kanal https://t.me/kanal_name verbreitet es", "https://t.me/kanal_name", What.ACCOUNT),
    ("mirrored on t.me/kanal_name, among others", "t.me/kanal_name", What.ACCOUNT),
    ("le profil https://www.tiktok.com/@jean.d diffuse", "https://www.tiktok.com/@jean.d", What.ACCOUNT),
    ("see https://x.com/someone_1", "https://x.com/someone_1", What.ACCOUNT),
]

PASSES = [
    "",
    "Angriff auf eine Synagoge am 09.10.2019 um 12:01 Uhr, Livestream auf zwei Plattformen.",
    "Fusillade à 14h05 le 23/11/2026, près de 48.8566, 2.3522, deux vidéos en ligne.",
    "From 2026-11-23T14:05:30.250Z to 2026-11-23T16:00:00+01:00, then again 2026-11-24 08:00-09:30",
    "Az. 123 Js 4567/26, Vorgang 2026/0012345, Tgb.-Nr. 4711/26 PP Halle",
    "Procès-verbal n° 2026/004512, parquet n° 26327000123",
    "Ref. EU-IRU 2026-000123-45, ticket INC0012345678",
    "SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 und drei weitere",
    "MD5 d41d8cd98f00b204e9800998ecf8427e, PDQ f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22",
    "Fingerprint 3A:7F:00:1B:C4:9D:55:02:EE:10 of the certificate",
    "Scanner version 10.0.19.4, engine v4.2.0.1, Fassung 1.2.3.4 des Leitfadens",
    "Siehe Ziffer 3.2.1.4 und § 1.2.3.4; cf. section 2.1.3.1",
    "Koordinaten 51°29'31\"N 11°58'05\"E, UTM 32U 706832 5707942, +51.4919 +11.9680",
    "12 Plattformen, 1.250.000 Aufrufe, 3,4 Mio. Konten, 0,5 % davon gemeldet",
    "250 000 vues en 40 minutes, 1 200 copies, 36 langues",
    "Matched 1,250,000 of 12,345,678 digests; 99.95 % within 00:15:00",
    "Lokaler Dienst auf 127.0.0.1:7444 und ::1 antwortet",
    "https://video.example.org/watch?v=dQw4w9WgXcQ&t=120 bleibt erreichbar",
    "See https://www.europol.europa.eu/media-press/newsroom and https://t.me/joinchat/AAAA",
    "Der Clip https://x.com/i/status/1234567890123456789 ist gelöscht",
    "Ratio 4:3, Format 16:9, Teil 2::3, std::vector<int> a(5)",
    "Telegram, TikTok et Mastodon @ Europol : réunion à 10 h",
    "IBAN und Konten wurden nicht genannt; Postfach 10 02 03, 06108 Halle (Saale)",
    "ISO 27001:2022, RFC 9113, EN 301 549, DIN 5008:2020-03",
    "Regulation (EU) 2021/784, Art. 14(5); Directive (EU) 2016/680, Rec. 12-14",
    "Einsatz 2026-11-23 14:05, Ende 24.11.2026 02:05, Dauer 12 h",
    "@ 14:05 UTC; a@b is no address; 3 @ 2,50 EUR",
    "Beginn 09.10.19.12 Uhr, Schnitt bei 00.15.00.09, Ende 14.05.30.250, Fassung 2.06.1.3",
    "Serveur (at) la mairie, point (.) final, [dot] com, 1 [dot] 2 [dot] 3",
    "at noon dot matrix printers were found; nous arrivons au point de départ",
    "Version 10.0.19.4, 12:01 Uhr, 2026-11-23, 4:3".translate(WIDE),
]


@pytest.mark.parametrize(("text", "written", "what"), FOUND)
def test_what_is_personal_is_found_where_it_stands(text: str, written: str, what: What) -> None:
    (found,) = personal.find(text, REGIONS)
    assert (text[found.start : found.end], found.what) == (written, what)


@pytest.mark.parametrize("text", PASSES)
def test_what_only_looks_like_it_passes(text: str) -> None:
    assert [text[one.start : one.end] for one in personal.find(text, REGIONS)] == []


def test_all_of_a_text_is_found_in_its_order() -> None:
    text = "203.0.113.7, dann a.b@example.org, dann +49 30 901820, dann @konto_1"
    assert [one.what for one in personal.find(text)] == [What.IP, What.EMAIL, What.TELEPHONE, What.ACCOUNT]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://video.example.org/watch/@anna/clip", None),
        ("https://video.example.org/a@b?c=d@e", None),
        ("https://8.example.org/1.2.3.4", None),
        ("https://t.me/kanal_name/12", None),
        ("https://www.instagram.com/p/Cabc123/", None),
        ("https://video.example.org/@anna", What.ACCOUNT),
        ("https://t.me/s/kanal_name", What.ACCOUNT),
        ("https://user@video.example.org/", What.PASSWORD),
        ("https://user:password@203.0.113.5/", What.PASSWORD),
        ("https://203.0.113.5/", What.IP),
        ("https://[2001:db8::5]:8443/x", What.IP),
        ("http://3405803777/", What.IP),
        ("http://0xcb007105/", What.IP),
        ("http://[broken", What.IP),
        ("http://203.0.113.5./x", What.IP),
        ("http://203.0.113.%35/", What.IP),
        ("http://203.0.113.%EF%BC%95/", What.IP),
        ("http://203.0.113.%C2%AD5/", What.IP),
        ("http://203。0。113。5/", What.IP),
        (f"http://{WIDE_IP}:8080/", What.IP),
        ("http://\\203.0.113.5/", What.IP),
        ("http://video.example.%6Frg./1.2.3.4", None),
        ("https://t%2Eme./kanal_name", What.ACCOUNT),
    ],
)
def test_of_a_url_its_host_its_login_and_its_account_are_looked_at(url: str, what: What | None) -> None:
    assert personal.in_url(url) is what


def test_what_is_found_in_wide_characters_is_taken_out_where_it_stands() -> None:
    assert personal.mask(f"Ü: {WIDE_IP} und 203.000.113.077.") == "Ü: [IP address] und [IP address]."
    assert personal.redact(f"Ü: {WIDE_EMAIL}!") == "Ü: [an e-mail address]!"
    assert personal.mask("\u200bÜ: 203.0\u200b.113.77\u200b, 8\u200b") == "\u200bÜ: [IP address]\u200b, 8\u200b"


def test_only_ip_addresses_are_masked() -> None:
    text = "Von 203.0.113.77 und 2001:db8::1, sagt a@example.org"
    assert personal.mask(text) == "Von [IP address] und [IP address], sagt a@example.org"
    assert personal.mask("Version 10.0.19.4 am 09.10.2019") == "Version 10.0.19.4 am 09.10.2019"


def test_the_longest_text_takes_steps_that_grow_with_its_length() -> None:
    """Patterns that back up over and over, and findings that are held against each other, would take minutes here."""
    begun = ["1.", "a.", ":", "@a", "a@", "+49 ", "1 ", "http://a@", "[.]", "a-", "%", "[", " ( . ) ", "00."]
    whole = ["1 [dot] ", "a@a[dot]", "a [at] ", "@ab ", "a@a.b ", "1.1.1.1 ", "http://1/ ", "http://%31.", WIDE_IP]
    for part in (*begun, *whole, "http:///"):
        personal.find(part * (65536 // len(part)), REGIONS)


def test_what_leaves_the_house_has_nothing_of_anybody_in_it() -> None:
    text = "call +49 345 22400, @witness or a@b.example at 203.0.113.9 on 2026-11-25"
    assert personal.redact(text) == (
        "call [a telephone number], [the name of an account] or [an e-mail address] at [an IP address] on 2026-11-25"
    )
