"""Synonyms in questions and column names, English and German.

Each line is one meaning. Column names are often short, so abbreviations are listed, too. Words are matched by their
forms (`tokens.forms`), so one form of each is enough.
"""

from __future__ import annotations

from functools import lru_cache

from agents.runtimes.demo.language.tokens import fold, forms
from agents.runtimes.demo.language.word_lists import set_of

CONCEPTS = {
    "price": "price preis tarif teuer expensive cheap billig gunstig pricing priced kurs aktienkurs borsenkurs",
    "cost": "cost kosten expense expenses aufwand expenditure ausgaben spending spend spent ausgeben exp outlay",
    "revenue": "revenue amount betrag sales umsatz turnover erlos einnahmen sell selling sold verkauf verkaufen "
    "gross verdienen",
    "profit": "profit gewinn earnings margin marge profitable profitabel ertragreich",
    "wealth": "rich poor wealthy reich arm wohlstand reichtum gdp income einkommen capita bip",
    "income": "income einkommen earn earning wage wages salary gehalt lohn pay inc verdienst verdienen rich poor reich",
    "wages": "wage wages lohn lohne arbeitslohn salary gehalt pay",
    "quantity": "quantity qty amount menge stuckzahl volume units anzahl",
    "volume": "volume flow discharge abfluss durchfluss wassermenge vol volumen flussmenge",
    "count": "count cnt number num anzahl zahl",
    "precipitation": "precipitation precip rain rainfall regen niederschlag regenmenge prcp wet rainy regnerisch nass "
    "dry trocken regnen regnet regnete verregnet",
    "temperature": "temperature temp temperatur warm warmth hot heat cold cool kalt heiss hitze kalte tmax tmin",
    "wind": "wind windy windig windgeschwindigkeit",
    "weather": "weather wetter wetterlage witterung",
    "consumption": "consumption verbrauch consume consumes spritverbrauch kraftstoffverbrauch benzinverbrauch cons "
    "verbrauchen thirsty sparsam economical efficient konsum",
    "mileage": "mpg mileage reichweite",
    "weight": "weight gewicht heavy light schwer leicht wt wiegen weigh weighs mass masse",
    "horsepower": "horsepower hp ps power leistung motorleistung pferdestarken powerful stark strong",
    "acceleration": "acceleration beschleunigung accelerate beschleunigen",
    "displacement": "displacement hubraum",
    "cylinder": "cylinder cylinders zylinder cyl",
    "speed": "speed geschwindigkeit tempo fast slow schnell langsam velocity quick",
    "age": "age alter old young alt jung altersgruppe lebensalter",
    "gender": "gender sex geschlecht",
    "male": "male man mann manner mannlich boy jungen herr herren",
    "female": "female woman frau frauen weiblich girl madchen dame damen",
    "race": "race ethnicity ethnic ethnie rasse hautfarbe herkunftsgruppe abstammung",
    "white": "white weiss weisse",
    "black": "black schwarz schwarze afroamerikaner",
    "country": "country land lander nation staat nations laender",
    "state": "state bundesstaat bundesland province provinz staat bundesstaaten",
    "city": "city stadt town stadte ort gemeinde municipality staedte",
    "region": "region gebiet gegend area bezirk district territory council",
    "neighborhood": "neighborhood neighbourhood nachbarschaft stadtteil viertel quartier",
    "site": "site standort location ort place stelle anbauort feld lage",
    "origin": "origin herkunft ursprung herkunftsland ursprungsland country",
    "name": "name title titel bezeichnung benennung",
    "person": "person people personen leute mensch menschen individual individuals",
    "company": "company firm unternehmen firma business betrieb corporation konzern companies firms",
    "brand": "brand make marke hersteller manufacturer maker produzent",
    "model": "model modell",
    "product": "product produkt item artikel ware goods",
    "category": "category kategorie type typ art kind class klasse sort group gruppe segment",
    "variety": "variety sorte kind cultivar rasse",
    "species": "species art spezies sorte",
    "genus": "genus gattung",
    "bacteria": "bacteria bacterium bakterie bakterien keim",
    "source": "source quelle energietrager energiequelle energieart erzeugungsart",
    "generation": "generation erzeugung produktion stromerzeugung produce produced production output "
    "erzeugen produktion "
    "electricity strom",
    "channel": "channel kanal vertriebskanal",
    "customer": "customer kunde client kundin abnehmer buyer kaufer",
    "order": "order bestellung auftrag orders bestell bestellen ordered",
    "department": "department abteilung dept bereich",
    "employee": "employee mitarbeiter staff angestellte personal belegschaft worker arbeiter",
    "employment": "employment beschaftigung totemp emp jobs arbeitsplatze beschaftigte erwerbstatige employed",
    "unemployment": "unemployment arbeitslosigkeit unemp arbeitslosenquote unemployed arbeitslose jobless",
    "inflation": "inflation infl teuerung preissteigerung",
    "gdp": "gdp bip bruttoinlandsprodukt realgdp gnp wirtschaftsleistung",
    "interest": "interest zins zinsen zinssatz",
    "investment": "invest investment investition investieren inv realinv capex",
    "capital": "capital kapital",
    "value": "value wert marktwert worth",
    "stock": "stock aktie symbol ticker share wertpapier papier aktien",
    "population": "population bevolkerung pop einwohner popul inhabitants einwohnerzahl",
    "rate": "rate quote satz ratio",
    "share": "share anteil percent percentage prozent pct per proportion quota",
    "score": "score punktzahl punkte points grade note testergebnis result ergebnis testscore",
    "rating": "rating bewertung beurteilung stars sterne rate zufriedenheit satisfaction popular beliebt",
    "satisfaction": "satisfaction zufriedenheit happy satisfied zufrieden happiness csat",
    "marriage": "marriage married ehe verheiratet ehejahre heirat",
    "affair": "affair affairs affare affaren seitensprung seitensprunge untreue infidelity",
    "religious": "religious religion religiositat religios religiosity religiousness glaubig faith glaube "
    "relig frommigkeit",
    "education": "education bildung educ schooling ausbildung schulbildung educated gebildet schooljahre",
    "occupation": "occupation beruf job profession tatigkeit",
    "child": "child kind kinder children nachwuchs",
    "student": "student schuler schulerin pupil studenten",
    "teacher": "teacher lehrer lehrerin",
    "school": "school schule highschool hs hochschul",
    "graduate": "graduate graduation grad abschluss absolvent graduates",
    "crime": "crime kriminalitat verbrechen straftat safe sicher dangerous gefahrlich",
    "violent": "violent gewalt gewalttatig violence gewaltverbrechen gewaltkriminalitat",
    "murder": "murder mord totung homicide mordrate morde killing ermordet",
    "execution": "execution hinrichtung executions executed hingerichtet",
    "poverty": "poverty armut armutsquote poor arm",
    "urban": "urban stadtisch urbanisierung verstadterung",
    "death": "death tod todesfall todesfalle toter tote sterben fatality mortality deceased killed gestorben "
    "victim opfer "
    "deadly todlich died",
    "wound": "wound verwundung wunde wunden verletzung wounded injured injury verletzte",
    "disease": "disease krankheit illness sick krank erkrankung disea",
    "fertility": "fertility geburtenrate fruchtbarkeit fertilitat geburtenziffer births geburten",
    "health": "health gesundheit hlth gesund",
    "doctor": "doctor arzt physician md arztbesuch visits",
    "medical": "medical medizinisch med",
    "smoking": "smoking rauchen smoker raucher",
    "cancer": "cancer krebs tumor",
    "benign": "benign gutartig",
    "malignant": "malignant bosartig",
    "churn": "churn attrition left leave leaving quit kundigung kundigen fluktuation abwanderung resigned verlassen",
    "life": "life leben lebens",
    "expectancy": "expectancy erwartung",
    "survival": "survival survive survived uberleben uberlebt",
    "yield": "yield ertrag ernte crop harvest ernteertrag ergiebig",
    "wheat": "wheat weizen weizenpreis",
    "barley": "barley gerste",
    "copper": "copper kupfer",
    "aluminum": "alum aluminum aluminium",
    "inventory": "inventory bestand lager lagerbestand",
    "gas": "gas benzin gasoline petrol sprit fuel kraftstoff",
    "miles": "miles mile meilen meile",
    "kilometres": "km kilometer kilometre kilometers",
    "length": "length lange long short lang kurz",
    "width": "width breite wide narrow breit schmal",
    "height": "height hohe tall hoch groesse korpergroesse elevation",
    "depth": "depth tiefe deep tief",
    "size": "size grosse groesse umfang",
    "petal": "petal blutenblatt blute kronblatt bluten",
    "sepal": "sepal kelchblatt kelch",
    "duration": "duration dauer time zeit laufzeit lasted dauern lange long bearbeitungszeit",
    "delay": "delay verspatung late delayed verzogerung spat",
    "distance": "distance entfernung strecke distanz far weit",
    "airport": "airport flughafen flughafen airfield flugplatz flugplatze",
    "flight": "flight flug fluge",
    "car": "car auto wagen vehicle fahrzeug pkw autos",
    "mode": "mode verkehrsmittel reisemodus transportmittel",
    "manufacturing": "manufacturing industrie verarbeitendes fertigung industry",
    "construction": "construction bau baugewerbe bauwirtschaft building",
    "mining": "mining bergbau",
    "government": "government regierung govt staatlich offentlich public staat",
    "private": "private privat privatwirtschaft",
    "service": "service dienst dienstleistung dienstleistungen services",
    "retail": "retail einzelhandel",
    "wholesale": "wholesale grosshandel",
    "leisure": "leisure freizeit hospitality gastgewerbe",
    "finance": "financial finance finanzen finanz",
    "information": "information informations",
    "education_sector": "education bildung",
    "open": "open opening eroffnung eroffnungskurs opened geoffnet",
    "close": "close closing schluss schlusskurs closed geschlossen",
    "high": "high hoch hochst hochstkurs max maximum maximal",
    "low": "low niedrig tief tiefstkurs min minimum minimal",
    "refund": "refund ruckerstattung erstattung erstatten ruckzahlung refunded",
    "ticket": "ticket anfrage fall vorgang",
    "priority": "priority prioritat dringlichkeit",
    "response": "response antwort reply reaktion reaktionszeit antwortzeit",
    "resolution": "resolution losung losungszeit solve resolved",
    "plan": "plan tarif paket abo abonnement subscription",
    "discount": "discount rabatt nachlass",
    "tax": "tax steuer taxes steuern tax tout",
    "vote": "vote stimme stimmen wahl votes wahlen wahlt voter",
    "party": "party partei pid parteizugehorigkeit",
    "sun": "sun sonne sunspot sonnenflecken sonnenfleck solar",
    "activity": "activity aktivitat tatigkeit act",
    "carbon": "co2 carbon kohlendioxid kohlenstoffdioxid dioxide",
    "year": "year jahr jahre jahrgang annual jahrlich yr yrs",
    "quarter": "quarter quartal vierteljahr",
    "month": "month monat monate monatlich mon",
    "week": "week woche wochen",
    "day": "day tag tage taglich",
    "date": "date datum zeitpunkt tag",
    "hour": "hour stunde stunden uhrzeit",
    "decade": "decade jahrzehnt",
    "committee": "committee ausschuss ausschusse",
    "bill": "bill gesetz gesetzentwurf bills gesetzentwurfe",
    "prestige": "prestige ansehen",
    "strike": "strike streik streiks",
    "food": "food lebensmittel essen nahrung nahrungsmittel ernahrung",
    "household": "household haushalt hh hinc",
    "degree": "degree abschluss hochschulabschluss",
    "alcohol": "alcohol alkohol alkoholgehalt",
    "color": "color colour farbe farbintensitat",
    "waist": "waist taille taillenumfang",
    "pulse": "pulse puls herzfrequenz",
    "blood": "blood blut",
    "pressure": "pressure druck blutdruck",
    "bmi": "bmi body korper",
    "movie": "movie film film filme",
    "budget": "budget etat",
    "director": "director regisseur regie",
    "genre": "genre genre",
    "fare": "fare fahrpreis ticketpreis",
    "passenger": "passenger passagier fahrgast",
    "usa": "usa us america american amerika amerikanisch united states vereinigte staaten uns",
    "europe": "europe european europa europaisch",
    "japan": "japan japanese japanisch",
    "germany": "germany german deutschland deutsch",
    "france": "france french frankreich franzosisch",
    "britain": "uk britain british england english grossbritannien britisch",
    "china": "china chinese chinesisch",
    "rain_value": "rain rainy regen regnerisch verregnet regentag regentage",
    "snow": "snow snowy schnee verschneit schneetag schneetage schneien",
    "fog": "fog foggy nebel neblig nebeltage",
    "sunny": "sun sunny sonne sonnig sonnentage sonnentag",
    "drizzle": "drizzle nieselregen niesel",
    "north": "north northern nord norden nordlich",
    "south": "south southern sud suden sudlich sued sueden",
    "east": "east eastern ost osten ostlich",
    "west": "west western westen westlich",
    "january": "january jan januar janner",
    "february": "february feb februar",
    "march": "march mar marz maerz mrz",
    "april": "april apr",
    "may": "may mai",
    "june": "june jun juni",
    "july": "july jul juli",
    "august": "august aug",
    "september": "september sep sept",
    "october": "october oct oktober okt",
    "november": "november nov",
    "december": "december dec dezember dez",
    "monday": "monday montag",
    "sunday": "sunday sonntag",
    "weekend": "weekend wochenende",
    "nuclear": "nuclear kern atom atomkraft kernkraft kernenergie atomenergie",
    "fossil": "fossil fossile coal kohle",
    "renewable": "renewables renewable erneuerbare erneuerbar",
}  # fmt: skip
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
UNITS = set_of(
    "usd eur gbp chf in per of the and or lb lbs kg g cm mm km hrs hours sec id nr pct percent avg mean total "
    "tot value amt std level index idx code num data col column field yr name"
)
"""Words of column names that a question usually leaves out."""


