"""Forbidden uses of a network that recognises expressions, and the wording of the law."""

# Quoted word for word from Regulation (EU) 2024/1689 (the AI Act).
ARTICLE_5_1_F = (
    "the placing on the market, the putting into service for this specific purpose, or the use of"
    " AI systems to infer emotions of a natural person in the areas of workplace and education"
    " institutions, except where the use of the AI system is intended to be put in place or into"
    " the market for medical or safety reasons"
)
ARTICLE_50_3 = (
    "Deployers of an emotion recognition system or a biometric categorisation system shall inform"
    " the natural persons exposed thereto of the operation of the system, and shall process the"
    " personal data in accordance with Regulations (EU) 2016/679 and (EU) 2018/1725 and Directive"
    " (EU) 2016/680, as applicable. This obligation shall not apply to AI systems used for"
    " biometric categorisation and emotion recognition, which are permitted by law to detect,"
    " prevent or investigate criminal offences, subject to appropriate safeguards for the rights"
    " and freedoms of third parties, and in accordance with Union law."
)
ANNEX_III_1_C = "AI systems intended to be used for emotion recognition"

# Sentences for every model card.
FORBIDDEN_USES = (
    "It names an expression, not an emotion: what people see in a picture, not what the person"
    " feels.",
    "Not for decisions about people: hiring, work, education, insurance, police, border, credit,"
    " health.",
    f"The EU AI Act (Regulation (EU) 2024/1689) prohibits in Article 5(1)(f): “{ARTICLE_5_1_F}”.",
    "Where it is allowed, such systems are high-risk: Annex III, point 1(c), lists"
    f" “{ANNEX_III_1_C}”.",
    f"People must be told. Article 50(3): “{ARTICLE_50_3}”",
    "An image that shows no face gets probabilities too: they mean nothing.",
)
# A short version for people who start a camera or are seen by it.
NOTICE = (
    "These are expressions that people would see, not what a person feels.",
    "Not for decisions about people; in the EU prohibited at work and in education, except for"
    " medical or safety reasons.",
    "Show it people who know and agree (AI Act, Regulation (EU) 2024/1689, Articles 5(1)(f) and"
    " 50(3)).",
)
