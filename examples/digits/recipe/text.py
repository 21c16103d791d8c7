"""Digit words of many languages, sentences around them, and the WordPiece vocabulary."""
import random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

# Ten words each, zero first; alternatives after a slash.
LANGUAGES = {
    "en": "zero/nought one two three four five six seven eight nine",
    "de": "null eins/ein/eine zwei/zwo drei vier fünf/fuenf sechs sieben acht neun",
    "fr": "zéro un/une deux trois quatre cinq six sept huit neuf",
    "es": "cero uno/una dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno/una due tre quattro cinque sei sette otto nove",
    "pt": "zero um/uma dois/duas três quatro cinco seis sete oito nove",
    "nl": "nul een/één twee drie vier vijf zes zeven acht negen",
    "pl": "zero jeden dwa/dwie trzy cztery pięć sześć siedem osiem dziewięć",
    "tr": "sıfır bir iki üç dört beş altı yedi sekiz dokuz",
    "ru": "ноль/нуль один/одна два/две три четыре пять шесть семь восемь девять",
    "uk": "нуль один/одна два/дві три чотири п'ять шість сім вісім дев'ять",
    "bg": "нула едно/един две/два три четири пет шест седем осем девет",
    "sr": "нула један два три четири пет шест седам осам девет",
    "hr": "nula jedan dva tri četiri pet šest sedam osam devet",
    "cs": "nula jedna/jeden dva/dvě tři čtyři pět šest sedm osm devět",
    "sk": "nula jeden dva tri štyri päť šesť sedem osem deväť",
    "sl": "nič ena/en dva tri štiri pet šest sedem osem devet",
    "sv": "noll ett/en två tre fyra fem sex sju åtta nio",
    "da": "nul en/et to tre fire fem seks syv otte ni",
    "no": "null en/ett to tre fire fem seks sju/syv åtte ni",
    "is": "núll einn tveir þrír fjórir fimm sex sjö átta níu",
    "fi": "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän",
    "et": "null üks kaks kolm neli viis kuus seitse kaheksa üheksa",
    "lv": "nulle viens divi trīs četri pieci seši septiņi astoņi deviņi",
    "lt": "nulis vienas du trys keturi penki šeši septyni aštuoni devyni",
    "hu": "nulla egy kettő/két három négy öt hat hét nyolc kilenc",
    "ro": "zero unu/una doi/două trei patru cinci șase șapte opt nouă",
    "ca": "zero un/una dos/dues tres quatre cinc sis set vuit nou",
    "gl": "cero un/unha dous/dúas tres catro cinco seis sete oito nove",
    "el": "μηδέν ένα/ένας δύο τρία/τρεις τέσσερα πέντε έξι επτά/εφτά οκτώ/οχτώ εννέα/εννιά",
    "la": "nullus unus duo tres quattuor quinque sex septem octo novem",
    "eo": "nul unu du tri kvar kvin ses sep ok naŭ",
    "id": "nol satu dua tiga empat lima enam tujuh delapan sembilan",
    "vi": "không một hai ba bốn năm sáu bảy tám chín",
    "sw": "sifuri moja mbili tatu nne tano sita saba nane tisa",
    "zh": "零/〇 一/壹 二/两/兩/贰 三/叁 四/肆 五/伍 六/陆 七/柒 八/捌 九/玖",
    "ja": "ゼロ/れい いち/ひとつ に/ふたつ さん/みっつ よん/よっつ ご/いつつ ろく/むっつ なな/しち/ななつ はち/やっつ きゅう/く",
    "ko": "영/공 일/하나 이/둘 삼/셋 사/넷 오/다섯 육/여섯 칠/일곱 팔/여덟 구/아홉",
    "ar": "صفر واحد/واحدة اثنان/اثنين ثلاثة/ثلاث أربعة/اربعة خمسة/خمس ستة/ست سبعة/سبع ثمانية تسعة/تسع",
    "fa": "صفر یک دو سه چهار پنج شش هفت هشت نه",
    "he": "אפס אחת/אחד שתיים/שניים שלוש/שלושה ארבע/ארבעה חמש/חמישה שש/שישה שבע/שבעה שמונה תשע/תשעה",
    "hi": "शून्य एक दो तीन चार पांच/पाँच छह/छः सात आठ नौ",
}
NUMERALS = ("0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９")
FRAMES = {
    "en": "the number is {}|it is a {}|this is {}|number {}|digit {}|i see a {}|that looks like {}|the digit is {}|"
          "i said {}|please enter {}|it should be {}|{} please|a handwritten {}|the answer is {}|is it {}?|{}!|"
          "maybe {}|i think it's {}|press {} now|write {}",
    "de": "die zahl ist {}|das ist eine {}|ziffer {}|nummer {}|ich sehe eine {}|ich glaube {}|die ziffer {}|bitte {}",
    "fr": "le chiffre est {}|c'est un {}|le nombre {}|numéro {}|je vois un {}|je crois que c'est {}",
    "es": "el número es {}|es un {}|la cifra {}|veo un {}|creo que es {}|número {}",
    "it": "il numero è {}|è un {}|la cifra {}|vedo un {}|numero {}",
    "pt": "o número é {}|é um {}|o dígito {}|vejo um {}|número {}",
    "nl": "het getal is {}|dit is een {}|cijfer {}|nummer {}|ik zie een {}",
    "pl": "to jest {}|liczba {}|cyfra {}|widzę {}|numer {}",
    "tr": "sayı {}|bu bir {}|rakam {}|numara {}",
    "ru": "это {}|число {}|цифра {}|я вижу {}|номер {}",
    "uk": "це {}|число {}|цифра {}", "cs": "to je {}|číslo {}|číslice {}", "sv": "det är {}|siffran {}|talet är {}",
    "da": "det er {}|tallet er {}", "no": "det er {}|tallet er {}", "fi": "se on {}|numero {}|luku on {}",
    "hu": "ez {}|a szám {}", "ro": "este {}|numărul {}|cifra {}", "el": "είναι {}|ο αριθμός {}",
    "zh": "数字是{}|这是{}|数字{}|號碼{}|我看到{}", "ja": "これは{}です|数字は{}|{}です|番号{}", "ko": "숫자 {}|이것은 {}",
    "ar": "الرقم {}|هذا {}|رقم {}|العدد هو {}", "he": "המספר הוא {}|זה {}", "hi": "यह {} है|अंक {}|संख्या {}",
    "id": "angka {}|ini {}", "vi": "số {}|đây là {}",
}
NOT_A_DIGIT = ("hello", "i do not know", "the number is", "what is this", "a picture", "good morning", "no idea",
               "weiß nicht", "die zahl ist", "bonjour", "le chiffre est", "hola", "buongiorno", "привет", "你好",
               "cannot read it", "some digit", "number", "unreadable", "see the picture", "listen", "is it?", "?", "...",
               "i cannot hear you", "maybe", "this is", "it is a", "thank you", "the weather is nice", "x", "abc")

