"""Words by their function in a question: adjectives, numbers, restrictions, and words without meaning."""

from __future__ import annotations


def set_of(text: str) -> frozenset[str]:
    """Split the text into a set of words."""
    return frozenset(text.split())


ADJECTIVES: dict[str, tuple[str, bool]] = {}
"""Adjectives by the stem of their superlative: concept, and True if the superlative means more of it."""
for _line in (
    "price + expensive costly dear teuer pricey",
    "price - cheap billig gunstig guenstig inexpensive preiswert",
    "temperature + warm hot heiss",
    "temperature - cold cool kalt kuhl",
    "age + old alt",
    "age - young jung",
    "weight + heavy schwer",
    "weight - light leicht",
    "speed + fast quick schnell",
    "speed - slow langsam",
    "length + long lang",
    "length - short kurz",
    "height + tall hoch",
    "depth + deep tief",
    "width + wide broad breit",
    "width - narrow schmal",
    "income + rich reich wealthy wohlhabend",
    "income - poor arm",
    "precipitation + wet rainy nass regnerisch regenreich niederschlagsreich",
    "precipitation - dry trocken regenarm niederschlagsarm",
    "wind + windy windig stormy sturmisch",
    "crime + dangerous violent gefahrlich gewalttatig",
    "crime - safe sicher",
    "death + deadly todlich",
    "rating + popular beliebt good gut",
    "rating - bad schlecht unpopular unbeliebt",
    "consumption + thirsty durstig",
    "consumption - efficient economical frugal sparsam effizient",
    "horsepower + powerful strong stark leistungsstark",
    "profit + profitable profitabel lucrative",
    "population + populous crowded bevolkerungsreich",
    "size + big large great huge gross",
    "size - small little tiny klein",
    "date + new recent late neu spat jungst",
    "date - early fruh",
):
    _concept, _sign, *_words = _line.split()
    for _word in _words:
        ADJECTIVES.setdefault(_word, (_concept, _sign == "+"))

NUMBER_WORDS = {
    word: number
    for number, words in enumerate(
        (
            "zero null", "one ein eine eins", "two zwei", "three drei", "four vier", "five funf", "six sechs",
            "seven sieben", "eight acht", "nine neun", "ten zehn", "eleven elf", "twelve zwolf",
        )
    )
    for word in words.split()
}  # fmt: skip
NUMBER_WORDS |= {"fifteen": 15, "funfzehn": 15, "twenty": 20, "zwanzig": 20}
RESTRICTING = set_of(
    "in for of from with during among where only when at on within without excluding except im fur von vom aus "
    "mit wahrend bei nur ohne ausser beim am"
)
"""Prepositions of restrictions: an unknown word after one of these must not be ignored."""
ENTITIES = set_of(
    "row rows record records case cases entry entries observation observations data dataset table file value "
    "values column columns sheet list thing things item items example examples sample samples people person "
    "persons man men zeile zeilen datensatz datensatze fall falle eintrag eintrage beobachtung beobachtungen "
    "daten tabelle datei wert werte spalte spalten blatt liste personen leute menschen"
)
"""Words for a row or for the table itself."""
COMMON = set_of(
    # English
    "a about according actually after again all along alone already also am an and any anything appear are around "
    "as ask at available away back be became because become been before being below best better big bit both "
    "brings but can clear clearly come comes compared computed could day did different differently do does doing "
    "done down draw during each either else end ever every exactly far few figure figures find first fit for from "
    "further gave get gets give gives given go going good got had happen happened happens has have having he help "
    "her here high him his how however i if in into is it its itself just keep kind kinds know large larger last "
    "least less let like likely little long look looks lot lots low made main make makes many matter maximum may "
    "me mean means might minimum more most much my near need next no normal not now number numbers occur occurred "
    "occurs of off often on once one only onto or other others our out over overall own part per perhaps place "
    "please plot point possible produce puts quite rather really recorded reach reached reaches report result "
    "results right s same say see seem seems seen set sets several she should show shows side similar simply "
    "since size small smaller so some someone something sort still strong such sure take taken tell tends than "
    "that the their them then there these they this those though through time times to together too total trip "
    "true two type typical under up upon us use used using usually value very want was way we well went were what "
    "when where whether which while who whole whom whose why will with within without word words work would write "
    "written year yes you your chart graph diagram please could answer question attached compute calculate did "
    "markdown md t d ll re ve found ordered sorted sort rank ranked ranking listed tend generally between degrees "
    "celsius fahrenheit dollars euros grad differ vary varies varied lies lie strongest strongly much higher "
    "lower bigger greater smaller older younger "
    # German
    "ab aber alle allem allen aller alles als also am an andere anderen anderer ans auch auf aus bei beim "
    "bekommen bitte bis da dabei dafur damit dann daran das dass dazu dein deine dem den denn der deren des "
    "deshalb dessen die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer "
    "eines einmal er es etwa etwas euch fur gab ganz gar geben gegen genau gibt ging gut habe haben hat hatte "
    "hatten hier hin ich ihr ihre im immer in ins insgesamt ist ja jede jedem jeden jeder jedes jetzt kann kannst "
    "kein keine kommt konnen lag lagen lasst liegen liegt mal man mehr mein meine meist meisten mir mit mussen "
    "nach nicht noch nun nur ob oder ohne pro sagen schon sehr sein seine seit sich sie sind so sogar sollen "
    "sollte sondern stark starker steht um und uns unser unter viel viele vielen vom von vor wann war waren warum "
    "was wegen weil welche welchem welchen welcher welches wenig weniger wenn wer werden wert wie wieder wieviel "
    "will wir wird wo wurde wurden zeig zeige zeigen zu zum zur zusammen zwei zwischen uber mach mache erstelle "
    "schreibe bericht diagramm grafik berechne frage antwort angehangt anhang zwischen beziehung aufweisen "
    "aufweist weist hoher niedriger grosser kleiner alter junger erzielt erzielen bringt bringen finden findet "
    "nenne nennen"
)
"""Words that neither restrict the question nor name a column."""
