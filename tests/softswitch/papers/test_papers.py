"""Papers (E17, C14) in five languages: written as PDF and read back."""

from __future__ import annotations

import ctypes
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from billing.facts.money import format_amount
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.lines import lines
from softswitch.operations.money import bills, taxes, wallets
from softswitch.papers import forms, numerals, pdf, words
from softswitch.papers.paper import Paper, Table, to_html
from softswitch.scheduled.due import run_due

if TYPE_CHECKING:
    from command_line import Softswitch

pdfium: Any = pytest.importorskip("pypdfium2")
try:
    pdf.render("<p>x</p>")
except pdf.PdfMissing as missing:
    pytest.skip(str(missing), allow_module_level=True)

if not any(Path("/usr/share/fonts").rglob("NotoSansArabic-Regular.*")):
    pytest.skip("the Noto fonts aren't installed (fonts-noto-core)", allow_module_level=True)

MAY = date(2026, 5, 1), date(2026, 5, 31)
JUNE_ENDS = "2026-07-01T00:00+04:00"
FORMAT_CHARACTERS = re.compile("[\u200c\u200e\u200f\u2066-\u2069\u202a-\u202e]")


def read(data: bytes) -> str:
    """The text of a PDF, without what only steers its direction."""
    document = pdfium.PdfDocument(data)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    return " ".join(FORMAT_CHARACTERS.sub("", text).split())


def plain(text: str) -> str:
    return " ".join(FORMAT_CHARACTERS.sub("", text).split())


@pytest.fixture
def billed(context: Context) -> Context:
    """A company with a bill for June 2026."""
    accounts.account_add(context, "Tea Ltd", "company", postpaid=True)
    accounts.account_set(context, "Tea Ltd", "registration_number", "404123456")
    accounts.account_set(context, "Tea Ltd", "address", "Rustaveli 1")
    lines.line_add(context, "322000001", "Tea Ltd", lease_ends_on="2026-12-31")
    accounts.account_topup(context, "Tea Ltd", "1234.5", "p1")
    now = int(datetime.fromisoformat(JUNE_ENDS).timestamp() * 1000)
    assert run_due(context.billing, context.apply, now, "Asia/Tbilisi").failures == []
    return context


def papers(context: Context, language: str) -> dict[str, str]:
    """Every paper as HTML."""
    made = {
        kind: bills.bill_paper(context, 1, kind, language)
        for kind in ("bill", "duplicate", "invoice", "act")
    }
    made["contract"] = bills.account_contract(context, "1", language)
    made["reconciliation"] = bills.account_reconciliation(
        context, "1", "2026-05-01", "2026-06-30", language
    )
    return {kind: page["html"] for kind, page in made.items()}


@pytest.mark.parametrize("language", words.ORDER)
def test_E17_every_paper_reads_back_in_its_language(billed: Context, language: str) -> None:
    made = papers(billed, language)
    text = read(pdf.render("".join(made.values())))  # one after the other: one PDF is quicker
    for kind in made:
        title = words.word("bill" if kind == "duplicate" else kind, language)
        assert plain(title) in text, kind
    code = numerals.digits("404123456", language)
    for expected, times in (("Tea Ltd", 6), (code, 6), ("sip.example.org", 6)):
        assert text.count(expected) == times
    for key in ("opening", "to_pay", "rendered", "subject", "duplicate", "advance", "kind:topup"):
        assert plain(words.word(key, language)) in text, key


def test_E17_sums_say_of_which_day_or_period_they_are() -> None:
    paper = forms.reconciliation_paper(
        forms.Seller("Tea"),
        {},
        1,
        "GEL",
        (date(2026, 5, 1), date(2026, 5, 31)),
        5_000_000,
        [],
        "en",
    )
    assert [name.translate({0x2068: None, 0x2069: None}) for name, _ in paper.sums] == [
        "Opening balance, 2026-05-01",
        "Debit, 2026-05-01 – 2026-05-31",
        "Credit, 2026-05-01 – 2026-05-31",
        "Paid in advance, 2026-05-31",
    ]


