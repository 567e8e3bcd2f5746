"""python pages.py ROOT OUT: writes the course and the guides into OUT, where `reference/` and `lab/` are already, and checks all links.

SITE_REPOSITORY may hold the address below which the repository's files are shown; without it links to other files become plain text.
"""

import base64
import os
import re
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath, relpath
from urllib.parse import unquote

from markdown_it import MarkdownIt

import lessons
import notation

HERE = Path(__file__).parent
TITLES = {
    "guide": "Guide", "teaching": "Teaching", "audit": "Audit", "embedding": "Embedding", "performance": "Performance",
    "reliability": "Reliability",
}
# Of the bar on top of every page.
PLACES = [("index.html", "reslstm"), ("course/index.html", "Course"), ("lab/index.html", "Lab"), ("guide/guide.html", "Guide"),
          ("reference/reslstm/index.html", "Reference")]


def slug(text):
    """The anchor of a heading, as GitHub makes it and rustdoc nearly so."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def current(here):
    return ' aria-current="page"' if here else ""


class Site:
    def __init__(self, root, out):
        self.root, self.out = Path(root), Path(out)
        self.names = lessons.Names(self.out / "reference")
        self.repository = os.environ.get("SITE_REPOSITORY", "").rstrip("/")
        colours = (self.root / "app/src/report/page/page.css").read_text()
        self.style = colours + (HERE / "site.css").read_text()
        self.script = (HERE / "site.js").read_text()

    # ------------------------------------------------------------ Markdown

    def render(self, text, page, address, course=False):
        """HTML of Markdown on `page`. `address` turns an address of the text into one from the site's root, or None."""
        md = MarkdownIt("commonmark", {"html": True}).enable("table")
        tokens = md.parse(text)
        used = {}
        for n, token in enumerate(tokens):
            if token.type == "heading_open":
                anchor = slug("".join(it.content for it in tokens[n + 1].children))
                used[anchor] = used.get(anchor, -1) + 1
                token.attrSet("id", anchor + (f"-{used[anchor]}" if used[anchor] else ""))
            opened = []
            for child in token.children or []:
                if child.type == "link_open":
                    self.lead(child, page, address)
                    opened.append(child.tag)
                elif child.type == "link_close":
                    child.tag = opened.pop()
                elif child.type == "image":
                    child.attrSet("src", self.image(child.attrGet("src")))
        if course:
            md.renderer.rules["code_inline"] = lambda tokens, n, *_: lessons.inline(tokens[n].content)
            md.renderer.rules["fence"] = lambda tokens, n, *_: lessons.block(tokens[n].info.strip(), tokens[n].content.rstrip("\n"))
        html = md.renderer.render(tokens, md.options, {})
        if course:
            return notation.whole(html)
        # A table that is too wide has a scroll bar of its own.
        return html.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")

    def lead(self, token, page, address):
        href = token.attrGet("href")
        if re.match(r"[a-z]+:", href):
            return
        to = address(unquote(href))
        if to is None:
            token.tag, token.attrs = "span", {}
        elif to.startswith(("#", "http")):
            token.attrSet("href", to)
        else:
            token.attrSet("href", relpath(to, os.path.dirname(page) or "."))

    def image(self, src):
        path = self.root / normpath(os.path.join("docs", src))
        kind = {".svg": "image/svg+xml", ".png": "image/png"}[path.suffix]
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"

    # ------------------------------------------------------------ pages

    def write(self, page, title, body, kind=""):
        up = "../" * page.count("/")
        here = page.split("/")[0]
        bar = "".join(f'<a href="{up}{to}"{current(to.split("/")[0] == here)}>{name}</a>' for to, name in PLACES)
        html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{self.style}</style>
