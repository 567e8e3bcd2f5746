//! What is known of a value of the graph, before any number is computed.

use super::constant::Constant;
use std::fmt;
use std::rc::Rc;

/// A value of the graph.
#[derive(Clone, Debug)]
pub enum Value {
    /// Known before the graph runs: weights, and sizes, axes and places.
    Constant(Rc<Constant>),
    /// Zeros of whatever shape: the state before the first frame.
    Zeros,
    /// A stage of the network.
    Stage(Stage, Layout),
    /// A second output, which nothing may read: the states after the last frame.
    Unused,
}

/// How far the network has come. `Hidden(1)` is read off the first LSTM, `Hidden(2)` off the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Features,
    /// Features without their mean.
    Centred,
    Normalised,
    Hidden(usize),
    /// The first LSTM's hidden states and its input.
    Sum,
    /// The sum, normalised.
    Enriched,
    Scores,
    /// A softmax over the frames for each attention vector.
    Attention,
    /// The weight of every frame.
    Alpha,
    /// Hidden states times their weights.
    Weighted,
    Context,
    NormalisedContext,
    /// Logits before their bias.
    Products,
    Logits,
    Probabilities,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Constant(constant) => return write!(f, "a constant of shape {:?}", constant.dims),
            Value::Zeros => "zeros",
            Value::Unused => "the last states of an LSTM",
            Value::Stage(stage, _) => match stage {
                Stage::Features => "the features",
                Stage::Centred => "the features without their mean",
                Stage::Normalised => "the normalised features",
                Stage::Hidden(1) => "the hidden states of the first LSTM",
                Stage::Hidden(_) => "the hidden states of the second LSTM",
                Stage::Sum => "the residual sum",
                Stage::Enriched => "the residual sum after batch norm",
                Stage::Scores => "the attention scores",
                Stage::Attention => "the attention of each vector",
                Stage::Alpha => "the attention weights",
                Stage::Weighted => "the weighted hidden states",
                Stage::Context => "the context vector",
                Stage::NormalisedContext => "the context vector after batch norm",
                Stage::Products => "the logits without bias",
                Stage::Logits => "the logits",
                Stage::Probabilities => "the probabilities",
            },
        })
    }
}

/// What an axis of a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Of size 1: the one clip, or an axis without meaning.
    One,
    /// One place per frame.
    Frame,
    /// What each frame, or the clip, has: features, units, attention vectors, classes.
    Column,
}

/// The axes of a stage, and their sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub axes: Vec<Axis>,
    pub frames: usize,
    pub columns: usize,
}

impl Layout {
    /// The same frames with these axes and this number of columns.
    pub fn with(&self, axes: Vec<Axis>, columns: usize) -> Self {
        Layout { axes, columns, frames: self.frames }
    }

    /// The size of every axis.
    pub fn sizes(&self) -> Vec<i64> {
        let size = |axis: &Axis| match axis {
            Axis::One => 1,
            Axis::Frame => self.frames as i64,
            Axis::Column => self.columns as i64,
        };
        self.axes.iter().map(size).collect()
    }

    /// What the axis of this number is; negative numbers count from the end.
    pub fn axis(&self, number: i64) -> Option<Axis> {
        place(number, self.axes.len()).map(|place| self.axes[place])
    }

    /// The axes in another order.
    pub fn transposed(&self, order: &[i64]) -> Option<Self> {
        let mut seen: Vec<i64> = order.to_vec();
        seen.sort_unstable();
        if !seen.into_iter().eq(0..self.axes.len() as i64) {
            return None;
        }
        Some(self.with(order.iter().map(|&axis| self.axes[axis as usize]).collect(), self.columns))
    }

    /// Without these axes, which are of size 1; without all such if none is named.
    pub fn squeezed(&self, axes: Option<&[i64]>) -> Option<Self> {
        let places = match axes {
            Some(axes) => places(axes, self.axes.len())?,
            None => (0..self.axes.len()).filter(|&place| self.axes[place] == Axis::One).collect(),
        };
        places.iter().all(|&place| self.axes[place] == Axis::One).then(|| self.without(&places))
    }

    /// With new axes of size 1 at these places of the result.
    pub fn unsqueezed(&self, axes: &[i64]) -> Option<Self> {
        let rank = self.axes.len() + axes.len();
        let places = places(axes, rank)?;
        let mut rest = self.axes.iter();
        let axis = |place| if places.contains(&place) { Some(Axis::One) } else { rest.next().copied() };
        Some(self.with((0..rank).map(axis).collect::<Option<_>>()?, self.columns))
    }