def test_E17_a_persian_page_has_persian_digits_of_a_font_that_draws_them_right(
    billed: Context,
) -> None:
    page = bills.bill_paper(billed, 2, "bill", "fa")["html"]
    document = pdfium.PdfDocument(pdf.render(page))
    fonts = {
        name_of_font(text)
        for text in document[0].get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_TEXT])
    }
    assert {name for name in fonts if "Arabic" in name} <= {
        "Noto-Sans-Arabic", "Noto-Sans-Arabic-Bold",
    }  # fmt: skip
    text = read(pdf.render(page))
    assert re.findall("[0-9]+", text) == ["1"]  # Rustaveli 1: as it is written


def name_of_font(text: Any) -> str:
    """Without the letters of the subset before it."""
    buffer = ctypes.create_string_buffer(200)
    pdfium.raw.FPDFFont_GetBaseFontName(pdfium.raw.FPDFTextObj_GetFont(text), buffer, 200)
    return buffer.value.decode().partition("+")[2]


@pytest.mark.parametrize(
    ("language", "amount", "day"),
    [
        ("en", "1,234.50 ₾", "2026-06-01"),
        ("ka", "1 234,50 ₾", "01.06.2026"),
        ("ru", "1 234,50 ₾", "01.06.2026"),
        ("kk", "1 234,50 ₾", "01.06.2026"),
        ("fa", "۱٬۲۳۴٫۵۰ ₾", "۱۴۰۵/۰۳/۱۱"),
    ],
)
def test_E17_amounts_and_dates_as_the_language_writes_them(
    billed: Context, language: str, amount: str, day: str
) -> None:
    second = bills.bill_paper(billed, 2, "bill", language)["html"]
    text = read(pdf.render(papers(billed, language)["reconciliation"] + second))
    assert amount.replace(" ", "") in text.replace("\u202f", "").replace(" ", "")
    assert day in text


def test_C14_a_duplicate_has_the_same_number_and_content(billed: Context) -> None:
    before = papers(billed, "en")
    accounts.account_set(billed, "Tea Ltd", "address", "Chavchavadze 2")
    accounts.account_topup(billed, "Tea Ltd", "5", "later")
    after = papers(billed, "en")
    assert after["bill"] == before["bill"]
    mark = '<p class="mark">DUPLICATE</p>\n'
    assert mark in after["duplicate"]
    assert after["duplicate"].replace(mark, "") == before["bill"]
    assert "Rustaveli 1" in after["bill"] and "Chavchavadze 2" in after["contract"]


def test_E17_what_strangers_write_stays_text(context: Context) -> None:
    accounts.account_add(context, "<script>alert(1)</script> & Co", "company")
    accounts.account_set(context, "1", "address", '"><img src="file:///etc/passwd">')
    html = bills.account_contract(context, "1", "en")["html"]
    assert "<script>" not in html and "<img" not in html
    assert "& Co" in read(pdf.render(html))


def test_E17_nothing_is_fetched_for_a_paper() -> None:
    text = read(pdf.render('<p>before</p><img src="file:///etc/passwd"><p>after</p>'))
    assert "before" in text and "after" in text and "root" not in text


def test_papers_are_refused_by_name(context: Context) -> None:
    accounts.account_add(context, "Ana")
    for refusal, arguments in (
        ("there is no bill 7", (bills.bill_paper, context, 7)),
        ("not in 'de'", (bills.account_contract, context, "Ana", "de")),
        ("is after", (bills.account_reconciliation, context, "Ana", "2026-06-01", "2026-05-01")),
        ("must be a date", (bills.account_reconciliation, context, "Ana", "June", "2026-05-01")),
    ):
        operation, *rest = arguments
        with pytest.raises(OperationError, match=refusal):
            operation(*rest)  # type: ignore[operator]


