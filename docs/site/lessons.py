"""The course: doc comments of `src/layers` as pages."""

import re
from html import escape
from pathlib import Path

import drawing
import notation

# In the order of the syllabus.
LESSONS = ["linear", "softmax_cross_entropy", "batch_norm", "dropout", "attention", "lstm", "residual", "running"]


def module_comment(source):
    """The text of all `//!` lines."""
    return "\n".join(line[4:] for line in source.splitlines() if line.startswith("//!"))


class Function:
    """A function with a formula or a derivation in its comment."""

    def __init__(self, owner, name, comment, code):
        self.owner, self.name, self.comment, self.code = owner, name, comment, code
        self.path = f"{owner}::{name}" if owner else name
        self.anchor = "fn-" + self.path.replace("::", "-").lower()


def functions(source):
    """Functions whose comment has `# Formula` or `# Derivation`, with their code."""
    lines, found, comment, owner = source.split("\n"), [], [], ""
    for number, line in enumerate(lines):
        if match := re.match(r"impl(?:<.*?>)? (\w+)", line):
            owner = match[1]
        elif line.startswith("}"):
            owner = ""
        stripped = line.strip()
        if stripped.startswith("///"):
            comment.append(stripped[4:])
            continue
        match = re.match(r"( *)pub fn (\w+)", line)
        if match and re.search(r"^# (Formula|Derivation)$", "\n".join(comment), re.MULTILINE):
            end = next(n for n in range(number, len(lines)) if lines[n] == match[1] + "}")
            code = [it[len(match[1]):] for it in lines[number:end + 1]]
            found.append(Function(owner, match[2], "\n".join(comment), "\n".join(code)))
        if not stripped.startswith("#["):
            comment = []
    return found


def code_html(code):
    """Rust: comments stand out, long lines wrap under themselves."""
    def comment_of(line):
        if match := re.match(r"(.*?)(//.*)$", line):
            return f"{escape(match[1])}<em>{escape(match[2])}</em>"
        return escape(line) or " "
    return "<pre class=\"code\"><code>" + "".join(f"<span>{comment_of(line)}</span>" for line in code.split("\n")) + "</code></pre>"


def example(code):
    """A case worked by hand: lines of comments are its calculation, and set apart from the code."""
    lines = [line for line in code.split("\n") if not re.match(r"# |#$", line)]
    pieces, run, hand = [], [], False

    def flush():
        text = "\n".join(run).strip("\n")
        if text and hand:
            # Parts of a line stay whole where a narrow page breaks it.
            parts = [re.sub(r"\S+(?:  ?\S+)*", lambda it: f"<b>{it[0]}</b>", escape(line[3:])) for line in text.split("\n")]
            body = "".join(f"<span>{part}</span>" for part in parts)
            pieces.append(f'<pre class="hand"><code>{body}</code></pre>')
        elif text:
            pieces.append(code_html(text))
        run.clear()

    for line in lines:
        if line.strip() and line.startswith("//") != hand:
            flush()
            hand = not hand
        run.append(line)
    flush()
    return f'<div class="example">{"".join(pieces)}</div>'


class Names:
    """Where the names of doc comments lead."""

    def __init__(self, reference):
        self.reference = Path(reference)

    def item(self, path, anchor=""):
        """A path from the crate's root, `packed::Padding`, as an address below `reference/`; None if there is none."""
        parts = path.split("::")
        folder = self.reference.joinpath("reslstm", *parts)
        if (folder / "index.html").exists():
            return f"reference/reslstm/{'/'.join(parts)}/index.html{anchor}"
        home = self.reference.joinpath("reslstm", *parts[:-1])
        for kind in ("struct", "fn", "enum", "trait", "type", "constant", "macro"):
            if (home / f"{kind}.{parts[-1]}.html").exists():
                return "/".join(["reference", "reslstm", *parts[:-1], f"{kind}.{parts[-1]}.html"]) + anchor
        owner = self.item("::".join(parts[:-1])) if len(parts) > 1 else None
        if owner and not owner.endswith("/index.html"):
            return f"{owner}#method.{parts[-1]}"
        return None

    def anywhere(self, path):
        """A type that is named without its module."""
        first, *rest = path.split("::")
        found = sorted(self.reference.glob(f"reslstm/**/*.{first}.html"), key=lambda it: len(str(it)))
        if not found:
            return None
        return "reference/" + found[0].relative_to(self.reference).as_posix() + (f"#method.{rest[0]}" if rest else "")

    def address(self, href, module, own):
        """Of a link in the comment of `module` (empty: that of `layers`), from the site's root. `own`: functions on the page."""
        path, _, anchor = href.partition("#")
        anchor = f"#{anchor}" if anchor else ""
        if not path:
            return anchor
        inside = re.fullmatch(r"(?:super(?:::)?|crate::layers::)?(\w*)", path)
        if path == "super":
            return f"course/index.html{anchor}"
        if inside and inside[1] in LESSONS:
            return f"course/{inside[1]}.html{anchor}"
        name = path.removeprefix("Self::")
        for function in own:
            if name in (function.path, function.name):
                return f"#{function.anchor}"
        if path.startswith("crate::"):
            return self.item(path.removeprefix("crate::"), anchor)
        return self.item("::".join(["layers", *([module] if module else []), name])) or self.anywhere(name)


def with_definitions(text):
    """Names in brackets, [`Packed`], get the definition that makes them links."""
    names = set(re.findall(r"\[(`[^`\]]+`)\](?![(\[])", text)) - set(re.findall(r"^\[(`[^`\]]+`)\]:", text, re.MULTILINE))
    return text + "\n\n" + "\n".join(f"[{name}]: {name.strip('`')}" for name in sorted(names))


def block(language, text):
    """HTML of a block of a doc comment."""
    if language == "text":
        return drawing.svg(text) if drawing.is_drawing(text) else drawing.table(text)
    return example(text)


def inline(text):
    """HTML of a word in backticks: a formula where it is one."""
    return notation.line(text, display=False) if notation.is_formula(text) else f"<code>{escape(text)}</code>"
