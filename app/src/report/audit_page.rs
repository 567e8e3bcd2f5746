//! The page of `audit`: the verdict, the errors of every derivative as pictures, the choice of the step, the cost of `f32`.

use super::audit_figures::{distribution, step_sizes};
use super::colours::{DECADES, INK, VERMILLION};
use super::sheet::Sheet;
use super::table::{Cell, Column, Table};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use maud::{Markup, html};
use plotters::style::RGBColor;
use reslstm::audit::finite_difference::StepCurve;
use reslstm::audit::{Along, DIFFERENCE_BOUND, DUAL_BOUND, Derivatives, TensorAudit};
use reslstm::models::Architecture;
use serde_json::{Value, json};

/// Powers of ten at the ends of the colour scale.
const SCALE: [i32; 2] = [-18, -6];
/// Height of a map in pixels, where its rows allow it.
const HEIGHT: usize = 256;

/// The audit of one model.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The model.
    pub arch: Architecture,
    /// Its number of parameters.
    pub parameters: usize,
    /// Description of the audited point and clip.
    pub what: String,
    /// Every derivative.
    pub derivatives: Vec<Derivatives>,
    /// The largest errors of each tensor.
    pub tensors: Vec<TensorAudit>,
    /// Duration of the audit.
    pub seconds: f64,
}

impl Audited {
    /// Whether no tensor exceeds a bound.
    pub fn passes(&self) -> bool {
        self.tensors.iter().all(TensorAudit::passes)
    }

    /// One line for each tensor that exceeds a bound.
    pub fn failures(&self) -> Vec<String> {
        let failing = self.tensors.iter().filter(|tensor| !tensor.passes());
        let line = |TensorAudit { name, dual, differences, .. }: &TensorAudit| {
            format!(
                "{} {name}: at {:?} backward gives {:e}, dual numbers {:e}; at {:?} {:e}, differences {:e}",
                self.arch,
                dual.at,
                dual.backward,
                dual.witness,
                differences.at,
                differences.backward,
                differences.witness
            )
        };
        failing.map(line).collect()
    }

    /// One row per tensor, and one for all.
    pub fn table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::left("tensor", 22),
            Column::right("shape", 9),
            Column::right("elements", 8),
            Column::right("dual", 8).gap(2),
            Column::left("at", 10),
            Column::right("differences", 11),
            Column::left("at", 10),
            Column::right("f32", 8),
            Column::left("verdict", 7).gap(2),
        ]);
        for tensor in &self.tensors {
            let TensorAudit { name, dual, differences, f32_error, .. } = tensor;
            table.push(vec![
                name.as_str().into(),
                shape(tensor).into(),
                tensor.elements().into(),
                short(dual.scaled_error).into(),
                format!("{:?}", dual.at).into(),
                short(differences.scaled_error).into(),
                format!("{:?}", differences.at).into(),
                short(*f32_error).into(),
                verdict(tensor.passes()).into(),
            ]);
        }
        let worst = |of: fn(&TensorAudit) -> f64| short(self.tensors.iter().map(of).fold(0.0, f64::max)).into();
        table.push(vec![
            "all".into(),
            Cell::Empty,
            self.elements().into(),
            worst(|tensor| tensor.dual.scaled_error),
            Cell::Empty,
            worst(|tensor| tensor.differences.scaled_error),
            Cell::Empty,
            worst(|tensor| tensor.f32_error),
            format!("{} in {:.1} s", verdict(self.passes()), self.seconds).into(),
        ]);
        table
    }

    fn elements(&self) -> usize {
        self.tensors.iter().map(TensorAudit::elements).sum()
    }
}

/// The last column.
pub fn verdict(passes: bool) -> &'static str {
    if passes { "ok" } else { "EXCEEDS" }
}

