"""Countries as ISO 3166-1 has them, so that a slip of the finger is no place of a crisis.

The codes are those of iso3166.tab in the time zone database, which is in the public domain and follows the
standard. Parts of countries, as DE-ST, are checked by their shape only: there are five thousand, and they change.
"""

import re

CODES = frozenset(
    (  # noqa: SIM905 - two hundred quotes would hide the codes
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL "
        "BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV "
        "CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD "
        "GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM "
        "IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK "
        "LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW "
        "MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR "
        "PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS "
        "ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY "
        "UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
    ).split()
)
BESIDE = frozenset(("EU", "XK"))  # the Union itself, reserved for it; Kosovo, as the Union writes it
MEANT = {"UK": "GB", "EL": "GR"}  # written by many, and no codes

_PLACE = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?")


def fault(place: str) -> str:
    """What is wrong with the code of a country or of a part of one; empty if nothing is."""
    found = _PLACE.fullmatch(place)
    if found is None:
        return f"{place!r} is no ISO 3166 code, as DE or DE-ST"
    country = found[1]
    if country in MEANT:
        return f"{place!r}: ISO 3166 has no {country}; did you mean {MEANT[country]}?"
    if country not in CODES | BESIDE:
        return f"{place!r}: ISO 3166 has no country {country}"
    return ""