FILLER = ("the a this that these it is was be are i you he she we they me my your please think believe guess say said "
          "see saw hear heard write wrote written draw drawn drew read show shows shown look looks like picture image "
          "sound voice word digit number figure value answer result should could would can will might must maybe "
          "probably surely clearly definitely here there now then and or but with without for from of in at by as "
          "just only really very quite not sure what which who when where how one's tell told mean means enter press "
          "type typed choose pick take give my our his her its handwritten spoken typed yes ok well hmm so today")
MAX_TOKENS = 64


def typo(word, rng):
    """One letter lost, doubled, swapped or replaced: only in words long enough to stay readable."""
    i = rng.randrange(len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1:]
    if kind == 1:
        return word[:i] + word[i] + word[i:]
    if kind == 2:
        return word[:i] + word[i + 1] + word[i] + word[i + 2:]
    return word[:i] + rng.choice("abcdefghijklmnopqrstuvwxyz") + word[i + 1:]


def all_words():
    """Every word with its language and digit."""
    return [(lang, digit, word) for lang, line in LANGUAGES.items()
            for digit, group in enumerate(line.split()) for word in group.split("/")]


def sample(rng, words, typos=0.12, numerals=0.15, nothing=0.06):
    """One text and its digit, or -1 where it names none."""
    if rng.random() < nothing:
        fill = " ".join(rng.choices(FILLER.split(), k=rng.randint(1, 6)))
        return (fill if rng.random() < 0.5 else rng.choice(NOT_A_DIGIT)), -1
    if rng.random() < numerals:
        lang, digit = rng.choice(list(FRAMES)), rng.randrange(10)
        word = rng.choice(NUMERALS)[digit] if rng.random() < 0.3 else str(digit)
    else:
        lang = "en" if rng.random() < 0.2 else rng.choice(list(LANGUAGES))
        lang, digit, word = rng.choice(words[lang])
        if len(word) >= 4 and word.isalpha() and word[0] < "\u0500" and rng.random() < typos:
            word = typo(word, rng)
    frame = rng.choice(FRAMES.get(lang, FRAMES["en"]).split("|")) if rng.random() < 0.4 else "{}"
    if frame == "{}" and lang in ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr") and rng.random() < 0.15:
        fill = rng.choices(FILLER.split(), k=rng.randint(1, 7))
        cut = rng.randint(0, len(fill))
        frame = " ".join([*fill[:cut], "{}", *fill[cut:]])
    text = frame.format(word)
    r = rng.random()
    text = text.upper() if r < 0.08 else text.capitalize() if r < 0.3 else text
    return text + rng.choice(("", "", "", "", ".", "!", " ")), digit


def words_by_language():
    table = {}
    for entry in all_words():
        table.setdefault(entry[0], []).append(entry)
    return table


def tokenizer():
    """WordPiece with a vocabulary that is listed, not trained, so that it is the same every time.

    Every digit word and every word of the sentences is one piece, every letter is a piece with and without ##, and
    so are the pairs of Latin letters, which keeps unknown words short.
    """
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    latin = "abcdefghijklmnopqrstuvwxyz"
    texts = [w for _, _, w in all_words()] + [f.format(" ") for v in FRAMES.values() for f in v.split("|")]
    texts += [*NOT_A_DIGIT, FILLER, *(" ".join(n) for n in NUMERALS), *latin, ".,!?:;'\"()-#/&+=%。、！？"]
    pieces = {p for t in texts for p, _ in splitter.pre_tokenize_str(normalizer.normalize_str(t))}
    letters = {c for p in pieces for c in p}
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(letters), *sorted(pieces - letters)]
    vocab += ["##" + c for c in sorted(letters)] + ["##" + a + b for a in latin for b in latin if a in "aeiou" or b in "aeiou"]
    tok = Tokenizer(models.WordPiece({p: i for i, p in enumerate(vocab)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tok.normalizer, tok.pre_tokenizer, tok.decoder = normalizer, splitter, decoders.WordPiece()
    tok.add_special_tokens(vocab[:5])
    tok.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                       special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tok.enable_truncation(max_length=MAX_TOKENS)
    return tok