    /// Without these places.
    pub fn without(&self, places: &[usize]) -> Self {
        let kept = (0..self.axes.len()).filter(|place| !places.contains(place));
        self.with(kept.map(|place| self.axes[place]).collect(), self.columns)
    }

    /// These axes with size 1.
    pub fn collapsed(&self, places: &[usize]) -> Self {
        let axis = |place| if places.contains(&place) { Axis::One } else { self.axes[place] };
        self.with((0..self.axes.len()).map(axis).collect(), self.columns)
    }

    /// The same values with other sizes, where only axes of size 1 come and go: of frames and columns, none is cut or joined.
    pub fn reshaped(&self, sizes: &[i64], zero_is_a_size: bool) -> Option<Self> {
        let now = self.sizes();
        let copied = |(place, &size): (usize, &i64)| match size {
            0 if !zero_is_a_size => now.get(place).copied(),
            size => Some(size),
        };
        let mut sizes = sizes.iter().enumerate().map(copied).collect::<Option<Vec<i64>>>()?;
        if let Some(rest) = sizes.iter().position(|&size| size == -1) {
            let others: Vec<i64> = sizes.iter().copied().filter(|&size| size != -1).collect();
            sizes[rest] = product(&now)?.checked_div(product(&others)?)?;
        }
        let mut meaning = self.axes.iter().zip(&now).filter(|(axis, _)| **axis != Axis::One);
        let mut axes = Vec::new();
        for size in sizes {
            match size {
                1 => axes.push(Axis::One),
                _ => axes.push(*meaning.next().filter(|(_, now)| **now == size)?.0),
            }
        }
        meaning.next().is_none().then(|| self.with(axes, self.columns))
    }
}

/// `None` if it is beyond all sizes.
fn product(sizes: &[i64]) -> Option<i64> {
    sizes.iter().try_fold(1i64, |product, &size| product.checked_mul(size))
}

/// An axis counted from 0, of one that may count from the end.
pub fn place(axis: i64, rank: usize) -> Option<usize> {
    let from_start = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(from_start).ok().filter(|&place| place < rank)
}

/// [`place`] of several axes.
pub fn places(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    axes.iter().map(|&axis| place(axis, rank)).collect()
}

#[cfg(test)]
mod tests {
    use super::Axis::{Column, Frame, One};
    use super::*;

    fn layout(axes: &[Axis]) -> Layout {
        Layout { axes: axes.to_vec(), frames: 7, columns: 4 }
    }

    #[test]
    fn axes_follow_transposition_and_axes_of_size_1() {
        let hidden = layout(&[Frame, One, One, Column]);
        assert_eq!(hidden.squeezed(Some(&[1])).unwrap(), layout(&[Frame, One, Column]));
        assert_eq!(hidden.squeezed(None).unwrap(), layout(&[Frame, Column]));
        assert_eq!(hidden.squeezed(Some(&[0])), None);
        assert_eq!(hidden.transposed(&[0, 2, 3, 1]).unwrap(), layout(&[Frame, One, Column, One]));
        assert_eq!(hidden.transposed(&[0, 2, 2, 1]), None);
        assert_eq!(layout(&[Frame, Column]).unsqueezed(&[0, -1]).unwrap(), layout(&[One, Frame, Column, One]));
    }

    #[test]
    fn reshaping_keeps_frames_and_columns_apart() {
        let hidden = layout(&[Frame, One, One, Column]);
        let sizes = |sizes: &[i64]| hidden.reshaped(sizes, false).map(|layout| layout.axes);
        assert_eq!(sizes(&[7, 1, 4]), Some(vec![Frame, One, Column]));
        assert_eq!(sizes(&[-1, 4]), Some(vec![Frame, Column]));
        assert_eq!(sizes(&[0, 0, -1]), Some(vec![Frame, One, Column]));
        for joined_or_cut in [&[28][..], &[4, 7], &[7, 2, 2], &[-1, -1], &[0, 0, 0, 0, 0], &[i64::MAX, i64::MAX, -1]] {
            assert_eq!(sizes(joined_or_cut), None, "{joined_or_cut:?}");
        }
        assert_eq!(hidden.reshaped(&[0, -1], true), None);
    }
}
