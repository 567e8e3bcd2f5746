"""python notation_test.py: what is a formula, and what becomes of it."""

import re

import drawing
import lessons
import notation


def plain(html):
    return re.sub(r"<[^>]*>|&#8203;", "", html)


for text in ["x", "dW = dyᵀ·x", "[4H,D]", "e_t", "∂L/∂x", "γ, β", "√(v + ε)", "tanh' = 1 − tanh²", "f̂", "0.88¹⁰", "dh_next"]:
    assert notation.is_formula(text), text
for text in ["Linear::forward", "src/layers/lstm.rs", "f32", "grads += …", "+=", "running_mean.0", "a number", "(x", "lstm_out", "softmax_cross_entropy"]:
    assert not notation.is_formula(text), text

assert "<msub><mrow><mi mathvariant=\"normal\">d</mi><mi>W</mi></mrow><mrow><mi>k</mi><mo>,</mo><mi>h</mi></mrow></msub>" in \
    re.sub(r"<mrow>(<mi>\w</mi>)</mrow>| form=\"infix\"", lambda it: it[1] or "", notation.line("dW[k,h]")), notation.line("dW[k,h]")
assert "<mfrac>" in notation.line("a / b") and "<mfrac>" not in notation.line("a / b", display=False)
assert "</msub><mfrac>" in notation.line("Σ_v w[v] / s[v]").replace('<mspace width="0.2em"/>', "")
assert "<mfrac><mrow><msub>" in notation.line("Σ_r x[r] / M")
assert plain(notation.line("dα_t = dctx·h_t (a number)")).endswith(" (a number)")
assert "<math" not in notation.line("so for any frame")
# No sign of a formula is lost.
for source in lessons.LESSONS:
    comment = lessons.module_comment((lessons.Path(__file__).parents[2] / f"src/layers/{source}.rs").read_text())
    for block in re.findall(r"```text\n(.*?)```", comment, re.DOTALL):
        for line in block.splitlines():
            if drawing.is_drawing(block):
                continue
            kept = re.sub(r"\s", "", plain(notation.line(line)).replace("&lt;", "<").replace("&gt;", ">"))
            letters = lambda it: sorted(re.findall(r"[^\W_]", it.translate(notation.LOW)))
            assert letters(kept) == letters(line), (line, kept)

html = drawing.svg("a ──▶ b    a = 1\n│")
assert html.count("<text") == 2 and "<td" in html and 'd="M9 ' not in html
assert drawing.table("x = 1    y\n  = 2").count("<tr>") == 2
print("site: notation passed")