fn shape(tensor: &TensorAudit) -> String {
    tensor.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

fn short(error: f64) -> String {
    format!("{error:.1e}")
}

/// The page of the audits of some models, each with its [`StepCurve`]s, as HTML text.
pub fn html(audited: &[(Audited, Vec<StepCurve>)]) -> String {
    let names: Vec<String> = audited.iter().map(|(model, _)| model.arch.to_string()).collect();
    let mut sheet = Sheet::new(&format!("Audit of the gradients of {}", names.join(" and ")), &lead(audited));
    let failures: Vec<String> = audited.iter().flat_map(|(model, _)| model.failures()).collect();
    if !failures.is_empty() {
        sheet.push(html! { ul.failures { @for failure in &failures { li { (failure) } } } });
    }
    sheet.push(introduction());
    let mut data = PageData { values: Vec::new(), maps: Vec::new() };
    for (number, (model, curves)) in audited.iter().enumerate() {
        sheet.heading(&model.arch.to_string());
        sheet.text(&format!("{} parameters. Audited: {}.", model.parameters, model.what));
        sheet.figure(
            &distribution(&format!("Errors of all derivatives of {}", model.arch), &model.derivatives),
            "The audit passes if all errors against a witness are left of its bound. f32 is the error that training precision \
             adds; it has no bound.",
        );
        sheet.table(
            "Largest error of each tensor, relative to its largest derivative, and the element where it is.",
            &model.table(),
        );
        sheet.figure(
            &step_sizes(&format!("Error of central differences of {} by step", model.arch), curves),
            "A large step includes curvature (truncation), a small one loses digits (rounding): the best is between. f32 leaves a \
             few digits at best, so gradients are checked in f64. Faint: the element with the largest derivative of each tensor; \
             bold: their median. Elements in which the output is linear have no truncation.",
        );
        sheet.push(html! { h2 { "Every element of " (model.arch) } });
        if number == 0 {
            sheet.text(
                "One cell per element, laid out as the tensor's matrix; vectors are a row. i, f, g, o: the gates of an LSTM. Point \
                 at a cell for its numbers.",
            );
        }
        sheet.push(legend());
        for (derivatives, tensor) in model.derivatives.iter().zip(&model.tensors) {
            sheet.push(pictures(derivatives, tensor, &mut data));
        }
    }
    sheet.push(html! { div #element hidden {} });
    sheet.made_by();
    sheet.html_with(include_str!("audit_page/audit.css"), &data.json(), include_str!("audit_page/audit.js"))
}

/// The verdict.
fn lead(audited: &[(Audited, Vec<StepCurve>)]) -> String {
    let tensors: Vec<&TensorAudit> = audited.iter().flat_map(|(model, _)| &model.tensors).collect();
    let elements: usize = audited.iter().map(|(model, _)| model.elements()).sum();
    let failing = tensors.iter().filter(|tensor| !tensor.passes()).count();
    if failing > 0 {
        return format!(
            "EXCEEDS: {failing} of {} tensors differ from a witness by more than its bound.",
            tensors.len()
        );
    }
    let worst = |of: fn(&TensorAudit) -> f64| short(tensors.iter().map(|tensor| of(tensor)).fold(0.0, f64::max));
    format!(
        "Passed: the hand-written backward pass agrees with both witnesses in all {} tensors, {elements} elements. The largest \
         error is {} against dual numbers (bound {DUAL_BOUND:.0e}) and {} against central differences (bound {DIFFERENCE_BOUND:.0e}).",
        tensors.len(),
        worst(|tensor| tensor.dual.scaled_error),
        worst(|tensor| tensor.differences.scaled_error)
    )
}

fn introduction() -> Markup {
    html! {
        ul {
            li { b { "Dual numbers" } " carry a value and its derivative through the forward pass: exact, except for rounding." }
            li { b { "Central differences" } " move one parameter a little both ways and compare the outputs: simple, but approximate." }
            li { b { "f32" } " has 7 digits and f64 has 16: training uses f32 for speed, the audit f64." }
        }
    }
}

/// The colours of the maps, with both bounds.
fn legend() -> Markup {
    let [low, high] = SCALE;
    let at = |power: f64| format!("left:{:.1}%", 100.0 * (power - f64::from(low)) / f64::from(high - low));
    let colours: Vec<String> = DECADES.iter().map(|&colour| css(colour)).collect();
    html! {
        div.scale {
            div.ticks.above {
                span style=(at(DUAL_BOUND.log10())) { "bound of dual numbers ↓" }
                span style=(at(DIFFERENCE_BOUND.log10())) { "of differences ↓" }
            }
            div.bar style=(format!("background:linear-gradient(to right,{})", colours.join(","))) {}
            div.ticks { @for power in (low..=high).step_by(2) { span style=(at(f64::from(power))) { "1e" (power) } } }
            div.swatches {
                span { i style=(format!("background:{}", css(INK))) {} "exactly 0" }
                span { i style=(format!("background:{}", css(VERMILLION))) {} "exceeds its bound" }
                span { i.worst {} "the largest error" }
            }
        }
    }
}

fn css(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Three maps of one tensor.
fn pictures(derivatives: &Derivatives, tensor: &TensorAudit, data: &mut PageData) -> Markup {
    let gates = has_gates(tensor);
    let directions = derivatives.along != Along::Elements;
    let backward = data.add_values(&derivatives.backward);
    // Along elements, the derivatives are the gradient.
    let gradient = if directions { data.add_values(&derivatives.gradient) } else { backward };
    let maps = [
        Map {
            witness: "dual numbers",
            bound: Some(DUAL_BOUND),
            directions,
            values: backward,
            others: &derivatives.dual,
            own: &derivatives.backward,
            scale: largest(&derivatives.dual),
            errors: derivatives.dual_errors(),
        },
        Map {
            witness: "differences",
            bound: Some(DIFFERENCE_BOUND),
            directions,
            values: backward,
            others: &derivatives.differences,
            own: &derivatives.backward,
            scale: largest(&derivatives.differences),
            errors: derivatives.difference_errors(),
        },
        Map {
            witness: "f32",
            bound: None,
            directions: false,
            values: gradient,
            others: &derivatives.gradient_f32,
            own: &derivatives.gradient,
            scale: largest(&derivatives.gradient),
            errors: derivatives.f32_errors(),
        },
    ];
    html! {
        section {
            h3 {
                (tensor.name) " " small {
                    (shape(tensor)) ", "
                    @if tensor.passes() { "ok" } @else { span.exceeds { "EXCEEDS" } }
                }
            }
            div.maps { @for map in &maps { (map.markup(tensor, gates, data)) } }
        }
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// Whether the rows of a tensor are the gates i, f, g, o of an LSTM, one after the other.
fn has_gates(tensor: &TensorAudit) -> bool {
    let parts: Vec<&str> = tensor.name.split('.').collect();
    matches!(parts[..], [layer, name] if layer.starts_with("lstm") && name.ends_with("_l0"))
}

/// The errors against one witness as a picture.
struct Map<'a> {
    witness: &'a str,
    bound: Option<f64>,
    /// One cell per direction instead of per element.
    directions: bool,
    /// Number of the values by backward in [`PageData`].
    values: usize,
    /// The values by backward, in `f64`.
    own: &'a [f64],
    /// What they are compared with.
    others: &'a [f64],
    /// What errors are relative to.
    scale: f64,
    errors: Vec<f64>,
}

impl Map<'_> {
    /// `[rows, columns]`: a matrix as it is, a vector as a row.
    fn layout(&self, shape: &[usize]) -> [usize; 2] {
        match *shape {
            [rows, columns] if columns > 1 && !self.directions => [rows, columns],
            _ => [1, self.errors.len()],
        }
    }

    fn markup(&self, tensor: &TensorAudit, gates: bool, data: &mut PageData) -> Markup {
        let number = data.add_map(self, tensor, gates && !self.directions);
        let [rows, columns] = self.layout(&tensor.shape);
        let height = if rows == 1 { 22 } else { rows * (HEIGHT / rows).clamp(1, 12) };
        let (mut worst, mut error) = (0, 0.0);
        for (index, &other) in self.errors.iter().enumerate() {
            if other > error {
                (worst, error) = (index, other);
            }
        }
        let exceeds = self.bound.is_some_and(|bound| error > bound);
        let place = |index: usize, count: usize| 100.0 * (index as f64 + 0.5) / count as f64;
        let at = format!("left:{:.2}%;top:{:.2}%", place(worst % columns, columns), place(worst / columns, rows));
        let size = format!("at most {}", short(error));
        let cells = if self.directions { format!("{columns} directions, ") } else { String::new() };
        let along = if rows == 1 { ("across", "left") } else { ("down", "top") };
        html! {
            figure {
                figcaption { b { (self.witness) } " " (cells) (size) @if exceeds { ", EXCEEDS" } }
                div.map {
                    @if gates && !self.directions {
                        div class=(format!("gates {}", along.0)) { @for gate in ["i", "f", "g", "o"] { span { (gate) } } }
                    }
                    div.cells style=(format!("height:{height}px")) {
                        canvas data-map=(number) width=(columns) height=(rows) role="img"
                            aria-label=(format!("{}: errors of {}, {cells}{size}", self.witness, tensor.name)) {}
                        @if gates && !self.directions {
                            @for quarter in [25, 50, 75] {
                                i class=(format!("edge {}", along.0)) style=(format!("{}:{quarter}%", along.1)) {}
                            }
                        }
                        @if error > 0.0 {
                            i class=(if exceeds { "worst exceeds" } else { "worst" }) style=(at) {}
                        }
                    }
                }
            }
        }
    }
}

/// What the script draws.
struct PageData {
    /// Derivatives by backward, for several maps each.
    values: Vec<String>,
    maps: Vec<Value>,
}

impl PageData {
    /// 32-bit floats, little-endian, in base64; returns their number.
    fn add_values(&mut self, values: &[f64]) -> usize {
        let bytes: Vec<u8> = values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
        self.values.push(BASE64_STANDARD.encode(bytes));
        self.values.len() - 1
    }

    /// Returns the map's number. Errors have the sign of `other − own`, so that the page can write both.
    fn add_map(&mut self, map: &Map<'_>, tensor: &TensorAudit, gates: bool) -> usize {
        let pairs = map.errors.iter().zip(map.others.iter().zip(map.own));
        let bytes: Vec<u8> =
            pairs.flat_map(|(error, (other, own))| upper_half(error.copysign(other - own)).to_le_bytes()).collect();
        self.maps.push(json!({
            "name": tensor.name, "shape": tensor.shape, "gates": gates, "directions": map.directions,
            "witness": map.witness, "bound": map.bound, "largest": map.scale, "values": map.values,
            "errors": BASE64_STANDARD.encode(bytes),
        }));
        self.maps.len() - 1
    }

    fn json(&self) -> Value {
        let triple = |RGBColor(red, green, blue): RGBColor| [red, green, blue];
        json!({ "values": self.values, "maps": self.maps, "decades": SCALE, "colours": DECADES.map(triple),
                "zero": triple(INK), "exceeds": triple(VERMILLION) })
    }
}

/// The upper half of a 32-bit float, rounded: two digits.
fn upper_half(value: f64) -> u16 {
    (((value as f32).to_bits() + 0x8000) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audit::finite_difference::step_curves;
    use reslstm::audit::subjects::ModelSubject;
    use reslstm::audit::{derivatives, in_order, random_point};
    use reslstm::packed::{Packed, Padding};

    /// The audit of a small model in which `change` plants a fault.
    fn audited(along: Along, change: impl FnOnce(&mut [Derivatives])) -> (Audited, Vec<StepCurve>) {
        let arch: Architecture = "lstm-sa-h3".parse().unwrap();
        let subject = ModelSubject::new(arch, Packed::new(&[3, 2], Padding::Ignored), 5, 4, 0.0);
        let point = random_point(&subject, 0);
        let mut derivatives = derivatives(&subject, &point, along, in_order);
        change(&mut derivatives);
        let tensors = derivatives.iter().map(Derivatives::summary).collect();
        let curves = step_curves(&subject, &point, &super::super::audit_figures::steps());
        let what = "two clips".to_string();
        (Audited { arch, parameters: 7, what, derivatives, tensors, seconds: 1.0 }, curves)
    }

    #[test]
    fn the_page_has_every_tensor_with_three_pictures_and_the_verdict_first() {
        let (model, curves) = audited(Along::Elements, |_| {});
        let html = html(&[(model.clone(), curves)]);
        let body = &html[html.find("<body>").unwrap()..];
        assert!(body.find("<p class=\"lead\">Passed: ").unwrap() < body.find("<figure").unwrap());
        for TensorAudit { name, .. } in &model.tensors {
            assert!(body.contains(&format!("<th scope=\"row\">{name}</th>")), "{name}");
            for witness in ["dual numbers", "differences", "f32"] {
                let label = format!("aria-label=\"{witness}: errors of {name}, at most ");
                assert_eq!(body.matches(&label).count(), 1, "{label}");
            }
        }
        assert!(!body.contains("EXCEEDS") && !body.contains("worst exceeds"));
        // Two matrices and two biases, three maps each.
        assert_eq!([body.matches("gates down").count(), body.matches("gates across").count()], [6, 6]);
        assert!(!html.contains("://"), "the page names no address");
    }

    #[test]
    fn a_planted_wrong_gradient_exceeds_and_its_element_is_marked() {
        let (model, curves) = audited(Along::Elements, |all| {
            let weight = &mut all[0];
            assert_eq!((weight.name.as_str(), &weight.shape[..]), ("lstm.weight_ih_l0", &[12, 5][..]));
            weight.backward[7 * 5 + 3] += 1e-3 * largest(&weight.dual);
        });
        assert_eq!(model.failures().len(), 1);
        let html = html(&[(model, curves)]);
        assert!(html.contains("<p class=\"lead\">EXCEEDS: 1 of 10 tensors differ from a witness"));
        assert!(html.contains("<li>lstm-sa-h3 lstm.weight_ih_l0: at [7, 3] backward gives "));
        // Row 7 of 12, column 3 of 5, against both witnesses and nowhere else.
        let mark = "<i class=\"worst exceeds\" style=\"left:70.00%;top:62.50%\"></i>";
        assert_eq!([html.matches(mark).count(), html.matches("worst exceeds\"").count()], [2, 2]);
    }

    #[test]
    fn directions_are_a_row_and_f32_keeps_its_elements() {
        let (model, curves) = audited(Along::Directions(8), |_| {});
        let html = html(&[(model, curves)]);
        assert!(html.contains("dual numbers: errors of lstm.weight_ih_l0, 8 directions, at most "));
        assert!(html.contains("f32: errors of lstm.weight_ih_l0, at most "));
        assert!(html.contains("width=\"8\" height=\"1\"") && html.contains("width=\"5\" height=\"12\""));
    }

    #[test]
    fn errors_keep_two_digits_zero_and_infinity() {
        let read = |half: u16| f64::from(f32::from_bits(u32::from(half) << 16));
        for error in [2.1e-15, -3.7e-7, 0.9, 1e30] {
            assert!((read(upper_half(error)) / error - 1.0).abs() < 4e-3, "{error}");
        }
        assert_eq!([read(upper_half(0.0)), read(upper_half(f64::INFINITY))], [0.0, f64::INFINITY]);
    }
}
