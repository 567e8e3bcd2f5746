//! Following the network from node to node: which operation of which stages is which stage.

use super::constant::Constant;
use super::node::Node;
use super::sizes;
use super::value::{Axis, Layout, Stage, Value, place, places};
use crate::onnx::network::{EPSILON, GATES};
use crate::onnx::proto::{FLOAT, INT64, NodeProto};
use reslstm::error::{Error, Kind, Result};
use std::collections::HashMap;
use std::rc::Rc;

/// The network's weights, as far as they were met.
#[derive(Debug, Default)]
pub struct Found {
    /// Mean and standard deviation that features are normalised by.
    pub normalisation: Option<(Vec<f32>, Vec<f32>)>,
    mean: Vec<f32>,
    /// The columns that are read, if it is not said that all are.
    pub columns: Option<Vec<usize>>,
    /// What the first LSTM reads.
    input: Option<Stage>,
    lstms: Vec<[Constant; 4]>,
    bn_residual: Option<[Constant; 4]>,
    attention_vector: Option<Constant>,
    /// The LSTM whose hidden states the attention weighs, from 1.
    attended: usize,
    bn: Option<[Constant; 4]>,
    fc: Vec<Constant>,
}

/// The values of a graph by name.
pub struct Walk<'a> {
    values: HashMap<&'a str, Value>,
    found: Found,
}

impl<'a> Walk<'a> {
    /// Begins with constants and the features: their name, axes, number of frames and of columns.
    pub fn new(
        constants: &HashMap<&'a str, Rc<Constant>>,
        (features, axes, frames, columns): (&'a str, Vec<Axis>, usize, usize),
    ) -> Self {
        let mut values: HashMap<&str, Value> =
            constants.iter().map(|(&name, constant)| (name, Value::Constant(Rc::clone(constant)))).collect();
        values.insert(features, Value::Stage(Stage::Features, Layout { axes, frames, columns }));
        Walk { values, found: Found::default() }
    }

    /// The weights met on the way through these nodes to one of the outputs.
    ///
    /// # Errors
    /// [`Kind::Model`], naming the first node that is no part of the network, or if no output has the logits or probabilities.
    pub fn through(mut self, nodes: impl IntoIterator<Item = &'a NodeProto>, outputs: &[String]) -> Result<Found> {
        for node in nodes.into_iter().filter(|node| node.op_type != "Constant").map(Node) {
            let value = self.value(node)?;
            let mut names = node.0.output.iter().map(String::as_str);
            names.next().map(|name| self.values.insert(name, value));
            names.for_each(|name| _ = self.values.insert(name, Value::Unused));
        }
        let is_result = |output: &String| {
            matches!(self.values.get(&output[..]), Some(Value::Stage(Stage::Logits | Stage::Probabilities, _)))
        };
        if !outputs.iter().any(is_result) || self.found.attended != self.found.lstms.len() {
            let problem = "expected an output with the logits or probabilities of LSTM-SA or ResLSTM-SA, found none";
            return Err(Error::new(Kind::Model, problem).at("graph outputs").advice(super::WHAT_IS_READ));
        }
        Ok(self.found)
    }

    fn value(&mut self, node: Node<'a>) -> Result<Value> {
        if !["", "ai.onnx"].contains(&node.0.domain.as_str()) {
            return Err(node.error(format!("expected a standard operator, got one of {}", node.0.domain)));
        }
        let known = |(place, name): (usize, &'a String)| match self.values.get(name.as_str()) {
            None if !name.is_empty() => Err(node.error(format!("input {place}, {name}, is no earlier output"))),
            value => Ok(value),
        };
        let inputs = node.0.input.iter().enumerate().map(known).collect::<Result<Vec<_>>>()?;
        self.found.step(node, &inputs)?.ok_or_else(|| {
            let read: Vec<String> = inputs.iter().flatten().map(ToString::to_string).collect();
            node.error(format!("no such step in LSTM-SA or ResLSTM-SA: {} of {}", node.op(), read.join(" and ")))
        })
    }
}

impl Found {
    /// The value of a node; `None` if it is no step of the network.
    fn step(&mut self, node: Node, inputs: &[Option<&Value>]) -> Result<Option<Value>> {
        use Value::{Constant as Fixed, Zeros};
        Ok(match (node.op(), inputs) {
            ("Identity" | "Dropout", [Some(value)]) => Some((*value).clone()),
            ("Cast", [Some(value)]) if node.int("to", 0) == i64::from(type_of(value)) => Some((*value).clone()),
            ("ConstantOfShape", _) if node.is_zero("value") => Some(Zeros),
            ("Expand", [Some(Fixed(constant)), _]) if is_zero(constant) => Some(Zeros),
            ("Shape", [Some(Value::Stage(_, layout))]) => shape(node, layout).map(Rc::new).map(Fixed),
            ("LSTM", [Some(Value::Stage(stage, layout)), rest @ ..]) => self.lstm(node, *stage, layout, rest)?,
            (_, [Some(Fixed(first)), ..]) if first.whole.is_some() => {
                let constants = inputs.iter().map(|input| if let Some(Fixed(it)) = input { Some(&**it) } else { None });
                let constants = constants.collect::<Option<Vec<&Constant>>>();
                constants.and_then(|constants| sizes::compute(node, &constants)).map(Rc::new).map(Fixed)
            }
            (_, [Some(Value::Stage(stage, layout)), rest @ ..]) => match moved(node, layout, rest) {
                Some(layout) => Some(Value::Stage(*stage, layout)),
                None => self.next_stage(node, *stage, layout, rest)?,
            },
            ("Add" | "Mul", [Some(fixed), Some(Value::Stage(stage, layout))]) => {
                self.next_stage(node, *stage, layout, &[Some(fixed)])?
            }
            _ => None,
        })
    }