</head>
<body>
<header><nav aria-label="site">{bar}</nav><button id="theme" aria-label="light or dark">◐</button></header>
<main class="{kind}">
{body}</main>
<script>{self.script}</script>
</body>
</html>
"""
        path = self.out / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html)

    def course(self):
        folder = self.root / "src/layers"
        order = [""] + lessons.LESSONS
        sources = {name: (folder / f"{name or 'mod'}.rs").read_text() for name in order}
        # The first paragraph has the heading of the page.
        texts = {name: lessons.module_comment(source).split("\n\n", 1) for name, source in sources.items()}
        titles = {name: self.heading(name, first)[1] if name else "Syllabus" for name, (first, _) in texts.items()}
        for name in order:
            page = f"course/{name or 'index'}.html"
            functions = lessons.functions(sources[name]) if name else []
            address = self.course_address(name, functions)
            first, rest = texts[name]
            place, heading, sentence = self.heading(name, first)
            text = f"{sentence}\n\n{rest}" if sentence else rest
            html = self.render(lessons.with_definitions(text), page, address, course=True)
            html = f'<p class="place">{escape(place)}</p>\n<h1>{escape(heading)}</h1>\n<div class="lead">' + html.replace("</p>", "</p></div>", 1)
            if functions:
                html += '<h1 id="the-code" class="part">In the code</h1>\n'
                html += "".join(self.function(it, page, address) for it in functions)
            html += self.steps(titles, name)
            self.write(page, f"{heading} · reslstm", html, "lesson")

    def heading(self, name, first):
        """`Lesson 5. Long short-term memory: a layer …` is the place, the heading and a sentence."""
        first = " ".join(first.split("\n"))
        if not name:
            return "Course", "Six lessons, from a weighted sum to backpropagation through time", first
        place, rest = first.split(". ", 1)
        heading, rest = re.split(r"[:.] ", rest, maxsplit=1)
        return place, heading, rest[0].upper() + rest[1:]

    def course_address(self, name, functions):
        def address(href):
            to = self.names.address(href, name, functions)
            if to is None:
                sys.exit(f"src/layers/{name or 'mod'}.rs: no target for the link {href}")
            return to
        return address

    def function(self, function, page, address):
        """A function's formula and derivation, and its code."""
        # What its caller must know belongs to the reference.
        comment = re.sub(r"^# Panics\n.*?(?=^# |\Z)", "", function.comment, flags=re.MULTILINE | re.DOTALL)
        comment = re.sub(r"^# (.*)$", r"##### \1\n", comment, flags=re.MULTILINE)
        html = self.render(lessons.with_definitions(comment), page, address, course=True)
        html = re.sub(r'<h5 id="[^"]*">', '<h3 class="small">', html).replace("</h5>", "</h3>")
        return (f'<section class="function" id="{function.anchor}"><h2><code>{escape(function.path)}</code></h2>\n{html}'
                f"<details><summary>The code</summary>{lessons.code_html(function.code)}</details></section>\n")

    def steps(self, titles, name):
        order = list(titles)
        place = order.index(name)
        links = []
        for other, word in ((place - 1, "←"), (place + 1, "→")):
            if 0 <= other < len(order):
                title = titles[order[other]]
                text = f"{word} {title}" if word == "←" else f"{title} {word}"
                links.append(f'<a href="{order[other] or "index"}.html">{escape(text)}</a>')
            else:
                links.append("<span></span>")
        return f'<nav class="steps" aria-label="lessons">{"".join(links)}</nav>\n'

    def guides(self):
        for name, title in TITLES.items():
            text = (self.root / f"docs/{name}.md").read_text()
            page = f"guide/{name}.html"
            html = self.render(text, page, self.guide_address)
            links = " ".join(f'<a href="{other}.html"{current(other == name)}>{words}</a>' for other, words in TITLES.items())
            contents = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', html)
            entries = "".join(f'<li><a href="#{anchor}">{words}</a></li>' for anchor, words in contents)
            # The guide lists its contents itself.
            if 'href="#' not in html.split("<h2")[0]:
                html = html.replace("</h1>", f'</h1>\n<nav class="contents" aria-label="this page"><ul>{entries}</ul></nav>', 1)
            self.write(page, f"{title} · reslstm", f'<nav class="guides" aria-label="guides">{links}</nav>\n{html}', "guide")

    def guide_address(self, href):
        path, _, anchor = href.partition("#")
        anchor = f"#{anchor}" if anchor else ""
        if not path:
            return anchor
        return self.file_address(normpath(os.path.join("docs", path)), anchor)

    def file_address(self, path, anchor):
        """Of a file of the repository: its page on the site, or else where the repository is shown."""
        if match := re.fullmatch(r"docs/(\w+)\.md", path):
            return f"guide/{match[1]}.html{anchor}"
        if match := re.fullmatch(r"src/layers/(\w+)\.rs", path):
            return f"course/{'index' if match[1] == 'mod' else match[1]}.html"
        if path.startswith("src/") and (self.out / f"reference/src/reslstm/{path[4:]}.html").exists():
            return f"reference/src/reslstm/{path[4:]}.html"
        return f"{self.repository}/{path}{anchor}" if self.repository else None

    def front(self):
        html = (HERE / "front.html").read_text()
        html = re.sub(r'src="([^"]+)"', lambda it: f'src="{self.image("../" + it[1])}"', html)
        self.write("index.html", "reslstm", html, "front")


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.anchors = [], set()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.update(filter(None, (attributes.get("id"), attributes.get("name") if tag == "a" else None)))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag in ("img", "script", "link") and (to := attributes.get("src") or attributes.get("href")):
            if not to.startswith("data:"):
                self.links.append(to)


def broken_links(out):
    """Links of the site's own pages that lead nowhere."""
    read = {}

    def page(path):
        if path not in read:
            read[path] = Links()
            read[path].feed(path.read_text())
        return read[path]

    found = []
    pages = [path for path in sorted(out.rglob("*.html")) if path.relative_to(out).parts[0] != "reference"]
    for path in pages:
        for link in page(path).links:
            if re.match(r"[a-z]+:", link):
                continue
            to, _, anchor = unquote(link).partition("#")
            target = (path.parent / to).resolve() if to else path
            if not target.is_file():
                found.append(f"{path.relative_to(out)}: {link}: no such file")
            elif anchor and target.suffix == ".html" and anchor not in page(target).anchors and path != out / "lab/index.html" \
                    and "lab/index.html" not in link:
                found.append(f"{path.relative_to(out)}: {link}: no such place")
    return len(pages), found


def main(root, out):
    site = Site(root, out)
    site.course()
    site.guides()
    site.front()
    count, broken = broken_links(Path(out).resolve())
    if broken:
        sys.exit("\n".join(broken))
    print(f"site: {count} pages, all links lead somewhere")


main(*sys.argv[1:])