def test_a_papers_language_is_the_subscribers_own(billed: Context) -> None:
    assert bills.account_contract(billed, "1")["language"] == "en"
    accounts.account_set(billed, "Tea Ltd", "language", "kk")
    assert bills.account_contract(billed, "1")["language"] == "kk"


def test_every_word_stands_in_every_language() -> None:
    for key in words._WORDS:
        found = [words.word(key, language) for language in words.ORDER]
        assert all(found), key
        assert not re.search("[a-z]{4}", words.word(key, "ka")), key
        assert re.search("[\u0600-\u06ff]", words.word(key, "fa")), key
        assert re.search("[\u0400-\u04ff]", words.word(key, "ru")), key


@pytest.mark.parametrize("micros", [0, 5_000_000, -12_345_678_900, 999_999_999_999, 1])
def test_amounts_keep_their_value(micros: int) -> None:
    shown = numerals.amount(micros, "GEL", "en").split("\N{NO-BREAK SPACE}")[0]
    plainly = shown.replace(",", "").replace("\N{MINUS SIGN}", "-")
    assert plainly == format_amount(micros)


def test_persian_dates_are_jalali() -> None:
    assert numerals.day(date(2026, 3, 21), "fa") == "۱۴۰۵/۰۱/۰۱"
    assert numerals.amount(10_000_000, "IRR", "fa").endswith("ریال")
    assert numerals.clock(3_723, "fa") == "۱:۰۲:۰۳"


def test_a_long_list_goes_on_over_pages_with_its_header() -> None:
    rows = [(f"row {n}", "1") for n in range(120)]
    data = pdf.render(to_html(Paper("en", "Long", (), [Table(("What", "Count"), rows)])))
    document = pdfium.PdfDocument(data)
    assert len(document) > 2
    assert all("What" in page.get_textpage().get_text_range() for page in document)