def _index() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for concept, words in CONCEPTS.items():
        for word in words.split():
            found.setdefault(fold(word), set()).add(concept)
    return {word: frozenset(concepts) for word, concepts in found.items()}


INDEX = _index()
BY_FORM: dict[str, set[str]] = {}
for _word, _concepts in INDEX.items():
    for _form in forms(_word):
        BY_FORM.setdefault(_form, set()).update(_concepts)
COMPOUND_PARTS = sorted((word for word in INDEX if len(word) >= 3), key=len, reverse=True)
LINKS = ("", "s", "es", "n", "en")


@lru_cache(maxsize=16384)
def concepts(word: str) -> frozenset[str]:
    """Return the meanings of a folded word; of an unknown word, those of its forms."""
    if word in INDEX:
        return INDEX[word]
    found: set[str] = set()
    for form in forms(word):
        found |= BY_FORM.get(form, set())
    return frozenset(found)


@lru_cache(maxsize=4096)
def compound(word: str) -> tuple[str, ...]:
    """Split a compound of two known words: `durchschnittspreis`, `copperprice`; empty if it is none."""
    if len(word) < 7 or word in INDEX or not word.isalpha():
        return ()
    for tail in COMPOUND_PARTS:
        if not word.endswith(tail) or len(word) - len(tail) < 3:
            continue
        head = word[: -len(tail)]
        for link in LINKS:
            stem = head.removesuffix(link) if link else head
            if len(stem) >= 3 and (not link or head.endswith(link)) and (stem in INDEX or stem in HEADS):
                return stem, tail
    return ()


HEADS = set_of(
    "durchschnitt mittel gesamt hochst tiefst mindest maximal minimal jahres monats tages real world median "
    "verkauf haushalt pro netto brutto geburten sonnen kohlen welt"
)
"""First halves of compounds without a meaning of their own."""
