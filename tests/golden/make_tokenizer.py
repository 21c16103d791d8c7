#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/tokenizer: what the `tokenizers` package (0.22.2) answers, for test-tokenizer.

    python tests/golden/make_tokenizer.py        (from the root of the repository)

cases.json: [tokenizer, text, most tokens (0: no limit), ids, byte offsets]; sweep.json: FNV-1a of
what each tokenizer's normalizer and pre-tokenizer make of every character of Unicode.
"""
import json
import pathlib
import random

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

OUT = pathlib.Path(__file__).parent / "tokenizer"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the quick brown fox jump ##s ##ed over lazy dog one two three four five six seven eight nine zero un ##aff ##able
hello world ##ing ##ly ##er re ##run token ##ize ##izer ##ization play ##ers a b c d e f g h i j k l m n o p q r s t u v w x y z
##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n ##o ##p ##q ##r ##t ##u ##v ##w ##x ##y ##z 0 1 2 3 4 5 6 7 8 9 ##0 ##1
##2 ##3 ##4 ##5 ##6 ##7 ##8 ##9 naive cafe resume uber strasse straße eins zwei drei fünf funf null un deux trois quatre cinq huit
siete ocho tres cuatro один два три четыре ##ыре ноль ноя ##рь ένα δύο τρία μηδεν μηδέν ##ς ##α صفر واحد اثنان אחת שתיים 零 一 二 三 四 五 六 七
八 九 日 本 語 漢 字 こ ##ん ##に ##ち ##は ゼ ##ロ カ ##タ ᄒ ##ᅡ ##ᆫ ᄀ ##ᅮ ##ᆨ 한 ##국 국 शून ##्य एक दो ३ ١ ² ½ ! " # $ % & ' ( ) * + , - . / : ; < = > ? @ [ \\ ] ^
_ ` { | } ~ ¿ ¡ « » — – … “ ” ‘ ’ 。 、 「 」 ！ ？ ， 😀 ##😀 👍 ##🏽 🏽 ❤ ##️ ﬁ ##ﬁ ﬁsh İ i̇ ı ##ı đ ø ł æ œ þ ð ß ##ß ǆ ά Ά Hello World The İstanbul Straße ÀÉÎ àéî ÀÉ
aei é è ##é e\u0301 ##\u0301 \u0301 ñ n\u0303 ¥ € £ © ° µ μ Ω ω å Å a\u030a \u200d \ufeff \ufffd \u00ad x\u00ady""".split()

TEXTS = ["", " ", "  \t\n\r ", "the quick brown fox jumps over the lazy dog", "The QUICK Brown Fox!", "unaffable", "unaffableness",
         "tokenization tokenizers, tokenized.", "hello,world", "hello...world!!!", "Hello World", "HELLO WORLD", "naïve café résumé über",
         "na\u0308i\u0308ve cafe\u0301", "Straße STRASSE straße", "ÀÉÎ àéî", "İstanbul İ I ı i", "ǅ ǆ Ǆ", "один два ТРИ четыре Ноябрь ноль",
         "ένα δύο ΤΡΊΑ μηδέν ΌΣΟΣ όσος", "صفر واحد اثنان", "אחת שתיים שָׁלוֹם", "零一二三", "日本語 漢字", "こんにちは ゼロ カタカナ ｶﾀｶﾅ", "한국어 한국 하나",
         "शून्य एक दो ३", "ห้า หก ศูนย์", "năm bảy tám chín một", "😀😀👍🏽❤️ 👨‍👩‍👧‍👦 🇩🇪", "ﬁsh ﬁne ﬂy", "x² ½ ①②", "a\u0000b", "\u0000", "a\ufffdb", "\ufeffhello",
         "zero\u200dwidth\u200bspace\u00adhyphen", "tab\tnew\nline\r\ncr", "\x01\x02\x7f\x80\x9f", "\u2028\u2029\u3000\u00a0x", "\x0b\x0c\x1c\x85y",
         "[MASK]", "[CLS] hello [SEP]", "hello[MASK]world", " [MASK] ", "[mask] [UNK] [PAD]", "[[MASK]]", "<new> hello <new>", "xnewx new new", "a  <left>  b  <right>  c",
         "<left><right>", "  <right>   ", "   <left>", "Ünicode ünicode UNICODE", "#hash ##hash # ##", "user@example.com https://example.com/?q=1&r=2#f",
         "$1,234.56 50% (a+b)*c = d^2", "“quotes” ‘single’ «guillemets» —dash– …", "¿qué? ¡sí!", "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "x" * 300,
         "the " * 40, "a\u0323\u0301 a\u0301\u0323", "\u1100\u1161\u11a8 각 가", "\u0344 \u0390 \u1f82 \u1fa7", "\ufa6c \uf900 \u2f800", "\U0001d15e \U0001d1bb",
         "\u302e\u302f \u302f\u302e x\u302f\u302e", "\U00011938 \U00011383", "\u1c89 \ua7cb \ua7dc", "\u0378 \ue000 \U0010ffff", "e\u0301" * 60, "1a2b3c", "don't can't",
         "中a文b", "a中", "中", "\u3400\u4dbf\u4e00\u9fff\U0002b81e\U0002b820", "ÿ ß ẞ", "Å Å a\u030a", "µ μ", "Ω Ω"]


