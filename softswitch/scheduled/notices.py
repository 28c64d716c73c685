"""Notices to subscribers by e-mail and as texts: the words of each, in five languages.

A notice without words here appears in the cabinet only.
"""

from __future__ import annotations

from collections.abc import Mapping

from billing.facts.sales import Notice
from softswitch.mail.letter import MAX_KEY, MAX_SUBJECT, Mail

LANGUAGES = ("en", "ka", "ru", "fa", "kk")

_TEXTS: Mapping[str, tuple[str, str, str, str, str]] = {
    "operator": ("{about}", "{about}", "{about}", "{about}", "{about}"),
    "numbers_offered": (
        "We offer you numbers to choose from. Choose one in your cabinet by {about}.",
        "გთავაზობთ ნომრებს ასარჩევად. აირჩიეთ კაბინეტში: {about}-მდე.",
        "Мы предлагаем вам номера на выбор. Выберите в кабинете до {about}.",
        "شماره‌هایی برای انتخاب به شما پیشنهاد می‌کنیم. تا {about} در حساب خود یکی را برگزینید.",
        "Сізге таңдау үшін нөмірлер ұсынамыз. Кабинетте {about} дейін таңдаңыз.",
    ),
    "number_connected": (
        "Your number {about} is connected.",
        "თქვენი ნომერი {about} ჩართულია.",
        "Ваш номер {about} подключён.",
        "شماره شما {about} وصل شد.",
        "Сіздің {about} нөміріңіз қосылды.",
    ),
    "number_in_stock": (
        "A number like the one you are waiting for is in stock: {about}.",
        "თქვენთვის სასურველი ნომერი გამოჩნდა: {about}.",
        "Появился номер, которого вы ждёте: {about}.",
        "شماره‌ای که منتظرش بودید موجود شد: {about}.",
        "Сіз күткен нөмір пайда болды: {about}.",
    ),
    "order_placed": (
        "Your order was taken: {about}. The number is connected by that day; we tell you when.",
        "თქვენი შეკვეთა მიღებულია: {about}. ნომერი ამ დღემდე ჩაირთვება; ჩართვისას შეგატყობინებთ.",
        "Ваш заказ принят: {about}. Номер подключат не позже этого дня; мы сообщим о подключении.",
        "سفارش شما ثبت شد: {about}. شماره تا آن روز وصل می‌شود و خبر می‌دهیم.",
        "Тапсырысыңыз қабылданды: {about}. Нөмір осы күнге дейін қосылады; қосылғанда хабарлаймыз.",
    ),
    "documents_needed": (
        "Your order needs documents: {about}. It goes on when they are approved.",
        "თქვენს შეკვეთას დოკუმენტები სჭირდება: {about}. მათი დამტკიცების შემდეგ გაგრძელდება.",
        "Для вашего заказа нужны документы: {about}. Он продолжится после их проверки.",
        "سفارش شما مدارک لازم دارد: {about}. پس از پذیرش مدارک ادامه می‌یابد.",
        "Тапсырысыңызға құжаттар керек: {about}. Олар қабылданған соң жалғасады.",
    ),
    "order_late": (
        "Your order isn't connected by the day that we named: {about}. We ask the supplier for a "
        "new day. We are sorry.",
        "თქვენი შეკვეთა დანიშნულ დღემდე ვერ შესრულდა: {about}. მომწოდებელს ახალ ვადას ვთხოვთ. "
        "ბოდიშს გიხდით.",
        "Ваш заказ не выполнен к названному дню: {about}. Мы запросим у поставщика новый срок. "
        "Приносим извинения.",
        "سفارش شما تا روزی که گفته بودیم انجام نشد: {about}. از تأمین‌کننده زمان تازه "
        "می‌خواهیم. پوزش می‌خواهیم.",
        "Тапсырысыңыз айтылған күнге дейін орындалмады: {about}. Жеткізушіден жаңа мерзім "
        "сұраймыз. Кешірім сұраймыз.",
    ),
    "order_refused": (
        "Your order can't be carried out: {about}. The money reserved for it is yours again.",
        "თქვენი შეკვეთა ვერ შესრულდება: {about}. დარეზერვებული თანხა გათავისუფლდა.",
        "Ваш заказ не может быть выполнен: {about}. Зарезервированные деньги снова доступны.",
        "سفارش شما انجام‌شدنی نیست: {about}. مبلغ رزروشده آزاد شد.",
        "Тапсырысыңыз орындалмайды: {about}. Ұсталған ақша босатылды.",
    ),
    "order_cancelled": (
        "Your order was cancelled: {about}. The money reserved for it is yours again.",
        "თქვენი შეკვეთა გაუქმდა: {about}. დარეზერვებული თანხა გათავისუფლდა.",
        "Ваш заказ отменён: {about}. Зарезервированные деньги снова доступны.",
        "سفارش شما لغو شد: {about}. مبلغ رزروشده آزاد شد.",
        "Тапсырысыңыз тоқтатылды: {about}. Ұсталған ақша босатылды.",
    ),
    "number_restored": (
        "Your number {about} is yours again.",
        "ნომერი {about} აღდგენილია.",
        "Ваш номер {about} восстановлен.",
        "شماره {about} به شما بازگردانده شد.",
        "{about} нөміріңіз қалпына келтірілді.",
    ),
    "number_changed": (
        "Your new number is {about}.",
        "თქვენი ახალი ნომერია {about}.",
        "Ваш новый номер: {about}.",
        "شماره جدید شما {about} است.",
        "Сіздің жаңа нөміріңіз: {about}.",
    ),
    "rent_unpaid": (
        "The rent of {about} made your balance negative. The number takes no calls until the "
        "balance is above zero.",
        "ნომრის {about} იჯარის საფასური დარჩა გადაუხდელი. ზარები არ მიიღება, სანამ ბალანსი ნულზე "
        "მეტი არ გახდება.",
        "Плата за номер {about} списана в минус. Он не принимает звонки, пока баланс не станет "
        "выше нуля.",
        "اجاره {about} موجودی شما را منفی کرد. تا موجودی بالای صفر نرود تماسی دریافت نمی‌کند.",
        "{about} нөмірінің ақысы теңгерімді минусқа түсірді. Теңгерім нөлден аспайынша ол қоңырау "
        "қабылдамайды.",
    ),
    "debt_warning": (
        "Your balance doesn't cover what you owe. Without a payment your lines are barred on "
        "{about}.",
        "თქვენი ბალანსი დავალიანებას არ ფარავს. გადახდის გარეშე ხაზები დაიბლოკება: {about}.",
        "Ваш баланс не покрывает долг. Без оплаты ваши линии будут отключены {about}.",
        "موجودی شما بدهی را پوشش نمی‌دهد. بدون پرداخت، خط‌های شما در {about} مسدود می‌شود.",
        "Теңгеріміңіз қарызды жаппайды. Төлем түспесе, желілеріңіз {about} күні бұғатталады.",
    ),
    "debt_suspended": (
        "Your lines are barred since you owe {about}. They are open again as soon as it is paid.",
        "თქვენი ხაზები დაბლოკილია დავალიანების გამო: {about}. გადახდისთანავე გაიხსნება.",
        "Ваши линии отключены за долг {about}. После оплаты они сразу включатся.",
        "خط‌های شما به دلیل بدهی {about} مسدود شد. پس از پرداخت بی‌درنگ باز می‌شود.",
        "Қарызыңызға байланысты ({about}) желілеріңіз бұғатталды. Төлем түскенде бірден ашылады.",
    ),
    "debt_lifted": (
        "Thank you, your debt is paid. The lines of account {about} are open again.",
        "გმადლობთ, დავალიანება დაფარულია. აბონენტის ({about}) ხაზები გახსნილია.",
        "Спасибо, долг погашен. Линии лицевого счёта {about} снова включены.",
        "سپاسگزاریم، بدهی پرداخت شد. خط‌های حساب {about} دوباره باز است.",
        "Рақмет, қарыз төленді. {about} жеке шотының желілері қайта ашылды.",
    ),
    "balance_low": (
        "Your balance is low: {about}. Top it up, so that your calls don't end.",
        "ბალანსი იწურება: {about}. შეავსეთ, რომ ზარები არ შეწყდეს.",
        "Ваш баланс низкий: {about}. Пополните его, чтобы звонки не прервались.",
        "موجودی شما کم است: {about}. آن را شارژ کنید تا تماس‌هایتان قطع نشود.",
        "Теңгеріміңіз аз: {about}. Қоңыраулар үзілмеуі үшін толтырыңыз.",
    ),
    "package_ends_soon": (
        "Your package ends soon: {about}. It isn't renewed by itself.",
        "თქვენი პაკეტი მალე სრულდება: {about}. ის თავისით არ გაგრძელდება.",
        "Ваш пакет скоро закончится: {about}. Сам он не продлится.",
        "بستهٔ شما به‌زودی تمام می‌شود: {about}. خودبه‌خود تمدید نمی‌شود.",
        "Пакетіңіз жақында аяқталады: {about}. Ол өздігінен ұзартылмайды.",
    ),
    "package_funds_short": (
        "Your balance doesn't pay for the renewal of your package: {about}. Top it up before that "
        "day.",
        "ბალანსი არ კმარა პაკეტის გასაგრძელებლად: {about}. შეავსეთ ამ დღემდე.",
        "На балансе не хватает средств для продления пакета: {about}. Пополните его до этого дня.",
        "موجودی شما برای تمدید بسته کافی نیست: {about}. تا آن روز آن را شارژ کنید.",
        "Теңгерім пакетті ұзартуға жетпейді: {about}. Осы күнге дейін толтырыңыз.",
    ),
    "bill_ready": (
        "Your bill for {about} is ready.",
        "თქვენი ანგარიში მზადაა: {about}.",
        "Ваш счёт за {about} готов.",
        "صورت‌حساب {about} شما آماده است.",
        "{about} айының шоты дайын.",
    ),
    "package_ended": (
        "Your package {about} has ended.",
        "პაკეტის {about} ვადა დასრულდა.",
        "Срок пакета {about} закончился.",
        "بسته {about} پایان یافت.",
        "{about} пакетінің мерзімі аяқталды.",
    ),
    "package_unpaid": (
        "Your balance didn't pay for the package {about}, and it ended.",
        "ბალანსი არ კმარა პაკეტისთვის {about}, და ის დასრულდა.",
        "На балансе не хватило средств на пакет {about}, и он закончился.",
        "موجودی برای تمدید بسته {about} کافی نبود و بسته پایان یافت.",
        "{about} пакетіне теңгерім жетпеді, пакет аяқталды.",
    ),
    "document_approved": (
        "Your document was approved: {about}.",
        "თქვენი დოკუმენტი დამტკიცდა: {about}.",
        "Ваш документ принят: {about}.",
        "مدرک شما پذیرفته شد: {about}.",
        "Құжатыңыз қабылданды: {about}.",
    ),
    "document_refused": (
        "Your document was refused: {about}. The reason is in your cabinet.",
        "თქვენი დოკუმენტი უარყოფილია: {about}. მიზეზი იხილეთ კაბინეტში.",
        "Ваш документ отклонён: {about}. Причина указана в кабинете.",
        "مدرک شما رد شد: {about}. دلیل آن در حساب کاربری شماست.",
        "Құжатыңыз қабылданбады: {about}. Себебі кабинетте көрсетілген.",
    ),
    "document_expired": (
        "Your document has expired: {about}.",
        "თქვენი დოკუმენტის ვადა გავიდა: {about}.",
        "Срок вашего документа истёк: {about}.",
        "اعتبار مدرک شما پایان یافت: {about}.",
        "Құжатыңыздың мерзімі өтті: {about}.",
    ),
    "request_done": (
        "Your request was carried out: {about}.",
        "თქვენი მოთხოვნა შესრულდა: {about}.",
        "Ваша заявка выполнена: {about}.",
        "درخواست شما انجام شد: {about}.",
        "Өтінішіңіз орындалды: {about}.",
    ),
    "request_refused": (
        "Your request was refused: {about}. The reason is in your cabinet.",
        "თქვენი მოთხოვნა უარყოფილია: {about}. მიზეზი იხილეთ კაბინეტში.",
        "Ваша заявка отклонена: {about}. Причина указана в кабинете.",
        "درخواست شما رد شد: {about}. دلیل آن در حساب کاربری شماست.",
        "Өтінішіңіз қабылданбады: {about}. Себебі кабинетте көрсетілген.",
    ),
    "line_cancelled": (
        "Your number {about} was cancelled, since it wasn't used for a long time. We restore it on "
        "request.",
        "თქვენი ნომერი {about} გაუქმდა ხანგრძლივი უმოქმედობის გამო. მოთხოვნის შემთხვევაში "
        "აღვადგენთ.",
        "Ваш номер {about} отключён, так как долго не использовался. По запросу мы его "
        "восстановим.",
        "شماره {about} به دلیل استفاده نشدن طولانی لغو شد. به درخواست شما آن را بازمی‌گردانیم.",
        "{about} нөміріңіз ұзақ пайдаланылмағандықтан өшірілді. Өтінішіңіз бойынша қалпына "
        "келтіреміз.",
    ),
    "port_completed": (
        "The transfer of the number {about} is completed.",
        "ნომრის {about} გადატანა დასრულდა.",
        "Перенос номера {about} завершён.",
        "انتقال شماره {about} انجام شد.",
        "{about} нөмірін көшіру аяқталды.",
    ),
}  # fmt: skip


def words_of(notice: Notice, language: str) -> str | None:
    """The words of a notice, in English if there are none in the language; None: it has none."""
    texts = _TEXTS.get(notice.what)
    if texts is None:
        return None
    place = LANGUAGES.index(language) if language in LANGUAGES else 0
    return texts[place].format(about=notice.about)


def mail_of(notice: Notice, email: str | None, language: str, operator: str) -> Mail | None:
    """The mail of a notice; None when the account has no address or the notice no text.

    Args:
        language: the subscriber's; English if there is no text in it.
        operator: the sender.
    """
    text = words_of(notice, language)
    if text is None or not email:
        return None
    subject = "".join(filter(str.isprintable, f"{operator}: {text}"))[:MAX_SUBJECT]
    return Mail(key_of(notice), email, subject, f"{text}\n\n{operator}\n")


def key_of(notice: Notice) -> str:
    """The key of a notice's mail and text, which makes them unique however often they are sent."""
    return f"notice:{notice.id}"[:MAX_KEY]
