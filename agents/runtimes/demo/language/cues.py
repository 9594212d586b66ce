"""Cues: patterns that reveal the kind of a question, English and German.

The patterns are matched against folded words (`tokens.fold`: lower case, umlauts as plain vowels) with one space
between them.
"""

from __future__ import annotations

import re

GREAT = r"(?:o|oe)"
HIGH = re.compile(
    r"\b(?:most|highest|largest|biggest|greatest|maximum|max|maximal\w*|peak|top|best|record|meisten?|meistes|"
    rf"h{GREAT}chste?[nrsm]?|gr{GREAT}(?:ss|s)te?[nrsm]?|haufigste?[nrsm]?|starkste?[nrsm]?|beste?[nrsm]|maximum|"
    r"mehrheit|more than any|above all)\b"
)
LOW = re.compile(
    r"\b(?:least|lowest|smallest|fewest|minimum|min|minimal\w*|worst|bottom|weakest|rarest|wenigste?[nrsm]?|"
    r"niedrigste?[nrsm]?|geringste?[nrsm]?|kleinste?[nrsm]?|seltenste?[nrsm]?|schwachste?[nrsm]?|tiefste?[nrsm]?|"
    r"schlechteste?[nrsm]?|am wenigsten)\b"
)
PLAIN_EXTREMES = re.compile(rf"(?:{HIGH.pattern})|(?:{LOW.pattern})")