def test_E17_persian_pages_are_drawn_from_the_right(billed: Context) -> None:
    """The title begins at the right margin."""
    html = papers(billed, "fa")["act"]
    page = pdfium.PdfDocument(pdf.render(html))[0]
    picture = page.render(scale=1, grayscale=True).to_numpy()
    height, width = picture.shape[:2]
    dark = (picture[: height // 8].reshape(height // 8, width) < 90).any(axis=0).nonzero()[0]
    assert dark.min() > width * 0.4 and dark.max() > width * 0.85


@pytest.fixture
def taxed(context: Context) -> Context:
    """A company that owes for June 2026: 118.034 in prices with 18 percent of tax."""
    taxes.tax_set(context, "18", "2026-06")
    accounts.account_add(context, "Tea Ltd", "company", postpaid=True)
    june = int(datetime.fromisoformat("2026-06-10T12:00+04:00").timestamp() * 1000)
    context.now_ms = lambda: june
    wallets.account_fee(context, "Tea Ltd", "118.034", "work", "f1")
    now = int(datetime.fromisoformat(JUNE_ENDS).timestamp() * 1000)
    assert run_due(context.billing, context.apply, now, "Asia/Tbilisi").failures == []
    return context


IN_WORDS = {
    "en": "One hundred eighteen lari and four tetri",
    "ka": "ას თვრამეტი ლარი და ოთხი თეთრი",
    "ru": "Сто восемнадцать лари четыре тетри",
    "fa": "صد و هجده لاری و چهار تتری",
    "kk": "Жүз он сегіз лари төрт тетри",
}


@pytest.mark.parametrize("language", words.ORDER)
def test_E17_tax_and_the_sum_in_words(taxed: Context, language: str) -> None:
    shown = bills.bill_list(taxed)[-1]
    assert (shown["charges"], shown["tax"], shown["to_pay"]) == ("118.034", "18.01", "118.04")
    number = shown["number"]
    for kind in ("bill", "invoice", "act"):
        text = plain(bills.bill_paper(taxed, number, kind, language)["html"])
        for key, micros in (("net", 100_024_000), ("tax", 18_010_000)):
            assert plain(words.word(key, language)) in text, (kind, key)
            assert plain(numerals.amount(micros, "GEL", language)) in text, (kind, key)
        assert plain(words.word("in_words", language)) in text
        if kind != "act":  # an act says what was rendered, not what is to be paid
            assert IN_WORDS[language] in text, kind
    assert plain(numerals.in_words(118_030_000, "GEL", language) or "") in text


LARI = {"en": "lari", "ka": "ლარი", "ru": "лари", "fa": "لاری", "kk": "лари"}


@pytest.mark.parametrize("language", words.ORDER)
def test_E17_amounts_in_words_are_those_of_icu(language: str) -> None:
    icu = pytest.importorskip("icu_rbnf")

    def letters(text: str) -> str:
        return re.sub("[ \xad\u200c-]", "", text).lower()

    for whole in (2, 18, 40, 119, 999, 1_000, 12_345, 2_000_002, 987_654_321):
        said = numerals.in_words(whole * 1_000_000, "GEL", language)
        assert said is not None
        noun = LARI[language]
        spelled = icu.spellout(whole, language).replace("თრვამეტი", "თვრამეტი")
        assert letters(said) == letters(spelled) + noun, whole


def test_E17_no_words_for_a_currency_that_nobody_can_say() -> None:
    assert numerals.in_words(1_000_000, "CHF", "en") is None


def test_C14_rates_begin_with_months_that_arent_billed(context: Context, billed: Context) -> None:
    def refused(*arguments: Any, **named: Any) -> str:
        with pytest.raises(OperationError) as caught:
            taxes.tax_set(context, *arguments, **named)
        return caught.value.message

    assert "2026-06 is billed" in refused("18", "2026-06")
    assert "like 2027-01" in refused("18", "July")
    assert "0 to 100 percent" in refused("18.001", "2026-07")
    assert "0 to 100 percent" in refused("101", "2026-07")
    row = taxes.tax_set(context, "7.5", "2026-07", "Tea Ltd", on_top=True)
    assert row["prices"] == "are without it"
    taxes.tax_set(context, "18", "2026-08")
    assert [row["percent"] for row in taxes.tax_list(context)] == ["18.00", "7.50"]
    taxes.tax_remove(context, "2026-08")
    with pytest.raises(OperationError, match="no rate begins with 2026-08"):
        taxes.tax_remove(context, "2026-08")


def test_C14_rates_at_the_command_line(softswitch: Softswitch) -> None:
    assert softswitch("tax", "set", "18", "--from", "2099-01").status == 0
    own = ("--from", "2099-02", "--account", "1", "--on-top")
    assert softswitch("tax", "set", "0", *own).status == 0
    rows = softswitch("tax", "list", "-o", "json").json
    assert [(row["month"], row["account"], row["percent"]) for row in rows] == [
        ("2099-01", None, "18.00"), ("2099-02", 1, "0.00"),
    ]  # fmt: skip
    assert softswitch("tax", "remove", "2099-02", "--account", "1").status == 0
    wrong = softswitch("tax", "remove", "2099-02")
    assert wrong.status == 1 and "softswitch tax list" in wrong.err


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "Flat 7"),
        ({"first_name": "Nino"}, "Flat 7"),
        ({"surname": "Beridze"}, "Flat 7"),
        ({"first_name": "Nino", "surname": "Beridze"}, "Nino Beridze"),
    ],
)
def test_a_person_is_named_with_both_names_or_by_the_account(
    context: Context, fields: dict[str, str], named: str
) -> None:
    accounts.account_add(context, "Flat 7")
    for key, value in fields.items():
        accounts.account_set(context, "Flat 7", key, value)
    page = bills.account_contract(context, "1", "en")["html"]
    found = [name for name in ("Flat 7", "Nino Beridze", "Nino", "Beridze") if name in page]
    assert found[0] == named and (named != "Flat 7" or found == ["Flat 7"])
