"""Defaults by the country of a new switch: time zones, currency and language."""

from __future__ import annotations

import re
from importlib.resources import files

from softswitch.control.errors import OperationError

_CURRENCIES = """
AED AE|AFN AF|ALL AL|AMD AM|ANG CW SX|AOA AO|ARS AR|AUD AU CC CX HM KI NF NR TV|AWG AW|AZN AZ
BAM BA|BBD BB|BDT BD|BHD BH|BIF BI|BMD BM|BND BN|BOB BO|BRL BR|BSD BS|BTN BT|BWP BW|BYN BY|BZD BZ
CAD CA|CDF CD|CHF CH LI|CLP CL|CNY CN|COP CO|CRC CR|CUP CU|CVE CV|CZK CZ|DJF DJ|DKK DK FO GL|DOP DO
DZD DZ|EGP EG|ERN ER|ETB ET
EUR AD AT AX BE BG BL CY DE EE ES FI FR GF GP GR HR IE IT LT LU LV MC ME MF MQ MT NL PM PT RE SI SK
EUR SM TF VA XK YT
FJD FJ|FKP FK|GBP GB GG GS IM JE|GEL GE|GHS GH|GIP GI|GMD GM|GNF GN|GTQ GT|GYD GY|HKD HK|HNL HN
HTG HT|HUF HU|IDR ID|ILS IL PS|INR IN|IQD IQ|IRR IR|ISK IS|JMD JM|JOD JO|JPY JP|KES KE|KGS KG|KHR KH
KMF KM|KPW KP|KRW KR|KWD KW|KYD KY|KZT KZ|LAK LA|LBP LB|LKR LK|LRD LR|LSL LS|LYD LY|MAD EH MA|MDL MD
MGA MG|MKD MK|MMK MM|MNT MN|MOP MO|MRU MR|MUR MU|MVR MV|MWK MW|MXN MX|MYR MY|MZN MZ|NAD NA|NGN NG
NIO NI|NOK BV NO SJ|NPR NP|NZD CK NU NZ PN TK|OMR OM|PAB PA|PEN PE|PGK PG|PHP PH|PKR PK|PLN PL
PYG PY|QAR QA|RON RO|RSD RS|RUB RU|RWF RW|SAR SA|SBD SB|SCR SC|SDG SD|SEK SE|SGD SG|SHP SH|SLE SL
SOS SO|SRD SR|SSP SS|STN ST|SVC SV|SYP SY|SZL SZ|THB TH|TJS TJ|TMT TM|TND TN|TOP TO|TRY TR|TTD TT
TWD TW|TZS TZ|UAH UA|UGX UG|USD AS BQ EC FM GU IO MH MP PR PW TC TL UM US VG VI|UYU UY|UZS UZ|VES VE
VND VN|VUV VU|WST WS|XAF CF CG CM GA GQ TD|XCD AG AI DM GD KN LC MS VC
XOF BF BJ CI GW ML NE SN TG|XPF NC PF WF|YER YE|ZAR ZA|ZMW ZM|ZWG ZW
"""
"""ISO 4217 currencies, each with the ISO 3166 countries that have it."""
CURRENCY_OF = {
    country: group.split()[0]
    for group in re.split(r"[|\n]", _CURRENCIES.strip())
    for country in group.split()[1:]
}
_LANGUAGES = {"ka": "GE", "ru": "BY KG RU TJ", "kk": "KZ", "fa": "AF IR"}
LANGUAGE_OF = {
    country: language for language, names in _LANGUAGES.items() for country in names.split()
}
"""The spoken language of the switch; English everywhere else, for there are prompts of no other."""


_EXCLAVE = "Europe/Busingen"
"""A German town within Switzerland; its time is that of Berlin."""


def checked(country: str) -> str:
    """A country in capital letters.

    Raises:
        OperationError: there is no such country.
    """
    name = country.strip().upper()
    if name not in CURRENCY_OF:
        raise OperationError("country_unknown", value=country)
    return name


def time_zones(country: str) -> list[str]:
    """The time zones of a country, as the tz database orders them; usually one."""
    if country == "XK":  # Kosovo has no code of ISO 3166, and so none in the tz database
        return ["Europe/Belgrade"]
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return [row[2] for row in rows if row[0] == country and row[2] != _EXCLAVE]