MISSING = re.compile(
    r"\b(?:missing|incomplete|nulls?|nans?|empty|blanks?|gaps|fehl(?:t|en|ende?[nrs]?)|leere?[nrs]?|lucken\w*|"
    r"luckenhaft\w*|unvollstandig\w*|not (?:filled|available)|nicht (?:ausgefullt|vorhanden)|unfilled)\b"
)
DRIVES = re.compile(
    r"\b(?:drives?|driving|drivers? of|affects?|affecting|influences?|influencing|explains?|explaining|predicts?|"
    r"predict(?:ing|ors? of|ive)|causes?|caused|causing|determines?|determining|depends? (?:on|upon)|"
    r"dependent on|behind|"
    r"impacts?|shapes?|factors?|responsible for|reasons? for|why|leads? to|makes? the difference|matters? for|"
    r"distinguish\w*|separates?|tells? apart|"
    r"treibt|treiben|treiber|beeinflus(?:s|ss)(?:t|en)|bestimm(?:t|en)|erklar(?:t|en)|verursach(?:t|en)|wovon|"
    r"abhang(?:t|ig|en)|ab(?:hang\w*)|ursachen?|grunde? fur|warum|weshalb|woran liegt|einflussfaktor\w*|"
    r"einfluss auf|wirkt|vorhersagen|sagt voraus|verantwortlich fur|hangt|hangen)\b"
)
RELATION = re.compile(
    r"\b(?:correlat\w+|relat(?:ed|ion|ions|ionship|ionships|es?)|associat\w+|connect(?:ed|ion)|linked|link between|"
    r"go together|goes with|goes together|effect of|effects of|influence of|impact of|dependence|"
    r"zusammenhang\w*|korrel\w+|zusammenhangen|beziehung|verhaltnis zwischen|einfluss (?:von|der|des|die)|"
    r"auswirkung\w*|"
    r"wechselwirkung)\b|\bhang\w* .* (?:mit|zusammen)\b"
)
TREND = re.compile(
    r"\b(?:over time|over the (?:years|months|decades|weeks|period|course)|through time|trends?|trending|"
    r"develop(?:ed|s|ment|ing)?|evol\w+|chang(?:e|es|ed|ing)|grow(?:s|n|th|ing)?|grew|increas(?:e|es|ed|ing)|"
    r"decreas(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|ris(?:e|es|en|ing)|rose|fall(?:s|en|ing)?|fell|drop(?:s|ped)?|"
    r"going (?:up|down)|gone (?:up|down)|history of|time series|year (?:by|over|on) year|month by month|"
    r"entwick(?:elt|elte|lung|eln)\w*|verander(?:t|te|n|ung)\w*|verlauf\w*|zeitlich\w*|im laufe|"
    r"uber die (?:jahre|zeit|monate)|"
    r"trends?|steig(?:t|en)|gestiegen|stieg|sink(?:t|en)|gesunken|sank|gefallen|fiel|zugenommen|abgenommen|nimmt|"
    r"wachs(?:t|en)|wachstum|gewachsen|zunahme|abnahme|anstieg|ruckgang|zeitreihe)\b"
)
TIME_PHRASE = re.compile(
    r"\b(?:over time|through time|with time|over the (?:years|months|decades|weeks|period|course of time)|"
    r"im laufe der (?:zeit|jahre|monate)|uber die (?:jahre|zeit|monate)|mit der zeit|im zeitverlauf|time series)\b"
)
DISTRIBUTION = re.compile(
    r"\b(?:distribut\w+|histogram\w*|spread|quartiles?|percentiles?|range of values|how (?:is|are) .* spread|"
    r"verteil\w*|histogramm\w*|streu(?:t|en|ung)|quartile?n?|outliers?|ausreisser\w*|spannweite|range)\b"
)
COMPARE = re.compile(
    r"\b(?:compar\w+|versus|vs|differen\w+|differs?|vergleich\w*|unterschied\w*|unterscheide\w*|gegenuber|"
    r"rather than)\b"
)
THAN = re.compile(r"\b(?:than|als)\b")
COUNT = re.compile(
    r"\b(?:how many|how often|number of|count of|counts? (?:the|all)|count|wie ?viele|wie oft|anzahl|zahl der|"
    r"wie haufig)\b"
)
OFTEN = re.compile(
    r"\b(?:most (?:common|frequent|often|frequently)|commonest|(?:least|less) (?:common|frequent|often)|rarest|"
    r"haufigste?[nrsm]?|am haufigsten|seltenste?[nrsm]?|am seltensten|how often|mode of)\b"
)
SHARE = re.compile(
    r"\b(?:share|percent|percentage|proportion|fraction|what part|anteil\w*|prozent\w*|prozentsatz|quote)\b"
)
EXISTS = re.compile(r"\b(?:are there|do we have|exist|occur|gibt es|kommen vor|vorhanden)\b")
DISTINCT = re.compile(
    r"\b(?:how many (?:different|distinct|unique|kinds? of|types? of|sorts? of)|"
    r"(?:number|count) of (?:different|distinct|unique)|wie ?viele (?:verschiedene|unterschiedliche|arten|sorten)|"
    r"which (?:different|distinct|unique)|distinct|list (?:all|the) (?:different|distinct|unique)|"
    r"welche (?:verschiedenen|unterschiedlichen)|anzahl (?:der )?(?:verschiedenen|unterschiedlichen))\b"
)
OVERVIEW = re.compile(
    r"\b(?:what is in|what s in|what does .* (?:contain|hold)|overview|summar\w+|describe|description|profile|"
    r"tell me about|what do (?:we|you|i) (?:know|see|have)|explore|analy[sz]e|look at|uberblick|zusammenfass\w*|"
    r"beschreib\w*|was (?:ist|steht|enthalt)|analysier\w*|was ist drin|inhalt|key (?:facts|figures|numbers))\b"
)
PERIODS = re.compile(
    r"\b(?:with|to|and|than|mit|als|zu|zum|zur) (?:the |dem |der |den )?(?:one |(?:year|month|week|quarter|"
    r"period|jahr|monat|woche|"
    r"quartal) )?(?:before|previous|last|prior|vorher\w*|davor|vorigen?|letzten?|vorjahr\w*|vormonat\w*|vorwoche|"
    r"vorquartal)\b|\bwhat changed (?:most )?(?:since|compared|from)|\b(?:year|month|week|quarter) (?:over|on) "
    r"(?:year|month|week|quarter)\b"
)
UNSUPPORTED = (
    (
        re.compile(
            r"\b(?:forecast\w*|predict (?:the )?(?:next|future|coming)|extrapolat\w*|prognos\w*|vorhersage[ns]?|"
            r"will (?:be|it|the|they|we|there|sales|prices?)|next (?:year|month|week|quarter)|zukunft\w*|"
            r"(?:the|in) future|nachste[nrs]? (?:jahr|monat|woche|quartal)|wie wird|werden wird)\b"
        ),
        "look into the future",
    ),
    (
        re.compile(
            r"\b(?:cluster\w*|segmentation|k means|train (?:a|the)|classif(?:y|ier)|neural|machine learning|"
            r"fit a (?:model|regression)|regression model|pca|clustern)\b"
        ),
        "train or fit models",
    ),
    (
        re.compile(
            r"\b(?:significan\w+|p values?|t test|anova|hypothesis test|confidence intervals?|signifikan\w*|"
            r"hypothesentest\w*|konfidenzintervall\w*)\b"
        ),
        "test for significance",
    ),
    (
        re.compile(
            r"\b(?:translate|write (?:me )?(?:a|an|some) (?:poem|story|song|joke|essay|letter|mail|email)|ubersetz\w*|"
            r"schreib\w* (?:mir )?(?:ein|eine|einen) (?:gedicht|geschichte|lied|witz|brief|mail|e mail))\b"
        ),
        "write or translate texts",
    ),
    (
        re.compile(
            r"\b(?:should (?:we|i|they)|(?:do|would) you recommend|recommendations?|advice|what to do|"
            r"soll(?:te|ten|en)? (?:wir|ich|man)|empfehl\w*|ratschlag\w*)\b"
        ),
        "give advice",
    ),
    (
        re.compile(
            r"^(?:please |bitte )?(?:delete|remove|clean|cleanse|deduplicate|rename|merge|join|convert|losche\w*|"
            r"entferne\w*|bereinige\w*|benenne|fuhre|konvertiere)\b"
        ),
        "change data",
    ),
)
"""Analyses that the demo does not have, each with the words for its refusal."""
AGGREGATES = (
    ("median", re.compile(r"\b(?:median\w*|zentralwert)\b")),
    (
        "mean",
        re.compile(r"\b(?:averages?|avg|means?|on average|typical\w*|durchschnitt\w*|mittelwert\w*|"
                   r"mittlere?[nrsm]?|im mittel|"
                   r"im schnitt|schnitt|normally|usually|ublicherweise)\b"),
    ),
    (
        "sum",
        re.compile(r"\b(?:totals?|sums?|summed|overall|altogether|in all|combined|together|"
                   r"summe\w*|gesamt\w*|insgesamt|"
                   r"zusammen|aufsummiert|cumulative|add up)\b"),
    ),
)  # fmt: skip
MAXIMUM = re.compile(r"\b(?:maximum|max|maximal\w*|maximalwert)\b")
MINIMUM = re.compile(r"\b(?:minimum|min|minimal\w*|minimalwert)\b")
BY = re.compile(
    r"\b(?:by|per|for each|for every|for the different|for different|in each|in every|of each|of every|each|"
    r"every|across|among|"
    r"grouped by|broken down by|split by|depending on the|within each|at each|at every|between the|"
    r"nach|je|pro|fur jede[nrsm]?|in jede[nrsm]?|jede[nrsm]?|aufgeteilt nach|aufgeschlusselt nach|gruppiert nach)\b"
)
ACROSS = re.compile(r"\b(?:between|among|across|zwischen|unter)\b")
WHICH = re.compile(r"\b(?:which|what|whose|welche?[nrsm]?|was fur (?:ein|eine|einen))\b")
WHO = re.compile(r"\b(?:who|wer|wem|wen)\b")
WHEN = re.compile(r"\b(?:when|wann)\b")
WHERE = re.compile(r"^(?:where|wo)\b|\b(?:and where|und wo)\b")
TOP_N = re.compile(
    r"\b(?:top|best|bottom|worst|first|last|lowest|highest|largest|biggest|smallest|most|least) (?P<after>\w+)\b|"
    r"\b(?P<before>\w+) (?:\w+ )?(?:most|least|highest|lowest|largest|biggest|smallest|best|worst|\w{3,}est|"
    r"\w{3,}sten)\b"
)
GRAINS = (
    ("weekday", re.compile(r"\b(?:weekdays?|days? of the week|wochentag\w*)\b")),
    ("hour", re.compile(r"\b(?:hours?(?: of the day)?|time of day|stunden?|tageszeit|uhrzeit)\b")),
    ("decade", re.compile(r"\b(?:decades?|jahrzehnte?\w*)\b")),
    ("year", re.compile(r"\b(?:years?|yearly|annual\w*|jahre?[ns]?|jahrlich\w*)\b")),
    ("quarter", re.compile(r"\b(?:quarters?|quarterly|quartale?[ns]?|quartalsweise)\b")),
    ("month", re.compile(r"\b(?:months?|monthly|monate?[ns]?|monatlich\w*)\b")),
    ("week", re.compile(r"\b(?:weeks?|weekly|wochen?|wochentlich\w*)\b")),
    ("day", re.compile(r"\b(?:days?|daily|dates?|tage?[ns]?|taglich\w*|datum)\b")),
)
COMPARATORS = (
    (">=", re.compile(r"\b(?:at least|no less than|not less than|minimum of|from|mindestens|wenigstens|ab)\b")),
    ("<=", re.compile(r"\b(?:at most|no more than|not more than|maximum of|up to|hochstens|maximal|bis zu)\b")),
    (
        ">",
        re.compile(r"\b(?:(?:more|greater|higher|larger|older|heavier|longer|bigger|hotter|warmer|better) than|"
                   r"over|above|exceed(?:s|ing)?|"
                   r"(?:mehr|grosser|hoher|alter|schwerer|langer|warmer|besser) als|uber)\b"),
    ),
    (
        "<",
        re.compile(r"\b(?:(?:less|fewer|lower|smaller|younger|lighter|shorter|colder|cheaper) than|under|below|"
                   r"(?:weniger|kleiner|niedriger|junger|leichter|kurzer|kalter|billiger|gunstiger) als|unter)\b"),
    ),
)  # fmt: skip
SINCE = re.compile(r"\b(?:since|after|from|later than|seit|nach|ab)\b")
UNTIL = re.compile(r"\b(?:until|before|up to|till|earlier than|bis|vor)\b")