    /// The stage after `stage`, whose axes are `layout`.
    fn next_stage(
        &mut self,
        node: Node,
        stage: Stage,
        layout: &Layout,
        others: &[Option<&Value>],
    ) -> Result<Option<Value>> {
        use Stage::*;
        use Value::{Constant as Fixed, Stage as At};
        let next = |stage, layout: Layout| Some(At(stage, layout));
        let same = |stage| next(stage, layout.clone());
        Ok(match (node.op(), stage, others) {
            ("Sub", Features, [Some(Fixed(mean))]) if is_row(mean, layout) => {
                self.mean.clone_from(&mean.values);
                same(Centred)
            }
            ("Div", Centred, [Some(Fixed(std))]) if is_row(std, layout) => {
                self.normalisation = Some((std::mem::take(&mut self.mean), std.values.clone()));
                same(Normalised)
            }
            ("Gather", Features | Normalised, [Some(Fixed(places))]) if self.columns.is_none() => {
                let columns = columns_at(node, layout, places);
                self.columns.clone_from(&columns);
                columns.and_then(|columns| next(stage, layout.with(layout.axes.clone(), columns.len())))
            }
            ("Add", Hidden(1), [Some(At(other, axes))]) if self.input == Some(*other) && axes == layout => same(Sum),
            ("Add", other, [Some(At(Hidden(1), axes))]) if self.input == Some(other) && axes == layout => same(Sum),
            ("BatchNormalization", Sum, weights) => {
                self.bn_residual = Some(batch_norm(node, layout, weights)?);
                same(Enriched)
            }
            ("MatMul", Hidden(lstm), [Some(Fixed(u))]) if ends_with(layout, Axis::Column) => {
                let &[hidden, vectors] = &u.dims[..] else { return Ok(None) };
                if hidden as usize != layout.columns || self.attended != 0 {
                    return Ok(None);
                }
                (self.attention_vector, self.attended) = (Some(Constant::clone(u)), lstm);
                let mut axes = layout.axes.clone();
                // A single vector is an axis of size 1.
                *axes.last_mut().expect("one ends with columns") = if vectors == 1 { Axis::One } else { Axis::Column };
                next(Scores, layout.with(axes, vectors as usize))
            }
            ("Softmax", Scores, []) if layout.axis(node.int("axis", -1)) == Some(Axis::Frame) => {
                same(if layout.axes.contains(&Axis::Column) { Attention } else { Alpha })
            }
            ("ReduceMean", Attention | Alpha, _) => reduced(node, layout, others, |axis| axis != Axis::Frame)
                .and_then(|layout| (!layout.axes.contains(&Axis::Column)).then_some(At(Alpha, layout))),
            ("Mul", Alpha, [Some(At(Hidden(lstm), hidden))]) if *lstm == self.attended => {
                aligned(layout, hidden).then(|| At(Weighted, hidden.clone()))
            }
            ("Mul", Hidden(lstm), [Some(At(Alpha, alpha))]) if lstm == self.attended => {
                if aligned(alpha, layout) {
                    same(Weighted)
                } else {
                    None
                }
            }
            ("ReduceSum", Weighted, _) => {
                reduced(node, layout, others, |axis| axis == Axis::Frame).and_then(|layout| next(Context, layout))
            }
            ("MatMul", Alpha, [Some(At(Hidden(lstm), hidden))]) if *lstm == self.attended => {
                sum_over_frames(layout, hidden).and_then(|layout| next(Context, layout))
            }
            ("Einsum", Alpha, [Some(At(Hidden(lstm), hidden))]) if *lstm == self.attended => {
                einsum(node, [layout, hidden], hidden).and_then(|layout| next(Context, layout))
            }
            ("Einsum", Hidden(lstm), [Some(At(Alpha, alpha))]) if lstm == self.attended => {
                einsum(node, [layout, alpha], layout).and_then(|layout| next(Context, layout))
            }
            ("BatchNormalization", Context, weights) => {
                self.bn = Some(batch_norm(node, layout, weights)?);
                same(NormalisedContext)
            }
            ("Gemm", Context | NormalisedContext, [Some(Fixed(weight)), Some(Fixed(bias))])
                if node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0 && node.int("transA", 0) == 0 =>
            {
                let weight =
                    if node.int("transB", 0) == 0 { transposed(weight) } else { Some(Constant::clone(weight)) };
                self.linear(layout, weight, Some(&**bias)).and_then(|layout| next(Logits, layout))
            }
            ("MatMul", Context | NormalisedContext, [Some(Fixed(weight))]) => {
                self.linear(layout, transposed(weight), None).and_then(|layout| next(Products, layout))
            }
            ("Add", Products, [Some(Fixed(bias))]) if is_row(bias, layout) => {
                self.fc.push(Constant::clone(bias));
                same(Logits)
            }
            ("Softmax", Logits, []) if layout.axis(node.int("axis", -1)) == Some(Axis::Column) => same(Probabilities),
            _ => None,
        })
    }

