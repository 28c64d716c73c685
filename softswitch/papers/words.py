"""The words on papers; each has an entry for all five languages."""

from __future__ import annotations

from collections.abc import Mapping

ORDER = ("en", "ka", "ru", "fa", "kk")
RIGHT_TO_LEFT = frozenset({"fa"})

_WORDS: Mapping[str, tuple[str, str, str, str, str]] = {
    # Titles
    "bill": ("Bill", "ანგარიში", "Счёт за услуги", "صورت‌حساب", "Шот"),
    "duplicate": ("DUPLICATE", "დუბლიკატი", "ДУБЛИКАТ", "المثنی", "ТЕЛНҰСҚА"),
    "invoice": ("Invoice", "ინვოისი", "Счёт на оплату", "فاکتور", "Төлем шоты"),
    "act": ("Act of service", "მიღება-ჩაბარების აქტი", "Акт об оказании услуг",
            "صورت‌جلسه ارائه خدمات", "Қызмет көрсету актісі"),
    "reconciliation": ("Reconciliation act", "შედარების აქტი", "Акт сверки взаимных расчётов",
                       "صورت‌جلسه تطبیق حساب", "Салыстыру актісі"),
    "contract": ("Contract for telephone service", "სატელეფონო მომსახურების ხელშეკრულება",
                 "Договор об оказании услуг телефонной связи", "قرارداد خدمات تلفنی",
                 "Телефон байланысы қызметін көрсету шарты"),
    # Facts
    "number": ("Number", "ნომერი", "Номер", "شماره", "Нөмірі"),
    "date": ("Date", "თარიღი", "Дата", "تاریخ", "Күні"),
    "period": ("Period", "პერიოდი", "Период", "دوره", "Кезең"),
    "operator": ("Operator", "ოპერატორი", "Оператор", "اپراتور", "Оператор"),
    "subscriber": ("Subscriber", "აბონენტი", "Абонент", "مشترک", "Абонент"),
    "account": ("Account", "აბონენტის ნომერი", "Лицевой счёт", "شماره حساب", "Жеке шот"),
    "address": ("Address", "მისამართი", "Адрес", "نشانی", "Мекенжайы"),
    "code": ("Registration code", "საიდენტიფიკაციო კოდი", "Регистрационный номер",
             "شناسه ملی", "Тіркеу нөмірі"),
    "bank": ("Bank account", "საბანკო ანგარიში", "Банковский счёт", "حساب بانکی", "Банк шоты"),
    "tariff": ("Tariff", "ტარიფი", "Тариф", "تعرفه", "Тариф"),
    "credit_limit": ("Credit limit", "საკრედიტო ლიმიტი", "Кредитный лимит", "سقف اعتبار",
                     "Несие шегі"),
    "unlimited": ("without a limit", "ულიმიტო", "без ограничения", "نامحدود", "шектеусіз"),
    # Columns
    "service": ("Service", "მომსახურება", "Услуга", "خدمت", "Қызмет"),
    "count": ("Quantity", "რაოდენობა", "Количество", "تعداد", "Саны"),
    "duration": ("Duration", "ხანგრძლივობა", "Длительность", "مدت", "Ұзақтығы"),
    "amount": ("Amount", "თანხა", "Сумма", "مبلغ", "Сомасы"),
    "debit": ("Debit", "დებეტი", "Дебет", "بدهکار", "Дебет"),
    "credit_side": ("Credit", "კრედიტი", "Кредит", "بستانکار", "Кредит"),
    "line": ("Line", "ხაზი", "Линия", "خط", "Желі"),
    "user": ("User", "მომხმარებელი", "Пользователь", "کاربر", "Пайдаланушы"),
    "owner": ("owner", "მფლობელი", "собственник", "مالک", "иесі"),
    "tenant": ("tenant until", "მოიჯარე, ვადა", "арендатор до", "مستأجر تا",
               "жалға алушы, мерзімі"),
    # Sums
    "opening": ("Opening balance", "საწყისი ნაშთი", "Остаток на начало", "مانده اول دوره",
                "Бастапқы қалдық"),
    "closing": ("Closing balance", "საბოლოო ნაშთი", "Остаток на конец", "مانده پایان دوره",
                "Соңғы қалдық"),
    "charges": ("Services, total", "მომსახურება, სულ", "Итого услуг", "جمع خدمات",
                "Қызметтер жиыны"),
    "payments": ("Payments", "გადახდები", "Платежи", "پرداخت‌ها", "Төлемдер"),
    "net": ("Without tax", "დღგ-ს გარეშე", "Без НДС", "بدون مالیات", "ҚҚС-сыз"),
    "tax": ("Value added tax", "დღგ", "НДС", "مالیات بر ارزش افزوده", "ҚҚС"),
    "in_words": ("In words", "სიტყვიერად", "Прописью", "به حروف", "Жазумен"),
    "to_pay": ("To pay", "გადასახდელი", "К оплате", "قابل پرداخت", "Төлеуге"),
    "total": ("Total", "სულ", "Итого", "جمع", "Барлығы"),
    "debt": ("The subscriber owes", "აბონენტის დავალიანება", "Задолженность абонента",
             "بدهی مشترک", "Абоненттің қарызы"),
    "advance": ("Paid in advance", "ავანსი", "Аванс абонента", "پیش‌پرداخت مشترک",
                "Абоненттің алдын ала төлемі"),
    # Kinds of postings
    "kind:call": ("Calls", "ზარები", "Звонки", "تماس‌ها", "Қоңыраулар"),
    "kind:package": ("Package", "პაკეტი", "Пакет", "بسته", "Пакет"),
    "kind:rent": ("Rent of number", "ნომრის იჯარა", "Аренда номера", "اجاره شماره",
                  "Нөмірді жалға алу"),
    "kind:sms_number": ("SMS number", "SMS ნომერი", "SMS-номер", "شماره پیامک", "SMS нөмірі"),
    "kind:credit": ("SMS credit", "SMS კრედიტი", "SMS-кредит", "اعتبار پیامک", "SMS несиесі"),
    "kind:fee": ("Fee", "საფასური", "Плата", "هزینه", "Төлемақы"),
    "kind:topup": ("Payment", "გადახდა", "Платёж", "پرداخت", "Төлем"),
    "kind:reversal": ("Payment reversed", "გადახდა გაუქმებულია", "Платёж отменён",
                      "پرداخت برگشت خورد", "Төлем қайтарылды"),
    "kind:refund": ("Refund", "თანხის დაბრუნება", "Возврат", "بازپرداخت", "Қайтару"),
    "kind:bonus": ("Bonus", "ბონუსი", "Бонус", "پاداش", "Бонус"),
    "kind:correction": ("Correction", "კორექტირება", "Корректировка", "اصلاح", "Түзету"),
    "kind:tax": ("Value added tax", "დღგ", "НДС", "مالیات بر ارزش افزوده", "ҚҚС"),
    "kind:late": ("Posted late", "დაგვიანებით ასახული", "Проведено с опозданием", "ثبت دیرهنگام",
                  "Кеш өткізілген"),
    # Types of calls
    "call:on_net": ("within the network", "ქსელის შიგნით", "внутри сети", "درون‌شبکه",
                    "желі ішінде"),
    "call:local": ("local", "ადგილობრივი", "местные", "شهری", "жергілікті"),
    "call:national": ("national", "შიდა", "междугородные", "بین‌شهری", "қалааралық"),
    "call:mobile": ("to mobiles", "მობილურზე", "на мобильные", "به تلفن همراه", "мобильдіге"),
    "call:international": ("international", "საერთაშორისო", "международные", "بین‌المللی",
                           "халықаралық"),
    "call:special": ("special services", "სპეცსამსახურები", "спецслужбы", "خدمات ویژه",
                     "арнайы қызметтер"),
    "call:service": ("service codes", "სერვის კოდები", "сервисные коды", "کدهای خدماتی",
                     "қызметтік кодтар"),
    # Sentences
    "subject": (
        "The operator gives the subscriber telephone service on the lines below at the prices of "
        "the tariff; the subscriber pays for it.",
        "ოპერატორი აბონენტს უწევს სატელეფონო მომსახურებას ქვემოთ მითითებულ ხაზებზე ტარიფის "
        "ფასებით; აბონენტი იხდის მომსახურების საფასურს.",
        "Оператор оказывает абоненту услуги телефонной связи на указанных ниже линиях по ценам "
        "тарифа; абонент оплачивает их.",
        "اپراتور خدمات تلفنی را روی خط‌های زیر با بهای تعرفه به مشترک ارائه می‌کند و مشترک بهای "
        "آن را می‌پردازد.",
        "Оператор абонентке төмендегі желілерде тариф бағасымен телефон байланысы қызметін "
        "көрсетеді; абонент оның ақысын төлейді.",
    ),
    "rendered": (
        "The services were rendered in full; the subscriber has no claims.",
        "მომსახურება გაწეულია სრულად; აბონენტს პრეტენზია არ აქვს.",
        "Услуги оказаны в полном объёме; абонент претензий не имеет.",
        "خدمات به‌طور کامل ارائه شد و مشترک ادعایی ندارد.",
        "Қызметтер толық көрсетілді; абоненттің талабы жоқ.",
    ),
    "signature": ("Signature", "ხელმოწერა", "Подпись", "امضا", "Қолы"),
}  # fmt: skip


def word(key: str, language: str) -> str:
    """A word in a language. Raises KeyError for an unknown key."""
    return _WORDS[key][ORDER.index(language)]


def kind_in_words(kind: str, about: str, language: str) -> str:
    """The name of a posting's kind; for an unknown kind the kind itself."""
    key = f"kind:{kind}"
    name = word(key, language) if key in _WORDS else kind
    key = f"call:{about}"
    if kind == "call" and key in _WORDS:
        about = word(key, language)
    return f"{name}: {isolated(about)}" if about else name


def isolated(text: str) -> str:
    """A text isolated from the direction of its surroundings (UAX 9: FSI and PDI)."""
    return f"\u2068{text}\u2069"
