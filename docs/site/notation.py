"""Formulas: from the notation of the doc comments (`dW[k,h] = Σ_n dy[n,k]·x[n,h]`) to MathML.

A line is split into formulas and words. A formula becomes one `<math>` element per term, so that a narrow page may break the line
before an operator.
"""

import re
from html import escape

# Names of more than one letter; all other words are text.
NAMES = {"tanh", "ln", "max", "softmax", "ctx", "dctx", "rate", "mask", "padded", "running_mean", "running_var", "fx"}
PLAIN = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzαβγδεζηθικλμνξοπρστυφχψωΔΣ")
HAT = "\u0302"
LETTER = "[A-Za-zâîôĝα-ωΔΩ]" + HAT + "?"
TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<number>½|\d+(?:\.\d+)?(?:e-?\d+)?)
    |(?P<name>(?:{"|".join(sorted(NAMES, key=len, reverse=True))}|d?{LETTER})(?![A-Za-z0-9âîôĝα-ω{HAT}]|_\w*[.:]|_[a-z]+_|_[a-z]{{5}}))(?P<script>_(?:[A-Za-z0-9]+'?|\{{[^}}]*\}}))?
    |(?P<low>[₀₁₂₃₄₅₆₇₈₉₊₋]+)
    |(?P<high>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ]+)
    |(?P<possessive>'s\b)
    |(?P<prime>['′])
    |(?P<open>[(\[])
    |(?P<close>[)\]])
    |(?P<operator>\+=|[=+−/·⊙×∓±√^,≤<>])
    |(?P<sum>Σ)(?P<over>_[A-Za-z]+'?)?
    |(?P<partial>∂)
    |(?P<dots>…)
    |(?P<word>\S[^\s()\[\],:;]*)""",
    re.VERBOSE,
)
LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+−")
BREAKS = {"=", "+", "−", "+=", "<", ">", "≤", ","}


class Token:
    def __init__(self, kind, text, match, spaced):
        self.kind, self.text, self.match, self.spaced = kind, text, match, spaced


def tokens_of(line):
    found, spaced = [], True
    for match in TOKEN.finditer(line):
        kind = match.lastgroup
        if match["possessive"]:
            kind = "word"
        elif match["name"]:
            kind = "name"
        elif match["sum"]:
            kind = "sum"
        if kind == "space":
            spaced = True
            continue
        found.append(Token(kind, match[0], match, spaced))
        spaced = False
    return found


def is_formula(text):
    """Whether all of a text is notation, with at least one name or number."""
    tokens = tokens_of(text)
    kinds = {token.kind for token in tokens}
    if "word" in kinds or not kinds & {"name", "number"}:
        return False
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth < 0:
            return False
    return depth == 0


def identifier(text):
    """One name: `x`, `dx`, `ctx`; the d of a gradient is upright."""
    function = {"tanh", "ln", "max", "softmax"}
    if text in function:
        return f'<mi mathvariant="normal">{text}</mi>'
    prefix = ""
    if len(text) > 1 and text[0] == "d" and text.rstrip(HAT) != "d":
        prefix, text = '<mi mathvariant="normal">d</mi>', text[1:]
    if len(text.rstrip(HAT)) > 1:
        return f'{prefix}<mi mathvariant="normal">{text}</mi>'
    # Letters with a hat have no italic form of their own.
    hat = ' class="hat"' if text not in PLAIN else ""
    return f"{prefix}<mi{hat}>{text}</mi>"


class Parser:
    """`fractions`: whether ` / ` with spaces becomes a fraction, which is too small within a line of text."""

    def __init__(self, tokens, fractions):
        self.tokens, self.place, self.fractions = tokens, 0, fractions

    def peek(self, ahead=0):
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def next(self):
        self.place += 1
        return self.tokens[self.place - 1]

    def group(self):
        """The items up to the closing bracket, which is read too."""
        self.next()
        inner, close = self.items(), ""
        if self.peek():
            close = self.next().text
        return inner, close

    def scripts(self, base, lower):
        """Indices and powers that stand right behind `base`."""
        upper, after = [], []
        while (token := self.peek()) and not token.spaced:
            if token.kind == "open" and token.text == "[":
                inner, _ = self.group()
                lower.append("".join(inner))
            elif token.kind == "low":
                lower.append(script(self.next().text.translate(LOW)))
            elif token.kind == "high":
                # These signs are set by the font: without a font for mathematics, browsers raise a superscript too far.
                after.append(f'<mi mathvariant="normal">{self.next().text}</mi>')
            elif token.kind == "prime":
                self.next()
                after.append('<mi mathvariant="normal">′</mi>')
            elif token.text == "^":
                self.next()
                upper.append(self.power())
            else:
                break
        low = f"<mrow>{'<mo>,</mo>'.join(lower)}</mrow>"
        high = f"<mrow>{''.join(upper)}</mrow>"
        if lower and upper:
            base = f"<msubsup>{base}{low}{high}</msubsup>"
        elif lower:
            base = f"<msub>{base}{low}</msub>"
        elif upper:
            base = f"<msup>{base}{high}</msup>"
        return f"<mrow>{base}{''.join(after)}</mrow>" if after else base

    def power(self):
        sign = ""
        if self.peek() and self.peek().text == "−":
            sign = f"<mo>{self.next().text}</mo>"
        if self.peek() and self.peek().kind == "open":
            inner, _ = self.group()
            return sign + "".join(inner)
        return sign + (self.atom() if self.peek() else "")

    def atom(self):
        token = self.peek()
        if token.kind == "open":
            inner, close = self.group()
            inner = "".join(inner)
            base = f"<mrow><mo stretchy=\"false\">{token.text}</mo>{inner}<mo stretchy=\"false\">{close}</mo></mrow>"
            return self.scripts(base, [])
        self.next()
        if token.kind == "number":
            return self.scripts(f"<mn>{token.text}</mn>", [])
        if token.kind == "name":
            lower = [subscript(token.match["script"])] if token.match["script"] else []
            return self.scripts(f"<mrow>{identifier(token.match['name'])}</mrow>", lower)
        if token.kind == "sum":
            over = token.match["over"]
            sign = '<mi mathvariant="normal">Σ</mi>'
            return f"<msub>{sign}<mrow>{subscript(over)}</mrow></msub>" if over else sign
        if token.text == "√":
            if self.peek() and self.peek().kind == "open":
                inner, _ = self.group()
                return f"<msqrt>{''.join(inner)}</msqrt>"
            return f"<msqrt>{self.atom()}</msqrt>"
        if token.kind == "partial":
            return '<mi mathvariant="normal">∂</mi>'
        if token.kind == "dots":
            return "<mi>…</mi>"
        if token.kind in ("low", "high", "prime"):
            return f'<mi mathvariant="normal">{token.text}</mi>'
        infix = token.text in BREAKS and (token.text != "−" or (token.spaced and self.peek() and self.peek().spaced))
        form = ' form="infix"' if infix else ' form="prefix"' if token.text == "−" else ""
        return f"<mo{form}>{escape(token.text)}</mo>"

    def items(self):
        """MathML of all tokens up to a closing bracket that was not opened here, one string per token or group. ` / ` with spaces
        is a fraction."""
        items, start = [], 0
        while (token := self.peek()) and token.kind != "close":
            after = self.peek(1)
            if self.fractions and token.text == "/" and token.spaced and after and after.spaced and len(items) > start:
                self.next()
                under = []
                while (token := self.peek()) and token.kind != "close" and not (token.text in BREAKS and token.spaced or token.text == ","):
                    if token.text in "·/" and token.spaced:
                        break
                    under.append(self.atom())
                # A sum whose index is below the line too is a sum of fractions.
                sums = [n for n in range(start, len(items)) if (it := re.match(r"<msub><mi[^>]*>Σ</mi><mrow><mi>(\w)</mi>", items[n]))
                        and f"<mi>{it[1]}</mi>" in "".join(under)]
                start = sums[-1] + 1 if sums else start
                over = items[start:]
                del items[start:]
                items.append(f"<mfrac><mrow>{bare(over)}</mrow><mrow>{bare(under)}</mrow></mfrac>")
                continue
            before = self.tokens[self.place - 1] if items else None
            if before and token.spaced and token.kind != "operator" and before.kind != "operator":
                items.append('<mspace width="0.2em"/>')
            items.append(self.atom())
            if token.text in BREAKS:
                start = len(items)
        return items


def bare(items):
    """A numerator without brackets around all of it."""
    text = "".join(items)
    bracket = re.fullmatch(r'<mrow><mo stretchy="false">\(</mo>(.*)<mo stretchy="false">\)</mo></mrow>', text)
    return bracket[1] if len(items) == 1 and bracket else text


def script(text):
    return "".join(f"<mn>{it}</mn>" if it.isdigit() else f"<mo>{it}</mo>" for it in re.findall(r"\d+|[+−]", text))


def subscript(text):
    """`_ih`, `_{t+1}`, `_t'`"""
    text = text[1:].strip("{}")
    parts = re.findall(r"[A-Za-z]+|\d+|[+−'-]", text)
    def part(it):
        if it.isdigit():
            return f"<mn>{it}</mn>"
        if it.isalpha():
            return f"<mi>{it}</mi>" if len(it) == 1 else f'<mi mathvariant="normal">{it}</mi>'
        return "<mo>′</mo>" if it == "'" else f"<mo>{it.replace('-', '−')}</mo>"
    return "".join(part(it) for it in parts)


def math(tokens, display):
    """Formulas, one element per term."""
    parser, parts = Parser(tokens, display), []
    while parser.peek():
        # `items` ends at a bracket that was closed in another part.
        if parser.peek().kind == "close":
            parts.append(f"<mo>{parser.next().text}</mo>")
            continue
        parts.extend(parser.items())
    terms = [[]]
    for part in parts:
        if re.match(r"<mo form=\"infix\">", part) and terms[-1]:
            if part.endswith(">,</mo>"):
                terms[-1].append(part.replace(' form="infix"', ' form="postfix" lspace="0" rspace="0.4em"'))
                terms.append([])
                continue
            terms.append([])
        terms[-1].append(part)
    style = ' displaystyle="true"' if display else ""
    return "&#8203;".join(f"<math{style}>{''.join(term)}</math>" for term in terms if term)


def bracketed_words(tokens, start):
    """Whether the bracket that opens at `start` holds words; and where it closes."""
    depth, words = 0, False
    for place in range(start, len(tokens)):
        depth += (tokens[place].kind == "open") - (tokens[place].kind == "close")
        words |= is_text(tokens, place)
        if depth == 0:
            return words, place
    return True, len(tokens)


def is_text(tokens, place):
    token = tokens[place]
    if token.kind == "word":
        return True
    # The article: "a number".
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    return token.text == "a" and after is not None and after.kind == "word" and after.text[0].isalpha()


def line(text, display=True):
    """Formulas and words of a line, as HTML; `display`: as a line of its own, not within text."""
    tokens, pieces, run = tokens_of(text), [], []

    def flush():
        if run:
            glue = " " if run[0].spaced and pieces else ""
            # An operator or bracket alone belongs to the words.
            alone = not any(it.kind in ("name", "number", "sum", "dots") for it in run)
            pieces.append(glue + (escape(" ".join(it.text for it in run)) if alone else math(run, display)))
            run.clear()

    closing, place = set(), 0
    while place < len(tokens):
        token = tokens[place]
        if token.kind == "open" and (token.spaced or not run):
            words, end = bracketed_words(tokens, place)
            if words:
                flush()
                closing.add(end)
                pieces.append((" " if token.spaced and pieces else "") + escape(token.text))
                place += 1
                continue
        if place in closing or is_text(tokens, place):
            flush()
            pieces.append((" " if token.spaced and pieces else "") + escape(token.text))
        else:
            run.append(token)
        place += 1
    flush()
    return whole("".join(pieces))


def whole(html):
    """A bracket, comma or full stop stays on the line of its formula."""
    return re.sub(r"(\(*)(<math[^>]*>(?:(?!</math>).)*</math>)([).,:;]*)",
                  lambda it: f'<span class="whole">{it[0]}</span>' if it[1] or it[3] else it[0], html)
