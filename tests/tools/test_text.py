from __future__ import annotations

import random

import pytest

from tools import text


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"plain", "utf-8"),
        ("Grüße".encode(), "utf-8"),
        ("Grüße".encode("utf-8-sig"), "utf-8-sig"),
        ("Grüße".encode("utf-16"), "utf-16"),
        ("\ufeffGrüße".encode("utf-16-be"), "utf-16"),
        ("Grüße an alle, die das lesen".encode("utf-16-le"), "utf-16-le"),
        ("Grüße an alle, die das lesen".encode("utf-16-be"), "utf-16-be"),
        ("\ufeffGrüße".encode("utf-32-le"), "utf-32"),
        ("Grüße".encode("latin-1"), "cp1252"),
        ("Zoë\nJosé\n".encode() + "Müller\n".encode("latin-1"), "utf-8"),
        ("id,temp\n1,20 °C\n2,5 µg/m³\n".encode("cp1252"), "cp1252"),
        ("Name;Ort\nMüller;Köln\nSchäfer;Nürnberg\n".encode("cp1252"), "cp1252"),
        ("nom,ville\nJosé,Orléans\nHélène,Besançon\nFrançois,Nîmes\n".encode("cp1252"), "cp1252"),
        ("imię,miasto\nŁukasz,Łódź\nŻaneta,Kraków\n".encode("cp1250"), "cp1250"),
        ("Фамилия;Город\nИванов;Казань\n".encode("cp1251"), "cp1251"),  # noqa: RUF001
        ("Фамилия;Город\nИванов;Казань\n".encode("koi8-r"), "koi8-r"),  # noqa: RUF001
        ("όνομα,πόλη\nΓιώργος,Αθήνα\n".encode("cp1253"), "cp1253"),  # noqa: RUF001
        ("שם,עיר\nדוד,ירושלים\nרחל,חיפה\n".encode("cp1255"), "cp1255"),  # noqa: RUF001
        ("الاسم,المدينة\nمحمد,القاهرة\n".encode("cp1256"), "cp1256"),
        ("姓名,城市\n张伟,北京\n王芳,上海\n".encode("gbk"), "gb18030"),
        ("地區,銷售額\n臺北,100\n高雄,200\n".encode("big5"), "big5hkscs"),
        ("氏名,部署\n田中太郎,営業部\n".encode("cp932"), "cp932"),
        ("이름,도시\n김철수,서울\n".encode("cp949"), "cp949"),
        ("ชื่อ,เมือง\nสมชาย,กรุงเทพ\n".encode("cp874"), "cp874"),
        ("Größe".encode()[:4], "utf-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), None),
        (b"\x00\x01\x02\x03" * 100, None),
        (bytes(range(256)) * 4, None),
    ],
)
def test_the_encoding_of_a_text_is_found(content: bytes, encoding: str | None) -> None:
    assert text.detect_encoding(content) == encoding


@pytest.mark.parametrize(
    ("content", "decoded"),
    [
        (b"", ""),
        ("\ufeffGrüße".encode("utf-16"), "Grüße"),
        ("\ufeffGrüße".encode(), "Grüße"),
        ("Zoë\n北京\n".encode() + "Müller\n".encode("latin-1"), "Zoë\n北京\nMüller\n"),
        ("姓名,城市\n张伟,北京\n王芳,上海\n".encode("gbk"), "姓名,城市\n张伟,北京\n王芳,上海\n"),
    ],
)
def test_a_text_in_any_encoding_is_decoded(content: bytes, decoded: str) -> None:
    assert text.decode(content) == decoded


def test_random_bytes_are_not_text() -> None:
    chance = random.Random(7)  # noqa: S311 - one in a thousand of all runs would draw the mark of an encoding

    assert [text.detect_encoding(chance.randbytes(4096)) for _ in range(50)] == [None] * 50


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("a\x00b", "ab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil.test\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("pay \u202e001\u202c now", "pay 001 now"),
        ("\u2066a\u2069", "a"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("עברית and émoji 🎉", "עברית and émoji 🎉"),
        ("\x9b31mC1", "31mC1"),
    ],
)
def test_clean_takes_out_what_people_cannot_see(dirty: str, cleaned: str) -> None:
    assert text.clean(dirty) == cleaned
    assert text.clean_json({"k\x00": [dirty, 1, None]}) == {"k": [cleaned, 1, None]}


def test_shorten_makes_one_line() -> None:
    assert text.shorten("one\n two   three", 20) == "one two three"
    assert text.shorten("one two three", 8) == "one two…"