    /// An LSTM on the features or, the second, on the residual sum.
    fn lstm(&mut self, node: Node, stage: Stage, layout: &Layout, rest: &[Option<&Value>]) -> Result<Option<Value>> {
        match (stage, self.lstms.len()) {
            (Stage::Features | Stage::Normalised, 0) => self.input = Some(stage),
            // Without batch norm it was folded into these weights.
            (Stage::Sum | Stage::Enriched, 1) => {}
            _ => return Ok(None),
        }
        let is_plain = node.text_is("direction", "forward")
            && node.int("layout", 0) == 0
            && node.int("input_forget", 0) == 0
            && !["activations", "clip"].iter().any(|name| node.has(name));
        if !is_plain {
            return Err(node.error("expected a forward LSTM with the usual activations, frames first"));
        }
        if layout.axes != [Axis::Frame, Axis::One, Axis::Column] {
            return Err(node.error("expected frames on its first axis, one clip on its second, features on its third"));
        }
        let &[Some(Value::Constant(w)), Some(Value::Constant(r)), Some(Value::Constant(b)), ref rest @ ..] = rest
        else {
            return Err(node.error("expected constant weights W, R and biases B"));
        };
        let [lengths, h, c, peepholes] = [0, 1, 2, 3].map(|place| rest.get(place).copied().flatten());
        let starts_at_zero = |state: Option<&Value>| match state {
            None | Some(Value::Zeros) => true,
            Some(Value::Constant(constant)) => is_zero(constant),
            Some(_) => false,
        };
        if lengths.is_some() || peepholes.is_some() || !starts_at_zero(h) || !starts_at_zero(c) {
            return Err(node.error("expected no lengths and no peepholes, and states that start at zero"));
        }
        let hidden = r.shape().get(2).copied().unwrap_or(0);
        // A size that overflows is in no file.
        let gates = hidden.saturating_mul(4);
        let expected = [vec![1, gates, layout.columns], vec![1, gates, hidden], vec![1, gates.saturating_mul(2)]];
        let got = [w, r, b].map(|weights| weights.shape());
        if got != expected {
            return Err(node.error(format!("expected W, R and B of shapes {expected:?}, got {got:?}")));
        }
        let (b_ih, b_hh) = b.values.split_at(gates);
        self.lstms.push([
            Constant::new(&[gates, layout.columns], in_our_order(&w.values)),
            Constant::new(&[gates, hidden], in_our_order(&r.values)),
            Constant::new(&[gates], in_our_order(b_ih)),
            Constant::new(&[gates], in_our_order(b_hh)),
        ]);
        let axes = vec![Axis::Frame, Axis::One, Axis::One, Axis::Column];
        Ok(Some(Value::Stage(Stage::Hidden(self.lstms.len()), layout.with(axes, hidden))))
    }