def texts():
    yield from TEXTS
    rng = random.Random(7)
    pools = ["abcdefghij ", "the quick " * 2 + "ÀÉÎàéîöüßñ\u0301\u0323 ", "零一二三日本語abc 。、", "\u0000\t\n\x01\x7f\u00a0\u200b\u3000\ufffdxyz ",
             "[]MASKCLS<>newleftright  ", "😀👍🏽❤️\u200d abc", "한국어가각\u1100\u1161 ", "ένα ΤΡΊΑ όσος ΝΟЛь Ноябрь ", "!?.,;:#$%&()*+-/<=>@[]^_`{|}~ ab"]
    for i in range(260):
        pool = pools[i % len(pools)] if i % 3 else "".join(pools)
        yield "".join(rng.choice(pool) for _ in range(rng.randint(1, 40)))
    for _ in range(60):  # any character at all
        yield "".join(chr(c) for c in (rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x110000)])
                                       for _ in range(rng.randint(1, 12))) if not 0xD800 <= c < 0xE000)


def vocabulary():
    words = list(dict.fromkeys(SPECIAL + WORDS))
    return {w: i for i, w in enumerate(words)}


def tokenizer(normalizer, post="template", unknown="[UNK]", pre=True, extra=()):
    vocab = vocabulary()
    t = Tokenizer(models.WordPiece(vocab, unk_token=unknown, max_input_chars_per_word=100))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = vocab["[CLS]"], vocab["[SEP]"]
    if post == "template":
        t.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                                                         special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    elif post == "bert":
        t.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    t.add_special_tokens(SPECIAL)
    t.add_tokens(list(extra))
    return t


def bert(**options):
    return normalizers.BertNormalizer(**options)


EXTRA = [AddedToken("<new>", normalized=False), AddedToken("new", single_word=True, normalized=False), AddedToken("<left>", lstrip=True, normalized=False),
         AddedToken("<right>", rstrip=True, normalized=False), AddedToken("Ünicode", normalized=True), AddedToken("hello w", normalized=True)]
TOKENIZERS = {
    "uncased": tokenizer(bert()),
    "cased": tokenizer(bert(lowercase=False)),
    "accents": tokenizer(bert(strip_accents=False), post="bert"),
    "stripped-case": tokenizer(bert(strip_accents=True, lowercase=False)),
    "raw": tokenizer(bert(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), post="none"),
    "added": tokenizer(bert(), extra=EXTRA),
    "plain": tokenizer(None),
    "one-word": tokenizer(bert(), pre=False),
}


def byte_offsets(text, offsets):
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    return [x for a, b in offsets for x in (at[a], at[b])]


def fnv(hash_, text):
    for byte in text.encode():
        hash_ = ((hash_ ^ byte) * 0x100000001B3) & (1 << 64) - 1
    return hash_


def sweep(t):
    """Of every character between letters: the words after normalising, each followed by a line feed."""
    hash_ = 0xCBF29CE484222325
    for c in range(1, 0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        text = t.normalizer.normalize_str(f"a{chr(c)}b")
        for word, _ in t.pre_tokenizer.pre_tokenize_str(text):
            hash_ = fnv(hash_, word + "\n")
    return f"{hash_:016x}"


def main():
    OUT.mkdir(exist_ok=True)
    cases = []
    for name, t in TOKENIZERS.items():
        (OUT / f"{name}.json").write_text(json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
        for i, text in enumerate(texts()):
            if i >= len(TEXTS) and (i + len(name)) % 3:
                continue
            limit = [0, 0, 0, 7, 2, 3][i % 6]
            if limit:
                t.enable_truncation(limit)
            else:
                t.no_truncation()
            e = t.encode(text)
            cases.append([name, text, limit, e.ids, byte_offsets(text, e.offsets)])
        t.no_truncation()
    lines = ",\n".join(json.dumps(c, ensure_ascii=True, separators=(",", ":")) for c in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")
    (OUT / "sweep.json").write_text(json.dumps({n: sweep(TOKENIZERS[n]) for n in ("uncased", "cased", "accents", "raw")}, indent=1) + "\n")
    print(len(cases), {p.name: p.stat().st_size for p in OUT.iterdir()})


if __name__ == "__main__":
    main()