    /// The last layer, of the context `[1,H]`, with `weight` `[K,H]`.
    fn linear(&mut self, layout: &Layout, weight: Option<Constant>, bias: Option<&Constant>) -> Option<Layout> {
        let weight = weight?;
        let &[classes, hidden] = &weight.shape()[..] else { return None };
        let fits = ends_with(layout, Axis::Column) && hidden == layout.columns && self.fc.is_empty();
        let result = layout.with(layout.axes.clone(), classes);
        if !fits || bias.is_some_and(|bias| !is_row(bias, &result)) {
            return None;
        }
        self.fc = [weight].into_iter().chain(bias.cloned()).collect();
        Some(result)
    }

    /// The weights under the names of the published state dict.
    pub fn state_dict(&self) -> Vec<(String, Constant)> {
        let names: &[&str] = if self.lstms.len() == 1 { &["lstm"] } else { &["lstm1", "lstm2"] };
        let mut tensors = Vec::new();
        let mut add = |name: String, constant: Constant| tensors.push((name, constant));
        for (layer, weights) in names.iter().zip(&self.lstms) {
            for (part, weight) in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].iter().zip(weights) {
                add(format!("{layer}.{part}_l0"), weight.clone());
            }
        }
        let mut norms = vec![("bn", &self.bn, self.lstms.last())];
        if let [_, _] = self.lstms[..] {
            norms.push(("bn_residual", &self.bn_residual, self.lstms.first()));
        }
        for (layer, norm, lstm) in norms {
            // As many as the LSTM below has units.
            let units = lstm.map_or(0, |[_, recurrent, ..]| recurrent.shape()[1]);
            let parts = ["weight", "bias", "running_mean", "running_var"];
            for (part, values) in parts.iter().zip(norm.clone().unwrap_or_else(|| folded(units))) {
                add(format!("{layer}.{part}"), values);
            }
        }
        self.attention_vector.iter().for_each(|vector| add("attention_vector".into(), vector.clone()));
        for (part, values) in ["weight", "bias"].iter().zip(&self.fc) {
            add(format!("fc.{part}"), values.clone());
        }
        tensors
    }
}

/// The ONNX type that a value has or may be cast to without a change.
fn type_of(value: &Value) -> i32 {
    if matches!(value, Value::Constant(constant) if constant.whole.is_some()) { INT64 } else { FLOAT }
}

/// A batch norm that changes nothing: it was folded into the weights above it.
fn folded(units: usize) -> [Constant; 4] {
    [1.0, 0.0, 0.0, 1.0 - EPSILON].map(|value| Constant::new(&[units], vec![value; units]))
}

/// The weights of a batch norm over the columns.
fn batch_norm(node: Node, layout: &Layout, weights: &[Option<&Value>]) -> Result<[Constant; 4]> {
    if layout.axis(1) != Some(Axis::Column) {
        return Err(node.error("expected units on axis 1"));
    }
    if node.float("epsilon", EPSILON) != EPSILON || node.int("training_mode", 0) != 0 {
        return Err(node.error("expected epsilon 1e-5, in evaluation"));
    }
    let constants = weights.iter().map(|weight| match weight {
        Some(Value::Constant(constant)) if constant.shape() == [layout.columns] => Some(Constant::clone(constant)),
        _ => None,
    });
    let constants: Option<Vec<Constant>> = constants.collect();
    let constants = constants.and_then(|constants| <[Constant; 4]>::try_from(constants).ok());
    constants.ok_or_else(|| node.error(format!("expected four constants of {} values each", layout.columns)))
}

/// The axes after a node that only moves them; `None` if it does something else.
fn moved(node: Node, layout: &Layout, rest: &[Option<&Value>]) -> Option<Layout> {
    let numbers = |place: usize| match rest.get(place).copied().flatten() {
        Some(Value::Constant(constant)) => constant.whole.as_deref(),
        _ => None,
    };
    match node.op() {
        "Transpose" => layout.transposed(node.ints("perm")?),
        "Squeeze" => layout.squeezed(node.ints("axes").or_else(|| numbers(0))),
        "Unsqueeze" => layout.unsqueezed(node.ints("axes").or_else(|| numbers(0))?),
        "Reshape" => layout.reshaped(numbers(0)?, node.int("allowzero", 0) == 1),
        // The only place of an axis of size 1.
        "Gather" => match (numbers(0)?, rest[0]) {
            (&[0 | -1], Some(Value::Constant(index))) if index.dims.is_empty() => {
                let axis = node.int("axis", 0);
                (layout.axis(axis)? == Axis::One).then(|| layout.squeezed(Some(&[axis])))?
            }
            _ => None,
        },
        _ => None,
    }
}

/// The columns that a node takes; `None` if it takes something else.
fn columns_at(node: Node, layout: &Layout, places: &Constant) -> Option<Vec<usize>> {
    let is_list = places.dims.len() == 1 && layout.axis(node.int("axis", 0)) == Some(Axis::Column);
    let column = |&place: &i64| usize::try_from(place).ok().filter(|&place| place < layout.columns);
    places.whole.as_ref().filter(|_| is_list)?.iter().map(column).collect()
}

/// The axes after a mean or sum over axes for all of which `fits` holds.
fn reduced(node: Node, layout: &Layout, rest: &[Option<&Value>], fits: fn(Axis) -> bool) -> Option<Layout> {
    let axes = match (node.ints("axes"), rest) {
        (Some(axes), _) => axes,
        (None, [Some(Value::Constant(axes))]) => axes.whole.as_deref()?,
        _ => return None,
    };
    let places = places(axes, layout.axes.len())?;
    if places.is_empty() || !places.iter().all(|&place| fits(layout.axes[place])) {
        return None;
    }
    Some(if node.int("keepdims", 1) == 1 { layout.collapsed(&places) } else { layout.without(&places) })
}

/// Whether every frame's weight meets the units of that frame, when sizes of 1 are stretched from the last axis on.
fn aligned(alpha: &Layout, hidden: &Layout) -> bool {
    let missing = hidden.axes.len().saturating_sub(alpha.axes.len());
    let stretched = std::iter::repeat_n(Axis::One, missing).chain(alpha.axes.iter().copied());
    let expected = hidden.axes.iter().map(|&axis| if axis == Axis::Frame { Axis::Frame } else { Axis::One });
    alpha.axes.len() <= hidden.axes.len() && stretched.eq(expected)
}

/// The axes of the product of weights `[…,1,T]` and hidden states `[…,T,H]`.
fn sum_over_frames(alpha: &Layout, hidden: &Layout) -> Option<Layout> {
    let ([clips @ .., Axis::One, Axis::Frame], [same @ .., Axis::Frame, Axis::Column]) =
        (&alpha.axes[..], &hidden.axes[..])
    else {
        return None;
    };
    (clips == same).then(|| hidden.with([clips, &[Axis::One, Axis::Column]].concat(), hidden.columns))
}

/// The axes of a sum over the frames that is written with letters, such as `bt,bth->bh`.
fn einsum(node: Node, factors: [&Layout; 2], hidden: &Layout) -> Option<Layout> {
    let equation = node.text("equation")?.replace(' ', "");
    let (letters, result) = equation.split_once("->")?;
    let letters = <[&str; 2]>::try_from(letters.split(',').collect::<Vec<_>>()).ok()?;
    let mut meaning = HashMap::new();
    for (letters, factor) in letters.iter().zip(factors) {
        let same = |(letter, &axis): (char, &Axis)| *meaning.entry(letter).or_insert(axis) == axis;
        if letters.len() != factor.axes.len() || !letters.chars().zip(&factor.axes).all(same) {
            return None;
        }
    }
    let axes = result.chars().map(|letter| meaning.get(&letter).copied()).collect::<Option<Vec<_>>>()?;
    // Frames have the same letter in both, and are summed; columns stay.
    let frames = meaning.values().filter(|&&axis| axis == Axis::Frame).count();
    let columns = axes.iter().filter(|&&axis| axis == Axis::Column).count();
    (frames == 1 && columns == 1 && !axes.contains(&Axis::Frame)).then(|| hidden.with(axes, hidden.columns))
}

fn shape(node: Node, layout: &Layout) -> Option<Constant> {
    let sizes = layout.sizes();
    let end = node.int("end", sizes.len() as i64);
    let end = if end == sizes.len() as i64 { sizes.len() } else { place(end, sizes.len())? };
    Some(sizes::list(sizes.get(place(node.int("start", 0), sizes.len())?..end)?.to_vec()))
}

fn ends_with(layout: &Layout, axis: Axis) -> bool {
    layout.axes.last() == Some(&axis)
}

/// Whether a constant has one value per column, and columns are the last axis.
fn is_row(constant: &Constant, layout: &Layout) -> bool {
    ends_with(layout, Axis::Column) && constant.shape() == [layout.columns]
}

fn is_zero(constant: &Constant) -> bool {
    constant.values.iter().all(|&value| value == 0.0)
}

fn transposed(matrix: &Constant) -> Option<Constant> {
    let &[rows, columns] = &matrix.shape()[..] else { return None };
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| matrix.values[r * columns + c])).collect();
    Some(Constant::new(&[columns, rows], values))
}

/// Rows of the four gates, from ONNX's order i, o, f, g to i, f, g, o.
fn in_our_order(gates: &[f32]) -> Vec<f32> {
    let quarter = gates.len() / 4;
    GATES.iter().flat_map(|&place| &gates[place * quarter..][..quarter]).copied().collect()
}
